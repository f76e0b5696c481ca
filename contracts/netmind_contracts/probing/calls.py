"""The requests of a probe, as data: what each sends, what it shows, and whether it may cost money."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from netmind_contracts import library
from netmind_contracts.probing.budget import EndpointError
from netmind_contracts.runs.exchange import Authorization
from netmind_contracts.runs.known import (
    GENERATIONS,
    UNKNOWN_ID,
    UNKNOWN_MODEL,
    UNREACHABLE_URL,
    generation_path,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGES = 2

# The limit of the fake is 10 MiB; that of the real API is not known.
_TOO_LARGE_BYTES = 10 * 1024 * 1024 + 1


@dataclass(frozen=True, slots=True)
class ProbeCall:
    """A request to send.

    Attributes:
        path: Relative to the base URL; or the complete URL of a result file.
        padding: Bytes of white space to append to the body.
        shows: What the response shows.
    """

    method: str
    path: str
    authorization: Authorization = Authorization.BEARER
    content_type: str = ""
    body: str = ""
    padding: int = 0
    shows: str = ""


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A generation to create.

    Attributes:
        shows: What kind of job it is, for messages.
        withdrawn: Whether to delete it as soon as it is created.
        authorization: How the API key is sent.
    """

    shows: str
    model: str
    config: dict[str, Any]
    withdrawn: bool = False
    authorization: Authorization = Authorization.BEARER

    @property
    def call(self) -> ProbeCall:
        """The create request."""
        body = json.dumps({"model": self.model, "config": self.config})
        return ProbeCall("POST", GENERATIONS, self.authorization, "application/json", body, shows=self.shows)


def _post(shows: str, body: str, content_type: str = "application/json", padding: int = 0) -> ProbeCall:
    return ProbeCall("POST", GENERATIONS, content_type=content_type, body=body, padding=padding, shows=shows)


# None of these bodies can create a job.
FREE_CALLS = (
    ProbeCall("GET", GENERATIONS, Authorization.BARE, shows="the bare API key is accepted"),
    ProbeCall("GET", GENERATIONS, Authorization.NONE, shows="a missing API key is rejected"),
    ProbeCall("GET", GENERATIONS, Authorization.WRONG, shows="a wrong API key is rejected"),
    ProbeCall("GET", generation_path(UNKNOWN_ID), shows="an unknown generation"),
    ProbeCall("DELETE", generation_path(UNKNOWN_ID), shows="an unknown generation cannot be deleted"),
    ProbeCall("GET", "/v1/netmind-testkit-no-such-route", shows="an unknown route"),
    ProbeCall("PUT", GENERATIONS, shows="a wrong method"),
    _post("a body that is not JSON", "{"),
    _post("no model and no config", "{}"),
    _post("a body with model and config of other types", '{"model": 1, "config": []}'),
    _post("another content type", "{}", "text/plain"),
    _post("a body of over 10 MiB", "{}", padding=_TOO_LARGE_BYTES),
)


@cache
def job_requests() -> tuple[JobRequest, ...]:
    """Return the generations that a run creates, most important first. The API rejects one of the four."""
    page = {
        example.name: example.content
        for example in library.examples("positive")
        if example.schema == "create-request"
    }
    image, audio = page["page-image"], page["page-audio"]
    return (
        JobRequest("the documented image", image["model"], {**image["config"], "num_images": IMAGES}),
        JobRequest(
            "the documented audio, deleted while it is pending",
            audio["model"],
            audio["config"],
            withdrawn=True,
            authorization=Authorization.BARE,
        ),
        JobRequest("an unknown model", UNKNOWN_MODEL, {"prompt": "netmind-testkit"}, withdrawn=True),
        JobRequest(
            "a job whose input the worker cannot fetch",
            "openai/whisper",
            {"audio_url": UNREACHABLE_URL, "task": "transcribe"},
        ),
    )


def request_of(document: Any, label: str) -> JobRequest:
    """Return a generation to create from the JSON of a create request.

    Raises:
        EndpointError: It is not a create request; the message begins with ``label``.
    """
    found = library.violations("create-request", document)
    if found:
        raise EndpointError(f"{label}: expected a create request; {found[0]}")
    return JobRequest(f"the request in {label}", document["model"], document["config"])


def dry_run(requests: tuple[JobRequest, ...], budget: int) -> Iterator[str]:
    """Yield a line for each request with the most it may cost, and the maximum number of generations."""
    yield _line("GET", GENERATIONS, "free: the API responds and accepts the key as a bearer token")
    for call in FREE_CALLS:
        cost = "free if the API rejects it" if call.method == "POST" else "free"
        yield _line(call.method, call.path, f"{cost}: {call.shows}")
    for place, request in enumerate(requests if budget else ()):
        cost = "at most 1 generation"
        if place >= budget:
            cost = f"left out, unless the API rejects an earlier create (the limit is {budget})"
        yield _line("POST", GENERATIONS, f"{cost}: {request.shows} ({request.model})")
    if budget:
        yield _line("GET", generation_path("{id}"), "free: each generation, repeatedly until it has ended")
        yield _line("GET", GENERATIONS, "free: while they run, and at the end")
        yield _line("GET", "(each result's url)", "free: without the API key")
        yield _line("DELETE", generation_path("{id}"), "free: each generation")
    yield f"At most {budget} generation{'' if budget == 1 else 's'} would be created; nothing was sent."


def _line(method: str, path: str, shows: str) -> str:
    return f"{method:7} {path}  {shows}"
