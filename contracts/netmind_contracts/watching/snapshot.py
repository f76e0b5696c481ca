"""The facts that a run shows, and when each was seen first and last.

Facts are the outcome of each claim, what ``learn`` finds, the fields of generations with their types, the
order of statuses, and durations. What a run did not show is not a fact, so it is missing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from netmind_contracts.checks import Outcome, judge
from netmind_contracts.claims import Level
from netmind_contracts.learn import learn
from netmind_contracts.runs.exchange import InvalidRun, read_json
from netmind_contracts.runs.har import read_run
from netmind_contracts.runs.histories import Histories

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from netmind_contracts.runs.exchange import Run
    from netmind_contracts.runs.histories import JobHistory

FORMAT = 1

MISSING = "missing"

# Facts of a profile that depend on when the run polled, or on the content of jobs.
_INEXACT = frozenset(
    ("statuses.words", "statuses.stages", "result.empty_for", "fields.extra", "models.unavailable")
)
# The values of facts that are compared in a way of their own, by the first part of their keys.
_SHAPES: dict[str, Any] = {
    "types": dict[str, list[str]],
    "order": Annotated[list[tuple[str, float]], msgspec.Meta(min_length=1)],
    "duration": float,
}
_TYPES = {
    type(None): "null",
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    dict: "object",
    list: "array",
}
_NESTED = ("result", "result.data[]", "logs[]")


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact about an endpoint.

    Attributes:
        value: A JSON value.
        level: How it is known; ``observed`` unless it is the outcome of a claim.
        first_seen: The day of the first run that showed it, as ``YYYY-MM-DD``.
        last_seen: The day of the last one.
        noise: By how many seconds a time can be wrong: the longest pause between two polls.
    """

    value: Any
    level: Level
    first_seen: str
    last_seen: str
    noise: float = 0.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The facts about an endpoint, by key.

    Attributes:
        base_url: Of the endpoint.
        started: When the last run was started.
        facts: By key, such as ``claim.delete.message`` or ``types.Qwen/Qwen-Image.completed``.
    """

    base_url: str
    started: str
    facts: dict[str, Fact]


def snapshot_of(run: Run) -> Snapshot:
    """Return the facts that a run shows."""
    day = run.started[:10]
    facts = {
        f"claim.{verdict.claim.id}": Fact(str(verdict.outcome), verdict.claim.level, day, day)
        for verdict in judge(run)
        if verdict.outcome not in (Outcome.NOT_EXERCISED, Outcome.ERROR)
    }
    learned = {key: value for key, value in learn(run).items() if key not in _INEXACT}
    histories = Histories(run)
    found = {**learned, **_fields(histories)}
    facts |= {key: Fact(value, Level.OBSERVED, day, day) for key, value in found.items()}
    for job in histories.jobs.values():
        for key, value, noise in _times(job):
            facts.setdefault(key, Fact(value, Level.OBSERVED, day, day, noise))
    return Snapshot(run.base_url, run.started, facts)


def save_snapshot(snapshot: Snapshot, file: Path) -> None:
    """Write a snapshot to a JSON file.

    Raises:
        OSError: The file cannot be written.
    """
    document = {"format": FORMAT, **msgspec.to_builtins(snapshot)}
    file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def load_snapshot(file: Path) -> Snapshot:
    """Read the file of a snapshot.

    Raises:
        InvalidRun: The file cannot be read, or is no snapshot.
    """
    document = read_json(file)
    if isinstance(document, dict) and document.get("format", FORMAT) != FORMAT:
        raise InvalidRun(f"{file}: format: expected {FORMAT}, got {document['format']!r} (another version)")
    try:
        snapshot = msgspec.convert(document, Snapshot)
        for key, fact in snapshot.facts.items():
            msgspec.convert(fact.value, _SHAPES.get(key.partition(".")[0], Any))
    except msgspec.ValidationError as error:
        advice = "expected a baseline that netmind-contracts verify --baseline-update wrote"
        raise InvalidRun(f"{file}: {advice} ({error}); remove it to create a new one") from None
    return snapshot


def snapshot_in(file: Path) -> tuple[Snapshot, Run | None]:
    """Return the facts of a saved run, a HAR file or a baseline, with the run if there is one.

    Raises:
        InvalidRun: The file cannot be read, or is something else.
    """
    try:
        run = read_run(file)
    except InvalidRun as error:
        try:
            return load_snapshot(file), None
        except InvalidRun:
            raise error from None
    return snapshot_of(run), run


def _fields(histories: Histories) -> dict[str, dict[str, list[str]]]:
    """Return the types of each field, by model and status: "missing" too if some generations lack it."""
    groups: dict[str, list[dict[str, str]]] = {}
    for job in histories.jobs.values():
        for response in job.responses:
            key = f"types.{job.model or 'unknown model'}.{response.field('status')}"
            groups.setdefault(key, []).append(dict(_typed("", response.document)))
    return {
        key: {
            name: sorted({document.get(name, MISSING) for document in documents})
            for name in sorted({name for document in documents for name in document})
        }
        for key, documents in groups.items()
    }


def _typed(path: str, value: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the path of each field with its type. Only fields that the API documents have parts."""
    for name, part in value.items():
        here = f"{path}.{name}".removeprefix(".")
        yield here, _TYPES[type(part)]
        if isinstance(part, dict) and here in _NESTED:
            yield from _typed(here, part)
        elif isinstance(part, list) and f"{here}[]" in _NESTED:
            for one in part:
                if isinstance(one, dict):
                    yield from _typed(f"{here}[]", one)


def _times(job: JobHistory) -> Iterator[tuple[str, Any, float]]:
    """Yield the order of statuses and the duration of a job that was polled to its end."""
    if job.created is None or job.end is None or not job.polls:
        return
    moments = [(response.exchange.at, status) for response, status in job.statuses]
    noise = max((after - before for (before, _), (after, _) in pairwise(moments)), default=0.0)
    order: list[list[Any]] = []
    for at, status in moments:
        if not order or order[-1][0] != status:
            order.append([status, at])
    ends = [began for _, began in order[1:]] + [moments[-1][0]]
    model = job.model or "unknown model"
    yield (
        f"order.{model}",
        [[status, round(end - began, 1)] for (status, began), end in zip(order, ends, strict=True)],
        noise,
    )
    done = next(at for at, status in moments if status == job.end.field("status"))
    yield f"duration.{model}", round(done - job.created.exchange.at, 1), noise
