"""Where jobs are kept: a protocol, and one module per store.

A store knows jobs and tenants, and nothing of time or of the wire.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from netmind_mock.jobs import Job

__all__ = ["Counts", "InvalidStore", "JobStore", "Limits", "StoreUnavailable", "open_store"]

MEMORY = "memory"


class Limits(NamedTuple):
    """How much is kept; what is beyond is evicted, the oldest first.

    Attributes:
        max_jobs: How many jobs at most. A database may hold some more for a moment.
        retain: For how long, in seconds of the system's clock; infinite for ever.
    """

    max_jobs: int = 1_000_000
    retain: float = math.inf


class Counts(NamedTuple):
    """How many jobs there are, and how many were evicted."""

    jobs: int
    evicted: int


class InvalidStore(ValueError):
    """No store is called so, or it cannot be opened. The message is one sentence for who named it."""


class StoreUnavailable(Exception):
    """The store cannot be read or written now: a full disk, a database that is gone. It may be well again."""


class JobStore(Protocol):
    """What the fake needs of a store. Every method is safe to call from several threads.

    All but ``close`` may raise :class:`StoreUnavailable`; then nothing is half done.

    Attributes:
        name: What it is, for people: ``memory``, or its URL without a password.
    """

    name: str

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

    def forget(self, user_id: str | None) -> None:
        """Drop the tenant's jobs, or everybody's, as if there had been none."""
        ...

    def counts(self) -> Counts:
        """How many jobs there are, everybody's, and how many were evicted so far."""
        ...

    def keep(self, name: str, fact: bytes | None) -> None:
        """Keep a fact that is no job, in the place of what was kept by this name; None for no longer."""
        ...

    def recall(self, prefix: str) -> dict[str, bytes]:
        """What was kept by names that begin so."""
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...


def open_store(url: str, limits: Limits = Limits()) -> JobStore:  # noqa: B008 - it is frozen
    """The store that a URL names: ``memory``, ``sqlite:///FILE`` or ``postgresql://USER@HOST/DATABASE``.

    Raises:
        InvalidStore: There is none, it cannot be opened, or what it needs is not installed.
    """
    if url == MEMORY:
        from netmind_mock.stores.memory import MemoryStore  # noqa: PLC0415 - the one that is asked for

        return MemoryStore(limits)
    if url.startswith("postgres://"):
        url = url.replace("postgres://", "postgresql://", 1)
    if not url.startswith(("sqlite:///", "postgresql://")):
        # What else it holds is not shown: there may be a password in it.
        expected = "memory, sqlite:///FILE or postgresql://USER@HOST/DATABASE"
        raise InvalidStore(f"store: expected {expected}, got one of {url.partition(':')[0][:20]!r}")
    try:
        from netmind_mock.stores.sql import SqlStore  # noqa: PLC0415 - it brings SQLAlchemy along
    except ModuleNotFoundError as error:
        if error.name != "sqlalchemy":
            raise
        advice = "pip install 'netmind-testkit[sql]'"
        raise InvalidStore(f"store: {url.partition(':')[0]} needs SQLAlchemy: {advice}") from None
    return SqlStore(url, limits)
