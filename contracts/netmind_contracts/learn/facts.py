"""What a run shows, as facts of a profile. What was not seen is left out.

The keys are those of the fake's profiles (``netmind-mock profile documented`` prints them).
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from netmind_contracts.runs.exchange import Authorization, Operation, path_of
from netmind_contracts.runs.histories import (
    FINAL_STATUSES,
    KNOWN_FIELDS,
    ON_THE_WAY,
    Histories,
    embedded_json,
    has_ended,
    last_log,
    requested,
    results_of,
    time_of,
)
from netmind_contracts.runs.known import UNKNOWN_ID, UNKNOWN_MODEL, UNREACHABLE_URL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netmind_contracts.runs.exchange import Exchange, Run
    from netmind_contracts.runs.histories import JobHistory, Observation

_NAMES = (*ON_THE_WAY, "completed", "failed")
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
    successes = [one.status for one in seen.api if one.succeeded]
    # Jobs that were followed from their create to their end, each with how long it took.
    followed = [
        (end.exchange.at - job.created.exchange.at, job)
        for job, end in seen.ended
        if job.created and job.polls and not has_ended(job.created.document)
    ]
    facts: dict[str, Any] = {"success.status": max(successes, key=successes.count, default=None)}
    if passed := _passed(seen):
        facts["statuses.words"] = words = _words(seen, passed)
        names = {words[name]: name for name in ON_THE_WAY}
        _, longest = max(followed, key=lambda pair: pair[0], default=(0.0, None))
        stages = [
            {"status": names[word], "share": share}
            for word, share in (_shares(longest) if longest else ())
            if word in names
        ]
        facts["statuses.stages"] = stages or None
    facts["result.empty_for"] = max((_empty_for(job) for _, job in followed), default=None)
    return facts


def _passed(seen: Histories) -> list[str]:
    """Return the words for statuses on the way, in the order in which they were first met."""
    found: list[str] = []
    for job in seen.jobs.values():
        end = job.end.field("status") if job.end else None
        for response, status in job.statuses:
            if not has_ended(response.document) and status not in (*found, *FINAL_STATUSES, end):
                found.append(status)
    return found


def _words(seen: Histories, passed: list[str]) -> dict[str, str]:
    """Return a word for each of our names: as it was met, else the name itself."""
    words: dict[str, str] = {}
    for word in passed:
        free = [name for name in ON_THE_WAY if name not in words and (name == word or name not in passed)]
        name = word if word in free else next(iter(free), "")
        if not words:
            name = "pending"
        if name:
            words[name] = word
    for _, end in seen.ended:
        name, status = "completed" if results_of(end.document) else "failed", end.field("status")
        if isinstance(status, str) and (name, status) != ("failed", "completed"):
            words.setdefault(name, status)
    for name in _NAMES:
        if name not in words:
            words[name] = name if name not in words.values() else f"{name}_"
    return {name: words[name] for name in _NAMES}


def _shares(job: JobHistory) -> Iterator[tuple[str, float]]:
    """Yield each status on the way with the share of the job's time that it took, to a hundredth."""
    begins = _begins(job)
    total = begins[-1][1] - begins[0][1]
    for (word, began), (_, ended) in pairwise(begins):
        yield word, max(round((ended - began) / total, 2), 0.01) if total > 0 else 1.0


def _begins(job: JobHistory) -> list[tuple[str, float]]:
    """Return when each status began, in seconds: between the last response before it and its first."""
    begins: list[tuple[str, float]] = []
    before = 0.0
    for response, status in job.statuses:
        at = response.exchange.at
        if not begins:
            begins.append((status, at))
        elif status != begins[-1][0]:
            begins.append((status, min(max(_updated(job, response), before), at)))
        before = at
    return begins


def _updated(job: JobHistory, response: Observation) -> float:
    """Return when a status began by updated_at, which is in whole seconds: on average half a second early."""
    created, updated = time_of(response, "created_at"), time_of(response, "updated_at")
    if created is None or updated is None:
        return response.exchange.at
    began = job.created.exchange.at if job.created else 0.0
    return began + (updated - created).total_seconds()


def _empty_for(job: JobHistory) -> float:
    """Return the seconds for which a completed job was seen without results; 0 if it never was."""
    end = job.end.field("status") if job.end else None
    empty = any(status == end and not results_of(response.document) for response, status in job.statuses)
    filled = [response.exchange.at for response in job.responses if results_of(response.document)]
    return round(filled[0] - _begins(job)[-1][1], 1) if empty and filled else 0.0


# Fields and results


def _of_fields(seen: Histories) -> dict[str, Any]:
    documents = [one.document for one in seen.responses]
    completed = [one.document for _, one in seen.completed]
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
    for job, completed, entry in seen.results:
        if job.model == "openai/whisper":
            facts["result.text_inline"] = "text" in entry and "url" not in entry
        if isinstance(entry.get("url"), str) and isinstance(entry.get("file_name"), str):
            facts.setdefault("result.file_name", _file_name_template(entry))
            facts.setdefault("result.url_path", _url_path_template(entry, completed.field("user_id")))
    return facts


def _file_name_template(entry: dict[str, Any]) -> str | None:
    name, kind = entry["file_name"], entry.get("file_type")
    stem, dot, extension = name.rpartition(".")
    if isinstance(kind, str) and kind:
        stem = stem.replace(kind, "{kind}", 1)
    template = f"{stem}.{{extension}}" if dot and extension.isalnum() else name
    return template if re.fullmatch(r"[A-Za-z0-9._{}-]*", template) else None


def _url_path_template(entry: dict[str, Any], user_id: Any) -> str | None:
    """Return the URL's path with placeholders; None if it has no file id, or the fake could not serve it."""
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
    for create, model, config in seen.creates:
        if model == UNKNOWN_MODEL:
            facts["models.unknown"] = "accept" if create.succeeded else "refuse"
            facts["errors.unknown_model"] = _refusal(create, model, "{model}")
        elif create.status >= 500 and "unavailable" in str(create.document):
            facts.setdefault("models.unavailable", []).append(model)
            facts["errors.model_unavailable"] = _refusal(create, model, "{model}")
        elif config.get("sync_mode") is True and results_of(create.document):
            facts.setdefault("create.sync_mode_models", []).append(model)
    for job, end in seen.ended:
        if job.config.get("audio_url") == UNREACHABLE_URL:
            failed = not results_of(end.document)
            found = embedded_json(last_log(end)) if failed else None
            facts["worker.rejects_bad_input"] = failed
            facts["worker.error_text"] = f"{found[0]}{{detail}}{found[2]}" if found else None
    return facts


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
    for one in seen.lists:
        places = seen.order_in(one)
        if len(places) > 1:
            facts["list.order"] = "oldest_first" if places == sorted(places) else "newest_first"
    return facts


# Refusals


def _of_refusals(seen: Histories) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for one in seen.api:
        key = _refused_as(one.exchange)
        if key and one.status >= 400:
            quoted = (one.exchange.request.content_type, "{actual}") if key == "wrong_content_type" else ()
            facts.setdefault(f"errors.{key}", _refusal(one, *quoted))
    return facts


def _refused_as(exchange: Exchange) -> str:
    """Return which refusal of the profile an exchange shows if it is refused; empty for none."""
    request = exchange.request
    if request.authorization in (Authorization.NONE, Authorization.WRONG):
        return "missing_token" if request.authorization is Authorization.NONE else "bad_token"
    if request.generation_id == UNKNOWN_ID and request.operation is Operation.GET:
        return "unknown_generation"
    if request.operation is Operation.OTHER:
        return "unknown_route" if request.method == "GET" else "wrong_method"
    if request.operation is Operation.CREATE and requested(exchange) is None:
        if request.padding:
            return "body_too_large"
        if request.content_type != "application/json":
            return "wrong_content_type"
        return "invalid_body" if request.body == "{}" else ""
    return ""


def _refusal(one: Observation, quoted: str = "", placeholder: str = "") -> dict[str, Any] | None:
    """Return a refusal as a profile states it; None if it is none, or its body is no JSON object.

    Args:
        one: The exchange.
        quoted: A text of the request that the body may quote.
        placeholder: What stands for it in a profile.
    """
    document = one.document
    if one.status < 400 or not isinstance(document, dict):
        return None
    if isinstance(document.get("detail"), list):
        document = {**document, "detail": "{detail}"}
    return {"status": one.status, "body": _replaced(document, quoted, placeholder)}


def _replaced(value: Any, quoted: str, placeholder: str) -> Any:
    if isinstance(value, dict):
        return {name: _replaced(part, quoted, placeholder) for name, part in value.items()}
    if isinstance(value, list):
        return [_replaced(part, quoted, placeholder) for part in value]
    return value.replace(quoted, placeholder) if isinstance(value, str) else value
