"""A job as a row, and back. Pure.

Text is kept as bytes: a prompt or a model's name may hold what a database's text may not, such as NUL.
"""

from __future__ import annotations

import json
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from netmind_mock.jobs import Job, Kind, Output, Plan, Stage, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS = ("id", "user_id", "model", "config", "created_at", "plan", "deleted_at", "polled_at")

_STATUSES = {status.value: status for status in Status}
# What a plan is made of, in the order in which it is kept.
_TIMES = ("empty_for", "hidden_for", "list_behind", "link_life", "delete_late", "queued_for", "links_since")


def row_of(job: Job) -> dict[str, Any]:
    """The columns of a job."""
    return {
        "id": job.id,
        "user_id": job.user_id,
        "model": job.model.encode(errors="surrogatepass"),
        "config": job.config,
        "created_at": job.created_at,
        "plan": _packed(job.plan),
        **changing_of(job),
    }


def changing_of(job: Job) -> dict[str, Any]:
    """The columns that a change may change."""
    polled_at = orjson.dumps(job.polled_at) if job.polled_at else b""
    return {"plan": _packed(job.plan), "deleted_at": job.deleted_at, "polled_at": polled_at}


def job_of(row: Sequence[Any]) -> Job:
    """The job of a row that begins with ``COLUMNS``."""
    job_id, user_id, model, config, created_at, plan, deleted_at, polled_at = row[: len(COLUMNS)]
    return Job(
        job_id,
        user_id,
        bytes(model).decode(errors="surrogatepass"),
        bytes(config),
        created_at,
        _unpacked(bytes(plan)),
        deleted_at,
        tuple(orjson.loads(polled_at)) if polled_at else (),
    )


@lru_cache(maxsize=1024)
def _packed(plan: Plan) -> bytes:
    return json.dumps(
        {
            "stages": [[str(status), _finite(begins), polls] for status, begins, polls in plan.stages],
            "outputs": [list(output) for output in plan.outputs],
            "failure": plan.failure,
            "counts_polls": plan.counts_polls,
            "scenario": plan.scenario,
            **{name: _finite(getattr(plan, name)) for name in _TIMES},
        },
        separators=(",", ":"),
    ).encode()


@lru_cache(maxsize=1024)  # jobs that are to go the same way share a plan, as they do when they are made
def _unpacked(packed: bytes) -> Plan:
    kept = json.loads(packed)
    return Plan(
        stages=tuple(
            Stage(_STATUSES.get(status, status), _number(begins), polls)
            for status, begins, polls in kept["stages"]
        ),
        outputs=tuple(Output(Kind(kind), *rest) for kind, *rest in kept["outputs"]),
        failure=kept["failure"],
        counts_polls=kept["counts_polls"],
        scenario=kept["scenario"],
        **{name: _number(kept[name]) for name in _TIMES},
    )


def _finite(seconds: float) -> float | None:
    """JSON has no infinity."""
    return None if seconds == math.inf else seconds


def _number(kept: float | None) -> float:
    return math.inf if kept is None else kept
