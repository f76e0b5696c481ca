"""A job is frozen facts; its status is computed from them and never moved.

``status_at`` is the only place that says how a job goes from pending to its end. It is a pure function of
the job and the time: nothing polls, sweeps or locks a job, and reading one changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

# Floats of the size of epoch seconds are about this fine: a job that is due is not late by a rounding.
CLOCK_GRAIN = 1e-6


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


class Kind(StrEnum):
    """What a model makes; also the ``file_type`` of its results (``image`` is documented)."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    TEXT = "text"


class Output(NamedTuple):
    """One result to be rendered: sizes in pixels, duration in seconds, each 0 where it has no meaning."""

    kind: Kind
    extension: str
    width: int = 0
    height: int = 0
    duration: float = 0.0


class Stage(NamedTuple):
    """A status, and when it begins, in seconds after creation."""

    status: Status
    begins: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What will become of a job. Plans are shared by the jobs that are to go the same way.

    Attributes:
        stages: In order of time; the first begins at 0.
        outputs: What a completed job results in.
        failure: The last log line of a job that fails.
    """

    stages: tuple[Stage, ...]
    outputs: tuple[Output, ...] = ()
    failure: str | None = None

    @property
    def duration(self) -> float:
        """Seconds from creation to the final status."""
        return self.stages[-1].begins


@dataclass(frozen=True, slots=True)
class Job:
    """The facts of a job.

    Attributes:
        id: 32 lower-case hexadecimal digits.
        user_id: The tenant who created it.
        model: The model's name, as it was sent.
        config: The model's options, as compact JSON in UTF-8.
        created_at: Seconds since the epoch.
        plan: What will become of it.
        deleted_at: Seconds since the epoch, once it was deleted.
    """

    id: str
    user_id: str
    model: str
    config: bytes
    created_at: float
    plan: Plan
    deleted_at: float | None = None


def status_at(job: Job, now: float) -> Stage:
    """The stage that the job is in at ``now`` (seconds since the epoch). Deleting a job stops it.

    ::

        pending ──► initializing ──► processing ──┬──► completed
           │     (where the profile has them)     └──► failed
           └──────────────────────────────────────────▲
    """
    moment = now if job.deleted_at is None else min(now, job.deleted_at)
    elapsed = moment - job.created_at
    stages = job.plan.stages
    current = stages[0]
    for stage in stages[1:]:
        if stage.begins > elapsed + CLOCK_GRAIN:
            break
        current = stage
    return current
