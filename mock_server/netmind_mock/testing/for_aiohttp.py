"""Respond to the requests of ``aiohttp`` to the fake, at the level of bytes.

A connection is replaced by one that reads the request and passes the bytes of the response to aiohttp's own
parser. So responses, exceptions and the end of a body are those of a socket. Requests to other URLs are sent
as usual.
"""

from __future__ import annotations

import asyncio
import math
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httptools

from netmind_mock.testing import active, guard
from netmind_mock.testing.patching import wrap
from netmind_mock.testing.transport import ConnectionBroken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

    from netmind_mock.testing.transport import Arrival, InProcessTransport

_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_RESET = (104, "Connection reset by peer")


def install(library: ModuleType) -> None:
    """Replace ``BaseConnector.connect``, which every connector inherits."""

    def connect(
        function: Callable[..., Any], connector: Any, request: Any, *given: Any, **options: Any
    ) -> Any:
        transport = active.transport_for(str(request.url))
        if transport is not None and not isinstance(connector, _connector(library)):
            connector = _connector(library)(transport)
        if transport is None and isinstance(connector, library.TCPConnector):
            try:
                guard.check_url(str(request.url))
            except guard.RealRequestRefused as refused:
                raise library.ClientConnectionError(str(refused)) from refused
        return function(connector, request, *given, **options)

    wrap(library.BaseConnector, "connect", connect)


@cache
def _connector(library: Any) -> Any:
    """Return the class of connectors whose connections lead to the fake."""
    from aiohttp.client_proto import ResponseHandler  # noqa: PLC0415 - an optional library

    class Protocol(ResponseHandler):
        """Keeps the timer of the whole request, which ends with it in virtual time."""

        timer: Any = None

        def set_response_params(self, *, timer: Any = None, **options: Any) -> None:
            self.timer = timer
            super().set_response_params(timer=timer, **options)

    class Connector(library.BaseConnector):  # type: ignore[misc]
        def __init__(self, transport: InProcessTransport) -> None:
            super().__init__(force_close=True)
            self._transport = transport

        async def _create_connection(self, request: Any, _traces: object, timeout: Any) -> Any:
            protocol = Protocol(self._loop)
            connection = _Connection(self._transport, protocol, request, timeout, self._loop)
            protocol.connection_made(connection)
            return protocol

    return Connector


class _Connection(asyncio.Transport):
    """A connection on which the fake responds to one request."""

    def __init__(
        self,
        transport: InProcessTransport,
        protocol: Any,
        request: Any,
        timeout: Any,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__()
        self._transport = transport
        self._protocol = protocol
        self._request = request
        self._loop = loop
        self._left = math.inf if not timeout.total else float(timeout.total)  # seconds for the whole request
        self._idle = math.inf if not timeout.sock_read else float(timeout.sock_read)  # and for each part
        self._parser: Any = httptools.HttpRequestParser(self)
        self._headers: list[tuple[str, bytes]] = []
        self._body: list[bytes] = []
        self._responding: asyncio.Task[None] | None = None
        self._closed = False

    # The request, as httptools reports it

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1"), value))

    def on_headers_complete(self) -> None:
        if any(name.lower() == "expect" for name, _ in self._headers):
            self._protocol.data_received(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, part: bytes) -> None:
        self._body.append(part)

    def on_message_complete(self) -> None:
        method, url, body = self._parser.get_method().decode(), str(self._request.url), b"".join(self._body)
        limit = min(self._left, self._idle)
        try:
            arrival = self._transport.send(
                method, url, self._headers, body, None if limit == math.inf else limit
            )
        except BaseException as error:  # noqa: BLE001 - raised where the client waits for the response
            self._protocol.set_exception(error)
            return
        if arrival.wait or arrival.failure or any(step.pause or step.failure for step in arrival.steps):
            self._responding = self._loop.create_task(self._respond(arrival))
        else:  # at once, without the cost of a task
            parts = (step.part for step in arrival.steps)
            self._loop.call_soon(self._protocol.data_received, b"".join((_head(arrival), *parts)))

    # The response

    async def _respond(self, arrival: Arrival) -> None:
        if not await self._arrives_after(arrival.wait):
            return
        if arrival.failure is not None:
            self._break(arrival.failure)
            return
        self._protocol.data_received(_head(arrival))
        for step in arrival.steps:
            if not await self._arrives_after(step.pause):
                return
            if step.failure is not None:
                self._break(step.failure)
                return
            if step.part:
                self._protocol.data_received(step.part)

    async def _arrives_after(self, pause: float) -> bool:
        """Wait for a part of the response. Return False if a timeout of the request ends before."""
        limit = min(self._left, self._idle)
        seconds = min(pause, limit)
        if seconds:
            await self._transport.clock.async_sleep(seconds)
        self._left -= seconds
        if pause < limit or not pause:
            return True
        if self._left <= 0 and self._protocol.timer is not None:
            self._protocol.timer.timeout()
        else:
            self._protocol._on_read_timeout()
        return False

    def _break(self, failure: Exception) -> None:
        is_reset = isinstance(failure, ConnectionBroken) and failure.reset
        self._closed = True
        self._protocol.connection_lost(ConnectionResetError(*_RESET) if is_reset else None)

    # asyncio.Transport

    def write(self, data: Any) -> None:
        try:
            self._parser.feed_data(bytes(data))
        except httptools.HttpParserUpgrade:
            """The fake upgrades no connection. It has responded to the request."""
        except httptools.HttpParserError:
            self._loop.call_soon(self._protocol.data_received, _BAD_REQUEST)

    def writelines(self, parts: Iterable[Any]) -> None:
        self.write(b"".join(parts))

    def is_closing(self) -> bool:
        return self._closed

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            if self._responding is not None:
                self._responding.cancel()
            self._loop.call_soon(self._protocol.connection_lost, None)

    abort = close

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        """Do nothing: aiohttp keeps what it has not read."""

    resume_reading = pause_reading


def _head(arrival: Arrival) -> bytes:
    try:
        phrase = HTTPStatus(arrival.status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {arrival.status} {phrase}", *(f"{name}: {value}" for name, value in arrival.headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
