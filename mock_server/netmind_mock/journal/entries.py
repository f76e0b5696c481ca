"""The entries of the request journal: a request and its response, as recorded and as shown.

Recording a request must be fast, so it stores the request as it is (``RawEntry``). Secrets are removed when
entries are read (``Entry``), or written to a database (``pack_redacted``).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import msgspec

from netmind_contracts.redaction import REDACTED
from netmind_mock.caching import cache_short
from netmind_mock.journal.redaction import is_secret_header, redactor_of
from netmind_mock.validation import InvalidJson, read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from netmind_mock.journal.redaction import RequestRedactor

    Content = TypeVar("Content")

MAX_ENTRIES: Final = 10_000
MAX_BYTES: Final = 32 * 1024 * 1024

_TEXTS = ("application/json", "text/")


class RawEntry(NamedTuple):
    """A request and its response as recorded, including secrets.

    It contains only numbers, text and bytes (headers are text with one header per line), so that thousands of
    entries cost the garbage collector little. Times are in seconds, and ``at`` is since the epoch. ``token``
    contains the secrets of the request, which are removed from the other fields when the entry is read.
    """

    user_id: str | None
    at: float
    seconds: float
    operation: str
    method: str
    path: str
    headers: str
    token: str
    body: bytes
    status: int
    response_headers: str
    response: bytes
    job_id: str
    scenario: str
    fault: str
    fault_kind: str
    arrives: bool
    reached: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A request and its response, without API keys.

    Attributes:
        number: Its number among the requests of the account, or of all accounts if those were read, from 1.
        at: When it arrived, in seconds since the epoch, on the account's clock.
        seconds: How long the response took, in real time, without the delay of a fault.
        user_id: The account; None for a request without an API key.
        operation: ``create``, ``get``, ``list``, ``delete``, ``file``, or ``other``.
        method: In capitals.
        path: With its query.
        headers: The headers by their names in lower case. Secrets are redacted.
        body: The request body as text. If it is larger than 64 KiB, long texts in it are shortened.
        status: The HTTP status of the response.
        response_headers: The headers of the response by their names in lower case.
        response: The body of the response, if it is text, cut at 64 KiB.
        size: The size of the response body in bytes.
        job_id: The job that it is about; empty without one.
        scenario: The scenario of a created job; empty without one.
        fault: The fault that was applied; empty without one.
        fault_kind: Its kind, such as ``delay``; empty without one.
        arrived: Whether the whole response was sent.
        reached: Whether the fake processed the request: no fault lost or rejected it before.
    """

    number: int
    at: float
    seconds: float
    user_id: str | None
    operation: str
    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: str
    status: int
    response_headers: Mapping[str, str] = field(repr=False)
    response: str
    size: int
    job_id: str
    scenario: str
    fault: str
    fault_kind: str
    arrived: bool
    reached: bool

    def __str__(self) -> str:
        """Return text such as ``3. get /v1/generation/6347623b… → 200``."""
        actual = str(self.status) if self.arrived else f"{self.status}, response lost"
        return f"{self.number}. {self.operation} {self.path} → {actual}" + (
            f" [{self.fault}]" if self.fault else ""
        )

    @property
    def json(self) -> Any:
        """The request body as JSON; None if it is not JSON."""
        return _json(self.body)

    @property
    def response_json(self) -> Any:
        """The response body as JSON; None if it is not JSON."""
        return _json(self.response)

    @property
    def model(self) -> str | None:
        """The model of a create; None without one."""
        model = self._field("model")
        return model if isinstance(model, str) else None

    @property
    def config(self) -> dict[str, Any]:
        """The config of a create; empty without one."""
        config = self._field("config")
        return config if isinstance(config, dict) else {}

    @property
    def created(self) -> bool:
        """Whether it is a create that the API accepted: a job exists and is billed."""
        return self.operation == "create" and self.reached and bool(self.job_id)

    def _field(self, name: str) -> Any:
        return self.json.get(name) if isinstance(self.json, dict) else None

    def as_json(self) -> dict[str, Any]:
        """Return the entry as JSON, as in the control API."""
        return asdict(self)


class Total(NamedTuple):
    """The totals of one operation and status since the start. A reset does not change them.

    Attributes:
        requests: How many requests there were.
        seconds: How long they took in total.
        with_fault: To how many of them a fault was applied.
    """

    requests: int = 0
    seconds: float = 0.0
    with_fault: int = 0

    def plus(self, raw: RawEntry) -> Total:
        """Return the total including this request."""
        return Total(self.requests + 1, self.seconds + raw.seconds, self.with_fault + bool(raw.fault))


def chosen(
    contents: Iterable[tuple[str, str, Content]],
    dropped: int,
    operation: str | None,
    job_id: str | None,
    last: int | None,
) -> list[tuple[int, Content]]:
    """Return the selected entries, each with its number. Numbers also count the dropped entries before them.

    Args:
        contents: The operation, the job and the content of each entry.
        dropped: How many entries before these were dropped.
        operation: Only entries of this operation; None for all.
        job_id: Only entries about this job; None for all.
        last: Only this many of the last entries; None for all.
    """
    found = [
        (number, content)
        for number, (content_operation, content_job, content) in enumerate(contents, dropped + 1)
        if operation in (None, content_operation) and job_id in (None, content_job)
    ]
    return found if last is None else found[-last:]


def pack_redacted(raw: RawEntry) -> bytes:
    """Return a recorded entry without its secrets, as MessagePack."""
    redactor = redactor_of(raw.token)
    return msgspec.msgpack.encode(
        raw._replace(
            path=_redacted(raw.path, redactor),
            headers=_redacted_lines(raw.headers, redactor),
            token="",
            body=_text(raw.body, redactor).encode(),
            response_headers=_redacted_lines(raw.response_headers, redactor),
            response=_text(raw.response, redactor).encode(),
        )
    )


def unpack_raw(document: bytes) -> RawEntry:
    """Return the entry that ``pack_redacted`` packed."""
    return msgspec.msgpack.decode(document, type=RawEntry)


def entry_of(number: int, raw: RawEntry) -> Entry:
    """Return a recorded entry with its number, and with its secrets redacted."""
    redactor = redactor_of(raw.token)
    response_headers = _by_name(raw.response_headers, redactor)
    is_text = response_headers.get("content-type", "").startswith(_TEXTS)
    return Entry(
        number=number,
        at=raw.at,
        seconds=raw.seconds,
        user_id=raw.user_id,
        operation=raw.operation,
        method=raw.method,
        path=_redacted(raw.path, redactor),
        headers=_by_name(raw.headers, redactor),
        body=_text(raw.body, redactor),
        status=raw.status,
        response_headers=response_headers,
        response=_text(raw.response, redactor) if is_text and raw.operation != "file" else "",
        size=int(response_headers.get("content-length") or len(raw.response)),
        job_id=raw.job_id,
        scenario=raw.scenario,
        fault=raw.fault,
        fault_kind=raw.fault_kind,
        arrived=raw.arrives,
        reached=raw.reached,
    )


def same_request(one: Entry, other: Entry) -> bool:
    """Return whether two creates have equal JSON, or equal bodies if they are not JSON."""
    return (one.json == other.json) if one.json is not None else one.body == other.body


def weight(raw: RawEntry) -> int:
    """Return the size of an entry in bytes, as counted against the limit."""
    texts = (
        raw.method,
        raw.path,
        raw.headers,
        raw.token,
        raw.body,
        raw.response_headers,
        raw.response,
        raw.fault,
    )
    return 600 + sum(map(len, texts))


def _redacted(text: str, redactor: RequestRedactor) -> str:
    return redactor.without_token(text)


def _text(body: bytes, redactor: RequestRedactor) -> str:
    return _redacted(body.decode("utf-8", "replace"), redactor)


def lines_of(headers: Iterable[tuple[str, str]]) -> str:
    """Return headers as a raw entry stores them: one line per header."""
    return "\n".join([f"{name}: {value}" for name, value in headers])


def _by_name(lines: str, redactor: RequestRedactor) -> dict[str, str]:
    pairs = [line.partition(": ") for line in lines.split("\n") if line]
    return {
        (key := name.lower().replace("_", "-")): _secret(value)
        if is_secret_header(key)
        else _redacted(value, redactor)
        for name, _, value in pairs
    }


@cache_short(1024, longest=4096)  # a client sends the same headers with every request
def _redacted_lines(lines: str, redactor: RequestRedactor) -> str:
    return lines_of(_by_name(lines, redactor).items())


def _secret(value: str) -> str:
    """Return a secret header's value with the secret redacted. The scheme Bearer stays visible."""
    return f"Bearer {REDACTED}" if value[:7].lower() == "bearer " else REDACTED


def _json(text: str) -> Any:
    try:
        return read_json(text.encode())
    except InvalidJson:
        return None
