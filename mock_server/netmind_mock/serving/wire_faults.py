"""Wire faults: send a response as its ``Delivery`` says, with delays, truncation, hangs and resets.

ASGI cannot express resets and partial responses. So each request has its connection in its scope, and these
faults are applied to the connection directly.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from netmind_mock.simulation.faults import Delivery

    # The types of ASGI.
    Message = MutableMapping[str, Any]
    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

CONNECTION: Final = "netmind_mock.connection"  # a key in the extensions of a scope
MAX_HEAD_BYTES: Final = 64 * 1024
HEAD_SECONDS: Final = 30.0  # the limit on the time from the start of a request's head to its end
BODY_SECONDS: Final = 30.0  # the limit on the time between two parts of a body

_BEFORE_RESET_SECONDS: Final = 0.02  # so that the client can read the sent bytes: a reset discards them
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 seconds: closing the socket sends a reset
_HEAD_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
)
_BODY_LATE: Final = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class _CorkedTransport:
    """A transport that can be corked, so that a head and its body need one system call and one packet."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._parts: list[bytes] | None = None  # None while it is not corked

    def cork(self) -> None:
        """Collect writes until ``uncork``."""
        self._parts = []

    def uncork(self) -> None:
        """Write what was collected."""
        if self._parts:
            self._transport.write(b"".join(self._parts))
        self._parts = None

    def write(self, data: bytes) -> None:
        """Write, or collect."""
        if self._parts is None:
            self._transport.write(data)
        else:
            self._parts.append(data)

    def close(self) -> None:
        """Close the connection after what was collected."""
        self.uncork()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Connection(HttpToolsProtocol):
    """A client's connection: uvicorn's protocol, with limits on requests and with wire faults."""

    _heads = 0  # the number of complete heads
    _head_bytes = 0  # the size of a head that is not complete
    _timer: asyncio.TimerHandle | None = None  # of a head or body that is not complete
    _in_head = True
    _hangs = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start, with a transport that can be corked."""
        self.output = _CorkedTransport(transport)
        super().connection_made(self.output)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        """Feed the parser. Refuse a head that is too large, and a request that stops arriving."""
        was_in_head, heads = self._in_head, self._heads
        super().data_received(data)
        if not (was_in_head and self._in_head) or self._heads != heads:
            self._begin_head()
            if not self._in_head:  # it waits for the next part of the body
                self._timer = self.loop.call_later(BODY_SECONDS, self._give_up_body)
            return
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_HEAD_TOO_LARGE)
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timer."""
        self._begin_head()
        super().connection_lost(exc)

    def _begin_head(self) -> None:
        self._head_bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up_body(self) -> None:
        """Close the connection. To the worker, the client has disconnected then, and nothing is created."""
        if not self.cycle.response_started:
            self.transport.write(_BODY_LATE)
        self.transport.close()

    def on_headers_complete(self) -> None:
        """Put this connection into the request's scope."""
        self._in_head, self._heads = False, self._heads + 1
        self.scope["extensions"] = {CONNECTION: self}  # type: ignore[dict-item]
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect the next request."""
        super().on_message_complete()
        self._in_head = True

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection open for a client that closed its sending side and waits for a response."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body or self._hangs:
            return False
        cycle.keep_alive = False
        return True

    def hang(self) -> None:
        """Note that nothing more is sent: if the client closes its sending side, the connection ends."""
        self._hangs = True

    def end(self, *, reset: bool) -> None:
        """Close the connection normally or by a reset."""
        if not reset:
            self.transport.close()
            return
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()


async def send_whole(head: Message, body: bytes, scope: Scope, send: Send) -> None:
    """Send a response at once."""
    connection: Connection = scope["extensions"][CONNECTION]
    connection.output.cork()
    try:
        await send(head)
        await send({"type": "http.response.body", "body": body})
    finally:
        connection.output.uncork()


async def deliver(delivery: Delivery, head: Message, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a response as its delivery says.

    Args:
        delivery: When each byte is sent, and how the response ends.
        head: The response's first ASGI message.
        scope: The request's scope, with its connection.
        receive: ASGI's receive.
        send: ASGI's send.
    """
    connection: Connection = scope["extensions"][CONNECTION]
    if delivery.sent == -1:
        connection.hang()
    if delivery.wait == math.inf:
        await _disconnected(receive)
        return
    await asyncio.sleep(delivery.wait)
    if delivery.sent != -1:
        await send(head)
        await _send_body(delivery, send)
    if delivery.sent is None:
        return
    if delivery.reset:
        await asyncio.sleep(_BEFORE_RESET_SECONDS)
    connection.end(reset=delivery.reset)
    await _disconnected(receive)


async def _send_body(delivery: Delivery, send: Send) -> None:
    """Send a body in parts. If it is truncated, no part is marked as the last one."""
    pause, parts = delivery.parts()
    for number, part in enumerate(parts, 1):
        if pause:
            await asyncio.sleep(pause)
        is_last = delivery.sent is None and number == len(parts)
        await send({"type": "http.response.body", "body": part, "more_body": not is_last})


async def _disconnected(receive: Receive) -> None:
    """Return once the client is disconnected."""
    message: dict[str, Any] = {"type": ""}
    while message["type"] != "http.disconnect":
        message = dict(await receive())
