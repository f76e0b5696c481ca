"""Where jobs are kept: a protocol of four methods, and one module per store.

A store knows jobs and tenants, and nothing of time or of the wire.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
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

    def delete(self, job_id: str, now: float) -> Job | None:
        """Record that the job was deleted at ``now``, once: a job that is deleted already stays as it is.

        Returns the job as it was before this call, or None if there is no such job.
        """
        ...

    def page(self, user_id: str) -> list[Job]:
        """The tenant's jobs, oldest first, deleted ones among them."""
        ...
