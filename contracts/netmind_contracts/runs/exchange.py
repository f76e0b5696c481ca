"""A recorded request and what was answered: frozen, free of secrets, and all that a check may look at.

A :class:`Run` is a sequence of them. It is saved as a JSON file (``save``, ``load``); what tools record as
HAR is read by :mod:`netmind_contracts.runs.har`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1

# Of a file that is not text no more than this is kept: enough to tell what kind it is.
HEAD_BYTES = 64

# No message of the API comes near, and what reads a document recurses: Python allows about 1,000 levels.
_MAX_LEVELS = 100

_PATH = re.compile(r"/v1/generation(?:/([^/]*))?")


class Authorization(StrEnum):
    """In which form a request carried a token. The token itself is never recorded."""

    NONE = "none"
    BARE = "bare"
    BEARER = "bearer"
    WRONG = "wrong"
    UNKNOWN = "unknown"  # tools that record leave tokens out


class Operation(StrEnum):
    """What a request asks of the API."""

    CREATE = "create"
    GET = "get"
    LIST = "list"
    DELETE = "delete"
    OTHER = "other"


class Scope(StrEnum):
    """How much a run set out to look at."""

    FULL = "full"
    FREE = "free"
    RECORDING = "recording"


class InvalidRun(ValueError):
    """A file is no saved run. The message is one sentence for whoever gave it."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was sent.

    Attributes:
        method: In capitals.
        url: Absolute, the values of its query masked.
        authorization: In which form a token was sent.
        content_type: As it was sent; empty if none was.
        body: As text; empty if there was none.
        padding: How many bytes of white space followed it.
    """

    method: str
    url: str
    authorization: Authorization = Authorization.NONE
    content_type: str = ""
    body: str = ""
    padding: int = 0

    @property
    def operation(self) -> Operation:
        """What it asks of the API, by its method and path alone."""
        path = path_of(self.url)
        found = _PATH.search(path)
        if found is None or found.end() != len(path):
            return Operation.OTHER
        one = bool(found[1])
        return {
            ("POST", False): Operation.CREATE,
            ("GET", False): Operation.LIST,
            ("GET", True): Operation.GET,
            ("DELETE", True): Operation.DELETE,
        }.get((self.method, one), Operation.OTHER)

    @property
    def generation_id(self) -> str:
        """The id in the path; empty if there is none."""
        found = _PATH.search(path_of(self.url))
        return (found[1] or "") if found else ""


@dataclass(frozen=True, slots=True)
class Response:
    """What came back.

    Attributes:
        status: The HTTP status.
        headers: Those that a check may need, their names in lower case.
        body: As text where it is text; empty for a file that is not.
        head: The first bytes (at most 64) of what is not recorded as text.
        size: How many bytes were read.
        complete: Whether that was all of it.
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    head: bytes = b""
    size: int = 0
    complete: bool = True

    @property
    def is_success(self) -> bool:
        """Whether the status is one of 200 to 299."""
        return 200 <= self.status <= 299


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer, or why none came.

    Attributes:
        request: What was sent.
        answer: What came back; None if nothing did.
        failure: Why no answer came, in a few words.
        sent: Whether it may have reached the endpoint.
        at: When the request was sent, in seconds since the epoch.
        seconds: How long it took.
    """

    request: Request
    response: Response | None
    failure: str = ""
    sent: bool = True
    at: float = 0.0
    seconds: float = 0.0

    @property
    def status(self) -> int:
        """The HTTP status; 0 if there was no response."""
        return self.response.status if self.response else 0

    @property
    def succeeded(self) -> bool:
        """Whether the response is a success."""
        return self.response is not None and self.response.is_success

    def __str__(self) -> str:
        """Such as ``GET /v1/generation/6347623b… → 200``."""
        actual = self.status or f"no answer ({self.failure})"
        return f"{self.request.method} {short_path(self.request.url)} → {actual}"


@dataclass(frozen=True, slots=True)
class Run:
    """Recorded exchanges, in the order in which they were sent.

    Attributes:
        target: The base URL.
        started: When the first was sent, in UTC: ``2026-11-24T12:00:00Z``.
        scope: How much the run set out to look at.
        exchanges: All of them.
        notes: What went otherwise than planned, as sentences.
    """

    target: str
    started: str
    scope: Scope
    exchanges: tuple[Exchange, ...]
    notes: tuple[str, ...] = ()


def path_of(url: str) -> str:
    """Return the URL's path; the whole of what is no URL, as an endpoint may give it."""
    try:
        return urlsplit(url).path
    except ValueError:
        return url


def short_path(url: str) -> str:
    """Return the URL's path with long names cut short, for people to read."""
    return re.sub(r"([0-9a-f]{8})[0-9a-f]{24}", r"\1…", path_of(url)) or "/"


def printable(text: str) -> str:
    """The text with what would steer a terminal spelled out: an endpoint's answer is hostile text."""
    return "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in text)


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text; None if it is not JSON, or has over 100 levels."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    level = [document]
    for _ in range(_MAX_LEVELS):
        level = [
            part
            for whole in level
            if isinstance(whole, dict | list)
            for part in (whole.values() if isinstance(whole, dict) else whole)
        ]
    return None if level else document


def parse(response: Response | None) -> Any:
    """Return a response's JSON, or None if there is no response or it is not JSON."""
    return parse_json(response.body) if response is not None and response.complete else None


def save(run: Run, file: Path) -> None:
    """Write a run to a JSON file.

    Raises:
        OSError: The file cannot be written.
    """
    document = {"format": FORMAT, **msgspec.to_builtins(run)}
    # msgspec would refuse a lone surrogate, which a response may hold.
    file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def load(file: Path) -> Run:
    """Return the run in a file that ``save`` wrote.

    Raises:
        InvalidRun: The file cannot be read, or is something else.
    """
    return run_of(read_json(file), str(file))


def read_json(file: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        InvalidRun: The file cannot be read, or is not JSON.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InvalidRun(f"{file}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidRun(f"{file}: expected JSON: {error}") from None


def run_of(document: Any, label: str) -> Run:
    """Return the run in the JSON of a saved one.

    Args:
        document: What the file holds.
        label: The file's name, for messages.

    Raises:
        InvalidRun: The document is something else.
    """
    if not isinstance(document, dict) or "exchanges" not in document:
        raise InvalidRun(f"{label}: expected a run that netmind-contracts verify --save wrote, or a HAR file")
    if document.get("format") != FORMAT:
        raise InvalidRun(
            f"{label}: format: expected {FORMAT}, got {document.get('format')!r}: another version wrote it"
        )
    try:
        return msgspec.convert(document, Run)
    except msgspec.ValidationError as error:
        raise InvalidRun(f"{label}: is damaged ({error}); save the run again") from None
