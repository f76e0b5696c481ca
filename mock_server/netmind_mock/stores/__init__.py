"""Where jobs are kept: a protocol, and one module per store.

A store knows jobs and tenants, and nothing of time or of the wire.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from netmind_mock.jobs.job import Job

__all__ = [
    "Counts",
    "Facts",
    "InvalidStore",
    "JobStore",
    "KeptNote",
    "Limits",
    "NoteStore",
    "StoreUnavailable",
    "open_store",
]

MEMORY = "memory"


class Limits(NamedTuple):
    """How much is kept; what is beyond is evicted, the oldest first.

    Attributes:
        max_jobs: How many jobs at most. A database may hold some more for a moment.
        max_facts: How many other facts, such as an account's orders. Those that were changed longest ago go.
        retain: For how long, in seconds of the system's clock; infinite for ever.
    """

    max_jobs: int = 1_000_000
    retain: float = math.inf
    max_facts: int = 20_000


class Counts(NamedTuple):
    """How many jobs there are, and how many were evicted."""

    jobs: int
    evicted: int


class Facts(NamedTuple):
    """What was kept beside the jobs since some revision.

    Attributes:
        revision: Counts the changes; it only grows.
        changed: By kind and tenant (empty for everybody): what is kept now, or None for no longer.
    """

    revision: int
    changed: dict[tuple[str, str], bytes | None]


class InvalidStore(ValueError):
    """No store is called so, or it cannot be opened. The message is one sentence for who named it."""


class StoreUnavailable(Exception):
    """The store cannot be read or written now: a full disk, a database that is gone. It may be well again."""


class KeptNote(NamedTuple):
    """A note of the journal, as a store keeps it.

    Attributes:
        user_id: Whose it is; None if the request had no token.
        operation: What it asks for.
        job_id: The job that it is about; empty if there is none.
        happened: When, in seconds since the epoch by the system's clock.
        size: What it counts for in bytes.
        note: The note. No token is in it.
    """

    user_id: str | None
    operation: str
    job_id: str
    happened: float
    size: int
    note: bytes


class NoteStore(Protocol):
    """Where several processes keep one journal. Every method may raise :class:`StoreUnavailable`."""

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be kept here any more."""
        ...

    def add(
        self,
        new: list[KeptNote],
        more: list[tuple[str, int, int, float, int]],
        cut: dict[str | None, int],
        most_notes: int,
        most_bytes: int,
    ) -> None:
        """Keep notes; of the oldest that there is no room for, some may stay until they are read.

        ``more`` is added to the totals: operation, status, requests, seconds, struck. ``cut`` is how many
        more of a tenant's there was no room for.
        """
        ...

    def read(
        self, user_id: str | None, most_notes: int, most_bytes: int
    ) -> tuple[list[tuple[str, str, bytes]], int]:
        """A tenant's notes, or (None) everybody's, oldest first, and how many there was no room for.

        Each with its operation and its job.
        """
        ...

    def count(self, operation: str, job_id: str) -> int:
        """How many notes there are of an operation on a job."""
        ...

    def size(self, most_notes: int, most_bytes: int) -> tuple[int, int]:
        """How many are kept, and in how many bytes."""
        ...

    def totals(self) -> list[tuple[str, int, int, float, int]]:
        """What all requests came to: operation, status, requests, seconds, struck."""
        ...

    def call(self) -> int:
        """Call for all notes that were taken before; the number of the call, counted from 1."""
        ...

    def called(self) -> int:
        """The number of the last call; 0 if there was none."""
        ...

    def answer(self, writer: str, number: int) -> None:
        """Say that all notes that a writer had taken before a call are kept."""
        ...

    def writers(self) -> dict[str, int]:
        """Who writes notes, and the last call that each has answered."""
        ...

    def drop_writer(self, writer: str) -> None:
        """Wait for this one no more."""
        ...


class JobStore(Protocol):
    """What the fake needs of a store. Every method is safe to call from several threads.

    All but ``close`` may raise :class:`StoreUnavailable`; then nothing is half done.

    Attributes:
        name: What it is, for people: ``memory``, or its URL without a password.
        notes: Where processes that share this store keep their journal; None if none can share it.
    """

    name: str

    @property
    def notes(self) -> NoteStore | None:
        """Where the journal is kept."""
        ...

    def put(self, job: Job) -> bool:
        """Keep a new job; False if its id is taken."""
        ...

    def get(self, job_id: str) -> Job | None:
        """The job, whoever it belongs to, or None."""
        ...

    def change(self, job_id: str, how: Callable[[Job], Job]) -> Job | None:
        """Put ``how(job)`` in the job's place, with no other change in between.

        Returns the job as it was before, or None if there is no such job.
        """
        ...

    def page(self, user_id: str | None) -> list[Job]:
        """The tenant's jobs, or everybody's, oldest first, deleted ones among them."""
        ...

    def forget(self, user_id: str | None, *, but: str = "") -> None:
        """Drop all that is kept of the tenant, or of everybody, as if there had been nothing.

        What is everybody's of the kind ``but`` stays.
        """
        ...

    def counts(self) -> Counts:
        """How many jobs there are, everybody's, and how many were evicted so far."""
        ...

    def facts(self, since: int) -> Facts | None:
        """What else was kept after the revision ``since`` (0 for all); None if nothing was."""
        ...

    def amend(
        self, kind: str, user_id: str | None, how: Callable[[bytes | None], bytes], *, told: bool = True
    ) -> None:
        """Keep ``how(kept)`` for a tenant, or (None) for everybody, with no other change in between.

        If ``how`` raises, nothing is changed. It must not call the store. What is not ``told`` does not
        appear among the facts.
        """
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...


def open_store(
    url: str,
    limits: Limits = Limits(),  # noqa: B008 - it is frozen
    *,
    wall: Callable[[], float] = time.time,
) -> JobStore:
    """Return the store that a URL names.

    Args:
        url: ``memory``, ``sqlite:///FILE`` or ``postgresql://USER@HOST/DATABASE``.
        limits: How much is kept.
        wall: The system's clock, in seconds since the epoch.

    Raises:
        InvalidStore: There is none, it cannot be opened, or what it needs is not installed.
    """
    if url == MEMORY:
        from netmind_mock.stores.memory import MemoryStore  # noqa: PLC0415 - the one that is asked for

        return MemoryStore(limits, wall=wall)
    scheme = url.partition(":")[0]
    if not url.startswith(("sqlite:///", "postgresql://", "postgres://")):
        # What else it holds is not shown: there may be a password in it.
        expected = "memory, sqlite:///FILE or postgresql://USER@HOST/DATABASE"
        raise InvalidStore(f"store: expected {expected}, got one of {scheme[:20]!r}")
    try:
        from netmind_mock.stores.sql import SqlStore, open_database  # noqa: PLC0415 - it brings SQLAlchemy along

        return SqlStore(open_database(url), limits, wall=wall)
    except ModuleNotFoundError as error:
        if error.name not in ("sqlalchemy", "psycopg"):
            raise
        extra = "sql" if scheme == "sqlite" else "postgresql"
        advice = f"pip install 'netmind-testkit[{extra}]'"
        raise InvalidStore(f"store: {scheme} needs {error.name}, which is not installed: {advice}") from None
