"""A SQLite file, which several processes of one machine share.

Readers do not wait, since writers append to a log (WAL). One connection writes at a time. A thread that wants
to write waits for a lock of this process, and then tries again and again until no other process writes. The
pauses between these attempts begin shorter than SQLite's own, because a transaction takes microseconds.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from netmind_mock.stores import InvalidStore, StoreUnavailable, WouldBlock
from netmind_mock.stores.database import Database, Session
from netmind_mock.system_time import system_time

if TYPE_CHECKING:
    from collections.abc import Iterator

_BUSY_SECONDS = 5  # how long a writer waits for other writers
_FIRST_PAUSE_SECONDS, _LAST_PAUSE_SECONDS = 0.0001, 0.004
_MAX_IDLE = 4  # connections that stay open when not in use, for reading and for writing
_HAS_TABLE = sa.text("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = :name")
_CHECKED_SECONDS = 0.001  # how long a check of the file is valid: a request uses the store several times


class SqliteDatabase(Database):
    """Connections to a SQLite file, as many as threads use it at the same time.

    Connections that are not in use are kept in a list. SQLAlchemy's ``QueuePool`` is not needed, since there
    is no limit on the connections and no server that may end them. It would add 6 µs, half the time of a get.
    """

    errors = (sqlite3.Error,)

    def __init__(self, url: sa.URL) -> None:
        """Keep the path of the file, which is created when a session is used.

        Raises:
            InvalidStore: The URL names no file.
        """
        if not url.database or url.database == ":memory:" or url.query:
            raise InvalidStore(
                "store: expected a file, such as sqlite:///jobs.db; to use no file, use memory"
            )
        self._path = os.path.abspath(url.database)  # noqa: PTH100 - does not resolve links
        self._idle: tuple[list[sqlite3.Connection], ...] = ([], [])  # for reading, for writing
        # For the thread that must not wait: its connection, and how many it has opened.
        self._nonblocking_connection: sqlite3.Connection | None = None
        self._opened = 0
        self._write_lock = threading.Lock()
        self._file: os.stat_result | None = None  # known from the second session on
        self._log: os.stat_result | None = None  # the write-ahead log, known while a connection is open
        self._checked_at = 0.0
        super().__init__(url, sqlite.dialect(paramstyle="named"))

    @contextlib.contextmanager
    def writing(self) -> Iterator[Session]:
        """Return a session in the only transaction that writes."""
        if self.is_nonblocking:
            raise WouldBlock
        if not self._write_lock.acquire(timeout=_BUSY_SECONDS):
            raise StoreUnavailable("database is locked")
        try:
            with super().writing() as session:
                yield session
        finally:
            self._write_lock.release()

    def has_table(self, session: Session, name: str) -> bool:
        """Return whether a table exists."""
        return session.run(_HAS_TABLE, name=name).fetchone() is not None

    def lock(self, session: Session, name: str) -> None:
        """Return without waiting, since no other transaction writes."""

    def _acquire(self, writes: bool) -> sqlite3.Connection:
        self._check_file()
        if self.is_nonblocking:
            return self._connection_without_waiting()
        try:
            return self._idle[writes].pop()
        except IndexError:
            return self._connect(waits=not writes)

    def version(self) -> tuple[int, int]:
        """Return what changes with each commit: SQLite's data version, which is that of one connection."""
        try:
            self._check_file()
            cursor = self._connection_without_waiting().execute("PRAGMA data_version")
            return self._opened, cursor.fetchone()[0]
        except (sqlite3.Error, StoreUnavailable) as error:
            raise WouldBlock from error

    def _connection_without_waiting(self) -> sqlite3.Connection:
        if self._nonblocking_connection is None:
            self._nonblocking_connection = self._connect(waits=False)
            self._opened += 1
        return self._nonblocking_connection

    def _connect(self, *, waits: bool) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", *["busy_timeout=0"] * (not waits)):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def _begin(self, cursor: sqlite3.Cursor) -> None:
        until, pause = system_time.monotonic() + _BUSY_SECONDS, _FIRST_PAUSE_SECONDS
        while True:
            try:
                cursor.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or system_time.monotonic() > until:
                    raise
            else:
                return
            time.sleep(pause)
            pause = min(2 * pause, _LAST_PAUSE_SECONDS)

    def _release(self, connection: sqlite3.Connection, writes: bool, is_intact: bool) -> None:
        if connection is self._nonblocking_connection:
            if not is_intact:
                self._nonblocking_connection = None
                connection.close()
        elif is_intact and len(self._idle[writes]) < _MAX_IDLE:
            self._idle[writes].append(connection)
        else:
            connection.close()
            self._log = None  # SQLite removes it with the last connection

    def close_idle(self) -> None:
        """Close the connections that are not in use."""
        self._log = None
        if self._nonblocking_connection is not None and (self.is_closed or self.is_nonblocking):
            self._nonblocking_connection.close()
            self._nonblocking_connection = None
        for idle in self._idle:
            with contextlib.suppress(IndexError):
                while True:
                    idle.pop().close()

    def _check_file(self) -> None:
        """Check that the file and its log were not removed or replaced: SQLite would write to the old ones.

        The last transactions are in the log only, and would be lost.

        Raises:
            StoreUnavailable: It was.
        """
        now = system_time.monotonic()
        if now - self._checked_at < _CHECKED_SECONDS:
            return
        if self._file is None:
            with contextlib.suppress(OSError):  # the first session creates it
                self._file = os.stat(self._path)  # noqa: PTH116 - faster than Path
        for path, known in ((self._path, self._file), (f"{self._path}-wal", self._log)):
            if known is not None and not _is_file(path, known):
                raise StoreUnavailable(f"{path} was removed or replaced; restart the server")
        if self._log is None and any(self._idle):
            with contextlib.suppress(OSError):  # there is no log on a file system that cannot share memory
                self._log = os.stat(f"{self._path}-wal")  # noqa: PTH116 - faster than Path
        self._checked_at = now


def _is_file(path: str, known: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), known)  # noqa: PTH116 - faster than Path
    except OSError:
        return False
