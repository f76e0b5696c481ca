"""Connections of ``requests`` that keep one deadline, whatever the other side does.

A timeout of ``requests`` is for one connect, and then for each part of an answer: a host name that is not
resolved, several addresses that do not answer, and an answer that trickles can each make it wait for ever.
Here a connection is made on a thread that can be left behind, and reads no longer than what is left.

It also tells what ``requests`` does not: whether any byte of a request was sent.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import math
import os
import threading
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from netmind_client import _clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CONNECTIONS = 32  # that are kept open, for as many threads
_PIECE_BYTES = 64 * 1024


class BoundedExchange:
    """A request and its response on a bounded connection.

    Attributes:
        sent: Whether any byte of the request was handed to the system; None if no bounded connection was
            at work, and nobody can tell.
    """

    def __init__(self, seconds: float) -> None:
        self.sent: bool | None = None
        self._end = _clock.real() + seconds

    def begin(self) -> None:
        """Note that a bounded connection is at work on it."""
        self.sent = bool(self.sent)

    def left(self) -> float:
        """Return the seconds until its deadline.

        Raises:
            TimeoutError: It has passed.
        """
        left = self._end - _clock.real()
        if left <= 0:
            raise TimeoutError("timed out")
        return left

    def limit(self, sock: Any, at_most: float | None = None) -> None:
        """Let a socket's next operation take no longer than what is left, nor than so many seconds."""
        left = self.left() if at_most is None else min(self.left(), at_most)
        if left < math.inf:
            sock.settimeout(left)


class _Current(threading.local):
    exchange: BoundedExchange | None = None  # of this thread


_current = _Current()


def current() -> BoundedExchange:
    """Return the exchange of this thread, or one without a deadline."""
    return _current.exchange or BoundedExchange(math.inf)


@contextlib.contextmanager
def within(seconds: float) -> Iterator[BoundedExchange]:
    """Give an exchange on this thread this long, in all."""
    outer = _current.exchange  # whose parts are being taken by who asks for something else
    _current.exchange = exchange = BoundedExchange(seconds)
    try:
        yield exchange
    finally:
        _current.exchange = outer


class _Reader(io.RawIOBase):
    """What ``http.client`` reads a response from."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._idle = sock.gettimeout()  # of each part, as urllib3 has set it
        self._raw = sock.makefile("rb", buffering=0)  # keeps the socket open as long as it is

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        current().limit(self._sock, self._idle)
        read: int | None = self._raw.readinto(buffer)
        return read

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _Socket:
    """A socket, as ``http.client`` uses one."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock))

    def sendall(self, data: Any) -> None:
        exchange, view = current(), memoryview(data).cast("B")
        exchange.begin()
        for start in range(0, len(view), _PIECE_BYTES):
            exchange.limit(self._sock)
            exchange.sent = True
            self._sock.sendall(view[start : start + _PIECE_BYTES])


class _Response(http.client.HTTPResponse):
    """An answer, and not the information that may come before it (1xx), which http.client takes for one."""

    def begin(self) -> None:
        super().begin()
        while 100 < self.status < 200 and self.status != http.HTTPStatus.SWITCHING_PROTOCOLS:
            self.headers: Any = None
            super().begin()


class _Bounded(HTTPConnection):
    """A connection that is made, and used, within the deadline."""

    response_class = _Response

    def connect(self) -> None:
        exchange = current()
        exchange.begin()
        try:
            _on_a_thread(super().connect, self._leave, exchange.left())
            self.sock: Any = _Socket(self.sock)
        except (NewConnectionError, ConnectTimeoutError):
            raise
        except TimeoutError as error:
            raise ConnectTimeoutError(f"no connection to {self.host} in time: timed out") from error
        except Exception as error:
            self._leave()
            raise NewConnectionError(self, f"no connection to {self.host}: {error}") from error

    def _leave(self) -> None:
        """Close what was made."""
        if self.sock is not None:
            self.sock.close()
            self.sock = None


class _BoundedHTTPS(_Bounded, HTTPSConnection):
    """The same over TLS."""


_OURS: dict[Any, Any] = {HTTPConnection: _Bounded, HTTPSConnection: _BoundedHTTPS}


class BoundedAdapter(HTTPAdapter):
    """What sends the requests of a session through bounded connections.

    A pool whose connections are not urllib3's own, since somebody records or replays them, is left alone.
    """

    def __init__(self) -> None:
        super().__init__(pool_maxsize=_CONNECTIONS)
        self._process = os.getpid()

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> Any:
        """A pool of connections, for ``HTTPAdapter.send``; those of before a fork are the other process's."""
        if self._process != os.getpid():
            self._process = os.getpid()
            for manager in (self.poolmanager, *self.proxy_manager.values()):
                manager.clear()
        pool: Any = super().get_connection_with_tls_context(*arguments, **options)
        pool.ConnectionCls = _OURS.get(pool.ConnectionCls, pool.ConnectionCls)
        return pool


def _on_a_thread(function: Callable[[], object], leave: Callable[[], object], seconds: float) -> None:
    """Call a function, and leave it behind if it takes too long; then ``leave`` is called when it has ended.

    Raises:
        TimeoutError: It took too long.
    """
    ended, decided = threading.Event(), threading.Lock()
    failures: list[BaseException] = []

    def call() -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - raised again, on the thread that waits
            failures.append(error)
        if decided.acquire(blocking=False):
            ended.set()
        else:
            leave()

    threading.Thread(target=call, name="netmind-connect", daemon=True).start()
    try:
        ended.wait(seconds if seconds < threading.TIMEOUT_MAX else None)
    finally:
        is_left_behind = decided.acquire(blocking=False)
    if is_left_behind:
        raise TimeoutError("timed out")
    if failures:
        raise failures[0]
