"""The calls of a probe, as data: what each asks, what it is to show, and whether it may cost something."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from netmind_contracts import library
from netmind_contracts.exchange import Authorization

if TYPE_CHECKING:
    from collections.abc import Iterator

UNKNOWN_ID = "0123456789abcdef0123456789abcdef"
UNKNOWN_MODEL = "netmind-testkit/no-such-model"
UNREACHABLE_URL = "https://netmind-testkit.invalid/no-such.wav"
IMAGES = 2

# The fake's limit is 10 MiB; the real one's is not known.
_TOO_LARGE_BYTES = 10 * 1024 * 1024 + 1


@dataclass(frozen=True, slots=True)
class Call:
    """A call that creates nothing.

    Attributes:
        shows: What it is to show.
        path: Below the base URL.
        padding: Bytes of white space to append to the body.
    """

    shows: str
    method: str
    path: str
    authorization: Authorization = Authorization.BEARER
    content_type: str = ""
    body: str = ""
    padding: int = 0


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
    def body(self) -> str:
        """The create request's JSON."""
        return json.dumps({"model": self.model, "config": self.config})


# No body of these can be carried out as a job.
FREE_CALLS = (
    Call("the bare token is taken", "GET", "/v1/generation", Authorization.BARE),
    Call("a missing token is refused", "GET", "/v1/generation", Authorization.NONE),
    Call("a wrong token is refused", "GET", "/v1/generation", Authorization.WRONG),
    Call("an unknown generation", "GET", f"/v1/generation/{UNKNOWN_ID}"),
    Call("an unknown generation cannot be deleted", "DELETE", f"/v1/generation/{UNKNOWN_ID}"),
    Call("an unknown route", "GET", "/v1/netmind-testkit-no-such-route"),
    Call("a wrong method", "PUT", "/v1/generation"),
    Call("a body that is not JSON", "POST", "/v1/generation", content_type="application/json", body="{"),
    Call("no model and no config", "POST", "/v1/generation", content_type="application/json", body="{}"),
    Call(
        "a body with model and config of other types",
        "POST",
        "/v1/generation",
        content_type="application/json",
        body='{"model": 1, "config": []}',
    ),
    Call("another content type", "POST", "/v1/generation", content_type="text/plain", body="{}"),
    Call(
        "a body of over 10 MiB",
        "POST",
        "/v1/generation",
        content_type="application/json",
        body="{}",
        padding=_TOO_LARGE_BYTES,
    ),
)  # fmt: skip


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


def dry_run(requests: tuple[JobRequest, ...], budget: int) -> Iterator[str]:
    """Every call that a run makes, a line each, and the most that it could create."""
    yield "GET     /v1/generation  free: the API answers, the bearer token is taken"
    for call in FREE_CALLS:
        yield f"{call.method:7} {call.path}  free: {call.shows}"
    if budget:
        for request in requests:
            yield f"POST    /v1/generation  paid: {request.shows} ({request.model})"
        yield "GET     /v1/generation/{id}  free: of each, again and again until it has ended"
        yield "GET     /v1/generation  free: while they run, and at the end"
        yield "GET     (each result's url)  free: without the token"
        yield "DELETE  /v1/generation/{id}  free: of each"
    yield f"At most {budget} generation{'' if budget == 1 else 's'} would be created; nothing was sent."
