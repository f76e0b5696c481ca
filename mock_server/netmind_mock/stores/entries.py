"""The request journal in a database, which several processes write and read."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import sqlalchemy as sa

from netmind_mock.stores.tables import (
    added,
    dropped_entries,
    entries,
    given,
    inserted,
    insertion,
    totals,
    upserted,
    writers,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netmind_mock.stores import StoredEntry
    from netmind_mock.stores.database import Database, Session

_NO_ACCOUNT = ""  # of requests without an API key
_CALL = ""  # the name of the row of ``writers`` that has the last call

_SLACK = 0.05  # the share of the limits that is added before what is beyond them is dropped

_SIZE = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(entries.c.size), 0)).select_from(entries)
_OLDEST = sa.select(entries.c.number, entries.c.size).order_by(entries.c.number)
_OLD = entries.c.number <= given("number")
_DROP = sa.delete(entries).where(_OLD)
_DROPPED = sa.select(sa.func.coalesce(sa.func.sum(dropped_entries.c.dropped), 0))
_DROPPED_OF = _DROPPED.where(dropped_entries.c.user_id == given("whose"))
_COUNT = (
    sa.select(sa.func.count())
    .select_from(entries)
    .where(entries.c.job_id == given("the_job"), entries.c.operation == given("the_operation"))
)
_ENTRIES = sa.select(entries.c.operation, entries.c.job_id, entries.c.entry).order_by(
    entries.c.happened, entries.c.number
)
_ENTRIES_OF = _ENTRIES.where(entries.c.user_id == given("whose"))
_FORGET_ALL = tuple(sa.delete(table) for table in (entries, dropped_entries))
_FORGET = tuple(statement.where(statement.table.c.user_id == given("whose")) for statement in _FORGET_ALL)
_TOTALS = sa.select(totals)
_CALL_UP = sa.update(writers).where(writers.c.name == _CALL).values(acknowledged=writers.c.acknowledged + 1)
_CALLED = sa.select(writers.c.acknowledged).where(writers.c.name == _CALL)
_WRITERS = sa.select(writers.c.name, writers.c.acknowledged).where(writers.c.name != _CALL)
_GONE = sa.delete(writers).where(writers.c.name == given("writer"))


class EntryStore:
    """Keeps notes, and who writes them. Every method may raise ``StoreUnavailable``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._added = self._added_bytes = 0  # by this process, since it last looked for what is too much
        dialect = database.dialect
        self._insert = inserted(dialect, entries, without=("number",))
        self._add_total = added(inserted(dialect, totals))
        self._add_dropped = added(inserted(dialect, dropped_entries))
        self._keep_writer = upserted(inserted(dialect, writers))
        counted = sa.select(sa.func.coalesce(entries.c.user_id, _NO_ACCOUNT), sa.func.count())
        self._count_dropped = added(
            insertion(dialect, dropped_entries).from_select(
                ["user_id", "dropped"], counted.where(_OLD).group_by(entries.c.user_id)
            )
        )

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be kept here any more."""
        return self._database.is_closed

    def add(
        self,
        new: list[StoredEntry],
        more: list[tuple[str, int, int, float, int]],
        cut: dict[str | None, int],
        max_entries: int,
        max_bytes: int,
    ) -> None:
        """Keep notes. Some of the oldest that there is no room for may stay until notes are read.

        Args:
            new: The notes.
            more: What is added to the totals: operation, status, requests, seconds, with_fault.
            cut: By account, how many notes there was no room for before they came here.
            max_entries: How many notes are kept at most.
            max_bytes: In how many bytes.
        """
        with self._writing() as session:
            dropped = [{"user_id": whose or _NO_ACCOUNT, "dropped": number} for whose, number in cut.items()]
            session.run_many(self._add_dropped, dropped)
            session.run_many(self._insert, [entry._asdict() for entry in new])
            session.run_many(self._add_total, [dict(zip(totals.c.keys(), one, strict=True)) for one in more])
            self._added += len(new)
            self._added_bytes += sum(entry.size for entry in new)
            if self._added > max_entries * _SLACK or self._added_bytes > max_bytes * _SLACK:
                self._drop(session, max_entries, max_bytes)

    def read(
        self, user_id: str | None, max_entries: int, max_bytes: int
    ) -> tuple[list[tuple[str, str, bytes]], int]:
        """Return an account's notes, or (None) all, oldest first, and how many there was no room for.

        Each note comes with its operation and its job.
        """
        with self._writing() as session:
            self._drop(session, max_entries, max_bytes)
            count, select = (_DROPPED, _ENTRIES) if user_id is None else (_DROPPED_OF, _ENTRIES_OF)
            (dropped,) = session.run(count, whose=user_id).fetchone()
            return session.run(select, whose=user_id).fetchall(), int(dropped)

    def count(self, operation: str, job_id: str) -> int:
        """Return how many notes there are of an operation on a job."""
        with self._database.reading() as session:
            number: int = session.run(_COUNT, the_job=job_id, the_operation=operation).fetchone()[0]
            return number

    def size(self, max_entries: int, max_bytes: int) -> tuple[int, int]:
        """Return how many notes are kept, and in how many bytes."""
        with self._writing() as session:
            self._drop(session, max_entries, max_bytes)
            count, size = session.run(_SIZE).fetchone()
            return count, int(size)

    def totals(self) -> list[tuple[str, int, int, float, int]]:
        """Return the totals of all requests: operation, status, requests, seconds, with_fault."""
        with self._database.reading() as session:
            rows: list[tuple[str, int, int, float, int]] = session.run(_TOTALS).fetchall()
            return rows

    def forget(self, session: Session, user_id: str | None) -> None:
        """Drop an account's notes, or (None) all, within a transaction."""
        self._database.lock(session, "notes")
        for statement in _FORGET_ALL if user_id is None else _FORGET:
            session.run(statement, whose=user_id)

    def call(self) -> int:
        """Ask all writers for the notes that they took before. Return the number of this call, from 1."""
        with self._database.writing() as session:
            if not session.run(_CALL_UP).rowcount:
                session.run(self._keep_writer, name=_CALL, acknowledged=1)
            number: int = session.run(_CALLED).fetchone()[0]
            return number

    def called(self) -> int:
        """Return the number of the last call; 0 if there was none."""
        with self._database.reading() as session:
            row = session.run(_CALLED).fetchone()
            return 0 if row is None else row[0]

    def acknowledge(self, writer: str, number: int) -> None:
        """Record that a writer has kept all notes that it took before a call."""
        with self._database.writing() as session:
            session.run(self._keep_writer, name=writer, acknowledged=number)

    def writers(self) -> dict[str, int]:
        """Return the writers, and the last call that each has responded to."""
        with self._database.reading() as session:
            return dict(session.run(_WRITERS).fetchall())

    def drop_writer(self, writer: str) -> None:
        """Forget a writer, so that nothing waits for it."""
        with self._database.writing() as session:
            session.run(_GONE, writer=writer)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Session]:
        """Return a session in the only transaction that writes notes: it counts those that it drops."""
        with self._database.writing() as session:
            self._database.lock(session, "notes")
            yield session

    def _drop(self, session: Session, max_entries: int, max_bytes: int) -> None:
        """Drop the oldest that there is no room for."""
        self._added = self._added_bytes = 0
        count, size = session.run(_SIZE).fetchone()
        too_many, too_large = count - max_entries, size - max_bytes
        if too_many <= 0 and too_large <= 0:
            return
        last = None
        for number, freed in session.run(_OLDEST):
            if too_many <= 0 and too_large <= 0:
                break
            last, too_many, too_large = number, too_many - 1, too_large - freed
        if last is not None:
            session.run(self._count_dropped, number=last)
            session.run(_DROP, number=last)
