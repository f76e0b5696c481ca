"""Sends with ``httpx``, on asyncio or trio."""

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

# Raised before anything is sent, where the connection does not tell what it has sent.
_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
_ERRORS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError)


def new_client() -> httpx.AsyncClient:
    """What sends the requests; keeps no cookies, and makes a connection for each request.

    httpx would take what is left over on a connection that is used again for the next request's answer.

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
    """Do what is asked for.

    Raises:
        NoResponse: No answer came, or not all of it.
    """
    sending = _Sending()
    try:
        request = client.build_request(
            effect.request.method,
            effect.request.url,
            content=effect.request.body,
            headers=dict(effect.request.headers),
            timeout=effect.idle,
            extensions={"trace": sending.note},
        )
    except _ERRORS as error:
        raise NoResponse(cut(_words(error)), sent=False) from error
    try:
        with anyio.move_on_after(effect.within):
            return await _exchanged(client, request, effect, sending)
    except NoResponse:
        request.headers.pop("Authorization", None)  # the exceptions that keep the request keep no token
        raise
    raise NoResponse("timed out", sent=sending.may_have_begun is not False, timed_out=True)


async def _exchanged(
    client: httpx.AsyncClient, request: httpx.Request, effect: Send, sending: _Sending
) -> Response:
    with sending.failures():
        opened = await client.send(request, auth=None, follow_redirects=False, stream=True)
    try:
        head = Response(opened.status_code, dict(opened.headers))
        if head.status < 200:
            raise NoResponse(f"answered {head.status}, and no more", sent=True)
        await _hand_on(opened, effect.begin(head), sending)
    finally:
        await opened.aclose()
    return head


async def _hand_on(response: httpx.Response, take: Callable[[bytes], object], sending: _Sending) -> None:
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
            # httpx's own generators end, and are not left to the collector.
            with contextlib.suppress(Exception):
                await anext(parts)
            raise


class _Sending:
    """Whether a request is being sent, as far as the connection tells."""

    def __init__(self) -> None:
        self.may_have_begun: bool | None = None  # None while nobody tells

    async def note(self, event: str, about: Any) -> None:
        """Something has begun or ended on the connection."""
        to_proxy = getattr(about.get("request"), "method", None) == b"CONNECT"
        begun = "send_request" in event and event.endswith(".started") and not to_proxy
        self.may_have_begun = bool(self.may_have_begun) or begun

    @contextlib.contextmanager
    def failures(self) -> Iterator[None]:
        """Raise what httpx raises within as one error."""
        try:
            yield
        except _ERRORS as error:
            sent, timed_out = self.may_have_begun, isinstance(error, httpx.TimeoutException)
            if sent is None:
                sent = not isinstance(error, _NEVER_SENT)
            raise NoResponse(cut(_words(error)), sent=sent, timed_out=timed_out) from error


def _words(error: BaseException) -> str:
    """What an error says; those of httpx may say nothing, and what caused them more."""
    cause = error.__cause__ or error.__context__
    return str(error) or (_words(cause) if cause is not None else type(error).__name__)
