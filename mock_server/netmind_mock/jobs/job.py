"""A job is frozen facts; its status is computed from them and never moved.

``status_at`` is the only place that says how a job goes from pending to its end. It is a pure function of
the job and the time: nothing polls, sweeps or locks a job, and reading one changes nothing.

A job holds nothing that could hold the job, so the garbage collector does not look at any (``gc=False``):
there may be a million.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

# Floats of the size of epoch seconds are about this fine: a job that is due is not late by a rounding.
CLOCK_GRAIN = 1e-6
LINK_SECONDS = 3600.0  # that links last, once those before have expired by hand


class Status(StrEnum):
    """Where a job stands, in our words; the profile says how each is spelled on the wire."""

    PENDING = "pending"
    INITIALIZING = "initializing"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether a job stays in this status for ever."""
        return self in (Status.COMPLETED, Status.FAILED)


_GOING_ON = (Status.PENDING, Status.INITIALIZING, Status.PROCESSING)


class MediaKind(StrEnum):
    """What a model makes; also the ``file_type`` of its results (``image`` is documented)."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    TEXT = "text"


class Output(Struct, frozen=True, gc=False):
    """One result to be rendered: sizes in pixels, duration in seconds, each 0 where it has no meaning."""

    kind: MediaKind
    extension: str
    width: int = 0
    height: int = 0
    duration: float = 0.0


class Stage(Struct, frozen=True, gc=False):
    """A status, and when it begins.

    Attributes:
        status: One of ``Status``, or a word that no profile knows, which goes to the wire as it is.
        begins: Seconds after creation; infinite if no time brings it.
        polls: Where it is not 0, the poll of this number (from 1) brings it, too.
    """

    status: str
    begins: float
    polls: int = 0


class Plan(Struct, frozen=True, gc=False):
    """What will become of a job. Plans are shared by the jobs that are to go the same way.

    Attributes:
        stages: In order of time; the first begins at 0.
        counts_polls: How many polls are to be remembered, since they bring stages.
        outputs: What the job results in, if it is completed.
        failure: The last log line of a job that fails.
        empty_for: Seconds for which a completed job's result stays empty; infinite for ever.
        hidden_for: Seconds after creation for which get does not know the job.
        list_behind: Seconds by which the list lags behind get.
        link_life: Seconds after which a result's link has expired.
        delete_late: Seconds after which a delete takes effect; if not 0, the job completes meanwhile.
        scenario: The name of what was ordered; empty if nothing was.
        queued_for: Seconds that pass in the first stage before the others begin to count.
        links_since: Links that were given before this moment have expired, in seconds since the epoch.
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
        user_id: The tenant who created it.
        model: The model's name, as it was sent.
        config: The model's options, as compact JSON in UTF-8.
        created_at: Seconds since the epoch.
        plan: What will become of it.
        deleted_at: When a delete takes effect, in seconds since the epoch, once there was one.
        polled_at: When the first polls were, as many as the plan counts.
    """

    id: str
    user_id: str
    model: str
    config: bytes
    created_at: float
    plan: Plan
    deleted_at: float | None = None
    polled_at: tuple[float, ...] = ()

    def is_deleted(self, now: float) -> bool:
        """Whether a delete has taken effect."""
        return self.deleted_at is not None and self.deleted_at <= now + CLOCK_GRAIN


def prompt_of(config: Mapping[str, Any]) -> str:
    """Return what a person wrote: the prompt, or the text to be spoken; empty if there is neither."""
    texts = (config.get(name) for name in ("prompt", "text"))
    return next((text for text in texts if isinstance(text, str)), "")


def status_at(job: Job, now: float) -> Stage:
    """The stage that the job is in at ``now`` (seconds since the epoch), with the time at which it began.

    Deleting a job stops it. A scenario's plan may hold any stages, also some twice.

    ::

        pending ──► initializing ──► processing ──┬──► completed
           │     (where the profile has them)     └──► failed
           └──────────────────────────────────────────▲
    """
    return stages_until(job, now)[-1]


def stages_until(job: Job, now: float) -> list[Stage]:
    """The stages that the job has gone through by ``now``, with the times at which they began."""
    moment = now if job.deleted_at is None else min(now, job.deleted_at)
    elapsed = moment - job.created_at + CLOCK_GRAIN
    stages, queued_for = job.plan.stages, job.plan.queued_for
    gone_through = [stages[0]]
    for stage in stages[1:]:
        begins = stage.begins + queued_for
        if stage.polls and stage.polls <= len(job.polled_at):
            begins = min(begins, job.polled_at[stage.polls - 1] - job.created_at)
        if begins > elapsed:
            break
        gone_through.append(stage if begins == stage.begins else Stage(stage.status, begins))
    return gone_through


def ends_after(plan: Plan) -> float:
    """Seconds from creation until the job has ended, with its result; infinite if no time brings that."""
    end = plan.stages[-1]
    if end.status not in (Status.COMPLETED, Status.FAILED):
        return math.inf
    return plan.queued_for + end.begins + (plan.empty_for if end.status == Status.COMPLETED else 0.0)


def settles_at(job: Job) -> float:
    """When the job has ended, and time changes nothing of it any more; infinite if it may, or who knows."""
    if job.deleted_at is not None or job.plan.link_life < math.inf:
        return math.inf
    return job.created_at + ends_after(job.plan)


def lasts(plan: Plan) -> float:
    """Seconds for which a job runs once it has begun, whatever its end is called; infinite for ever."""
    end = plan.stages[-1]
    return math.inf if end.status in _GOING_ON else end.begins


def has_ended(job: Job, now: float) -> bool:
    """Whether it runs no longer: it is deleted, or in a last stage, whatever that is called."""
    if job.deleted_at is not None:
        return True
    gone_through, stages = stages_until(job, now), job.plan.stages
    return len(gone_through) == len(stages) and stages[-1].status not in _GOING_ON


def polled(job: Job, now: float) -> Job:
    """The job after a poll at ``now``: the same one, unless its plan counts this poll."""
    if len(job.polled_at) >= job.plan.counts_polls:
        return job
    return replace(job, polled_at=(*job.polled_at, now))


def deleted(job: Job, now: float) -> Job:
    """The job after a delete at ``now``; the first one counts."""
    if job.deleted_at is not None:
        return job
    if job.plan.delete_late:
        job = ended(job, now, None)
    return replace(job, deleted_at=now + job.plan.delete_late)


def without_links(job: Job, now: float) -> Job:
    """The job after all links to its results have expired; get gives new ones."""
    # A longer life tells new links from those that were given in the same second.
    life = LINK_SECONDS if job.plan.link_life == math.inf else job.plan.link_life + 1
    return replace(job, plan=replace(job.plan, link_life=life, links_since=now))


def ended(job: Job, now: float, failure: str | None) -> Job:
    """The job as one that ends at ``now``: completed, or failed for a reason. What went before stays."""
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
