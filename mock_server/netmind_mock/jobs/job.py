"""Jobs as immutable facts, from which their status is computed.

``status_at`` is a pure function of a job and a time. Only this function knows how a job goes from pending to
its end. No thread or timer changes a job, and reading a job does not change it.

A job cannot be part of a reference cycle, so the garbage collector does not track jobs (``gc=False``). There
may be a million of them.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

# The precision of floats of the size of epoch seconds. Comparisons allow for it, so that rounding does not
# delay a job.
CLOCK_GRAIN = 1e-6
LINK_SECONDS = 3600.0  # the life of new links, after the earlier links were expired by the control API


class Status(StrEnum):
    """The status of a job. The profile has the word for each in the API's JSON."""

    PENDING = "pending"
    INITIALIZING = "initializing"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether a job that has this status does not change any more."""
        return self in (Status.COMPLETED, Status.FAILED)


_UNFINISHED = (Status.PENDING, Status.INITIALIZING, Status.PROCESSING)


class MediaKind(StrEnum):
    """The kind of a model's results; also their ``file_type`` (``image`` is documented)."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    TEXT = "text"


class Output(Struct, frozen=True, gc=False):
    """A result to be rendered: sizes in pixels, duration in seconds, 0 if the kind does not have them."""

    kind: MediaKind
    extension: str
    width: int = 0
    height: int = 0
    duration: float = 0.0


class Stage(Struct, frozen=True, gc=False):
    """A status, and when it begins.

    Attributes:
        status: One of ``Status``, or another word, which is sent as it is.
        begins: Seconds after creation; infinite if it does not begin by time.
        polls: If it is not 0, the stage also begins with the poll of this number (from 1).
    """

    status: str
    begins: float
    polls: int = 0


class Plan(Struct, frozen=True, gc=False):
    """How a job goes. Jobs that go the same way share a plan.

    Attributes:
        stages: In order of time; the first begins at 0.
        counts_polls: How many polls are stored, because stages begin with them.
        outputs: The results of the job, if it completes.
        failure: The last log line of a job that fails.
        empty_for: Seconds for which a completed job's result stays empty; infinite if it stays empty.
        hidden_for: Seconds after creation for which get does not know the job.
        list_behind: Seconds by which the list lags behind get.
        link_life: Seconds after which a result's link expires.
        delete_late: Seconds after which a delete takes effect; if not 0, the delete completes the job.
        scenario: The name of its scenario; empty without one.
        queued_for: Seconds in the queue, during which the job stays in its first stage.
        links_since: Links created before this time have expired, in seconds since the epoch.
    """

    stages: tuple[Stage, ...]
    outputs: tuple[Output, ...] = ()
    failure: str | None = None
    counts_polls: int = 0
    empty_for: float = 0.0
    hidden_for: float = 0.0
    list_behind: float = 0.0
    link_life: float = math.inf
    delete_late: float = 0.0
    scenario: str = ""
    queued_for: float = 0.0
    links_since: float = 0.0


class Job(Struct, frozen=True, gc=False):
    """The facts of a job.

    Attributes:
        id: 32 lower-case hexadecimal digits.
        user_id: The account that created it.
        model: The model's name, as it was sent.
        config: The model's options, as compact JSON in UTF-8.
        created_at: Seconds since the epoch.
        plan: How it goes.
        deleted_at: When a delete takes effect, in seconds since the epoch; None without a delete.
        polled_at: The times of the first polls, as many as the plan counts.
    """

    id: str
    user_id: str
    model: str
    config: bytes
    created_at: float
    plan: Plan
    deleted_at: float | None = None
    polled_at: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """The bytes that depend on what a client sent."""
        return len(self.config) + len(self.model)

    def is_deleted(self, now: float) -> bool:
        """Return whether a delete has taken effect."""
        return self.deleted_at is not None and self.deleted_at <= now + CLOCK_GRAIN


def prompt_of(config: Mapping[str, Any]) -> str:
    """Return the prompt of a config, or its text to be spoken; empty if there is neither."""
    for name in ("prompt", "text"):
        if isinstance(text := config.get(name), str):
            return text
    return ""


def status_at(job: Job, now: float) -> Stage:
    """Return the stage of a job at ``now`` (seconds since the epoch), with the time at which it began.

    A deleted job does not change any more. The plan of a scenario may have other stages than these, also a
    status twice.

    ::

        pending ──► initializing ──► processing ──┬──► completed
           │     (where the profile has them)     └──► failed
           └──────────────────────────────────────────▲
    """
    return stages_until(job, now)[-1]


def stages_until(job: Job, now: float) -> list[Stage]:
    """Return the stages that have begun by ``now``, with the times at which they began."""
    moment = now if job.deleted_at is None else min(now, job.deleted_at)
    elapsed = moment - job.created_at + CLOCK_GRAIN
    stages, queued_for = job.plan.stages, job.plan.queued_for
    begun = [stages[0]]
    for stage in stages[1:]:
        begins = stage.begins + queued_for
        if stage.polls and stage.polls <= len(job.polled_at):
            begins = min(begins, job.polled_at[stage.polls - 1] - job.created_at)
        if begins > elapsed:
            break
        begun.append(stage if begins == stage.begins else Stage(stage.status, begins))
    return begun


def ends_after(plan: Plan) -> float:
    """Return the seconds from creation until the job has ended and has its result; infinite if it never ends.

    Polls may end a job earlier.
    """
    end = plan.stages[-1]
    if end.status not in (Status.COMPLETED, Status.FAILED):
        return math.inf
    return plan.queued_for + end.begins + (plan.empty_for if end.status == Status.COMPLETED else 0.0)


def settles_at(job: Job) -> float:
    """Return the time from which a job does not change by time; infinite if that is not known."""
    if job.deleted_at is not None or job.plan.link_life < math.inf:
        return math.inf
    return job.created_at + ends_after(job.plan)


def lasts(plan: Plan) -> float:
    """Return the seconds from a job's first stage to its final status; infinite if it never ends."""
    end = plan.stages[-1]
    return math.inf if end.status in _UNFINISHED else end.begins


def has_ended(job: Job, now: float) -> bool:
    """Return whether a job has ended: it is deleted, or its last stage has begun and is not unfinished."""
    if job.deleted_at is not None:
        return True
    begun, stages = stages_until(job, now), job.plan.stages
    return len(begun) == len(stages) and stages[-1].status not in _UNFINISHED


def polled(job: Job, now: float) -> Job:
    """Return the job after a poll at ``now``. It is the same object unless the plan counts this poll."""
    if len(job.polled_at) >= job.plan.counts_polls:
        return job
    return replace(job, polled_at=(*job.polled_at, now))


def deleted(job: Job, now: float) -> Job:
    """Return the job after a delete at ``now``. Only the first delete counts."""
    if job.deleted_at is not None:
        return job
    if job.plan.delete_late:
        job = ended(job, now, None)
    return replace(job, deleted_at=now + job.plan.delete_late)


def without_links(job: Job, now: float) -> Job:
    """Return the job after all links to its results have expired. A get returns new links."""
    # Links have a precision of a second. A longer life distinguishes new links from those of the same second.
    life = LINK_SECONDS if job.plan.link_life == math.inf else job.plan.link_life + 1
    return replace(job, plan=replace(job.plan, link_life=life, links_since=now))


def ended(job: Job, now: float, failure: str | None) -> Job:
    """Return the job as one that ends at ``now``: completed, or failed for a reason.

    The stages before ``now`` are not changed.
    """
    elapsed = max(now - job.created_at, 0.0)
    status = Status.COMPLETED if failure is None else Status.FAILED
    plan = replace(
        job.plan,
        stages=(*stages_until(job, now), Stage(status, elapsed)),
        counts_polls=0,
        failure=failure,
        empty_for=0.0,
        hidden_for=0.0,
        queued_for=0.0,
    )
    return replace(job, plan=plan)
