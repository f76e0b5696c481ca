"""Jobs in this process's memory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from netmind_mock.jobs import Job


class MemoryStore:
    """Keeps jobs in dictionaries, which keep the order of creation."""

    name = "memory"

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._by_user: dict[str, list[str]] = {}
        self._facts: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def put(self, job: Job) -> bool:
        """Keep a new job; False if its id is taken."""
        with self._lock:
            if job.id in self._jobs:
                return False
            self._jobs[job.id] = job
            self._by_user.setdefault(job.user_id, []).append(job.id)
            return True

    def get(self, job_id: str) -> Job | None:
        """The job, whoever it belongs to, or None."""
        return self._jobs.get(job_id)

    def change(self, job_id: str, how: Callable[[Job], Job]) -> Job | None:
        """Put ``how(job)`` in the job's place; the job as it was before."""
        with self._lock:
            job = self._jobs.get(job_id)
            if job is not None:
                self._jobs[job_id] = how(job)
            return job

    def page(self, user_id: str | None) -> list[Job]:
        """The tenant's jobs, or everybody's, oldest first, deleted ones among them."""
        with self._lock:
            if user_id is None:
                return list(self._jobs.values())
            return [self._jobs[job_id] for job_id in self._by_user.get(user_id, ())]

    def forget(self, user_id: str | None) -> None:
        """Drop the tenant's jobs, or everybody's, as if there had been none."""
        with self._lock:
            if user_id is None:
                self._jobs, self._by_user = {}, {}
                return
            for job_id in self._by_user.pop(user_id, ()):
                del self._jobs[job_id]

    def keep(self, name: str, fact: bytes) -> None:
        """Keep a fact that is no job."""
        self._facts[name] = fact

    def recall(self, name: str) -> bytes | None:
        """What was kept by this name, or None."""
        return self._facts.get(name)

    def close(self) -> None:
        """Do nothing."""
