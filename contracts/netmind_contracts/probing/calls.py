"""The calls of a probe, as data: what each asks, what it is to show, and whether it may cost something."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from netmind_contracts import library
from netmind_contracts.probing.budget import EndpointError
from netmind_contracts.runs.exchange import Authorization
from netmind_contracts.runs.known import GENERATIONS, UNKNOWN_ID, UNKNOWN_MODEL, UNREACHABLE_URL, one

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGES = 2

# The fake's limit is 10 MiB; the real one's is not known.
_TOO_LARGE_BYTES = 10 * 1024 * 1024 + 1


@dataclass(frozen=True, slots=True)
class ProbeCall:
    """A request to be sent.

    Attributes:
        path: Below the base URL; or a whole URL, which is then a file's.
        padding: Bytes of white space to append to the body.
        shows: What its answer is to show.
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
    """A generation to be created.

    Attributes:
        shows: What it is to show.
        withdrawn: Whether it is deleted as soon as it is created.
        authorization: In which form the token is sent.
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


# None of these bodies can be carried out as a job.
FREE_CALLS = (
    ProbeCall("GET", GENERATIONS, Authorization.BARE, shows="the bare token is taken"),
    ProbeCall("GET", GENERATIONS, Authorization.NONE, shows="a missing token is refused"),
    ProbeCall("GET", GENERATIONS, Authorization.WRONG, shows="a wrong token is refused"),
    ProbeCall("GET", one(UNKNOWN_ID), shows="an unknown generation"),
    ProbeCall("DELETE", one(UNKNOWN_ID), shows="an unknown generation cannot be deleted"),
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
    """What a run creates, the most telling first: four, of which one is to be refused."""
    page = {
        example.name: example.content
        for example in library.examples("positive")
        if example.schema == "create-request"
    }
    image, audio = page["page-image"], page["page-audio"]
    return (
        JobRequest("the page's image", image["model"], {**image["config"], "num_images": IMAGES}),
        JobRequest(
            "the page's audio, deleted while it is pending",
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
    """A generation that somebody wants created as well, from a create request's JSON.

    Raises:
        EndpointError: It is none; the message begins with ``label``.
    """
    found = library.violations("create-request", document)
    if found:
        raise EndpointError(f"{label}: expected a create request; {found[0]}")
    return JobRequest(f"the request of {label}", document["model"], document["config"])


def dry_run(requests: tuple[JobRequest, ...], budget: int) -> Iterator[str]:
    """Every call that a run makes, a line each, and the most that it could create."""
    yield _line("GET", GENERATIONS, "free: the API answers, the bearer token is taken")
    for call in FREE_CALLS:
        yield _line(call.method, call.path, f"free: {call.shows}")
    if budget:
        for request in requests:
            yield _line("POST", GENERATIONS, f"paid: {request.shows} ({request.model})")
        yield _line("GET", one("{id}"), "free: of each, again and again until it has ended")
        yield _line("GET", GENERATIONS, "free: while they run, and at the end")
        yield _line("GET", "(each result's url)", "free: without the token")
        yield _line("DELETE", one("{id}"), "free: of each")
    yield f"At most {budget} generation{'' if budget == 1 else 's'} would be created; nothing was sent."


def _line(method: str, path: str, shows: str) -> str:
    return f"{method:7} {path}  {shows}"
