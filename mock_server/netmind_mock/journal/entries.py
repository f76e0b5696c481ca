"""What was asked and what was answered: bounded in count and bytes, and free of tokens to whoever reads it.

An entry is made in the path of every request, so it holds what it was given; it is masked when it is read.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import msgspec

from netmind_contracts.redaction import REDACTED
from netmind_mock.journal.redaction import is_secret_header, redactor_of
from netmind_mock.validation import InvalidJson, read_json

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from netmind_mock.journal.redaction import RequestRedactor

    Kept = TypeVar("Kept")

MAX_ENTRIES: Final = 10_000
MAX_BYTES: Final = 32 * 1024 * 1024

_TEXTS = ("application/json", "text/")


class RawEntry(NamedTuple):
    """A request and its answer, as they were noted in passing.

    It holds nothing but numbers, text and bytes (headers a line each), so that thousands of them cost the
    garbage collector nothing. Times are in seconds; ``at`` since the epoch. ``token`` is all that is secret.
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
    """A request and its answer, for people and tests to read. No token is in it.

    Attributes:
        number: Counts the requests of whoever's journal it is, from 1.
        at: When it came, in seconds since the epoch, on the tenant's clock.
        seconds: How long it took to answer, in real time, waits that a fault ordered left out.
        user_id: Whose token it carried; None if it carried none.
        operation: ``create``, ``get``, ``list``, ``delete``, ``file``, or ``other``.
        method: In capitals.
        path: With its query.
        headers: As they were sent, by their names in lower case; secrets are masked.
        body: What was sent, as text. Over 64 KiB, long texts in it are replaced (``shortened``).
        status: The HTTP status of the answer.
        response_headers: By their names in lower case.
        answer: Its body, if it is text, cut at 64 KiB.
        size: The bytes of its body.
        job_id: The generation that it is about; empty if there is none.
        scenario: What was ordered for a created job; empty if nothing was.
        fault: The fault that struck; empty if none did.
        fault_kind: Its kind, such as ``delay``; empty if none did.
        arrived: Whether the answer was sent whole.
        reached: Whether the request was carried out, as opposed to lost or refused by a fault on its way.
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
        """Such as ``3. get /v1/generation/6347623b… → 200``."""
        actual = str(self.status) if self.arrived else f"{self.status}, lost on the way"
        return f"{self.number}. {self.operation} {self.path} → {actual}" + (
            f" [{self.fault}]" if self.fault else ""
        )

    @property
    def json(self) -> Any:
        """What was sent, as JSON; None if it is not."""
        return _json(self.body)

    @property
    def response_json(self) -> Any:
        """What was answered, as JSON; None if it is not."""
        return _json(self.response)

    @property
    def model(self) -> str | None:
        """The model of a create."""
        model = self._asked("model")
        return model if isinstance(model, str) else None

    @property
    def config(self) -> dict[str, Any]:
        """The config of a create; empty where there is none."""
        config = self._asked("config")
        return config if isinstance(config, dict) else {}

    @property
    def created(self) -> bool:
        """Whether it is a create that the API accepted: there is a job, and somebody pays for it."""
        return self.operation == "create" and self.reached and bool(self.job_id)

    def _asked(self, name: str) -> Any:
        return self.json.get(name) if isinstance(self.json, dict) else None

    def as_json(self) -> dict[str, Any]:
        """As the control API has it."""
        return asdict(self)


class Total(NamedTuple):
    """What requests of one operation and status came to, since the start; no reset takes it away.

    Attributes:
        requests: How many there were.
        seconds: What they took, together.
        with_fault: How many of them a fault was applied to.
    """

    requests: int = 0
    seconds: float = 0.0
    with_fault: int = 0

    def and_one(self, raw: RawEntry) -> Total:
        """With this request."""
        return Total(self.requests + 1, self.seconds + raw.seconds, self.with_fault + bool(raw.fault))


class Journal:
    """The last requests, oldest first. Safe to use from several threads."""

    def __init__(self, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        """Empty. Where ``max_entries`` is 0, nothing is kept."""
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._entries: deque[RawEntry] = deque()
        self._bytes = 0
        self._dropped: dict[str | None, int] = {}
        self._totals: dict[tuple[str, int], list[Any]] = {}  # in the order of Total's fields

    def add(self, raw: RawEntry) -> None:
        """Keep a note, and drop the oldest that there is no room for."""
        counted = (raw.operation, raw.status)
        with self._lock:
            total = self._totals.get(counted)
            if total is None:
                total = self._totals[counted] = [0, 0.0, 0]
            total[0] += 1
            total[1] += raw.seconds
            total[2] += bool(raw.fault)
            self._entries.append(raw)
            self._bytes += weight(raw)
            while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
                oldest = self._entries.popleft()
                self._bytes -= weight(oldest)
                if len(self._dropped) < MAX_ENTRIES or oldest.user_id in self._dropped:
                    self._dropped[oldest.user_id] = self._dropped.get(oldest.user_id, 0) + 1

    def collect(self) -> None:
        """Do nothing: all is here."""

    def finish(self) -> None:
        """Do nothing: there is nothing to be written."""

    def totals(self) -> dict[tuple[str, int], Total]:
        """What all requests came to, by operation and status."""
        with self._lock:
            return {counted: Total(*total) for counted, total in self._totals.items()}

    def size(self) -> tuple[int, int]:
        """How many requests are kept, and in how many bytes."""
        with self._lock:
            return len(self._entries), self._bytes

    def entries(
        self,
        user_id: str | None = None,
        *,
        operation: str | None = None,
        job_id: str | None = None,
        last: int | None = None,
    ) -> list[Entry]:
        """A tenant's requests, or (None) everybody's: of one operation, of one job, the last, or all."""
        with self._lock:
            raw_entries = [raw for raw in self._entries if user_id in (None, raw.user_id)]
            dropped = self._dropped_of(user_id)
        kept = ((raw.operation, raw.job_id, raw) for raw in raw_entries)
        return [entry_of(*one) for one in chosen(kept, dropped, operation, job_id, last)]

    def polls(self, job_ids: Collection[str]) -> dict[str, int]:
        """How often each of these jobs was asked for."""
        with self._lock:
            asked = Counter(raw.job_id for raw in self._entries if raw.operation == "get")
        return {job_id: asked[job_id] for job_id in job_ids}

    def dropped(self, user_id: str | None = None) -> int:
        """How many of a tenant's requests, or (None) of all, there was no room for."""
        with self._lock:
            return self._dropped_of(user_id)

    def _dropped_of(self, user_id: str | None) -> int:
        return sum(self._dropped.values()) if user_id is None else self._dropped.get(user_id, 0)

    def lost(self, raw: RawEntry) -> None:
        """Remember that an answer was not received after all, such as since its client had given up."""
        with self._lock:
            for position in range(len(self._entries) - 1, -1, -1):
                if self._entries[position] is raw:
                    self._entries[position] = raw._replace(arrives=False)
                    return

    def forget(self, user_id: str | None) -> None:
        """Drop a tenant's requests, or (None) all of them, as if there had been none."""
        with self._lock:
            kept = [raw for raw in self._entries if user_id is not None and raw.user_id != user_id]
            self._entries = deque(kept)
            self._bytes = sum(map(weight, kept))
            if user_id is None:
                self._dropped = {}
            else:
                self._dropped.pop(user_id, None)


def chosen(
    kept: Iterable[tuple[str, str, Kept]],
    dropped: int,
    operation: str | None,
    job_id: str | None,
    last: int | None,
) -> list[tuple[int, Kept]]:
    """What is asked for of what is kept, with its numbers; what was dropped came first.

    Args:
        kept: Of each note, its operation, its job, and whatever else.
        dropped: How many were dropped.
        operation: The only operation that is asked for; None for all.
        job_id: The only job, likewise.
        last: How many of the last; None for all.
    """
    found = [
        (number, raw)
        for number, (asked, about, raw) in enumerate(kept, dropped + 1)
        if operation in (None, asked) and job_id in (None, about)
    ]
    return found if last is None else found[-last:]


def pack_redacted(raw: RawEntry) -> bytes:
    """Return a note without its secrets, as MessagePack."""
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
    """Return the note of what ``sealed`` made."""
    return msgspec.msgpack.decode(document, type=RawEntry)


def entry_of(number: int, raw: RawEntry) -> Entry:
    """A note as an entry, with what is secret masked."""
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
    """Whether two creates ask for the same: their JSON is equal."""
    return (one.json == other.json) if one.json is not None else one.body == other.body


def weight(raw: RawEntry) -> int:
    """What a note counts for, in bytes."""
    texts = (raw.body, raw.response, raw.path, raw.headers, raw.response_headers, raw.token, raw.fault)
    return 600 + sum(map(len, texts))


def _redacted(text: str, redactor: RequestRedactor) -> str:
    return redactor.without_token(text)


def _text(body: bytes, redactor: RequestRedactor) -> str:
    return _redacted(body.decode("utf-8", "replace"), redactor)


def lines_of(headers: Iterable[tuple[str, str]]) -> str:
    """Headers as a note has them."""
    return "\n".join([f"{name}: {value}" for name, value in headers])


def _by_name(lines: str, redactor: RequestRedactor) -> dict[str, str]:
    pairs = [line.partition(": ") for line in lines.split("\n") if line]
    return {
        (key := name.lower().replace("_", "-")): _secret(value)
        if is_secret_header(key)
        else _redacted(value, redactor)
        for name, _, value in pairs
    }


@lru_cache(maxsize=1024)  # a client sends the same headers with every request
def _redacted_lines(lines: str, redactor: RequestRedactor) -> str:
    return lines_of(_by_name(lines, redactor).items())


def _secret(value: str) -> str:
    """A secret's form, without it."""
    return f"Bearer {REDACTED}" if value[:7].lower() == "bearer " else REDACTED


def _json(text: str) -> Any:
    try:
        return read_json(text.encode())
    except InvalidJson:
        return None
