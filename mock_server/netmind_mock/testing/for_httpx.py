"""Intercept the requests of ``httpx`` to the fake, sync and async. Other requests are sent as usual."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import httpx

from netmind_mock.testing.transport import ConnectionBroken, TimedOut

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from netmind_mock.testing.transport import Arrival, BodyPart, InProcessTransport

_active: list[InProcessTransport] = []
_changing = threading.Lock()
_before: dict[str, Any] = {}  # the methods of httpx that the first interception replaced


def start(transport: InProcessTransport) -> None:
    """Intercept requests to this transport's URLs. If several transports match, the last one is used."""
    with _changing:
        if not _active:
            _before["sync"] = httpx.HTTPTransport.handle_request
            _before["async"] = httpx.AsyncHTTPTransport.handle_async_request
        _active.append(transport)
        httpx.HTTPTransport.handle_request = _handle  # type: ignore[method-assign]
        httpx.AsyncHTTPTransport.handle_async_request = _handle_async  # type: ignore[method-assign]


def stop(transport: InProcessTransport) -> None:
    """Stop intercepting requests for this transport."""
    with _changing:
        _active.remove(transport)
        if not _active:
            httpx.HTTPTransport.handle_request = _before["sync"]  # type: ignore[method-assign]
            httpx.AsyncHTTPTransport.handle_async_request = _before["async"]  # type: ignore[method-assign]


def _handle(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
    transport = _transport_of(request)
    if transport is None:
        response: httpx.Response = _before["sync"](self, request)
        return response
    arrival = _send(transport, request, request.read())
    transport.advance(arrival.wait)
    return _response(arrival, transport, request)


async def _handle_async(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
    transport = _transport_of(request)
    if transport is None:
        async_response: httpx.Response = await _before["async"](self, request)
        return async_response
    arrival = _send(transport, request, await request.aread())
    if arrival.wait:
        await transport.clock.async_sleep(arrival.wait)
    return _response(arrival, transport, request)


def _transport_of(request: httpx.Request) -> InProcessTransport | None:
    url = str(request.url)
    return next((transport for transport in reversed(_active) if transport.handles(url)), None)


def _send(transport: InProcessTransport, request: httpx.Request, body: bytes) -> Arrival:
    timeout = request.extensions.get("timeout", {}).get("read")
    return transport.send(request.method, str(request.url), request.headers.multi_items(), body, timeout)


def _response(arrival: Arrival, transport: InProcessTransport, request: httpx.Request) -> httpx.Response:
    if arrival.failure is not None:
        raise _translated(arrival.failure, request, "Server disconnected without sending a response.")
    return httpx.Response(
        arrival.status, headers=list(arrival.headers), stream=_Stream(arrival, transport, request)
    )


def _translated(failure: Exception, request: httpx.Request, closed_message: str) -> httpx.TransportError:
    if isinstance(failure, TimedOut):
        return httpx.ReadTimeout("The read operation timed out", request=request)
    if isinstance(failure, ConnectionBroken) and failure.reset:
        return httpx.ReadError("[Errno 104] Connection reset by peer", request=request)
    return httpx.RemoteProtocolError(closed_message, request=request)


class _Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of a response. Its parts arrive on the virtual clock."""

    def __init__(self, arrival: Arrival, transport: InProcessTransport, request: httpx.Request) -> None:
        self._arrival = arrival
        self._transport = transport
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        for step in self._arrival.steps:
            self._transport.advance(step.pause)
            yield self._part(step)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for step in self._arrival.steps:
            if step.pause:
                await self._transport.clock.async_sleep(step.pause)
            yield self._part(step)

    def _part(self, step: BodyPart) -> bytes:
        if step.failure is None:
            return step.part
        received = sum(len(one.part) for one in self._arrival.steps)
        announced = {name.lower(): value for name, value in self._arrival.headers}.get("content-length")
        message = (
            "peer closed connection without sending complete message body "
            f"(received {received} bytes, expected {announced})"
        )
        raise _translated(step.failure, self._request, message)
