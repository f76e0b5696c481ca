"""The load of the API: a queue of jobs, the latency of responses, and a limit on requests.

Where no more than so many jobs of an account run at once, the rest stay pending. When a job begins is worked
out when it is created, from when the places before it are free, and stands in its plan; so its status is
computed as ever. If a job ends before its time, those behind it move up.
"""

from __future__ import annotations

import contextlib
import math
import re
import threading
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec.structs import replace

from netmind_mock.jobs.job import CLOCK_GRAIN, has_ended, lasts
from netmind_mock.stores import StoreUnavailable

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from netmind_mock.jobs.job import Job, Plan
    from netmind_mock.stores import JobStore


_TRIES = 3  # while jobs are created that take places
_PLACES = "places"  # when each is free again, in seconds since the epoch; infinite for never
_NO_PLACES = msgspec.msgpack.encode([])


class Queue:
    """The places of each account. Safe to use from several threads and processes on one store."""

    def __init__(self, store: JobStore, capacity: int) -> None:
        self._store = store
        self._capacity = capacity
        # Between a place and its job nobody of this process moves up. Another process may: then one job more
        # than there are places may run.
        self.turn = threading.RLock()

    def planned(self, user_id: str, plan: Plan, now: float) -> Plan:
        """The plan of a job that is created at ``now``, with the time that it waits for a place."""
        if self._begins(user_id, plan, now, take=False) > now:
            # A place may be kept by a job that is gone: evicted, or never put. Else it takes its turn.
            self.move_up(user_id, now)
        waits = self._begins(user_id, plan, now, take=True) - now
        return replace(plan, queued_for=waits) if waits else plan

    def move_up(self, user_id: str, now: float) -> None:
        """Let jobs that wait have the places that are free at ``now``, in the order of their creation."""
        with self.turn:
            for last in (*[False] * _TRIES, True):
                if self._moved_up(user_id, now, last=last):
                    return

    def _begins(self, user_id: str, plan: Plan, now: float, *, take: bool) -> float:
        """When a job would begin, and its place is taken if it is to be."""

        def look(kept: bytes | None) -> tuple[bytes, float]:
            begins, ends = begun(_ends(kept), self._capacity, now, lasts(plan))
            return msgspec.msgpack.encode(ends) if take else kept or _NO_PLACES, begins

        return self._store.amend(_PLACES, user_id, look, told=False)

    def _moved_up(self, user_id: str, now: float, *, last: bool) -> bool:
        """Whether that was possible: not if a job was created meanwhile, unless this is the last try."""
        before = self._places(user_id)
        unended = [job for job in self._store.page(user_id) if not has_ended(job, now)]
        ends = [_begins(job) + lasts(job.plan) for job in unended if _begins(job) <= now + CLOCK_GRAIN]
        for job in unended:
            if _begins(job) > now + CLOCK_GRAIN:
                begins, ends = begun(ends, self._capacity, now, lasts(job.plan))
                self._store.change(job.id, _waits(job, begins))
        return self._keep(user_id, before, ends) or last

    def _places(self, user_id: str) -> bytes:
        return self._store.amend(_PLACES, user_id, lambda kept: (kept or _NO_PLACES,) * 2, told=False)

    def _keep(self, user_id: str, before: bytes, ends: list[float]) -> bool:
        """Keep the places, unless a job was created meanwhile; return whether they were kept."""

        def put(kept: bytes | None) -> tuple[bytes, bool]:
            is_same = kept == before
            return msgspec.msgpack.encode(ends) if is_same else kept or _NO_PLACES, is_same

        return self._store.amend(_PLACES, user_id, put, told=False)


def move_up(queue: Queue | None, user_id: str, now: float) -> None:
    """Let jobs move up if there is a queue. What made the place stays done where they cannot now."""
    if queue is not None:
        with contextlib.suppress(StoreUnavailable):  # the next create that has to wait tries again
            queue.move_up(user_id, now)


def _begins(job: Job) -> float:
    return job.created_at + job.plan.queued_for


def _ends(kept: bytes | None) -> list[float]:
    return msgspec.msgpack.decode(kept or _NO_PLACES, type=list[float])


def _waits(seen: Job, begins: float) -> Callable[[Job], Job]:
    """A change of a job: it begins at this moment, if it still waits as it was seen."""

    def change(job: Job) -> Job:
        queued_for = begins - job.created_at
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
    """How long answers take: between two bounds, or (``sigma`` above 0) log-normal around a median.

    Attributes:
        low: The least, or the median.
        high: The most; of a log-normal one, the same as ``low``.
        sigma: The standard deviation of its logarithm.
    """

    low: float
    high: float
    sigma: float = 0.0

    @classmethod
    def parsed(cls, text: str) -> Latency:
        """A latency from ``0.2``, ``0.1-0.5`` or ``lognormal:MEDIAN,SIGMA``.

        Raises:
            ValueError: It is none of these.
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
        """What hardly any answer is later than, in seconds."""
        return self.high * math.exp(3 * self.sigma)

    def drawn(self, chance: random.Random) -> float:
        """One answer's latency, in seconds."""
        if self.sigma:
            return min(self.low * math.exp(self.sigma * chance.gauss(0.0, 1.0)), _MAX_SECONDS)
        return self.low if self.low == self.high else chance.uniform(self.low, self.high)


class RateLimit(NamedTuple):
    """So many requests in so many seconds, of one account: all at once, or evenly.

    It is kept as one number: when the account would have used up nothing again (the generic cell rate
    algorithm, which ATM networks count cells by).
    """

    requests: int
    seconds: float

    @classmethod
    def parsed(cls, text: str) -> RateLimit:
        """A limit from ``10/s``, ``60/m`` or ``1000/h``.

        Raises:
            ValueError: It is none of these.
        """
        found = _RATE.fullmatch(text)
        if found is None or int(found[1]) == 0:
            raise ValueError(f"rate limit: expected one such as 10/s, 60/m or 1000/h, got {text[:40]!r}")
        return cls(int(found[1]), _PERIODS[found[2]])

    def taken(self, unused_at: float, now: float) -> tuple[float, float]:
        """What is kept after a request at ``now``, and by how many seconds it comes too early, or 0.

        ``unused_at`` is what was kept before; 0 if nothing was.
        """
        each = self.seconds / self.requests
        after = max(unused_at, now) + each
        wait = after - self.seconds - now
        return (after, 0.0) if wait <= each * 1e-6 else (unused_at, wait)


class Load(NamedTuple):
    """How slow and how busy the API is.

    Attributes:
        latency: None if answers are not to be late.
        rate: None if there is no limit.
        chance: What decides each latency.
    """

    latency: Latency | None
    rate: RateLimit | None
    chance: random.Random


def begun(ends: list[float], capacity: int, now: float, lasts: float) -> tuple[float, list[float]]:
    """When a job begins that is created at ``now``, where no more than ``capacity`` run at once.

    Args:
        ends: When the places of jobs before it are free again, in any order; infinite for never.
        capacity: How many jobs run at once.
        now: When it is created.
        lasts: How long it runs; infinite for ever.

    Returns:
        When it begins, and when the places are free with it.
    """
    taken = sorted(end for end in ends if end > now)
    begins = now
    if len(taken) >= capacity:
        begins, *taken = taken[len(taken) - capacity :]
    return begins, [*taken, begins + lasts]
