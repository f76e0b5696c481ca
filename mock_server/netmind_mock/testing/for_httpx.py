"""Answers what ``httpx`` sends to the fake, sync and async; anything else goes where it would have gone."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import httpx

from netmind_mock.testing.transport import Broken, TimedOut

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from netmind_mock.testing.transport import Arrival, Carrier, Step

_active: list[Carrier] = []
_changing = threading.Lock()
_before: dict[str, Any] = {}  # what answered before the first of them


def start(carrier: Carrier) -> None:
    """Answer for this carrier's URLs from now on; the last that was started comes first."""
    with _changing:
        if not _active:
            _before["sync"] = httpx.HTTPTransport.handle_request
            _before["async"] = httpx.AsyncHTTPTransport.handle_async_request
        _active.append(carrier)
        httpx.HTTPTransport.handle_request = _handle  # type: ignore[method-assign]
        httpx.AsyncHTTPTransport.handle_async_request = _handle_async  # type: ignore[method-assign]


def stop(carrier: Carrier) -> None:
    """No longer answer for this carrier."""
    with _changing:
        _active.remove(carrier)
        if not _active:
            httpx.HTTPTransport.handle_request = _before["sync"]  # type: ignore[method-assign]
            httpx.AsyncHTTPTransport.handle_async_request = _before["async"]  # type: ignore[method-assign]


def _handle(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
    carrier = _carrier_of(request)
    if carrier is None:
        response: httpx.Response = _before["sync"](self, request)
        return response
    arrival = _asked(carrier, request, request.read())
    carrier.let_pass(arrival.wait)
    return _answered(arrival, carrier, request)


async def _handle_async(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
    carrier = _carrier_of(request)
    if carrier is None:
        later: httpx.Response = await _before["async"](self, request)
        return later
    arrival = _asked(carrier, request, await request.aread())
    if arrival.wait:
        await carrier.clock.async_sleep(arrival.wait)
    return _answered(arrival, carrier, request)


def _carrier_of(request: httpx.Request) -> Carrier | None:
    url = str(request.url)
    return next((carrier for carrier in reversed(_active) if carrier.takes(url)), None)


def _asked(carrier: Carrier, request: httpx.Request, body: bytes) -> Arrival:
    timeout = request.extensions.get("timeout", {}).get("read")
    return carrier.carry(request.method, str(request.url), request.headers.multi_items(), body, timeout)


def _answered(arrival: Arrival, carrier: Carrier, request: httpx.Request) -> httpx.Response:
    if arrival.failure is not None:
        raise _translated(arrival.failure, request, "Server disconnected without sending a response.")
    return httpx.Response(
        arrival.status, headers=list(arrival.headers), stream=_Stream(arrival, carrier, request)
    )


def _translated(failure: Exception, request: httpx.Request, closed: str) -> httpx.TransportError:
    if isinstance(failure, TimedOut):
        return httpx.ReadTimeout("The read operation timed out", request=request)
    if isinstance(failure, Broken) and failure.reset:
        return httpx.ReadError("[Errno 104] Connection reset by peer", request=request)
    return httpx.RemoteProtocolError(closed, request=request)


class _Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body as it arrives."""

    def __init__(self, arrival: Arrival, carrier: Carrier, request: httpx.Request) -> None:
        self._arrival = arrival
        self._carrier = carrier
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        for step in self._arrival.steps:
            self._carrier.let_pass(step.pause)
            yield self._part(step)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for step in self._arrival.steps:
            if step.pause:
                await self._carrier.clock.async_sleep(step.pause)
            yield self._part(step)

    def _part(self, step: Step) -> bytes:
        if step.failure is None:
            return step.part
        received = sum(len(one.part) for one in self._arrival.steps)
        announced = {name.lower(): value for name, value in self._arrival.headers}.get("content-length")
        message = (
            "peer closed connection without sending complete message body "
            f"(received {received} bytes, expected {announced})"
        )
        raise _translated(step.failure, self._request, message)
