"""Connections to a database that several processes share: the common part of SQLite and PostgreSQL.

SQLAlchemy renders each statement once, as text, and the driver executes the text. Executing a statement
through SQLAlchemy takes 30 µs, and each request executes several.
"""

from __future__ import annotations

import contextlib
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from netmind_mock.stores import StoreUnavailable, WouldBlock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    import sqlalchemy as sa


class Database(ABC):
    """Connections to a database, each used by one thread at a time. Safe to use from several threads.

    Attributes:
        name: Its URL, without the password and the options.
        dialect: ``sqlite`` or ``postgresql``.
        is_closed: Whether it was closed.
        errors: The exceptions that the driver and its pool raise.
    """

    errors: tuple[type[Exception], ...]

    def __init__(self, url: sa.URL, dialect: sa.Dialect) -> None:
        """Keep what is needed to connect, which is done when a session is used."""
        self.name = url.set(query={}).render_as_string(hide_password=True)
        self.dialect = dialect.name
        self.is_closed = False
        self._dialect = dialect
        self._nonblocking_thread: int | None = None  # the thread that must not wait
        self._rendered: dict[Any, tuple[str, dict[str, Any]]] = {}

    @property
    def is_nonblocking(self) -> bool:
        """Whether this thread must not wait: a session that would have to raises ``WouldBlock``."""
        return self._nonblocking_thread is not None and self._nonblocking_thread == threading.get_ident()

    def set_nonblocking(self, nonblocking: bool) -> None:
        """Set whether this thread must not wait. Only one thread at a time may be so."""
        self._nonblocking_thread = threading.get_ident() if nonblocking else None

    @abstractmethod
    def version(self) -> tuple[int, int]:
        """Return what changes with each commit to the database. Only a non-blocking thread may call it.

        Raises:
            WouldBlock: It cannot be found out without waiting.
        """

    def reading(self) -> AbstractContextManager[Session]:
        """Return a session that reads what is committed, without waiting for transactions that write."""
        return self._session(writes=False)

    def writing(self) -> AbstractContextManager[Session]:
        """Return a session in a transaction. It is committed at the end, or rolled back on an exception."""
        return self._session(writes=True)

    @abstractmethod
    def has_table(self, session: Session, name: str) -> bool:
        """Return whether a table exists."""

    @abstractmethod
    def lock(self, session: Session, name: str) -> None:
        """Lock a name until the end of this transaction. Wait for another transaction that has locked it."""

    def close(self) -> None:
        """Close the connections. Those in use are closed when they are released."""
        self.is_closed = True
        self.close_idle()

    def render(self, statement: Any) -> tuple[str, dict[str, Any]]:
        """Return the text of a statement in the driver's syntax, and the values that it contains."""
        rendered = self._rendered.get(statement)
        if rendered is None:
            compiled = statement.compile(dialect=self._dialect)
            own = {name: value for name, value in (compiled.params or {}).items() if value is not None}
            rendered = self._rendered[statement] = compiled.string, own
        return rendered

    @contextlib.contextmanager
    def _session(self, *, writes: bool) -> Iterator[Session]:
        """Return a session on a connection.

        Afterwards the connection is used again only if it is intact: it was committed or rolled back.

        Raises:
            StoreUnavailable: The database is closed, or the driver raised an error.
            WouldBlock: This thread must not wait, and the session writes or has failed.
        """
        if self.is_closed:
            raise StoreUnavailable("it is closed")
        if writes and self.is_nonblocking:
            raise WouldBlock
        try:
            connection = self._acquire(writes)
            is_intact = False  # and stays so after a KeyboardInterrupt, which may interrupt a statement
            try:
                cursor = connection.cursor()
                if writes:
                    self._begin(cursor)
                yield Session(cursor, self)
                if writes:
                    connection.commit()
                is_intact = True
            except self.errors:
                raise
            except Exception:  # raised by the block, not by the driver
                connection.rollback()
                is_intact = True
                raise
            finally:
                self._release(connection, writes, is_intact)
                if self.is_closed:
                    self.close_idle()
        except self.errors as error:
            if self.is_nonblocking:  # such as a lock; with time to wait, it may succeed
                raise WouldBlock from error
            raise StoreUnavailable(one_line(error)) from error

    @abstractmethod
    def _acquire(self, writes: bool) -> Any:
        """Return a connection in autocommit mode: each statement outside a transaction is its own."""

    def _begin(self, cursor: Any) -> None:
        cursor.execute("BEGIN")

    @abstractmethod
    def _release(self, connection: Any, writes: bool, is_intact: bool) -> None:
        """Keep a connection for the next session if it is intact, or else close it."""

    @abstractmethod
    def close_idle(self) -> None:
        """Close the connections that are not in use."""


class Session:
    """Executes statements on a connection."""

    __slots__ = ("_cursor", "_database")

    def __init__(self, cursor: Any, database: Database) -> None:
        self._cursor = cursor
        self._database = database

    def run(self, statement: Any, /, **values: Any) -> Any:
        """Execute a statement, and return the driver's cursor with the rows or the number of changed rows."""
        text, own = self._database.render(statement)
        self._cursor.execute(text, {**own, **values})
        return self._cursor

    def run_many(self, statement: Any, rows: list[dict[str, Any]]) -> None:
        """Execute a statement for each row of values. The statement must not contain values of its own."""
        self._cursor.executemany(self._database.render(statement)[0], rows)


def one_line(error: Exception) -> str:
    """Return the message of an error on one line, without the statement and its values."""
    return " ".join(str(getattr(error, "orig", None) or error).split())[:200]
