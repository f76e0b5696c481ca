"""A database that several processes share: its connections, its transactions, and what may go wrong.

SQLAlchemy makes the connections and spells the statements, once; they are executed by the driver, since each
request waits for some of them.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from netmind_mock.stores import InvalidStore, StoreUnavailable
from netmind_mock.stores.tables import facts, inserted, metadata, tables

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

_BUSY_SECONDS = 5  # that a writer waits for another one's turn to end
_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 20.0  # that a server's answer is waited for; it ends statements itself some seconds before
_SEEN_SECONDS = 0.001  # for which a file that was there is taken to be there: a request asks two times
_MOST_CONNECTIONS = 8  # of a process to read, and to write, at a time; a PostgreSQL has 100 for all
_MOST_IDLE = 4  # that are kept of each kind
_IDLE_SECONDS = 1.0  # after which a connection is tried before it is used
_FIRST_PAUSE_SECONDS, _LAST_PAUSE_SECONDS = 0.0001, 0.004  # of a SQLite writer that waits for another process
_WATCH_SECONDS = 0.25


class Spelled(NamedTuple):
    """A statement as a driver takes it.

    Attributes:
        text: The statement.
        order: The names of its values, in their order; None if they go by name.
        fixed: Those of the values that are always the same.
    """

    text: str
    order: list[str] | None
    fixed: dict[str, Any]

    def values(self, given: dict[str, Any]) -> dict[str, Any] | list[Any]:
        """The values as the driver takes them."""
        values = {**self.fixed, **given} if self.fixed else given
        return values if self.order is None else [values[name] for name in self.order]


class Database:
    """Connections to a database, used by one thread at a time each. Safe to use from several threads."""

    def __init__(self, url: str) -> None:
        """Open the database, and make the tables that are missing.

        Raises:
            InvalidStore: It cannot be opened, holds other tables, or its driver is not installed.
        """
        parsed = _parsed(url)
        plain = parsed.set(drivername=parsed.get_backend_name(), query={})
        self.name = plain.render_as_string(hide_password=True)
        self._engine = _engine(parsed)
        self.dialect = self._engine.dialect.name
        self.is_closed = False
        self._errors: tuple[type[Exception], ...] = (SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error)
        self._spelled: dict[Any, Spelled] = {}
        # Connections that are not used: those that read, and those that write; the last used last.
        self._idle: tuple[list[tuple[Any, float]], ...] = ([], [])
        # Room for those who read and those who write, apart: writers who wait for each other stop no reader.
        self._room = tuple(threading.Semaphore(_MOST_CONNECTIONS) for _ in self._idle)
        self._turn = threading.Lock()  # to write, on SQLite, among the threads of this process
        self._watch = None if self.dialect == "sqlite" else _Watch()
        try:
            self._make_tables()
        except (*self._errors, TypeError, ValueError) as error:  # of an option of the URL, or an encoding
            raise InvalidStore(f"store: {self.name} cannot be opened: {_reason(error)}") from None
        path = os.path.abspath(parsed.database or "")  # noqa: PTH100 - as it was named
        self._file_seen = -math.inf
        self._file = (path, _identity(path)) if self.dialect == "sqlite" else None

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """See what is there, and take nobody's turn."""
        with self._connected(writes=False) as connection:
            yield Session(connection.cursor(), self)

    @contextlib.contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction, which is there as a whole or not at all; on SQLite, the only one that writes."""
        with self._connected(writes=True) as connection, self._turn_taken():
            cursor = connection.cursor()
            self._begin(cursor)
            try:
                yield Session(cursor, self)
            except BaseException:
                with contextlib.suppress(*self._errors):
                    cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")

    def close(self) -> None:
        """Use it no more."""
        self.is_closed = True
        self._close_idle()

    def _close_idle(self) -> None:
        for idle in self._idle:
            with contextlib.suppress(IndexError):
                while True:
                    self._give_up(idle.pop()[0])

    def spelled(self, statement: Any) -> Spelled:
        """A statement as the driver takes it."""
        found = self._spelled.get(statement)
        if found is None:
            compiled = statement.compile(dialect=self._engine.dialect)
            order = list(compiled.positiontup or ()) if compiled.positional else None
            fixed = {name: value for name, value in compiled.params.items() if value is not None}
            found = self._spelled[statement] = Spelled(compiled.string, order, fixed)
        return found

    @contextlib.contextmanager
    def _turn_taken(self) -> Iterator[None]:
        """On SQLite, where one writes at a time: the turn among this process's threads.

        Raises:
            StoreUnavailable: It did not come.
        """
        if self.dialect != "sqlite":
            yield
        elif not self._turn.acquire(timeout=_BUSY_SECONDS):
            raise StoreUnavailable("database is locked")
        else:
            try:
                yield
            finally:
                self._turn.release()

    def _begin(self, cursor: Any) -> None:
        """Begin to write. A turn on SQLite takes microseconds, and its own pauses are of milliseconds."""
        if self.dialect != "sqlite":
            cursor.execute("BEGIN")
            return
        until, pause = time.monotonic() + _BUSY_SECONDS, _FIRST_PAUSE_SECONDS
        while True:
            try:
                cursor.execute("BEGIN IMMEDIATE")
            except self._errors as error:
                if "locked" not in str(error) or time.monotonic() > until:
                    raise
                time.sleep(pause)
                pause = min(2 * pause, _LAST_PAUSE_SECONDS)
            else:
                return

    @contextlib.contextmanager
    def _connected(self, *, writes: bool) -> Iterator[Any]:
        """A connection; one on which something went wrong is not used again.

        Raises:
            StoreUnavailable: Something did.
        """
        if self.is_closed:
            raise StoreUnavailable("it is closed")
        self._check_file()
        if self.dialect == "sqlite":  # whose connections are as many as there are threads
            with self._used(writes) as connection:
                yield connection
            return
        if not self._room[writes].acquire(timeout=_ANSWER_SECONDS):
            raise StoreUnavailable(f"{_MOST_CONNECTIONS} others wait for it")
        try:
            with self._used(writes) as connection:
                yield connection
        finally:
            self._room[writes].release()

    @contextlib.contextmanager
    def _used(self, writes: bool) -> Iterator[Any]:
        try:
            connection = self._taken(writes)
        except self._errors as error:
            raise StoreUnavailable(_reason(error)) from error
        try:
            if self._watch is None:
                yield connection
            else:
                with self._watch.over(connection):
                    yield connection
        except self._errors as error:
            self._give_up(connection)
            raise StoreUnavailable(_reason(error)) from error
        except Exception:  # of whoever used it
            self._release(connection, writes)
            raise
        except BaseException:  # it may be in the middle of something
            self._give_up(connection)
            raise
        self._release(connection, writes)

    def _release(self, connection: Any, writes: bool) -> None:
        if len(self._idle[writes]) >= _MOST_IDLE:
            self._give_up(connection)
        else:
            self._idle[writes].append((connection, time.monotonic()))
        if self.is_closed:
            self._close_idle()

    def _taken(self, writes: bool) -> Any:
        """A connection for the caller alone."""
        try:
            connection, released = self._idle[writes].pop()
        except IndexError:
            return self._connect(writes)
        if self._watch is None or time.monotonic() - released < _IDLE_SECONDS:
            return connection
        try:
            with self._watch.over(connection):
                connection.cursor().execute("SELECT 1")
        except self._errors:  # the server was started again: the others are as dead
            self._give_up(connection)
            self._close_idle()
            return self._connect(writes)
        return connection

    def _connect(self, writes: bool) -> Any:
        pooled = self._engine.raw_connection()
        connection: Any = pooled.driver_connection
        pooled.detach()
        if self.dialect == "postgresql":
            connection.autocommit = True
        elif writes:
            connection.execute("PRAGMA busy_timeout=0")  # it is waited for by _begin
        return connection

    def _give_up(self, connection: Any) -> None:
        with contextlib.suppress(*self._errors):
            connection.close()

    def _make_tables(self) -> None:
        with self._engine.begin() as connection:
            if self.dialect == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:  # else two that start at once make them twice
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7106721)")
            metadata.create_all(connection)
            for table in tables:
                try:
                    connection.execute(sa.select(table).limit(0))
                except DBAPIError as error:
                    raise InvalidStore(
                        f"store: {self.name} holds {table.name} of another version of netmind-testkit; "
                        f"use another database, or drop its tables netmind_… ({_reason(error)})"
                    ) from None
            first = inserted(self.dialect, facts).on_conflict_do_nothing()
            connection.execute(first, {"kind": "", "user_id": "", "fact": None, "revision": 0})

    def _check_file(self) -> None:
        """See that a SQLite file is still the one that was opened: SQLite would go on in one that is gone."""
        now = time.monotonic()
        if self._file is None or now - self._file_seen < _SEEN_SECONDS:
            return
        if _identity(self._file[0]) != self._file[1]:
            raise StoreUnavailable(f"{self._file[0]} was removed or replaced; start the server again")
        self._file_seen = now


class Session:
    """Executes statements on a connection."""

    __slots__ = ("_cursor", "_database")

    def __init__(self, cursor: Any, database: Database) -> None:
        self._cursor = cursor
        self._database = database

    def run(self, statement: Any, /, **values: Any) -> Any:
        """Execute a statement; the driver's cursor, which has the rows, and how many were changed."""
        spelled = self._database.spelled(statement)
        self._cursor.execute(spelled.text, spelled.values(values))
        return self._cursor

    def run_many(self, statement: Any, rows: list[dict[str, Any]]) -> None:
        """Execute a statement for each row of values."""
        spelled = self._database.spelled(statement)
        self._cursor.executemany(spelled.text, [spelled.values(row) for row in rows])


class _Watch:
    """Ends connections whose server does not answer: no timeout of the driver's covers that."""

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[float, Any]] = {}
        self._lock = threading.Lock()
        self._watching = False

    @contextlib.contextmanager
    def over(self, connection: Any) -> Iterator[None]:
        """Watch what is done with this connection."""
        self._waiting[id(connection)] = time.monotonic(), connection
        if not self._watching:
            self._start()
        try:
            yield
        finally:
            del self._waiting[id(connection)]

    def _start(self) -> None:
        with self._lock:
            if not self._watching:
                threading.Thread(target=self._look, daemon=True).start()
                self._watching = True

    def _look(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(_WATCH_SECONDS)
            with self._lock:
                if not self._waiting:
                    self._watching = False
                    return
            last = time.monotonic() - _ANSWER_SECONDS
            for since, connection in list(self._waiting.values()):
                if since < last:
                    _hang_up(connection)


def _hang_up(connection: Any) -> None:
    """Shut the socket of a connection that another thread waits on, so that this one gets an error."""
    with contextlib.suppress(Exception):  # it has ended meanwhile, in whatever way
        line = socket.socket(fileno=os.dup(connection.fileno()))
        with contextlib.closing(line):
            line.shutdown(socket.SHUT_RDWR)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - at each request, and quicker so
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise InvalidStore(
            "store: expected a URL such as sqlite:///jobs.db, got none that can be read"
        ) from None
    is_file = bool(parsed.database) and parsed.database != ":memory:" and not parsed.query
    if parsed.drivername == "sqlite" and not is_file:
        raise InvalidStore("store: expected a file, such as sqlite:///jobs.db; without one, use memory")
    return parsed.set(drivername="postgresql+psycopg") if parsed.drivername == "postgresql" else parsed


def _engine(url: URL) -> sa.Engine:
    connect: dict[str, Any] = (
        {"timeout": _BUSY_SECONDS, "check_same_thread": False}
        if url.drivername == "sqlite"
        else {
            "connect_timeout": _CONNECT_SECONDS,
            "options": f"-c lock_timeout={_BUSY_SECONDS}s -c statement_timeout={3 * _BUSY_SECONDS}s",
            "tcp_user_timeout": _CONNECT_SECONDS * 1000,
        }
    )
    try:
        engine = sa.create_engine(url, connect_args=connect, poolclass=sa.NullPool)
    except (ModuleNotFoundError, NoSuchModuleError):
        advice = "pip install 'netmind-testkit[postgresql]'"
        raise InvalidStore(f"store: postgresql needs a driver: {advice}") from None
    if url.drivername == "sqlite":
        sa.event.listen(engine, "connect", _tune_sqlite)
    return engine


def _tune_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # else Python decides when a transaction begins
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}")


def _reason(error: Exception) -> str:
    """Why, in one line, without the statement and its values."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return " ".join(str(cause).split())[:200]
