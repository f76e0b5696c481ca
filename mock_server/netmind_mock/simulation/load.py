"""The load of the API: a limit on concurrent jobs, the latency of responses, and a rate limit.

With a capacity of n, an account has n slots, each of which runs one job at a time. When a job can start is
computed once, when it is created, and stored in its plan as ``queued_for``; its status then follows from the
plan, as without a queue. So no thread has to start jobs.

The store has, for each account, the times at which its slots become free. A new job takes the slot that is
free first (``next_start``), and the slot is then free when that job ends. This takes one transaction, so that
two processes never give away the same slot.

If a job ends early, because it is deleted or ended by hand, the start times of the waiting jobs are computed
again from the jobs in the store (``Queue.move_up``).
"""

from __future__ import annotations

import math
import re
import threading
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec.structs import replace

from netmind_mock.jobs.job import CLOCK_GRAIN, has_ended, lasts

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from netmind_mock.jobs.job import Job, Plan
    from netmind_mock.stores import JobStore


_ATTEMPTS = 3  # to move jobs up while other jobs are created
_SLOTS = "slots"  # the kind of the stored value: when each slot is free, in seconds since the epoch
_NO_SLOTS = msgspec.msgpack.encode([])


class Queue:
    """The slots of each account. Safe to use from several threads, and from several processes on one store.

    Attributes:
        lock: Held from the moment a job takes a slot until the job is in the store. ``move_up`` computes the
            slots from the stored jobs, and would give the slot of such a job away. The lock does not hold
            across processes: if another process moves jobs up at that moment, one job more than the capacity
            may run.
    """

    def __init__(self, store: JobStore, capacity: int) -> None:
        self._store = store
        self._capacity = capacity
        self.lock = threading.RLock()

    def planned(self, user_id: str, plan: Plan, now: float) -> Plan:
        """Take a slot for a job that is created at ``now``. Return its plan with its time in the queue."""
        if self._next_start(user_id, plan, now, take=False) > now:
            # A slot may belong to a job that no longer exists (evicted) or was never stored. Free such slots.
            self.move_up(user_id, now)
        wait = self._next_start(user_id, plan, now, take=True) - now
        return replace(plan, queued_for=wait) if wait else plan

    def move_up(self, user_id: str, now: float) -> None:
        """Give the slots that are free at ``now`` to the waiting jobs, in the order of their creation."""
        with self.lock:
            for is_last in (*[False] * _ATTEMPTS, True):
                if self._try_move_up(user_id, now, is_last=is_last):
                    return

    def _next_start(self, user_id: str, plan: Plan, now: float, *, take: bool) -> float:
        """Return when a job would start. If ``take`` is true, take its slot."""

        def look(stored: bytes | None) -> tuple[bytes, float]:
            start, ends = next_start(_ends(stored), self._capacity, now, lasts(plan))
            return msgspec.msgpack.encode(ends) if take else stored or _NO_SLOTS, start

        return self._store.amend(_SLOTS, user_id, look, followed=False)

    def _try_move_up(self, user_id: str, now: float, *, is_last: bool) -> bool:
        """Compute the starts of the waiting jobs and the slots again, and store them.

        The jobs and the slots are not read in one transaction. So the slots are stored only if they are still
        as they were before the jobs were read; otherwise a job was created meanwhile, and took a slot.

        Returns:
            Whether the slots were stored, or this was the last attempt.
        """
        before = self._stored_slots(user_id)
        unended = [job for job in self._store.page(user_id) if not has_ended(job, now)]
        ends = [_start(job) + lasts(job.plan) for job in unended if _start(job) <= now + CLOCK_GRAIN]
        for job in unended:
            if _start(job) > now + CLOCK_GRAIN:
                start, ends = next_start(ends, self._capacity, now, lasts(job.plan))
                self._store.change(job.id, _start_at(job, start))
        return self._store_slots(user_id, before, ends) or is_last

    def _stored_slots(self, user_id: str) -> bytes:
        return self._store.amend(_SLOTS, user_id, lambda stored: (stored or _NO_SLOTS,) * 2, followed=False)

    def _store_slots(self, user_id: str, before: bytes, ends: list[float]) -> bool:
        """Store the slots if they are still as they were ``before``. Return whether they were."""

        def put(stored: bytes | None) -> tuple[bytes, bool]:
            is_same = stored == before
            return msgspec.msgpack.encode(ends) if is_same else stored or _NO_SLOTS, is_same

        return self._store.amend(_SLOTS, user_id, put, followed=False)


def _start(job: Job) -> float:
    return job.created_at + job.plan.queued_for


def _ends(stored: bytes | None) -> list[float]:
    return msgspec.msgpack.decode(stored or _NO_SLOTS, type=list[float])


def _start_at(seen: Job, start: float) -> Callable[[Job], Job]:
    """Return a change that sets a job's start, unless the job was changed since it was ``seen``."""

    def change(job: Job) -> Job:
        queued_for = start - job.created_at
        if job.plan != seen.plan or job.deleted_at is not None or job.plan.queued_for == queued_for:
            return job
        return replace(job, plan=replace(job.plan, queued_for=queued_for))

    return change


_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"
_FIXED = re.compile(_NUMBER)
_RANGE = re.compile(f"{_NUMBER}-{_NUMBER}")
_LOG_NORMAL = re.compile(f"lognormal:{_NUMBER},{_NUMBER}")
_RATE = re.compile(r"([0-9]{1,9})/([smh])")
_PERIODS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_MAX_SECONDS = 1e6


class Latency(NamedTuple):
    """How long responses take, in seconds: uniform between two bounds, or log-normal if ``sigma`` is above 0.

    Attributes:
        low: The lower bound, or the median of a log-normal latency.
        high: The upper bound; the same as ``low`` for a log-normal latency.
        sigma: The standard deviation of the latency's logarithm; 0 for a uniform latency.
    """

    low: float
    high: float
    sigma: float = 0.0

    @classmethod
    def parsed(cls, text: str) -> Latency:
        """Return the latency of a text such as ``0.2``, ``0.1-0.5`` or ``lognormal:MEDIAN,SIGMA``.

        Raises:
            ValueError: The text has another form, or a value is out of range.
        """
        if fixed := _FIXED.fullmatch(text):
            latency = cls(float(fixed[1]), float(fixed[1]))
        elif between := _RANGE.fullmatch(text):
            latency = cls(float(between[1]), float(between[2]))
        elif found := _LOG_NORMAL.fullmatch(text):
            latency = cls(float(found[1]), float(found[1]), float(found[2]))
        else:
            expected = "seconds such as 0.2, a range such as 0.1-0.5, or lognormal:MEDIAN,SIGMA"
            raise ValueError(f"latency: expected {expected}, got {text[:40]!r}")
        if latency.low > latency.high:
            raise ValueError(f"latency: expected the lower bound first, got {text!r}")
        if latency.high > _MAX_SECONDS or latency.sigma > 10:
            raise ValueError(
                f"latency: expected at most 1e6 seconds, and a sigma of at most 10, got {text[:40]!r}"
            )
        return latency

    @property
    def most(self) -> float:
        """The bound, or for a log-normal latency a time that one response in about 740 exceeds."""
        return self.high * math.exp(3 * self.sigma)

    def drawn(self, chance: random.Random) -> float:
        """Return a random latency for one response, in seconds."""
        if self.sigma:
            return min(self.low * math.exp(self.sigma * chance.gauss(0.0, 1.0)), _MAX_SECONDS)
        return self.low if self.low == self.high else chance.uniform(self.low, self.high)


class RateLimit(NamedTuple):
    """A limit on the requests of an account: ``requests`` in ``seconds``, spread evenly or all at once.

    This is the generic cell rate algorithm (GCRA), a form of the token bucket. It needs one stored number for
    each account: the time at which the full limit is available again. Each request moves that time later by
    ``seconds / requests``. A request that would move it more than ``seconds`` from now is refused.
    """

    requests: int
    seconds: float

    @classmethod
    def parsed(cls, text: str) -> RateLimit:
        """Return the limit of a text such as ``10/s``, ``60/m`` or ``1000/h``.

        Raises:
            ValueError: The text has another form, or the number is 0.
        """
        found = _RATE.fullmatch(text)
        if found is None or int(found[1]) == 0:
            expected = "a number of at least 1 and a period (s, m or h), such as 10/s, 60/m or 1000/h"
            raise ValueError(f"rate limit: expected {expected}, got {text[:40]!r}")
        return cls(int(found[1]), _PERIODS[found[2]])

    def taken(self, full_at: float, now: float) -> tuple[float, float]:
        """Count a request.

        Args:
            full_at: When the full limit is available again, as it was stored; 0 if nothing was stored.
            now: When the request arrived.

        Returns:
            The new ``full_at``, and how many seconds the request is too early: 0 if it is allowed.
        """
        each = self.seconds / self.requests
        after = max(full_at, now) + each
        wait = after - self.seconds - now
        return (after, 0.0) if wait <= each * 1e-6 else (full_at, wait)


class Load(NamedTuple):
    """How slow and how busy the API is.

    Attributes:
        latency: The latency of responses; None to respond at once.
        rate: The rate limit; None for no limit.
        chance: The random numbers that decide each latency.
    """

    latency: Latency | None
    rate: RateLimit | None
    chance: random.Random


def next_start(ends: list[float], capacity: int, now: float, lasts: float) -> tuple[float, list[float]]:
    """Return when a new job starts if at most ``capacity`` jobs run at once: when the first slot is free.

    Args:
        ends: When the slots of earlier jobs are free again, in any order; infinite for never.
        capacity: How many jobs run at once.
        now: When the job is created.
        lasts: How long it runs; infinite if it never ends.

    Returns:
        When it starts, and when the slots are free after that.
    """
    taken = sorted(end for end in ends if end > now)
    start = now
    if len(taken) >= capacity:
        start, *taken = taken[len(taken) - capacity :]
    return start, [*taken, start + lasts]
