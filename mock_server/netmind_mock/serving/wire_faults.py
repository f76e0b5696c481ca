"""Carries bytes between clients and the server, and does to an answer on its way what a fault ordered.

The server behind it knows HTTP and no sockets: it cannot reset a connection, or send half an answer. So an
answer that a fault struck comes with a header that says how it is to arrive; the relay takes the header off,
and has it arrive so. All else is passed on as it comes, unread.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import socket
import struct
import threading
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from netmind_mock.simulation.faults import Delivery

HEADER = "x-netmind-mock-delivery"

_PART_BYTES = 64 * 1024
_HEAD_ENDS = b"\r\n\r\n"
_MOST_HEAD_BYTES = 64 * 1024
_HALF_CLOSED_SECONDS = 10.0  # for which a client that sends no more may wait for its answer
_NO_ROOM_SECONDS = 0.05
_CHUNKS = 20  # in which a body arrives that dribbles
_LINGER_SECONDS = 1.0  # for which a client that is still sending may read its answer
_BEFORE_RESET_SECONDS = 0.02  # so that what was sent is read before the reset
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing resets


class _Course(NamedTuple):
    """How an answer is to arrive; see ``faults.Delivery``. ``length`` is that of the body, in bytes."""

    length: int
    wait: float | None
    over: float
    sent: int | None
    reset: bool


def told(delivery: Delivery, secret: str) -> tuple[str, str]:
    """The header that tells the relay how an answer is to arrive."""
    wait = None if delivery.wait == math.inf else delivery.wait
    course = _Course(len(delivery.body), wait, delivery.over, delivery.sent, delivery.reset)
    return HEADER, f"{secret} {json.dumps(course._asdict())}"


class Relay:
    """Listens on a socket, on a thread of its own, and passes everything on to a server."""

    def __init__(self, listener: socket.socket, upstream: tuple[str, int], secret: str) -> None:
        """Not running yet.

        Args:
            listener: Where clients come to; it is listening.
            upstream: Host and port of the server.
            secret: What a header has to begin with to be followed, so that nobody else can steer the relay.
        """
        self._listener = listener
        self._upstream = upstream
        self._family = socket.AF_INET6 if ":" in upstream[0] else socket.AF_INET
        self._mark = f"{HEADER}: {secret} ".encode()

    def start(self) -> None:
        """Carry from now on, until the process ends."""
        threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True).start()

    async def _run(self) -> None:
        self._listener.setblocking(False)
        loop = asyncio.get_running_loop()
        carrying = set()  # a task that nobody holds may be collected
        while True:
            try:
                client, _ = await loop.sock_accept(self._listener)
            except OSError:  # no file descriptor is left; some will be when connections end
                await asyncio.sleep(_NO_ROOM_SECONDS)
                continue
            task = loop.create_task(self._carry(client))
            carrying.add(task)
            task.add_done_callback(carrying.discard)

    async def _carry(self, client: socket.socket) -> None:
        with contextlib.ExitStack() as ends:
            ends.enter_context(client)
            try:
                server = ends.enter_context(socket.socket(self._family))
            except OSError:
                return
            for end in (client, server):
                end.setblocking(False)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                await asyncio.get_running_loop().sock_connect(server, self._upstream)
            except OSError:
                return
            there = asyncio.ensure_future(_pass_on(client, server))
            back = asyncio.ensure_future(self._answer(server, client))
            await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
            client_is_gone = there.done() and there.result() is _Gone.CLIENT
            if client_is_gone:  # or has only said that it will send no more, and still reads
                with contextlib.suppress(OSError):
                    server.shutdown(socket.SHUT_WR)
                await asyncio.wait((back,), timeout=_HALF_CLOSED_SECONDS)
            elif there.done():  # the server has answered before all was sent
                await asyncio.wait((back,))
            there.cancel()
            back.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
            if not client_is_gone and not (back.done() and not back.cancelled() and back.result()):
                await _let_read(client)

    async def _answer(self, server: socket.socket, client: socket.socket) -> bool:
        """Pass answers on until one ends the connection, or there are no more; whether one reset it."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while part := await loop.sock_recv(server, _PART_BYTES):
                head = part[:_MOST_HEAD_BYTES].partition(_HEAD_ENDS)[0]
                if not part.startswith(b"HTTP/1.1 ") or self._mark not in head.lower():
                    await loop.sock_sendall(client, part)
                    continue
                end = await self._struck(part, server, client)
                if end is not None:
                    return end
        return False

    async def _struck(self, part: bytes, server: socket.socket, client: socket.socket) -> bool | None:
        """Have an answer arrive as told; None if the connection goes on, else whether it is reset."""
        loop = asyncio.get_running_loop()
        head, _, body = part.partition(_HEAD_ENDS)
        lines = head.split(b"\r\n")
        told_line = next(line for line in lines if line.lower().startswith(self._mark))
        course = _Course(**json.loads(told_line[len(self._mark) :]))
        while len(body) < course.length:
            more = await loop.sock_recv(server, _PART_BYTES)
            if not more:
                return False
            body += more
        if course.wait is None:
            await asyncio.Event().wait()  # until the client is gone
        else:
            await asyncio.sleep(course.wait)
        if course.sent != -1:
            head = b"\r\n".join(line for line in lines if line is not told_line)
            await loop.sock_sendall(client, head + _HEAD_ENDS)
            await _dribble(body[: course.sent], course.length, course.over, client)
        if course.sent is None:
            return None
        if course.reset:
            await asyncio.sleep(_BEFORE_RESET_SECONDS)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        return course.reset


class _Gone(Enum):
    """Who does not take part any more."""

    CLIENT = "client"
    SERVER = "server"


async def _pass_on(client: socket.socket, server: socket.socket) -> _Gone:
    """Pass on what the client sends, until one of the two is gone; a client that has closed is."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            part = await loop.sock_recv(client, _PART_BYTES)
        except OSError:
            return _Gone.CLIENT
        if not part:
            return _Gone.CLIENT
        try:
            await loop.sock_sendall(server, part)
        except OSError:
            return _Gone.SERVER


async def _let_read(client: socket.socket) -> None:
    """End the connection in order: a client that is still sending would lose its answer by a reset."""
    with contextlib.suppress(OSError, asyncio.TimeoutError):
        client.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(_LINGER_SECONDS):
            while await asyncio.get_running_loop().sock_recv(client, _PART_BYTES):
                pass


async def _dribble(body: bytes, whole: int, seconds: float, client: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    size = max(math.ceil(whole / _CHUNKS), 1) if seconds else max(len(body), 1)
    pause = seconds * size / max(whole, 1)
    for start in range(0, len(body), size):
        if seconds:
            await asyncio.sleep(pause)
        await loop.sock_sendall(client, body[start : start + size])
