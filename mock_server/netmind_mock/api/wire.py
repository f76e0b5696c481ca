"""Reads and writes the API's JSON. No other module knows its field names, statuses and error bodies.

Responses are written by hand and checked by the contracts. The differences between profiles are data.
"""

from __future__ import annotations

import sys
import time
from functools import lru_cache
from math import floor, inf
from typing import TYPE_CHECKING, Any

import msgspec

from netmind_contracts import library
from netmind_mock.errors import BadToken, InvalidBody, MissingToken, WrongContentType
from netmind_mock.jobs import ids
from netmind_mock.jobs.job import CLOCK_GRAIN, MediaKind, Status, status_at
from netmind_mock.jobs.plan import CreateRequest
from netmind_mock.validation import MAX_VALUES, InvalidJson, is_dense, read_json

if TYPE_CHECKING:
    from netmind_contracts.library import Violation
    from netmind_mock.errors import RefusedRequest
    from netmind_mock.jobs.job import Job, Output, Stage
    from netmind_mock.jobs.profile import Profile

_PYDANTIC = {
    "string": ("string_type", "Input should be a valid string"),
    "object": ("dict_type", "Input should be a valid dictionary"),
}
_SHOWN_CHARACTERS = 200

# Longer API keys are refused (assumed). A server's limit on headers would refuse them, too.
MAX_TOKEN_CHARACTERS = 2048

# The query parameter of a link that expires, in seconds since the epoch, as in signed links of S3.
EXPIRES = "Expires"


def read_token(header: str | None) -> str:
    """Return the API key in an Authorization header: bare, or as ``Bearer KEY`` (both documented).

    Raises:
        MissingToken: There is no header, or no key in it.
        BadToken: The header has another form, such as another scheme, or the key is too long.
    """
    words = (header or "").split()
    if words and words[0].lower() == "bearer":
        words = words[1:]
    if not words:
        raise MissingToken
    if len(words) > 1 or len(words[0]) > MAX_TOKEN_CHARACTERS:
        raise BadToken
    return words[0]


def check_content_type(content_type: str, content_encoding: str) -> None:
    """Check that the headers of a create request announce plain JSON.

    Raises:
        WrongContentType: They do not. Compressed bodies are never decompressed, so that a small body cannot
            expand to a huge one.
    """
    if content_type == "application/json" and not content_encoding:
        return
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise WrongContentType(
            expected="application/json", actual=media_type[:_SHOWN_CHARACTERS] or "no content type"
        )
    if content_encoding.lower() not in ("", "identity"):
        raise WrongContentType(expected="an uncompressed body", actual=content_encoding[:_SHOWN_CHARACTERS])


def read_create(body: bytes) -> CreateRequest:
    """Return the create request of a JSON body.

    Raises:
        InvalidBody: It is not JSON or not an object, model or config is missing or has the wrong type, or it
            has too many values.
    """
    if is_dense(body):
        message = f"Expected at most {MAX_VALUES} values, the limit of this fake"
        raise InvalidBody(detail=[_detail(["body"], message, "too_many_values")])
    try:
        document = read_json(body)
    except InvalidJson as error:
        raise InvalidBody(
            detail=[_detail(["body", error.position], f"JSON decode error: {error}", "json_invalid")]
        ) from None
    if type(document) is dict:
        model, config = document.get("model"), document.get("config")
        if type(model) is str and type(config) is dict:
            return CreateRequest(sys.intern(model), config)  # many jobs share few models: saves memory
    raise InvalidBody(detail=[_detail_of(found) for found in library.violations("create-request", document)])


def body_cut_short(actual: int, announced: int) -> InvalidBody:
    """Return the refusal of a body that is shorter than its Content-Length, in bytes."""
    message = f"Expected a body of {announced} bytes, got {actual}"
    return InvalidBody(detail=[_detail(["body"], message, "incomplete_body")])


def pack_config(config: dict[str, Any]) -> bytes:
    """Return a config as the compact JSON that is stored in a job.

    It is copied, since the bytes that msgspec returns keep its whole buffer in memory, a quarter more.
    """
    return bytes(memoryview(msgspec.json.encode(config)))


def created(job: Job, profile: Profile, origin: str) -> dict[str, Any]:
    """Return the response to create: the job in its first stage, however short that is."""
    return _generation(job, job.plan.stages[0], job.created_at, profile, origin)


def generation(job: Job, now: float, profile: Profile, origin: str) -> dict[str, Any]:
    """Return the response to get at ``now``."""
    return _generation(job, status_at(job, now), now, profile, origin)


def generation_list(generations: list[Any]) -> dict[str, Any]:
    """Return the response to list, in the given order."""
    return {"generation_list": generations}


def deleted(profile: Profile) -> dict[str, Any]:
    """Return the response to delete."""
    return {"message": profile.delete_message}


def refusal(error: RefusedRequest, profile: Profile) -> tuple[int, Any]:
    """Return the HTTP status and the JSON body of a refusal, from the profile."""
    status, body = profile.errors[error.key]
    return status, _filled(body, error.facts)


def file_name(output: Output, profile: Profile) -> str:
    """Return the ``file_name`` of a result. It may be empty."""
    return profile.file_name.replace("{kind}", output.kind).replace("{extension}", output.extension)


def _generation(job: Job, stage: Stage, now: float, profile: Profile, origin: str) -> dict[str, Any]:
    status = stage.status
    created_at = updated_at = floor(job.created_at)
    if stage is not job.plan.stages[0]:
        # After a status change, updated_at is later than created_at (documented), also within one second.
        updated_at = max(floor(job.created_at + stage.begins), created_at + 1)
    deleted_at = job.deleted_at if job.is_deleted(now) else None
    body: dict[str, Any] = {
        "id": job.id,
        "user_id": job.user_id,
        "status": profile.words.get(status, status),  # type: ignore[call-overload]
        "created_at": _timestamp(created_at),
        "updated_at": _timestamp(updated_at),
        "deleted_at": None if deleted_at is None else _timestamp(floor(deleted_at)),
        "is_deleted": deleted_at is not None,
        "result": {},
    }
    if status is Status.FAILED:  # failed jobs, with the reason in their logs, are observed
        body["logs"] = [{"text": job.plan.failure}]
    elif profile.logs:
        body["logs"] = []
    if status is Status.COMPLETED:
        if now + CLOCK_GRAIN >= job.created_at + stage.begins + job.plan.empty_for:
            body["result"] = {"data": _results(job, now, profile, origin)}
        if profile.durations:
            body.update(_durations(job, stage))
    if profile.extra:
        body.update(profile.extra)
    return body


def _results(job: Job, now: float, profile: Profile, origin: str) -> list[dict[str, str]]:
    life = job.plan.link_life
    signature = "" if life == inf else f"?{EXPIRES}={floor(now + life)}"
    return [
        {"text": transcript(job)}
        if output.kind is MediaKind.TEXT and profile.text_inline
        else _result_file(job, index, output, profile, origin, signature)
        for index, output in enumerate(job.plan.outputs)
    ]


def _result_file(
    job: Job, index: int, output: Output, profile: Profile, origin: str, signature: str
) -> dict[str, str]:
    name = file_name(output, profile)
    file_id = ids.file_id(job.id, index)
    path = (
        profile.url_path.replace("{user_id}", job.user_id)
        .replace("{file_id}", file_id)
        .replace("{file_name}", name)
    )
    url = origin + path + signature
    return {"url": url, "file_id": file_id, "file_name": name, "file_type": output.kind.value}


def transcript(job: Job) -> str:
    """Return the result of a text model: a placeholder sentence that names the job."""
    return f"This is a made-up transcript by {job.model} for generation {job.id}."


def _durations(job: Job, completed: Stage) -> dict[str, int]:
    begins = next(
        (
            stage.begins + job.plan.queued_for
            for stage in job.plan.stages
            if stage.status is Status.PROCESSING
        ),
        completed.begins,
    )
    return {"pending_duration": round(begins), "processing_duration": round(completed.begins - begins)}


@lru_cache(maxsize=4096)
def _timestamp(second: int) -> str:
    """Return a time as ``YYYY-MM-DD HH:MM:SS`` (documented), in UTC (assumed)."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(second))


def _filled(template: Any, facts: dict[str, Any]) -> Any:
    """Return the template with its placeholders replaced.

    A placeholder without other text becomes the value itself.
    """
    if isinstance(template, dict):
        return {key: _filled(value, facts) for key, value in template.items()}
    if isinstance(template, list):
        return [_filled(item, facts) for item in template]
    if isinstance(template, str):
        for name, fact in facts.items():
            if template == f"{{{name}}}":
                return fact
            template = template.replace(f"{{{name}}}", str(fact)[:_SHOWN_CHARACTERS])
    return template


def _detail_of(violation: Violation) -> dict[str, Any]:
    location = ["body", *violation.path]
    if violation.rule == "required":
        return _detail(location, "Field required", "missing")
    kind, message = _PYDANTIC[violation.expected.split()[-1]]
    return _detail(location, message, kind)


def _detail(location: list[str | int], message: str, kind: str) -> dict[str, Any]:
    return {"loc": location, "msg": message, "type": kind}
