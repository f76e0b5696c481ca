"""What a run shows, as facts of a profile. What was not seen is left out.

The keys are those of the fake's profiles (``netmind-mock profile documented`` prints them).
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from netmind_contracts.runs.exchange import Authorization, Operation, parse, path_of
from netmind_contracts.runs.histories import (
    FINAL_STATUSES,
    KNOWN_FIELDS,
    ON_THE_WAY,
    Histories,
    has_ended,
    requested,
    results_of,
)
from netmind_contracts.runs.known import UNKNOWN_ID, UNKNOWN_MODEL, UNREACHABLE_URL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netmind_contracts.runs.exchange import Run
    from netmind_contracts.runs.histories import Job, Seen

_NAMES = (*ON_THE_WAY, "completed", "failed")
_TIME = "%Y-%m-%d %H:%M:%S"
_SURROGATE = re.compile("[\ud800-\udfff]")


def learn(run: Run) -> dict[str, Any]:
    """Return the facts that a run shows, by the profile's keys; each value is one that TOML can hold."""
    seen = Histories(run)
    facts = {
        **_of_statuses(seen),
        **_of_fields(seen),
        **_of_results(seen),
        **_of_models(seen),
        **_of_deletes_and_lists(seen),
        **_of_refusals(seen),
    }
    return {key: value for key, value in facts.items() if value is not None and _is_toml(value)}


def unmet_words(run: Run, words: dict[str, str]) -> list[str]:
    """Return the names of the statuses whose word no response had: it is the name itself, and assumed."""
    met = {status for job in Histories(run).jobs.values() for _, status in job.statuses}
    return [name for name, word in words.items() if word not in met]


def _is_toml(value: Any) -> bool:
    """Return whether a TOML file can hold a value: no null, no number over 64 bits, no lone surrogate."""
    if isinstance(value, dict):
        return all(map(_is_toml, (*value, *value.values())))
    if isinstance(value, list):
        return all(map(_is_toml, value))
    if isinstance(value, str):
        return _SURROGATE.search(value) is None
    return value is not None and not (isinstance(value, int) and abs(value) >> 63)


# Statuses


def _of_statuses(seen: Histories) -> dict[str, Any]:
    successes = [one.status for one in seen.all if one.succeeded and not seen.is_download(one)]
    facts: dict[str, Any] = {"success.status": max(successes, key=successes.count) if successes else None}
    passed = _passed(seen)
    words = _words(seen, passed)
    names = {word: name for name, word in words.items()}
    if passed:
        facts["statuses.words"] = words
        longest = max(_ended(seen), key=_span, default=None)
        if longest is not None:
            facts["statuses.stages"] = [
                {"status": names[word], "share": share}
                for word, share in _shares(longest)
                if word in names and names[word] in ON_THE_WAY
            ] or None
    facts["result.empty_for"] = max(map(_empty_for, _ended(seen)), default=None)
    return facts


def _ended(seen: Histories) -> list[Job]:
    """Jobs that were followed from their create to their end."""
    return [
        job
        for job in seen.jobs.values()
        if job.created and job.end and job.polls and not has_ended(job.created.document)
    ]


def _span(job: Job) -> float:
    return job.end.exchange.at - job.created.exchange.at if job.end and job.created else 0.0


def _passed(seen: Histories) -> list[str]:
    """The words for statuses on the way, in the order in which they were first met."""
    found: list[str] = []
    for job in seen.jobs.values():
        for answer, status in job.statuses:
            end = job.end.document.get("status") if job.end else None
            if not has_ended(answer.document) and status not in (*found, *FINAL_STATUSES, end):
                found.append(status)
    return found


def _words(seen: Histories, passed: list[str]) -> dict[str, str]:
    """A word for each of our names: as it was met, else the name itself."""
    words: dict[str, str] = {}
    for word in passed:
        free = [name for name in ON_THE_WAY if name not in words and (name == word or name not in passed)]
        name = word if word in free else next(iter(free), "")
        if not words:
            name = "pending"
        if name:
            words[name] = word
    for job in seen.jobs.values():
        if job.end is not None and isinstance(job.end.document.get("status"), str):
            name = "completed" if results_of(job.end.document) else "failed"
            if name == "completed" or job.end.document["status"] != "completed":
                words.setdefault(name, job.end.document["status"])
    for name in _NAMES:
        if name not in words:
            words[name] = name if name not in words.values() else f"{name}_"
    return {name: words[name] for name in _NAMES}


def _shares(job: Job) -> Iterator[tuple[str, float]]:
    """Each status on the way, and the share of the job's time that it took, to a hundredth."""
    begins = _begins(job)
    total = begins[-1][1] - begins[0][1]
    for (word, began), (_, ended) in pairwise(begins):
        yield word, max(round((ended - began) / total, 2), 0.01) if total > 0 else 1.0


def _begins(job: Job) -> list[tuple[str, float]]:
    """When each status began, in seconds: between the last answer before it and the first with it."""
    begins: list[tuple[str, float]] = []
    before = 0.0
    for answer, status in job.statuses:
        at = answer.exchange.at
        if not begins:
            begins.append((status, at))
        elif status != begins[-1][0]:
            begins.append((status, min(max(_updated(job, answer), before), at)))
        before = at
    return begins


def _updated(job: Job, answer: Seen) -> float:
    """When a status began by updated_at, which is in whole seconds: on average half a second later."""
    try:
        created, updated = (
            datetime.strptime(answer.document[name], _TIME)  # noqa: DTZ007 - the API names no zone
            for name in ("created_at", "updated_at")
        )
    except (KeyError, TypeError, ValueError):
        return answer.exchange.at
    began = job.created.exchange.at if job.created else 0.0
    return began + (updated - created).total_seconds()


def _empty_for(job: Job) -> float:
    """Seconds for which a completed job was seen without results; 0 if it never was."""
    end = job.end.document.get("status") if job.end else None
    empty = any(status == end and not results_of(answer.document) for answer, status in job.statuses)
    filled = [answer.exchange.at for answer in job.answers if results_of(answer.document)]
    return round(filled[0] - _begins(job)[-1][1], 1) if empty and filled else 0.0


# Fields and results


def _of_fields(seen: Histories) -> dict[str, Any]:
    documents = [answer.document for job in seen.jobs.values() for answer in job.answers]
    completed = [job.completed.document for job in seen.jobs.values() if job.completed]
    extra = {
        name: document[name]
        for document in documents
        for name in sorted(set(document) - KNOWN_FIELDS)
        if _is_toml(document[name])
    }
    under_way = [document for document in documents if not has_ended(document)]
    return {
        # A failed job may say why in a field that others do not have.
        "fields.logs": any("logs" in document for document in under_way) if under_way else None,
        "fields.durations": any("pending_duration" in one for one in completed) if completed else None,
        "fields.extra": extra if documents else None,
    }


def _of_results(seen: Histories) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for job in seen.jobs.values():
        for entry in results_of(job.completed.document) if job.completed else []:
            if not isinstance(entry, dict):
                continue
            if job.model == "openai/whisper":
                facts["result.text_inline"] = "text" in entry and "url" not in entry
            if isinstance(entry.get("url"), str) and isinstance(entry.get("file_name"), str):
                facts.setdefault("result.file_name", _file_name_template(entry))
                user = job.completed.document.get("user_id") if job.completed else None
                facts.setdefault("result.url_path", _url_path_template(entry, user))
    return facts


def _file_name_template(entry: dict[str, Any]) -> str | None:
    name, kind = entry["file_name"], entry.get("file_type")
    stem, dot, extension = name.rpartition(".")
    if isinstance(kind, str) and kind:
        stem = stem.replace(kind, "{kind}", 1)
    template = f"{stem}.{{extension}}" if dot and extension.isalnum() else name
    return template if re.fullmatch(r"[A-Za-z0-9._{}-]*", template) else None


def _url_path_template(entry: dict[str, Any], user_id: Any) -> str | None:
    """The URL's path with placeholders; None if it lacks the file's id, or the fake could not serve it."""
    known = {
        str(entry.get("file_id")): "{file_id}",
        str(user_id): "{user_id}",
        entry["file_name"]: "{file_name}",
    }
    parts = [known.get(part, part) for part in path_of(entry["url"]).split("/")[1:] if part]
    path = "".join(f"/{part}" for part in parts)
    fits = re.fullmatch(r"(/([A-Za-z0-9_.~-]+|\{[a-z_]+\}))+", path)
    return path if fits and "{file_id}" in parts and not path.startswith(("/v1/", "/__mock")) else None


# Models


def _of_models(seen: Histories) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    unavailable = []
    for create, model, config in seen.creates:
        if model == UNKNOWN_MODEL:
            facts["models.unknown"] = "accept" if create.succeeded else "refuse"
            facts["errors.unknown_model"] = _refusal(create, {model: "{model}"})
        elif create.status >= 500 and "unavailable" in str(create.document):
            unavailable.append(model)
            facts["errors.model_unavailable"] = _refusal(create, {model: "{model}"})
        elif config.get("sync_mode") is True and results_of(create.document):
            facts.setdefault("create.sync_mode_models", []).append(model)
    for job in seen.jobs.values():
        if job.config.get("audio_url") == UNREACHABLE_URL and job.end is not None:
            failed = not results_of(job.end.document)
            facts["worker.rejects_bad_input"] = failed
            facts["worker.error_text"] = _error_text(job.end) if failed else None
    return {**facts, **({"models.unavailable": unavailable} if unavailable else {})}


def _error_text(end: Seen) -> str | None:
    """The last log line with ``{detail}`` for the JSON in it; None if there is none in it."""
    logs = end.document.get("logs")
    last = logs[-1] if isinstance(logs, list) and logs else None
    text = last.get("text") if isinstance(last, dict) else None
    if not isinstance(text, str) or "{" not in text:
        return None
    begin = text.index("{")
    try:
        _, length = json.JSONDecoder().raw_decode(text[begin:])
    except (ValueError, RecursionError):
        return None
    return f"{text[:begin]}{{detail}}{text[begin + length :]}"


# Deletes and lists


def _of_deletes_and_lists(seen: Histories) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for job in seen.jobs.values():
        for delete in job.deletes:
            if delete.succeeded and isinstance(delete.document, dict):
                facts.setdefault("delete.message", delete.document.get("message"))
        for after in job.afterwards:
            if after.succeeded or 400 <= after.status <= 499:
                facts["delete.leaves"] = "tombstone" if after.succeeded else "gone"
    order = list(seen.jobs)
    for one in seen.lists:
        places = [
            order.index(entry.document["id"])
            for entry in seen.list_entries
            if entry.seen.place == one.place
            and isinstance(entry.document, dict)
            and entry.document.get("id") in order
        ]
        if len(places) > 1:
            facts["list.order"] = "oldest_first" if places == sorted(places) else "newest_first"
    return facts


# Refusals


def _of_refusals(seen: Histories) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for one in seen.all:
        key, substitutions = _refused_as(one)
        if key and one.status >= 400 and not seen.is_download(one):
            facts.setdefault(f"errors.{key}", _refusal(one, substitutions))
    return facts


def _refused_as(one: Seen) -> tuple[str, dict[str, str]]:
    """Which refusal of the profile an exchange shows (empty for none), and what a body may quote of it."""
    request = one.exchange.request
    if request.authorization in (Authorization.NONE, Authorization.WRONG):
        return ("missing_token" if request.authorization is Authorization.NONE else "bad_token"), {}
    if request.generation_id == UNKNOWN_ID and request.operation is Operation.GET:
        return "unknown_generation", {}
    if request.operation is Operation.OTHER:
        return ("unknown_route" if request.method == "GET" else "wrong_method"), {}
    if request.operation is Operation.CREATE and requested(one.exchange) is None:
        if request.padding:
            return "body_too_large", {}
        if request.content_type != "application/json":
            return "wrong_content_type", {request.content_type: "{came}"}
        return ("invalid_body", {}) if request.body == "{}" else ("", {})
    return "", {}


def _refusal(one: Seen, substitutions: dict[str, str]) -> dict[str, Any] | None:
    """A refusal as a profile states it; None if it is none, or its body is no JSON object."""
    document = parse(one.exchange.answer)
    if one.status < 400 or not isinstance(document, dict):
        return None
    if isinstance(document.get("detail"), list):
        document = {**document, "detail": "{detail}"}
    return {"status": one.status, "body": _quoting(document, substitutions)}


def _quoting(value: Any, substitutions: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _quoting(part, substitutions) for key, part in value.items()}
    if isinstance(value, list):
        return [_quoting(part, substitutions) for part in value]
    if isinstance(value, str):
        for text, placeholder in substitutions.items():
            value = value.replace(text, placeholder)
    return value
