"""Answers what ``httpx`` sends to the fake, sync and async; anything else goes where it would have gone."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import httpx

from netmind_mock.testing.carrying import Broken, TimedOut

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from netmind_mock.testing.carrying import Arrival, Carrier

_active: list[Carrier] = []
_changing = threading.Lock()
_real_sync = httpx.HTTPTransport.handle_request
_real_async = httpx.AsyncHTTPTransport.handle_async_request


def start(carrier: Carrier) -> None:
    """Answer for this carrier's URLs from now on; the last that was started comes first."""
    with _changing:
        _active.append(carrier)
        httpx.HTTPTransport.handle_request = _handle  # type: ignore[method-assign]
        httpx.AsyncHTTPTransport.handle_async_request = _handle_async  # type: ignore[method-assign]


def stop(carrier: Carrier) -> None:
    """No longer answer for this carrier."""
    with _changing:
        _active.remove(carrier)
        if not _active:
            httpx.HTTPTransport.handle_request = _real_sync  # type: ignore[method-assign]
            httpx.AsyncHTTPTransport.handle_async_request = _real_async  # type: ignore[method-assign]


def _handle(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
    carrier = _carrier_of(request)
    if carrier is None:
        return _real_sync(self, request)
    return _carried(carrier, request, request.read())


async def _handle_async(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
    carrier = _carrier_of(request)
    if carrier is None:
        return await _real_async(self, request)
    return _carried(carrier, request, await request.aread())


def _carrier_of(request: httpx.Request) -> Carrier | None:
    url = str(request.url)
    return next((carrier for carrier in reversed(_active) if carrier.takes(url)), None)


def _carried(carrier: Carrier, request: httpx.Request, body: bytes) -> httpx.Response:
    timeout = request.extensions.get("timeout", {}).get("read")
    try:
        arrival = carrier.carry(
            request.method, str(request.url), request.headers.multi_items(), body, timeout
        )
    except (Broken, TimedOut) as failure:
        raise _translated(failure, request, "Server disconnected without sending a response.") from None
    return httpx.Response(arrival.status, headers=list(arrival.headers), stream=_Stream(arrival, request))


def _translated(failure: Broken | TimedOut, request: httpx.Request, closed: str) -> httpx.TransportError:
    if isinstance(failure, TimedOut):
        return httpx.ReadTimeout("The read operation timed out", request=request)
    if failure.reset:
        return httpx.ReadError("[Errno 104] Connection reset by peer", request=request)
    return httpx.RemoteProtocolError(closed, request=request)


class _Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body as it arrives."""

    def __init__(self, arrival: Arrival, request: httpx.Request) -> None:
        self._arrival = arrival
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        received = 0
        try:
            for chunk in self._arrival.chunks:
                received += len(chunk)
                yield chunk
        except (Broken, TimedOut) as failure:
            announced = {name.lower(): value for name, value in self._arrival.headers}.get("content-length")
            closed = (
                "peer closed connection without sending complete message body "
                f"(received {received} bytes, expected {announced})"
            )
            raise _translated(failure, self._request, closed) from None

    async def __aiter__(self) -> AsyncIterator[Any]:
        for chunk in self:
            yield chunk
