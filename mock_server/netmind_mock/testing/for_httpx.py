"""Respond to the requests of ``httpx`` and ``httpx2`` to the fake, whatever transport a client has.

Both libraries have the same interface. Requests to other URLs are sent as usual.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from netmind_mock.testing import active
from netmind_mock.testing.patching import wrap
from netmind_mock.testing.transport import ConnectionBroken, TimedOut

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import ModuleType

    from netmind_mock.testing.transport import Arrival, BodyPart, InProcessTransport


def install(library: ModuleType) -> None:
    """Replace the method that chooses the transport of a request: other mocks replace what is below it.

    The method is private to both libraries; there is no public one for all clients.
    """

    def choose(function: Callable[..., Any], client: Any, url: Any) -> Any:
        transport = active.transport_for(str(url))
        return function(client, url) if transport is None else _adapter(library)(transport)

    wrap(library.Client, "_transport_for_url", choose)
    wrap(library.AsyncClient, "_transport_for_url", choose)


@cache
def _adapter(library: Any) -> Callable[[InProcessTransport], Any]:
    """Return the class of transports for this library's clients, sync and async."""

    class Adapter(library.BaseTransport, library.AsyncBaseTransport):  # type: ignore[misc]
        def __init__(self, transport: InProcessTransport) -> None:
            self._transport = transport

        def handle_request(self, request: Any) -> Any:
            arrival = _send(self._transport, request, request.read())
            self._transport.advance(arrival.wait)
            return respond(arrival, self._transport, request)

        async def handle_async_request(self, request: Any) -> Any:
            arrival = _send(self._transport, request, await request.aread())
            if arrival.wait:
                await self._transport.clock.async_sleep(arrival.wait)
            return respond(arrival, self._transport, request)

    class Stream(_Body, library.SyncByteStream, library.AsyncByteStream):  # type: ignore[misc]
        pass

    def respond(arrival: Arrival, transport: InProcessTransport, request: Any) -> Any:
        if arrival.failure is not None:
            closed = "Server disconnected without sending a response."
            raise _translated(library, arrival.failure, request, closed)
        stream = Stream(library, arrival, transport, request)
        return library.Response(arrival.status, headers=list(arrival.headers), stream=stream)

    return Adapter


def _send(transport: InProcessTransport, request: Any, body: bytes) -> Arrival:
    timeout = request.extensions.get("timeout", {}).get("read")
    return transport.send(request.method, str(request.url), request.headers.multi_items(), body, timeout)


def _translated(library: Any, failure: Exception, request: Any, closed_message: str) -> Exception:
    error: Exception
    if isinstance(failure, TimedOut):
        error = library.ReadTimeout("The read operation timed out", request=request)
    elif isinstance(failure, ConnectionBroken) and failure.reset:
        error = library.ReadError("[Errno 104] Connection reset by peer", request=request)
    else:
        error = library.RemoteProtocolError(closed_message, request=request)
    return error


class _Body:
    """The body of a response. Its parts arrive on the virtual clock."""

    def __init__(self, library: Any, arrival: Arrival, transport: InProcessTransport, request: Any) -> None:
        self._library = library
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
        raise _translated(self._library, step.failure, self._request, message)
