"""Where jobs are kept: the protocol of a store, and the function that opens one.

A store keeps jobs, facts of accounts (scenarios, clocks and the like, as bytes) and the journal's notes. It
knows nothing of the time of jobs or of the API's JSON.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from netmind_mock.jobs.job import Job
    from netmind_mock.stores.entries import EntryStore

__all__ = [
    "Counts",
    "Facts",
    "InvalidStore",
    "JobStore",
    "Limits",
    "StoreUnavailable",
    "StoredEntry",
    "open_store",
]

MEMORY: Final = "memory"

Result = TypeVar("Result")


class Limits(NamedTuple):
    """How much is kept; what is beyond is evicted, the oldest first.

    Attributes:
        max_jobs: How many jobs at most. A database may hold some more for a moment.
        max_facts: How many other facts, such as an account's orders. Those that were changed longest ago go.
        retain: For how long, in seconds of the system's clock; infinite to keep them.
    """

    max_jobs: int = 1_000_000
    retain: float = math.inf
    max_facts: int = 20_000


class Counts(NamedTuple):
    """How many jobs there are, and how many were evicted."""

    jobs: int
    evicted: int


class Facts(NamedTuple):
    """What was kept beside the jobs after a revision.

    Attributes:
        revision: Counts the changes; it only grows.
        changed: By kind and account (empty for all accounts): what is kept now, or None if nothing is.
    """

    revision: int
    changed: dict[tuple[str, str], bytes | None]


class InvalidStore(ValueError):
    """There is no such store, or it cannot be opened. The message is one sentence for the user."""


class StoreUnavailable(Exception):
    """The store cannot be read or written now, such as on a full disk. It may work again later."""


class StoredEntry(NamedTuple):
    """An entry of the request journal, as a store keeps it.

    Attributes:
        user_id: The account; None if the request had no API key.
        operation: The operation that was requested.
        job_id: The job that it is about; empty if there is none.
        happened: When, in seconds since the epoch by the system's clock.
        size: How many bytes it counts for.
        entry: The entry itself. No API key is in it.
    """

    user_id: str | None
    operation: str
    job_id: str
    happened: float
    size: int
    entry: bytes


class JobStore(Protocol):
    """What the fake needs of a store. Every method is safe to call from several threads.

    All but ``close`` may raise :class:`StoreUnavailable`; then nothing is half done.

    Attributes:
        name: What it is, for people: ``memory``, or its URL without a password.
        entries: Where processes that share this store keep their journal; None if none can share it.
    """

    name: str

    @property
    def entries(self) -> EntryStore | None:
        """Where the journal is kept."""
        ...

    def put(self, job: Job) -> bool:
        """Keep a new job. Return False if its id is taken."""
        ...

    def get(self, job_id: str) -> Job | None:
        """Return a job, whichever account it belongs to, or None."""
        ...

    def change(self, job_id: str, how: Callable[[Job], Job]) -> Job | None:
        """Replace a job with ``how(job)``, with no other change in between.

        Return the job as it was before, or None if there is no such job.
        """
        ...

    def page(self, user_id: str | None) -> list[Job]:
        """Return an account's jobs, or (None) all jobs, oldest first. Deleted ones are among them."""
        ...

    def forget(self, user_id: str | None, *, but: str = "") -> None:
        """Drop all that is kept of an account, or (None) of all accounts.

        A fact of the kind ``but`` stays if it belongs to no account.
        """
        ...

    def counts(self) -> Counts:
        """Return how many jobs there are, of all accounts, and how many were evicted so far."""
        ...

    def facts(self, since: int) -> Facts | None:
        """Return the facts that were kept after the revision ``since`` (0 for all); None without any."""
        ...

    def amend(
        self,
        kind: str,
        user_id: str | None,
        how: Callable[[bytes | None], tuple[bytes, Result]],
        *,
        told: bool = True,
    ) -> Result:
        """Replace a fact of an account, or (None) of all accounts, with what ``how(fact)`` returns first.

        Return what it returns second. No other change comes in between. If ``how`` raises, nothing is
        changed. It must not call the store.
        A fact that is not ``told`` does not appear in ``facts``.
        """
        ...

    def close(self) -> None:
        """Close connections and files."""
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
