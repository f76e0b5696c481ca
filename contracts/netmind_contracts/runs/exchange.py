"""A recorded request and its response. Both are frozen and contain no secrets.

A :class:`Run` is a sequence of them, saved as a JSON file (``save``, ``load``). HAR files of other tools are
read by :mod:`netmind_contracts.runs.har`.
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

# How much of a binary file is recorded: enough to detect its type.
HEAD_BYTES = 64

# Functions that read a document recurse, and Python allows about 1,000 levels. The API needs far fewer.
_MAX_LEVELS = 100

_PATH = re.compile(r"/v1/generation(?:/([^/]*))?")


class Authorization(StrEnum):
    """How a request sent an API key. The key itself is never recorded."""

    NONE = "none"
    BARE = "bare"
    BEARER = "bearer"
    WRONG = "wrong"
    UNKNOWN = "unknown"  # recording tools leave API keys out


class Operation(StrEnum):
    """The API operation of a request."""

    CREATE = "create"
    GET = "get"
    LIST = "list"
    DELETE = "delete"
    OTHER = "other"


class Scope(StrEnum):
    """Which claims a run can check."""

    FULL = "full"
    FREE = "free"
    RECORDING = "recording"


class InvalidRun(ValueError):
    """A file is not a saved run. The message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request.

    Attributes:
        method: In capitals.
        url: Absolute, with redacted query values.
        authorization: How the API key was sent.
        content_type: The Content-Type header; empty if there was none.
        body: As text; empty if there was none.
        padding: The number of bytes of white space that followed the body.
    """

    method: str
    url: str
    authorization: Authorization = Authorization.NONE
    content_type: str = ""
    body: str = ""
    padding: int = 0

    @property
    def operation(self) -> Operation:
        """The API operation, from the method and the path."""
        path = path_of(self.url)
        found = _PATH.search(path)
        if found is None or found.end() != len(path):
            return Operation.OTHER
        has_id = bool(found[1])
        return {
            ("POST", False): Operation.CREATE,
            ("GET", False): Operation.LIST,
            ("GET", True): Operation.GET,
            ("DELETE", True): Operation.DELETE,
        }.get((self.method, has_id), Operation.OTHER)

    @property
    def generation_id(self) -> str:
        """The id in the path, or an empty string."""
        found = _PATH.search(path_of(self.url))
        return (found[1] or "") if found else ""


@dataclass(frozen=True, slots=True)
class Response:
    """A response.

    Attributes:
        status: The HTTP status.
        headers: Those that a check needs, with names in lower case.
        body: The text; empty for a binary file.
        head: The first bytes (at most 64) of a binary file.
        size: The number of bytes that were read.
        complete: Whether that is the complete body.
        digest: The SHA-256 of a binary file in hexadecimal; empty if it is not known.
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    head: bytes = b""
    size: int = 0
    complete: bool = True
    digest: str = ""

    @property
    def is_success(self) -> bool:
        """Whether the status is one of 200 to 299."""
        return 200 <= self.status <= 299


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its response, or why there was no response.

    Attributes:
        request: What was sent.
        response: The response; None if there was none.
        failure: Why there was no response, in a few words.
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

    @property
    def failed_in_transit(self) -> bool:
        """Whether the network or a gateway responded instead of the API: this says nothing about the API."""
        response = self.response
        if response is None or response.status in (408, 425, 429) or response.status >= 500:
            return True
        is_page = response.body.lstrip()[:1] == "<" and (response.is_success or response.status == 403)
        return is_page and self.request.operation in (Operation.GET, Operation.LIST, Operation.DELETE)

    def __str__(self) -> str:
        """Return, for example, ``GET /v1/generation/6347623b… → 200``."""
        actual = self.status or f"no response ({self.failure})"
        return f"{self.request.method} {short_path(self.request.url)} → {actual}"


@dataclass(frozen=True, slots=True)
class Run:
    """Recorded exchanges, in the order in which they were sent.

    Attributes:
        base_url: The base URL of the endpoint.
        started: When the first was sent, in UTC: ``2026-11-24T12:00:00Z``.
        scope: Which claims the run can check.
        exchanges: All of them.
        notes: What did not go as planned, as sentences.
    """

    base_url: str
    started: str
    scope: Scope
    exchanges: tuple[Exchange, ...]
    notes: tuple[str, ...] = ()


def path_of(url: str) -> str:
    """Return the path of a URL. A result URL of an endpoint may be invalid: then return all of it."""
    try:
        return urlsplit(url).path
    except ValueError:
        return url


def short_path(url: str) -> str:
    """Return the path of a URL with shortened ids, for display."""
    return re.sub(r"([0-9a-f]{8})[0-9a-f]{24}", r"\1…", path_of(url)) or "/"


def printable(text: str) -> str:
    """Return the text with control characters escaped, since a response may contain terminal sequences."""
    return "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in text)


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text; None if it is not JSON, or has more than 100 levels.

    JSON (RFC 8259) is UTF-8 without a byte order mark, has no NaN, and names each key of an object once.
    """
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        document = json.loads(decoded, parse_constant=_no_constant, object_pairs_hook=_object_of)
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


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError("a key is repeated")
    return document


def parse(response: Response | None) -> Any:
    """Return a response's JSON, or None if there is no response or it is not JSON."""
    return parse_json(response.body) if response is not None and response.complete else None


def save(run: Run, file: Path) -> None:
    """Write a run to a JSON file.

    Raises:
        OSError: The file cannot be written.
    """
    document = {"format": FORMAT, **msgspec.to_builtins(run)}
    for exchange in document["exchanges"]:
        if exchange["response"] and not exchange["response"]["digest"]:
            del exchange["response"]["digest"]
    # Not msgspec.json: it rejects lone surrogates, which a response may contain.
    file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def load(file: Path) -> Run:
    """Read a run from a file that ``save`` wrote.

    Raises:
        InvalidRun: The file cannot be read, or is not a saved run.
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
    """Return the run of a saved JSON document.

    Args:
        document: The content of the file.
        label: The file's name, for messages.

    Raises:
        InvalidRun: The document is not a saved run.
    """
    if not isinstance(document, dict) or "exchanges" not in document:
        raise InvalidRun(f"{label}: expected a run that netmind-contracts verify --save wrote, or a HAR file")
    if document.get("format") != FORMAT:
        raise InvalidRun(
            f"{label}: format: expected {FORMAT}, got {document.get('format')!r} (another version)"
        )
    try:
        return msgspec.convert(document, Run)
    except msgspec.ValidationError as error:
        raise InvalidRun(f"{label}: invalid run ({error}); save the run again") from None
