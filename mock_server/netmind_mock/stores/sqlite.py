"""A SQLite file, which several processes of one machine share.

Readers wait for nobody, since a writer appends to a log (WAL). One connection writes at a time. Threads wait
for a lock. Other processes are waited for in pauses that begin shorter than SQLite's own, because a
transaction takes microseconds.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from typing import TYPE_CHECKING

from sqlalchemy.dialects import sqlite

from netmind_mock.stores import InvalidStore, StoreUnavailable
from netmind_mock.stores.database import Database, Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

_BUSY_SECONDS = 5  # for which a writer waits for others
_FIRST_PAUSE_SECONDS, _LAST_PAUSE_SECONDS = 0.0001, 0.004
_MAX_IDLE = 4  # connections that are kept, of each kind
_CHECKED_SECONDS = 0.001  # for which the file is not checked again: a request makes more than one call


class SqliteDatabase(Database):
    """Connections to a SQLite file, as many as threads use it at once.

    Idle ones are kept in a list. There is no limit to hold and no server to lose, and a checkout from
    SQLAlchemy's ``QueuePool`` takes 6 µs, half as long as a whole get.
    """

    _errors = (sqlite3.Error,)

    def __init__(self, url: sa.URL) -> None:
        """Open the file, or create it."""
        if not url.database or url.database == ":memory:" or url.query:
            raise InvalidStore("store: expected a file, such as sqlite:///jobs.db; without one, use memory")
        self._path = os.path.abspath(url.database)  # noqa: PTH100 - as it was named
        self._idle: tuple[list[sqlite3.Connection], ...] = ([], [])  # those that read, those that write
        self._turn = threading.Lock()
        self._file: os.stat_result | None = None  # until it is certainly there
        self._checked_at = 0.0
        super().__init__(url, sqlite.dialect(paramstyle="named"))
        self._file = os.stat(self._path)  # noqa: PTH116 - quicker than Path

    @contextlib.contextmanager
    def writing(self) -> Iterator[Session]:
        """Return a session in the only transaction that writes."""
        if not self._turn.acquire(timeout=_BUSY_SECONDS):
            raise StoreUnavailable("database is locked")
        try:
            with super().writing() as session:
                yield session
        finally:
            self._turn.release()

    def lock(self, session: Session, name: str) -> None:
        """Do nothing: no other transaction writes."""

    def _acquire(self, writes: bool) -> sqlite3.Connection:
        self._check_file()
        try:
            return self._idle[writes].pop()
        except IndexError:
            return self._connect(writes)

    def _connect(self, writes: bool) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", *["busy_timeout=0"] * writes):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def _begin(self, cursor: sqlite3.Cursor) -> None:
        until, pause = time.monotonic() + _BUSY_SECONDS, _FIRST_PAUSE_SECONDS
        while True:
            try:
                cursor.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > until:
                    raise
            else:
                return
            time.sleep(pause)
            pause = min(2 * pause, _LAST_PAUSE_SECONDS)

    def _release(self, connection: sqlite3.Connection, writes: bool, is_intact: bool) -> None:
        if is_intact and len(self._idle[writes]) < _MAX_IDLE:
            self._idle[writes].append(connection)
        else:
            connection.close()

    def _close_idle(self) -> None:
        for idle in self._idle:
            with contextlib.suppress(IndexError):
                while True:
                    idle.pop().close()

    def _check_file(self) -> None:
        """Raise StoreUnavailable if the file is gone, since SQLite would go on writing to it."""
        now = time.monotonic()
        if self._file is None or now - self._checked_at < _CHECKED_SECONDS:
            return
        try:
            is_there = os.path.samestat(os.stat(self._path), self._file)  # noqa: PTH116 - quicker than Path
        except OSError:
            is_there = False
        if not is_there:
            raise StoreUnavailable(f"{self._path} was removed or replaced; start the server again")
        self._checked_at = now
