"""Stores for jobs: the protocol of a store, and the function that opens one.

A store has jobs, facts of accounts (such as their scenarios and clocks, as bytes) and the entries of the
request journal. It does not know the simulated time or the API's JSON.

``memory`` is a store in this process. ``sql`` is a store in a database: SQLAlchemy builds the statements for
the ``tables``, which ``schema`` creates and migrates; ``database`` executes them on the connections of
``sqlite`` or ``postgresql``; ``entries`` stores the journal; ``recent`` is what need not be read again. A job
is stored as facts and its plan, not as a status, so nothing has to be recovered after a restart. If a store
cannot be read or written, it raises ``StoreUnavailable``, which becomes a 503 response; then nothing was
changed.

Facts have revisions, so that processes can follow each other's changes. Each change of a fact increments the
store's revision and gives it to the fact. A process asks for the facts with a higher revision than the
highest that it has read (``facts``). No change is missed as long as revisions become visible in their order.
So a transaction increments the revision first, and other transactions that change facts wait until it has
ended. A fact that is removed stays for a while without its value, so that others read that it is gone. Facts
that no process has in memory, such as rate limits, are not ``followed``: they get no revision.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar

from netmind_mock.system_time import system_time

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

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
    "WouldBlock",
    "open_store",
]

MEMORY: Final = "memory"

_FORMS: Final = {
    MEMORY: MEMORY,
    "sqlite": "sqlite:///FILE",
    "postgresql": "postgresql://USER@HOST/DATABASE",
    "postgres": "postgresql://USER@HOST/DATABASE",
}

Result = TypeVar("Result")


MAX_BYTES: Final = 256 * 1024 * 1024


class Limits(NamedTuple):
    """How much a store contains at most. What exceeds the limits is evicted.

    Attributes:
        max_jobs: The number of jobs. The oldest are evicted. A database may contain some more for a moment.
        max_bytes: The bytes of all models and configs; the oldest jobs are evicted, but never the newest
            one. A database may contain a twentieth more for a moment.
        retain: How long jobs are stored, in seconds of the system clock; infinite for no limit.
        max_facts: The number of facts of accounts, such as their scenarios. Those whose last change is the
            oldest are evicted.
    """

    max_jobs: int = 1_000_000
    retain: float = math.inf
    max_bytes: int = MAX_BYTES
    max_facts: int = 20_000


class Counts(NamedTuple):
    """The number of jobs in a store, and of jobs that were evicted."""

    jobs: int
    evicted: int


class Facts(NamedTuple):
    """The facts that changed after a revision.

    Attributes:
        revision: The store's revision, up to which these are all changes.
        changed: The fact by its kind and account (empty for all accounts); None if it was removed.
    """

    revision: int
    changed: dict[tuple[str, str], bytes | None]


class InvalidStore(ValueError):
    """A URL names no store, or a store that cannot be opened. The message is one sentence for the user."""


class StoreUnavailable(Exception):
    """The store cannot be read or written now, for example because the disk is full. It may work later."""


class WouldBlock(BaseException):
    """A request cannot be handled without waiting for a database: it needs a lock, or it writes.

    A BaseException, so that nothing takes it for a failure of the request.
    """


class StoredEntry(NamedTuple):
    """An entry of the request journal, as it is stored.

    Attributes:
        user_id: The account; None if the request had no API key.
        operation: The operation that was requested.
        job_id: The job that it is about; empty without one.
        happened: When the request was handled, in seconds since the epoch by the system clock.
        size: The bytes that it counts against the journal's limit.
        entry: The encoded entry, without secrets.
    """

    user_id: str | None
    operation: str
    job_id: str
    happened: float
    size: int
    entry: bytes


class JobStore(Protocol):
    """A store for jobs. Its methods are safe to call from several threads.

    All methods except ``close`` may raise :class:`StoreUnavailable`; then nothing was changed.

    Attributes:
        name: ``memory``, or the URL of the database without its password.
        entries: Stores the journal of the processes that share this store; None if it cannot be shared.
    """

    name: str

    @property
    def entries(self) -> EntryStore | None:
        """The store of journal entries."""
        ...

    def nonblocking(self) -> AbstractContextManager[object]:
        """Return a context in which this thread does not wait for the store. Only one thread may use it.

        A method that would have to wait raises :class:`WouldBlock`; then nothing was changed.
        """
        ...

    def put(self, job: Job) -> bool:
        """Store a new job, and return True. Return False if there is a job with its id."""
        ...

    def get(self, job_id: str) -> Job | None:
        """Return the job with an id, of any account; None if there is no such job."""
        ...

    def change(self, job_id: str, how: Callable[[Job], Job]) -> Job | None:
        """Replace a job with ``how(job)``, without another change in between.

        Returns:
            The job before the change; None if there is no such job.
        """
        ...

    def page(self, user_id: str | None) -> list[Job]:
        """Return the jobs of an account, or (None) of all accounts, oldest first, including deleted jobs."""
        ...

    def forget(self, user_id: str | None, *, keep_kind: str = "") -> None:
        """Remove everything of an account, or (None) of all accounts.

        Args:
            user_id: The account.
            keep_kind: A kind of fact. The fact of this kind that is for all accounts is not removed.
        """
        ...

    def counts(self) -> Counts:
        """Return the number of jobs of all accounts, and of jobs evicted so far."""
        ...

    def facts(self, since: int) -> Facts | None:
        """Return the followed facts that changed after a revision (0 for all); None if no fact changed."""
        ...

    def amend(
        self,
        kind: str,
        user_id: str | None,
        how: Callable[[bytes | None], tuple[bytes, Result]],
        *,
        followed: bool = True,
    ) -> Result:
        """Replace a fact of an account, or (None) of all accounts, without another change in between.

        Args:
            kind: The kind of the fact.
            user_id: The account.
            how: Gets the fact (None without one), and returns the new fact and a result. It must not call the
                store. If it raises, nothing is changed.
            followed: Whether the fact has a revision, and is returned by ``facts``.

        Returns:
            The result of ``how``.
        """
        ...

    def close(self) -> None:
        """Close connections and files."""
        ...


def open_store(
    url: str,
    limits: Limits = Limits(),  # noqa: B008 - it is frozen
    *,
    wall: Callable[[], float] = system_time.time,
) -> JobStore:
    """Open the store that a URL names.

    Args:
        url: ``memory``, ``sqlite:///FILE`` or ``postgresql://USER@HOST/DATABASE``.
        limits: How much it contains at most.
        wall: The system clock, in seconds since the epoch.

    Raises:
        InvalidStore: The URL names no store, the store cannot be opened, or a package that it needs is not
            installed.
    """
    if url == MEMORY:
        from netmind_mock.stores.memory import MemoryStore  # noqa: PLC0415 - imported only if used

        return MemoryStore(limits, wall=wall)
    scheme = url.partition(":")[0]
    if not url.startswith(("sqlite:///", "postgresql://", "postgres://")):
        import difflib  # noqa: PLC0415 - imported only for an error

        # The rest of the URL is not shown, since it may contain a password.
        expected = "memory, sqlite:///FILE or postgresql://USER@HOST/DATABASE"
        near = difflib.get_close_matches(scheme, _FORMS, n=1)
        suggestion = f"; did you mean {_FORMS[near[0]]}?" if near else ""
        raise InvalidStore(
            f"store: expected {expected}, got a URL that starts with {scheme[:20]!r}{suggestion}"
        )
    try:
        from netmind_mock.stores.sql import SqlStore, open_database  # noqa: PLC0415 - it imports SQLAlchemy

        return SqlStore(open_database(url), limits, wall=wall)
    except ModuleNotFoundError as error:
        if error.name not in ("sqlalchemy", "psycopg"):
            raise
        extra = "sql" if scheme == "sqlite" else "postgresql"
        advice = f"pip install 'netmind-testkit[{extra}]'"
        raise InvalidStore(f"store: {scheme} needs {error.name}, which is not installed: {advice}") from None
