"""Send requests with ``httpx2`` or ``httpx``, on asyncio or trio.

httpx2 continues httpx, which has had no release since December 2024. Both have the same interface, and the
exceptions of each are its own.
"""

from __future__ import annotations

import contextlib
import os
import sys
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

import anyio
import httpx2

from netmind_client._api import cut
from netmind_client._http import NoResponse, Response
from netmind_client.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from netmind_client._flows.effects import Send

    AsyncClient = httpx2.AsyncClient | httpx.AsyncClient

# Raised before anything is sent. Used if the transport reports no events about what it has sent.
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")  # environment variables
_NEVER_SENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol")


# Of connections: a port that does not exist is an OverflowError, several failed attempts are a group.
_OTHER_ERRORS = (OSError, ValueError, OverflowError, ExceptionGroup)


class _Library:
    """The exceptions of the library that a client belongs to."""

    def __init__(self, library: Any) -> None:
        self.errors = (library.HTTPError, library.InvalidURL, library.StreamError, *_OTHER_ERRORS)
        self.never_sent = tuple(getattr(library, name) for name in _NEVER_SENT)
        self.timed_out = library.TimeoutException


def _library(client: object) -> _Library:
    """Return the library of a client.

    Raises:
        ConfigurationError: It is not a client of httpx2 or httpx.
    """
    for name in ("httpx2", "httpx"):
        library: Any = sys.modules.get(name)
        if library is not None and isinstance(client, library.AsyncClient):
            return _exceptions_of(name)
    raise ConfigurationError(
        f"http_client: expected a httpx2.AsyncClient or httpx.AsyncClient, got {type(client).__name__}"
    )


@cache
def _exceptions_of(name: str) -> _Library:
    return _Library(sys.modules[name])


def check_client(client: object) -> None:
    """Check an HTTP client that a user passed.

    Raises:
        ConfigurationError: It is not an asynchronous client of httpx2 or httpx.
    """
    _library(client)


def new_client() -> httpx2.AsyncClient:
    """Return an HTTP client that keeps no cookies and opens a new connection for each request.

    On a reused connection, httpx2 would take surplus bytes after a response for the next response.

    Raises:
        ConfigurationError: The environment names a proxy or certificates that cannot be used.
    """
    try:
        return httpx2.AsyncClient(
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
        )
    except OSError as error:  # an ssl.SSLError is one, too
        files = {name: os.environ[name] for name in _CERTIFICATES if os.environ.get(name)}
        named = " or ".join(f"{name} ({cut(value)})" for name, value in files.items()) or "the system"
        raise ConfigurationError(f"the certificates of {named} cannot be read: {cut(str(error))}") from error
    except (ImportError, ValueError, httpx2.InvalidURL) as error:
        message = f"the proxy that the environment names cannot be used: {cut(str(error))}"
        raise ConfigurationError(message) from error


async def send(client: AsyncClient, effect: Send) -> Response:
    """Send a request, and pass on the parts of the response's body.

    Returns:
        The response without its body.

    Raises:
        NoResponse: There was no complete response.
    """
    library = _library(client)
    sending = _SendingState(library)
    try:
        request = client.build_request(
            effect.request.method,
            effect.request.url,
            content=effect.request.body,
            headers=dict(effect.request.headers),
            timeout=effect.idle,
            extensions={"trace": sending.record},
        )
    except library.errors as error:
        raise NoResponse(cut(_message(error)), sent=False) from error
    try:
        with anyio.move_on_after(effect.within):
            return await _exchange(client, request, effect, sending)
    except NoResponse:
        # The exceptions of the library refer to the request. Remove the API key from it.
        request.headers.pop("Authorization", None)
        raise
    raise NoResponse("timed out", sent=sending.may_have_begun is not False, timed_out=True)


async def _exchange(client: AsyncClient, request: Any, effect: Send, sending: _SendingState) -> Response:
    with sending.failures():
        opened = await client.send(request, auth=None, follow_redirects=False, stream=True)
    try:
        head = Response(opened.status_code, dict(opened.headers))
        if head.status < 200:
            raise NoResponse(f"only an informational response ({head.status})", sent=True)
        await _receive_body(opened, effect.begin(head), sending)
    finally:
        await opened.aclose()
    return head


async def _receive_body(response: Any, take: Callable[[bytes], object], sending: _SendingState) -> None:
    parts = response.aiter_raw()
    while True:
        with sending.failures():
            part = await anext(parts, None)
        if part is None:
            return
        try:
            take(part)
        except BaseException:
            await response.aclose()
            # Let the generators of the library end here, rather than when they are garbage-collected.
            with contextlib.suppress(Exception):
                await anext(parts)
            raise


class _SendingState:
    """Whether the sending of a request has begun, by the events that the library reports."""

    def __init__(self, library: _Library) -> None:
        self._library = library
        self.may_have_begun: bool | None = None  # None until an event is reported

    async def record(self, event: str, about: Any) -> None:
        """Record an event of the connection. The library calls this."""
        to_proxy = getattr(about.get("request"), "method", None) == b"CONNECT"
        begun = "send_request" in event and event.endswith(".started") and not to_proxy
        self.may_have_begun = bool(self.may_have_begun) or begun

    @contextlib.contextmanager
    def failures(self) -> Iterator[None]:
        """Raise any exception of the library as NoResponse."""
        try:
            yield
        except self._library.errors as error:
            sent, timed_out = self.may_have_begun, isinstance(error, self._library.timed_out)
            if sent is None:
                sent = not isinstance(error, self._library.never_sent)
            raise NoResponse(cut(_message(error)), sent=sent, timed_out=timed_out) from error


def _message(error: BaseException) -> str:
    """Return an error's message. An error of httpx may have none; then return that of its cause."""
    if isinstance(error, BaseExceptionGroup):
        return _message(error.exceptions[0])
    cause = error.__cause__ or error.__context__
    return str(error) or (_message(cause) if cause is not None else type(error).__name__)
