"""A store in the memory of this process."""

from __future__ import annotations

import math
import threading
from collections import deque
from contextlib import nullcontext
from typing import TYPE_CHECKING

from netmind_mock.stores import MEMORY, Counts, Facts, Limits
from netmind_mock.system_time import system_time

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from netmind_mock.jobs.job import Job
    from netmind_mock.stores import Result


_NEVER_BLOCKS = nullcontext()


class MemoryStore:
    """A store in memory. Its dictionaries have jobs in the order of creation, facts in that of change."""

    name = MEMORY
    entries = None

    def __init__(
        self,
        limits: Limits = Limits(),  # noqa: B008 - it is frozen
        *,
        wall: Callable[[], float] = system_time.time,
    ) -> None:
        """Create an empty store.

        Args:
            limits: How much it contains at most.
            wall: The system clock, in seconds since the epoch.
        """
        self._limits = limits
        self._wall = wall
        self._jobs: dict[str, Job] = {}
        self._by_user: dict[str, deque[str]] = {}
        self._put_at: deque[tuple[float, str]] = deque()  # empty if there is no limit on their age
        self._bytes = 0
        self._evicted = 0
        # Facts with the revisions of their last changes, in this order; and the removed ones.
        self._facts: dict[tuple[str, str], tuple[int, bytes | None]] = {}
        self._dropped_facts: dict[tuple[str, str], tuple[int, None]] = {}
        self._unfollowed_facts: dict[tuple[str, str], tuple[int, bytes | None]] = {}
        self._revision = 0
        self._lock = threading.Lock()

    def nonblocking(self) -> AbstractContextManager[object]:
        """Return a context without an effect, since no method waits."""
        return _NEVER_BLOCKS

    def put(self, job: Job) -> bool:
        """Store a new job, and return True. Return False if there is a job with its id."""
        with self._lock:
            if job.id in self._jobs:
                return False
            self._jobs[job.id] = job
            self._bytes += job.size
            self._by_user.setdefault(job.user_id, deque()).append(job.id)
            if self._limits.retain < math.inf:
                self._put_at.append((self._wall(), job.id))
            self._evict()
            return True

    def get(self, job_id: str) -> Job | None:
        """Return the job with an id, of any account; None if there is no such job."""
        if self._put_at:
            with self._lock:
                self._evict()
        return self._jobs.get(job_id)

    def change(self, job_id: str, how: Callable[[Job], Job]) -> Job | None:
        """Replace a job with ``how(job)``, and return the job before the change."""
        with self._lock:
            job = self._jobs.get(job_id)
            if job is not None:
                self._jobs[job_id] = how(job)
            return job

    def page(self, user_id: str | None) -> list[Job]:
        """Return the jobs of an account, or (None) of all accounts, oldest first."""
        with self._lock:
            self._evict()
            if user_id is None:
                return list(self._jobs.values())
            return [self._jobs[job_id] for job_id in self._by_user.get(user_id, ())]

    def forget(self, user_id: str | None, *, keep_kind: str = "") -> None:
        """Remove everything of an account, or (None) of all accounts except their fact of ``keep_kind``."""
        with self._lock:
            self._revision += 1
            for name in [*self._facts, *self._unfollowed_facts]:
                if user_id in (None, name[1]) and name != (keep_kind, ""):
                    self._drop_fact(name)
            if user_id is None:
                self._jobs, self._by_user, self._put_at, self._bytes = {}, {}, deque(), 0
                return
            for job_id in self._by_user.pop(user_id, ()):
                self._bytes -= self._jobs.pop(job_id).size

    def counts(self) -> Counts:
        """Return the number of jobs, and of jobs evicted so far."""
        with self._lock:
            self._evict()
            return Counts(len(self._jobs), self._evicted)

    def facts(self, since: int) -> Facts | None:
        """Return the followed facts that changed after a revision; None if no fact changed."""
        if since == self._revision:  # without the lock, since each request asks
            return None
        with self._lock:
            changed: dict[tuple[str, str], bytes | None] = {}
            for facts in (self._facts, self._dropped_facts):
                for name in reversed(facts):  # the last change is last
                    revision, fact = facts[name]
                    if revision <= since:
                        break
                    changed[name] = fact
            return Facts(self._revision, changed)

    def amend(
        self,
        kind: str,
        user_id: str | None,
        how: Callable[[bytes | None], tuple[bytes, Result]],
        *,
        followed: bool = True,
    ) -> Result:
        """Replace a fact of an account, or (None) of all accounts, and return the result of ``how``."""
        name = kind, user_id or ""
        with self._lock:
            facts = self._facts if followed else self._unfollowed_facts
            after, result = how(facts.get(name, (0, None))[1])
            self._revision += followed
            self._dropped_facts.pop(name, None)
            facts.pop(name, None)  # so that it becomes the last one
            facts[name] = self._revision, after
            if len(facts) > self._limits.max_facts:  # facts of all accounts are not evicted
                self._drop_fact(next((name for name in facts if name[1]), name))
            return result

    def close(self) -> None:
        """Return without an error: there is nothing to close."""

    def _drop_fact(self, name: tuple[str, str]) -> None:
        """Remove a fact. If it was followed, remember that it is gone, within the limit."""
        if self._facts.pop(name, None) is None:
            self._unfollowed_facts.pop(name, None)
            return
        self._dropped_facts[name] = self._revision, None
        if len(self._dropped_facts) > self._limits.max_facts:
            del self._dropped_facts[next(iter(self._dropped_facts))]

    def _evict(self) -> None:
        """Drop the jobs that exceed the limits, the oldest first."""
        limits = self._limits
        while len(self._jobs) > limits.max_jobs or (self._bytes > limits.max_bytes and len(self._jobs) > 1):
            self._drop(next(iter(self._jobs)))
        if self._put_at:
            last = self._wall() - self._limits.retain
            while self._put_at and self._put_at[0][0] <= last:
                self._drop(self._put_at.popleft()[1])

    def _drop(self, job_id: str) -> None:
        job = self._jobs.pop(job_id, None)
        if job is None:
            return  # it was removed by ``forget``
        self._bytes -= job.size
        ids = self._by_user[job.user_id]
        ids.popleft()  # jobs are dropped in the order of creation, so it is the first of its account
        if not ids:
            del self._by_user[job.user_id]
        self._evicted += 1
