"""Jobs in this process's memory."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netmind_mock.jobs import Job


class MemoryStore:
    """Keeps jobs in dictionaries, which keep the order of creation."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._by_user: dict[str, list[str]] = {}
        self._lock = threading.Lock()

    def put(self, job: Job) -> None:
        """Keep a new job."""
        with self._lock:
            self._jobs[job.id] = job
            self._by_user.setdefault(job.user_id, []).append(job.id)

    def get(self, job_id: str) -> Job | None:
        """The job, whoever it belongs to, or None."""
        return self._jobs.get(job_id)

    def delete(self, job_id: str, now: float) -> Job | None:
        """Record that the job was deleted at ``now``; the job as it was before."""
        with self._lock:
            job = self._jobs.get(job_id)
            if job is not None and job.deleted_at is None:
                self._jobs[job_id] = replace(job, deleted_at=now)
            return job

    def page(self, user_id: str) -> list[Job]:
        """The tenant's jobs, oldest first, deleted ones among them."""
        with self._lock:
            return [self._jobs[job_id] for job_id in self._by_user.get(user_id, ())]
