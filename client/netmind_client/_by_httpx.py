"""Sends with ``httpx``, on asyncio or trio."""

from __future__ import annotations

import contextlib
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

import anyio
import httpx

from netmind_client._effects import Answer, Body, NoAnswer, Receive, Send
from netmind_client._wire import cut

if TYPE_CHECKING:
    from collections.abc import Callable

# Raised before anything is sent.
_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
_NO_ANSWER = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError)


def new_client() -> httpx.AsyncClient:
    """What sends the requests; keeps no cookies."""
    return httpx.AsyncClient(cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])))


async def send(client: httpx.AsyncClient, effect: Send) -> Answer:
    """Do what is asked for.

    Raises:
        NoAnswer: No answer came.
    """
    body = Body()
    return body.answer(await receive(client, body.receiving(effect), follow_redirects=False))


async def receive(client: httpx.AsyncClient, effect: Receive, *, follow_redirects: bool = True) -> Answer:
    """Do what is asked for.

    Raises:
        NoAnswer: No answer came, or not all of it.
    """
    sending = _Sending()
    try:
        with anyio.fail_after(effect.within):
            return await _received(client, effect, sending, follow_redirects)
    except TimeoutError as error:
        raise NoAnswer("timed out", sent=sending.may_have_begun, timed_out=True) from error


async def _received(
    client: httpx.AsyncClient, effect: Receive, sending: _Sending, follow_redirects: bool
) -> Answer:
    request = effect.request
    try:
        opened = await client.send(
            client.build_request(
                request.method,
                request.url,
                content=request.body,
                headers=dict(request.headers),
                timeout=effect.idle,
                extensions={"trace": sending.note},
            ),
            auth=None,
            follow_redirects=follow_redirects,
            stream=True,
        )
    except (*_NO_ANSWER, ValueError) as error:
        raise _no_answer(error) from error
    try:
        head = Answer(opened.status_code, dict(opened.headers))
        take = effect.begin(head)
        await _hand_on(opened, take)
    finally:
        await opened.aclose()
    return head


async def _hand_on(answer: httpx.Response, take: Callable[[bytes], object]) -> None:
    parts = answer.aiter_bytes()
    while True:
        try:
            part = await anext(parts)
        except StopAsyncIteration:
            return
        except _NO_ANSWER as error:
            raise _no_answer(error) from error
        try:
            take(part)
        except Exception:
            await answer.aclose()
            with contextlib.suppress(
                Exception
            ):  # httpx's own generators end, and are not left to the collector
                await anext(parts)
            raise


class _Sending:
    """Whether a request is being sent, as far as the connection tells."""

    def __init__(self) -> None:
        self._events: set[str] = set()

    async def note(self, event: str, _: Any) -> None:
        """Something has begun or ended on the connection."""
        self._events.add(event)

    @property
    def may_have_begun(self) -> bool:
        """False only if a connection was being made, and nothing was sent on it."""
        return not self._events or any("send_request" in event for event in self._events)


def _words(error: BaseException) -> str:
    """What an error says; those of httpx may say nothing, and what caused them more."""
    cause = error.__cause__ or error.__context__
    return str(error) or (_words(cause) if cause is not None else type(error).__name__)


def _no_answer(error: Exception) -> NoAnswer:
    return NoAnswer(
        cut(_words(error)),
        sent=not isinstance(error, _NEVER_SENT),
        timed_out=isinstance(error, httpx.TimeoutException),
    )
