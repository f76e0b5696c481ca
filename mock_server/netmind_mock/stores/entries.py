"""The entries of the request journal in a database, which several processes write and read."""

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
    last_over_limits,
    oldest_of,
    size_of,
    totals,
    upserted,
    writers,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netmind_mock.stores import StoredEntry
    from netmind_mock.stores.database import Database, Session

_NO_ACCOUNT = ""  # for requests without an API key
_CALL = ""  # the name of the row of ``writers`` that has the number of the last call

# Finding out whether there are too many entries reads all their sizes. So it is not done with each batch, but
# after this share of the limits was added, and before entries are read.
_SLACK = 0.05

_SIZE = size_of(entries)
_OLDEST = oldest_of(entries)
_OLD = entries.c.number <= given("number")
_DROP = sa.delete(entries).where(_OLD)
_DROPPED = sa.select(sa.func.coalesce(sa.func.sum(dropped_entries.c.dropped), 0))
_DROPPED_OF = _DROPPED.where(dropped_entries.c.user_id == given("account"))
_OF_JOB = (entries.c.job_id == given("the_job")) & (entries.c.operation == given("the_operation"))
_COUNT = sa.select(sa.func.count()).select_from(entries).where(_OF_JOB)
_REPLACE_CREATE = sa.update(entries).where(_OF_JOB).values(entry=given("new_entry"))
_ENTRIES = sa.select(entries.c.operation, entries.c.job_id, entries.c.entry).order_by(
    entries.c.happened, entries.c.number
)
_ENTRIES_OF = _ENTRIES.where(entries.c.user_id == given("account"))
_FORGET_ALL = tuple(sa.delete(table) for table in (entries, dropped_entries))
_FORGET = tuple(statement.where(statement.table.c.user_id == given("account")) for statement in _FORGET_ALL)
_TOTALS = sa.select(totals)
_NEXT_CALL = sa.update(writers).where(writers.c.name == _CALL).values(acknowledged=writers.c.acknowledged + 1)
_CALLED = sa.select(writers.c.acknowledged).where(writers.c.name == _CALL)
_WRITERS = sa.select(writers.c.name, writers.c.acknowledged).where(writers.c.name != _CALL)
_DROP_WRITER = sa.delete(writers).where(writers.c.name == given("writer"))


class EntryStore:
    """Stores entries, and the list of processes that write them. Each method may raise ``StoreUnavailable``.

    ``netmind_mock.journal.shared`` explains calls and acknowledgements.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._added = self._added_bytes = 0  # by this process, since it last checked the limits
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
        """Whether the database is closed."""
        return self._database.is_closed

    def add(
        self,
        batch: list[StoredEntry],
        added_totals: list[tuple[str, int, int, float, int]],
        dropped: dict[str | None, int],
        max_entries: int,
        max_bytes: int,
    ) -> None:
        """Store a batch of entries. Until entries are read, there may be a few more than the limits allow.

        Args:
            batch: The entries.
            added_totals: What to add to the totals: operation, status, requests, seconds, with_fault.
            dropped: By account, how many entries were dropped before they were written.
            max_entries: How many entries are stored at most.
            max_bytes: How many bytes they have at most.
        """
        with self._writing() as session:
            counts = [{"user_id": one or _NO_ACCOUNT, "dropped": count} for one, count in dropped.items()]
            session.run_many(self._add_dropped, counts)
            session.run_many(self._insert, [entry._asdict() for entry in batch])
            rows = [dict(zip(totals.c.keys(), one, strict=True)) for one in added_totals]
            session.run_many(self._add_total, rows)
            self._added += len(batch)
            self._added_bytes += sum(entry.size for entry in batch)
            if self._added > max_entries * _SLACK or self._added_bytes > max_bytes * _SLACK:
                self._drop(session, max_entries, max_bytes)

    def replace_create(self, job_id: str, entry: bytes) -> None:
        """Replace the entry of the create of a job."""
        with self._writing() as session:
            session.run(_REPLACE_CREATE, the_job=job_id, the_operation="create", new_entry=entry)

    def read(
        self, user_id: str | None, max_entries: int, max_bytes: int
    ) -> tuple[list[tuple[str, str, bytes]], int]:
        """Drop entries over the limits, and return the entries of an account, or (None) of all accounts.

        Returns:
            For each entry, oldest first, its operation, its job and the encoded entry; and how many entries
            were dropped so far.
        """
        with self._writing() as session:
            self._drop(session, max_entries, max_bytes)
            count, select = (_DROPPED, _ENTRIES) if user_id is None else (_DROPPED_OF, _ENTRIES_OF)
            (dropped,) = session.run(count, account=user_id).fetchone()
            return session.run(select, account=user_id).fetchall(), int(dropped)

    def count(self, operation: str, job_id: str) -> int:
        """Return the number of entries with this operation and job."""
        with self._database.reading() as session:
            number: int = session.run(_COUNT, the_job=job_id, the_operation=operation).fetchone()[0]
            return number

    def size(self, max_entries: int, max_bytes: int) -> tuple[int, int]:
        """Drop entries over the limits, and return the number of entries and their bytes."""
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
        """Remove the entries of an account, or (None) of all accounts, in a transaction of the caller."""
        self._database.lock(session, "entries")
        for statement in _FORGET_ALL if user_id is None else _FORGET:
            session.run(statement, account=user_id)

    def call(self) -> int:
        """Call all writers to write what they have queued. Return the number of the call, from 1."""
        with self._database.writing() as session:
            if not session.run(_NEXT_CALL).rowcount:
                session.run(self._keep_writer, name=_CALL, acknowledged=1)
            number: int = session.run(_CALLED).fetchone()[0]
            return number

    def called(self) -> int:
        """Return the number of the last call; 0 if there was none."""
        with self._database.reading() as session:
            row = session.run(_CALLED).fetchone()
            return 0 if row is None else row[0]

    def acknowledge(self, writer: str, number: int) -> None:
        """Record that a writer has written all entries that it had queued before a call."""
        with self._database.writing() as session:
            session.run(self._keep_writer, name=writer, acknowledged=number)

    def writers(self) -> dict[str, int]:
        """Return the writers, and the last call that each has acknowledged."""
        with self._database.reading() as session:
            return dict(session.run(_WRITERS).fetchall())

    def drop_writer(self, writer: str) -> None:
        """Remove a writer from the list, so that readers do not wait for it."""
        with self._database.writing() as session:
            session.run(_DROP_WRITER, writer=writer)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Session]:
        """Return a session in the only transaction that writes entries.

        Otherwise two transactions could drop the same entries, and count them twice.
        """
        with self._database.writing() as session:
            self._database.lock(session, "entries")
            yield session

    def _drop(self, session: Session, max_entries: int, max_bytes: int) -> None:
        """Drop the oldest entries until the others are within the limits, and count the dropped ones."""
        self._added = self._added_bytes = 0
        count, size = session.run(_SIZE).fetchone()
        last = last_over_limits(session.run(_OLDEST), count - max_entries, int(size) - max_bytes)
        if last is not None:
            session.run(self._count_dropped, number=last)
            session.run(_DROP, number=last)
