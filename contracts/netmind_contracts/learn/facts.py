"""Learn the facts of a profile from a run. Behaviour that was not observed is left out.

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
    """Return the facts that a run shows, by their keys in a profile. All values can be written as TOML."""
    return all_facts(Histories(run), is_toml=True)


def all_facts(histories: Histories, *, is_toml: bool) -> dict[str, Any]:
    """Return the facts whose values can be written as TOML, or those whose values cannot."""
    facts = {
        **_of_statuses(histories),
        **_of_fields(histories),
        **_of_results(histories),
        **_of_models(histories),
        **_of_deletes_and_lists(histories),
        **_of_refusals(histories),
    }
    return {key: value for key, value in facts.items() if value is not None and _is_toml(value) is is_toml}


def unmet_words(run: Run, words: dict[str, str]) -> list[str]:
    """Return the names of the statuses whose word was in no response, and is assumed to be the name."""
    met = {status for job in Histories(run).jobs.values() for _, status in job.statuses}
    return [name for name, word in words.items() if word not in met]


def _is_toml(value: Any) -> bool:
    """Return whether a value can be written as TOML: no null, no number over 64 bits, no lone surrogate."""
    if isinstance(value, dict):
        return all(map(_is_toml, (*value, *value.values())))
    if isinstance(value, list):
        return all(map(_is_toml, value))
    if isinstance(value, str):
        return _SURROGATE.search(value) is None
    return value is not None and not (isinstance(value, int) and abs(value) >> 63)


# Statuses


def _of_statuses(histories: Histories) -> dict[str, Any]:
    successes = [observation.status for observation in histories.api if observation.succeeded]
    # Jobs that were polled from their create to their end, each with its duration.
    followed = [
        (end.exchange.at - job.created.exchange.at, job)
        for job, end in histories.ended
        if job.created and job.polls and not has_ended(job.created.document)
    ]
    facts: dict[str, Any] = {"success.status": max(successes, key=successes.count, default=None)}
    if passed := passed_words(histories):
        facts["statuses.words"] = words = _words(histories, passed)
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


def passed_words(histories: Histories) -> list[str]:
    """Return the words for statuses before the end, in the order of their first response."""
    found: list[str] = []
    for job in histories.jobs.values():
        end = job.end.field("status") if job.end else None
        for response, status in job.statuses:
            if not has_ended(response.document) and status not in (*found, *FINAL_STATUSES, end):
                found.append(status)
    return found


def _words(histories: Histories, passed: list[str]) -> dict[str, str]:
    """Return a word for each status of the profile: the observed one, or else the name itself."""
    words: dict[str, str] = {}
    for word in passed:
        free = [name for name in ON_THE_WAY if name not in words and (name == word or name not in passed)]
        name = word if word in free else next(iter(free), "")
        if not words:
            name = "pending"
        if name:
            words[name] = word
    for _, end in histories.ended:
        name, status = "completed" if results_of(end.document) else "failed", end.field("status")
        if isinstance(status, str) and (name, status) != ("failed", "completed"):
            words.setdefault(name, status)
    for name in _NAMES:
        if name not in words:
            words[name] = name if name not in words.values() else f"{name}_"
    return {name: words[name] for name in _NAMES}


def _shares(job: JobHistory) -> Iterator[tuple[str, float]]:
    """Yield each status before the end with its share of the job's duration, to a hundredth."""
    begins = _begins(job)
    total = begins[-1][1] - begins[0][1]
    for (word, began), (_, ended) in pairwise(begins):
        yield word, max(round((ended - began) / total, 2), 0.01) if total > 0 else 1.0


def _begins(job: JobHistory) -> list[tuple[str, float]]:
    """Return each status with its begin: between the last response before it and its first response."""
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
    """Return when a status began by updated_at. Its whole seconds are on average half a second early."""
    created, updated = time_of(response, "created_at"), time_of(response, "updated_at")
    if created is None or updated is None:
        return response.exchange.at
    began = job.created.exchange.at if job.created else 0.0
    return began + (updated - created).total_seconds()


def _empty_for(job: JobHistory) -> float:
    """Return for how many seconds a completed job had no results; 0 if it always had them."""
    end = job.end.field("status") if job.end else None
    empty = any(status == end and not results_of(response.document) for response, status in job.statuses)
    filled = [response.exchange.at for response in job.responses if results_of(response.document)]
    return round(filled[0] - _begins(job)[-1][1], 1) if empty and filled else 0.0


# Fields and results


def _of_fields(histories: Histories) -> dict[str, Any]:
    documents = [observation.document for observation in histories.responses]
    completed = [observation.document for _, observation in histories.completed]
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
        "fields.durations": any("pending_duration" in observation for observation in completed)
        if completed
        else None,
        "fields.extra": extra if documents else None,
    }


def _of_results(histories: Histories) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for job, completed, entry in histories.results:
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
    fits = re.fullmatch(r"/[A-Za-z0-9_.~-]+(/([A-Za-z0-9_.~-]+|\{[a-z_]+\}))+", path)
    return path if fits and "{file_id}" in parts and not path.startswith(("/v1/", "/__mock")) else None


# Models


def _of_models(histories: Histories) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for create, model, config in histories.creates:
        if model == UNKNOWN_MODEL:
            facts["models.unknown"] = "accept" if create.succeeded else "refuse"
            facts["errors.unknown_model"] = _refusal(create, model, "{model}")
        elif create.status >= 500 and "unavailable" in str(create.document):
            facts.setdefault("models.unavailable", []).append(model)
            facts["errors.model_unavailable"] = _refusal(create, model, "{model}")
        elif config.get("sync_mode") is True and results_of(create.document):
            facts.setdefault("create.sync_mode_models", []).append(model)
    for job, end in histories.ended:
        if job.config.get("audio_url") == UNREACHABLE_URL:
            failed = not results_of(end.document)
            found = embedded_json(last_log(end)) if failed else None
            facts["worker.rejects_bad_input"] = failed
            facts["worker.error_text"] = f"{found[0]}{{detail}}{found[2]}" if found else None
    return facts


# Deletes and lists


def _of_deletes_and_lists(histories: Histories) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for job in histories.jobs.values():
        for delete in job.deletes:
            if delete.succeeded and isinstance(delete.document, dict):
                facts.setdefault("delete.message", delete.document.get("message"))
        for after in job.afterwards:
            if after.succeeded or 400 <= after.status <= 499:
                facts["delete.leaves"] = "tombstone" if after.succeeded else "gone"
    for observation in histories.lists:
        places = histories.order_in(observation)
        if len(places) > 1:
            facts["list.order"] = "oldest_first" if places == sorted(places) else "newest_first"
    return facts


# Refusals


def _of_refusals(histories: Histories) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for observation in histories.api:
        key = refused_as(observation.exchange)
        if key and observation.status >= 400:
            quoted = (
                (observation.exchange.request.content_type, "{actual}") if key == "wrong_content_type" else ()
            )
            facts.setdefault(f"errors.{key}", _refusal(observation, *quoted))
    return facts


def refused_as(exchange: Exchange) -> str:
    """Return the key of the error that an exchange shows if it is rejected; or an empty string."""
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


def _refusal(observation: Observation, quoted: str = "", placeholder: str = "") -> dict[str, Any] | None:
    """Return an error as written in a profile; None if it is not one, or its body is not a JSON object.

    Args:
        observation: The response.
        quoted: A text of the request that the body may contain.
        placeholder: The profile's placeholder for it.
    """
    document = observation.document
    if observation.status < 400 or not isinstance(document, dict):
        return None
    if isinstance(document.get("detail"), list):
        document = {**document, "detail": "{detail}"}
    return {"status": observation.status, "body": _replaced(document, quoted, placeholder)}


def _replaced(value: Any, quoted: str, placeholder: str) -> Any:
    if isinstance(value, dict):
        return {name: _replaced(part, quoted, placeholder) for name, part in value.items()}
    if isinstance(value, list):
        return [_replaced(part, quoted, placeholder) for part in value]
    return value.replace(quoted, placeholder) if isinstance(value, str) else value
