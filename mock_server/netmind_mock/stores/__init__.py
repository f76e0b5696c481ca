"""Where jobs are kept: a protocol of five methods, and one module per store.

A store knows jobs and tenants, and nothing of time or of the wire.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from netmind_mock.jobs import Job

__all__ = ["JobStore"]


class JobStore(Protocol):
    """What the fake needs of a store. Every method is safe to call from several threads."""

    def put(self, job: Job) -> None:
        """Keep a new job."""
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
