"""Connections for ``requests`` that keep one deadline for a whole request.

A timeout of ``requests`` applies to one connect, and then to each read. A slow host name lookup, several
addresses that do not respond, or a response that arrives byte by byte can therefore take much longer than the
timeout. Here, a connection is opened on a separate thread, which is abandoned at the deadline. Before each
read, the socket's timeout is set to the time left.

The connections also record whether any byte of a request was sent, which ``requests`` does not report.
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

_CONNECTIONS = 32  # connections kept open per host, so that this many threads can reuse one
_PIECE_BYTES = 64 * 1024


class BoundedExchange:
    """A request and its response on a bounded connection.

    Attributes:
        sent: Whether any byte of the request was passed to the socket. None if no bounded connection was
            used, so that this is unknown.
        target: The path and the query of the URL as they are spelled; None to let urllib3 spell them. It
            would change ``%7E`` to ``~`` and ``%c3`` to ``%C3``, which breaks signatures of links.
    """

    def __init__(self, seconds: float) -> None:
        self.sent: bool | None = None
        self.target: str | None = None
        self._end = _clock.real() + seconds

    def begin(self) -> None:
        """Record that a bounded connection is being used."""
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
        """Limit a socket's next operation to the time left, or to ``at_most`` seconds if that is less."""
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
    """Set a deadline for the exchange on this thread."""
    outer = _current.exchange  # not None if a callback of a running exchange sends another request
    try:
        _current.exchange = exchange = BoundedExchange(seconds)  # here, because Ctrl-C may follow at once
        yield exchange
    finally:
        _current.exchange = outer


class _Reader(io.RawIOBase):
    """A file that ``http.client`` reads a response from. It sets the socket's timeout before each read."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._idle = sock.gettimeout()  # urllib3 has set it to the timeout of one read
        self._raw = sock.makefile("rb", buffering=0)  # keeps the socket open until it is closed itself

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
    """A wrapper of a socket that keeps the deadline in the two methods that ``http.client`` uses."""

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
    """A response that skips informational responses (1xx) before it. http.client skips only 100."""

    def begin(self) -> None:
        super().begin()
        while 100 < self.status < 200 and self.status != http.HTTPStatus.SWITCHING_PROTOCOLS:
            self.headers: Any = None
            super().begin()


class _Bounded(HTTPConnection):
    """A connection that is opened and used within the deadline."""

    response_class = _Response

    def putrequest(self, method: str, url: str, *arguments: Any, **options: Any) -> None:
        """Begin a request. For a proxy, ``url`` is the whole URL, and is kept."""
        target = current().target
        url = target if target is not None and url.startswith("/") else url
        super().putrequest(method, url, *arguments, **options)

    def connect(self) -> None:
        exchange = current()
        exchange.begin()
        try:
            _on_a_thread(super().connect, self._close_socket, exchange.left())
            self.sock: Any = _Socket(self.sock)
        except (NewConnectionError, ConnectTimeoutError):
            raise
        except TimeoutError as error:
            raise ConnectTimeoutError(f"no connection to {self.host} in time: timed out") from error
        except Exception as error:
            self._close_socket()
            raise NewConnectionError(self, f"no connection to {self.host}: {error}") from error

    def _close_socket(self) -> None:
        """Close the socket if it was opened."""
        if self.sock is not None:
            self.sock.close()
            self.sock = None


class _BoundedHTTPS(_Bounded, HTTPSConnection):
    """A TLS connection that is opened and used within the deadline."""


_BOUNDED_CLASSES: dict[Any, Any] = {HTTPConnection: _Bounded, HTTPSConnection: _BoundedHTTPS}


class BoundedAdapter(HTTPAdapter):
    """An adapter that sends the requests of a session over bounded connections.

    If a library that records or replays requests has replaced urllib3's connection classes, they are kept.
    """

    def __init__(self) -> None:
        super().__init__(pool_maxsize=_CONNECTIONS)
        self._process = os.getpid()

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> Any:
        """Return a pool of bounded connections. ``HTTPAdapter.send`` calls this."""
        if self._process != os.getpid():  # forked: the existing connections belong to the parent process
            self._process = os.getpid()
            for manager in (self.poolmanager, *self.proxy_manager.values()):
                manager.clear()
        pool: Any = super().get_connection_with_tls_context(*arguments, **options)
        pool.ConnectionCls = _BOUNDED_CLASSES.get(pool.ConnectionCls, pool.ConnectionCls)
        if pool.ConnectionCls in _BOUNDED_CLASSES.values():
            current().begin()  # certificates are read next, before anything is sent
        return pool


def _on_a_thread(function: Callable[[], object], clean_up: Callable[[], object], seconds: float) -> None:
    """Call a function on a new thread, and abandon it if it takes longer than a number of seconds.

    Args:
        function: The function.
        clean_up: Called on the thread when an abandoned function has ended.
        seconds: The most seconds to wait.

    Raises:
        TimeoutError: It took too long.
    """
    # Exactly one side acquires ``decided``: the thread (ended in time), or the caller (abandoned the thread).
    ended, decided = threading.Event(), threading.Lock()
    failures: list[BaseException] = []

    def call() -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - raised again by the caller
            failures.append(error)
        if decided.acquire(blocking=False):
            ended.set()
        else:
            clean_up()

    threading.Thread(target=call, name="netmind-connect", daemon=True).start()
    try:
        ended.wait(seconds if seconds < threading.TIMEOUT_MAX else None)
    finally:
        is_abandoned = decided.acquire(blocking=False)
    if is_abandoned:
        raise TimeoutError("timed out")
    if failures:
        raise failures[0]
