"""Operations that verify what a client did, for tests in any language."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from netmind_mock.control.operations.reports import entries_of, polling, spend
from netmind_mock.control.operations.simulation import faults, next_jobs
from netmind_mock.control.operations.table import operation, scope_of
from netmind_mock.journal.matching import Wanted, line_of, matching, near_misses
from netmind_mock.journal.polling import polling_from_json
from netmind_mock.journal.spend import spend_from_json
from netmind_mock.validation import Expected, Parameter, optional, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netmind_mock.control.operations.table import Arguments
    from netmind_mock.fake import Fake
    from netmind_mock.journal.entries import Entry

_SHOWN = 20  # near misses


def _json_object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Expected("a JSON object")
    return value


_WANTED = {
    "model": Parameter(optional(text), None, "The model's name."),
    "config": Parameter(optional(_json_object), None, "The whole config."),
    "options": Parameter(optional(_json_object), None, "Some options of the config."),
}
_EXAMPLE = {"model": "Qwen/Qwen-Image", "options": {"prompt": "A cup of coffee"}}
_about_creates = partial(operation, "POST", request="Wanted", example=_EXAMPLE, parameters=_WANTED)


@_about_creates("requests/count", response="Count")
def count(fake: Fake, user_id: str | None, arguments: Arguments) -> Any:
    """Return how many accepted creates have this model, config and options."""
    found = matching(_creates(fake, user_id), _wanted(arguments))
    return {
        "for": scope_of(user_id),
        "count": len(found),
        "dropped": fake.journal.dropped(user_id),
    }


@_about_creates("requests/find", response="Journal")
def find(fake: Fake, user_id: str | None, arguments: Arguments) -> Any:
    """Return the accepted creates that have this model, config and options."""
    found = matching(_creates(fake, user_id), _wanted(arguments))
    return {"dropped": fake.journal.dropped(user_id), "entries": [entry.as_json() for entry in found]}


@_about_creates("near-misses", response="NearMisses")
def find_near_misses(fake: Fake, user_id: str | None, arguments: Arguments) -> Any:
    """Return the creates that differ from this model, config and options, the closest first, and how."""
    misses = near_misses(_creates(fake, user_id), _wanted(arguments))[:_SHOWN]
    return {
        "for": scope_of(user_id),
        "near_misses": [
            {"number": one.entry.number, "request": line_of(one.entry), "reasons": one.reasons}
            for one in misses
        ],
    }


@operation("GET", "verify", response="Verdicts")
def verify(fake: Fake, user_id: str | None, _arguments: Arguments) -> Any:
    """Return all verdicts on the client: billed once, polled politely, every scenario and fault used."""
    found = [
        ("billed once", list(map(str, spend_from_json(spend(fake, user_id, {})).twice))),
        ("polled politely", _impolite(fake, user_id)),
        ("everything used", unused(next_jobs(fake, user_id, {}), faults(fake, user_id, {}))),
    ]
    if dropped := fake.journal.dropped(user_id):
        found.append(("journal complete", [f"{dropped} requests were dropped (see the option --journal)"]))
    lines = [f"{name}: {'; '.join(problems) or 'yes'}" for name, problems in found]
    return {
        "for": scope_of(user_id),
        "holds": not any(problems for _, problems in found),
        "verdicts": [{"name": name, "holds": not problems, "problems": problems} for name, problems in found],
        "text": "\n".join(lines),
    }


def unused(queued: Mapping[str, Any], active: Mapping[str, Any]) -> list[str]:
    """Return the scenarios and faults that were never used, each with where it was set up.

    Args:
        queued: What the operation ``next_jobs`` returned.
        active: What the operation ``faults`` returned.
    """
    waiting = [f"next_job({one['scenario']!r})" + _place(one) for one in queued["next_jobs"]]
    return waiting + [
        f"fault({one['operation']!r}, {one['kind']!r})" + _place(one)
        for one in active["faults"]
        if one["times"] is not None and one["probability"] == 1 and not one["applied"]
    ]


def _place(one: Mapping[str, Any]) -> str:
    return f" at {one['where']}" if one["where"] else ""


def _impolite(fake: Fake, user_id: str | None) -> list[str]:
    """Return what is wrong with the polls of each job that was polled."""
    polled = {entry.job_id for entry in entries_of(fake, user_id, "get") if entry.job_id}
    jobs = (job.id for job in fake.store.page(user_id) if job.id in polled)
    judged = (polling_from_json(polling(fake, user_id, {"id": job_id})) for job_id in jobs)
    return [f"{one.job_id}: {finding}" for one in judged for finding in one.findings]


def _creates(fake: Fake, user_id: str | None) -> Sequence[Entry]:
    return entries_of(fake, user_id, "create")


def _wanted(arguments: Arguments) -> Wanted:
    return Wanted(arguments["model"], arguments["config"], arguments["options"] or {})
