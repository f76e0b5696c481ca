"""Send requests with ``httpx``, on asyncio or trio."""

from __future__ import annotations

import contextlib
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

import anyio
import httpx

from netmind_client._api import cut
from netmind_client._http import NoResponse, Response
from netmind_client.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netmind_client._flows.effects import Send

# Raised before anything is sent. Used if the transport reports no events about what it has sent.
_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
_ERRORS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError)


def new_client() -> httpx.AsyncClient:
    """Return an HTTP client that keeps no cookies and opens a new connection for each request.

    On a reused connection, httpx would take surplus bytes after a response for the next response.

    Raises:
        ConfigurationError: The environment names a proxy that cannot be used.
    """
    try:
        return httpx.AsyncClient(
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        message = f"the proxy that the environment names cannot be used: {cut(str(error))}"
        raise ConfigurationError(message) from error


async def send(client: httpx.AsyncClient, effect: Send) -> Response:
    """Send a request, and pass on the parts of the response's body.

    Returns:
        The response without its body.

    Raises:
        NoResponse: There was no complete response.
    """
    sending = _SendingState()
    try:
        request = client.build_request(
            effect.request.method,
            effect.request.url,
            content=effect.request.body,
            headers=dict(effect.request.headers),
            timeout=effect.idle,
            extensions={"trace": sending.record},
        )
    except _ERRORS as error:
        raise NoResponse(cut(_message(error)), sent=False) from error
    try:
        with anyio.move_on_after(effect.within):
            return await _exchange(client, request, effect, sending)
    except NoResponse:
        # The exceptions of httpx refer to the request. Remove the API key from it.
        request.headers.pop("Authorization", None)
        raise
    raise NoResponse("timed out", sent=sending.may_have_begun is not False, timed_out=True)


async def _exchange(
    client: httpx.AsyncClient, request: httpx.Request, effect: Send, sending: _SendingState
) -> Response:
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


async def _receive_body(
    response: httpx.Response, take: Callable[[bytes], object], sending: _SendingState
) -> None:
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
            # Let the generators of httpx end here, rather than when they are garbage-collected.
            with contextlib.suppress(Exception):
                await anext(parts)
            raise


class _SendingState:
    """Whether the sending of a request has begun, by the events that httpx reports about its connection."""

    def __init__(self) -> None:
        self.may_have_begun: bool | None = None  # None until an event is reported

    async def record(self, event: str, about: Any) -> None:
        """Record an event of the connection. httpx calls this."""
        to_proxy = getattr(about.get("request"), "method", None) == b"CONNECT"
        begun = "send_request" in event and event.endswith(".started") and not to_proxy
        self.may_have_begun = bool(self.may_have_begun) or begun

    @contextlib.contextmanager
    def failures(self) -> Iterator[None]:
        """Raise any exception of httpx as NoResponse."""
        try:
            yield
        except _ERRORS as error:
            sent, timed_out = self.may_have_begun, isinstance(error, httpx.TimeoutException)
            if sent is None:
                sent = not isinstance(error, _NEVER_SENT)
            raise NoResponse(cut(_message(error)), sent=sent, timed_out=timed_out) from error


def _message(error: BaseException) -> str:
    """Return an error's message. An httpx error may have none; then return that of its cause."""
    cause = error.__cause__ or error.__context__
    return str(error) or (_message(cause) if cause is not None else type(error).__name__)
