"""A queue of jobs, where no more than so many of an account run at once: the rest stay pending.

When a job begins is worked out when it is created, from when the places before it are free, and stands in its
plan; so its status is computed as ever. If a job ends before its time, those behind it move up.
"""

from __future__ import annotations

import math
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson

from netmind_mock.jobs import CLOCK_GRAIN, has_ended, lasts
from netmind_mock.load import begun

if TYPE_CHECKING:
    from collections.abc import Callable

    from netmind_mock.jobs import Job, Plan
    from netmind_mock.stores import JobStore

_TRIES = 3  # while jobs are created that take places
_PLACES = "places"  # when each is free again, in seconds since the epoch; None for never


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
        found: list[float] = []

        def look(kept: bytes | None) -> bytes:
            begins, ends = begun(_unpacked(kept), self._capacity, now, lasts(plan))
            found.append(begins)
            return _packed(ends) if take else kept or _packed([])

        self._store.amend(_PLACES, user_id, look, told=False)
        return found[-1]

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

    def _places(self, user_id: str) -> bytes | None:
        seen: list[bytes | None] = []

        def look(kept: bytes | None) -> bytes:
            seen.append(kept)
            return kept or _packed([])

        self._store.amend(_PLACES, user_id, look, told=False)
        return seen[-1]

    def _keep(self, user_id: str, before: bytes | None, ends: list[float]) -> bool:
        """Keep the places, unless a job was created meanwhile."""
        kept_now: list[bool] = []

        def put(kept: bytes | None) -> bytes:
            kept_now.append(kept == (before or _packed([])))
            return _packed(ends) if kept_now[-1] else kept or _packed([])

        self._store.amend(_PLACES, user_id, put, told=False)
        return kept_now[-1]


def _begins(job: Job) -> float:
    return job.created_at + job.plan.queued_for


def _waits(seen: Job, begins: float) -> Callable[[Job], Job]:
    """A change of a job: it begins at this moment, if it still waits as it was seen."""

    def change(job: Job) -> Job:
        queued_for = begins - job.created_at
        if job.plan != seen.plan or job.deleted_at is not None or job.plan.queued_for == queued_for:
            return job
        return replace(job, plan=replace(job.plan, queued_for=queued_for))

    return change


def _packed(ends: list[float]) -> bytes:
    return orjson.dumps(ends)  # which writes what is infinite as null


def _unpacked(kept: bytes | None) -> list[float]:
    return [math.inf if end is None else end for end in orjson.loads(kept or b"[]")]
