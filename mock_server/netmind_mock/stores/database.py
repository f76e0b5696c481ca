"""A database that several processes share: what SQLite and PostgreSQL have in common.

SQLAlchemy renders each statement once, and the driver executes it. To execute one through SQLAlchemy takes
30 µs, and each request waits for some.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable

from netmind_mock.stores import InvalidStore, StoreUnavailable
from netmind_mock.stores.tables import facts, inserted, tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager


class Database(ABC):
    """Connections to a database, each used by one thread at a time. Safe to use from several threads.

    Attributes:
        name: Its URL, without the password and the options.
        dialect: ``sqlite`` or ``postgresql``.
        is_closed: Whether it was closed.
    """

    _errors: tuple[type[Exception], ...]  # what the driver and its pool raise

    def __init__(self, url: sa.URL, dialect: sa.Dialect) -> None:
        """Open the database, and create the tables that are missing.

        Raises:
            InvalidStore: It cannot be opened, or holds tables of another version.
        """
        self.name = url.set(query={}).render_as_string(hide_password=True)
        self.dialect = dialect.name
        self.is_closed = False
        self._dialect = dialect
        self._rendered: dict[Any, tuple[str, dict[str, Any]]] = {}
        try:
            self._create_tables()
        except (StoreUnavailable, TypeError) as error:  # the latter of an option of the URL
            raise InvalidStore(f"store: {self.name} cannot be opened: {error}") from None
        finally:
            self._close_idle()  # else they stay open if this raises

    def reading(self) -> AbstractContextManager[Session]:
        """Return a session that sees what was committed last, and waits for no writer."""
        return self._session(writes=False)

    def writing(self) -> AbstractContextManager[Session]:
        """Return a session in a transaction: committed at the end, or rolled back if the block raises."""
        return self._session(writes=True)

    @abstractmethod
    def lock(self, session: Session, name: str) -> None:
        """Wait until no other transaction has locked this name; no other can until this one has ended."""

    def close(self) -> None:
        """Close the connections. One that is in use is closed when it is released."""
        self.is_closed = True
        self._close_idle()

    def render(self, statement: Any) -> tuple[str, dict[str, Any]]:
        """Return a statement as the driver takes it, and the values that it has itself."""
        rendered = self._rendered.get(statement)
        if rendered is None:
            compiled = statement.compile(dialect=self._dialect)
            own = {name: value for name, value in (compiled.params or {}).items() if value is not None}
            rendered = self._rendered[statement] = compiled.string, own
        return rendered

    @contextlib.contextmanager
    def _session(self, *, writes: bool) -> Iterator[Session]:
        """Return a session on a connection, which is kept for the next one if nothing went wrong on it.

        Raises:
            StoreUnavailable: Something did.
        """
        if self.is_closed:
            raise StoreUnavailable("it is closed")
        try:
            connection = self._acquire(writes)
            is_intact = False  # also after KeyboardInterrupt, which may come in the middle of a statement
            try:
                cursor = connection.cursor()
                if writes:
                    self._begin(cursor)
                yield Session(cursor, self)
                if writes:
                    connection.commit()
                is_intact = True
            except self._errors:
                raise
            except Exception:  # of the block
                connection.rollback()
                is_intact = True
                raise
            finally:
                self._release(connection, writes, is_intact)
                if self.is_closed:
                    self._close_idle()
        except self._errors as error:
            raise StoreUnavailable(one_line(error)) from error

    @abstractmethod
    def _acquire(self, writes: bool) -> Any:
        """Return a connection, on which a statement outside of a transaction is one."""

    def _begin(self, cursor: Any) -> None:
        cursor.execute("BEGIN")

    @abstractmethod
    def _release(self, connection: Any, writes: bool, is_intact: bool) -> None:
        """Keep a connection, or close it."""

    @abstractmethod
    def _close_idle(self) -> None:
        """Close the connections that are kept."""

    def _create_tables(self) -> None:
        with self.writing() as session:
            self.lock(session, "tables")
            for table in tables:
                session.run(CreateTable(table, if_not_exists=True))
                try:
                    session.run(sa.select(table).limit(0))
                except self._errors as error:
                    raise InvalidStore(
                        f"store: {self.name} holds {table.name} of another version of netmind-testkit; "
                        f"use another database, or drop its tables netmind_… ({one_line(error)})"
                    ) from None
                for index in table.indexes:
                    session.run(CreateIndex(index, if_not_exists=True))
            first = inserted(self.dialect, facts).on_conflict_do_nothing()
            session.run(first, kind="", user_id="", fact=None, revision=0)


class Session:
    """Executes statements on a connection."""

    __slots__ = ("_cursor", "_database")

    def __init__(self, cursor: Any, database: Database) -> None:
        self._cursor = cursor
        self._database = database

    def run(self, statement: Any, /, **values: Any) -> Any:
        """Execute a statement, and return the driver's cursor: its rows, or the number of rows it changed."""
        text, own = self._database.render(statement)
        self._cursor.execute(text, {**own, **values})
        return self._cursor

    def run_many(self, statement: Any, rows: list[dict[str, Any]]) -> None:
        """Execute a statement, which has no values itself, for each row of values."""
        self._cursor.executemany(self._database.render(statement)[0], rows)


def one_line(error: Exception) -> str:
    """Return what an error says, without the statement and its values."""
    return " ".join(str(getattr(error, "orig", None) or error).split())[:200]
