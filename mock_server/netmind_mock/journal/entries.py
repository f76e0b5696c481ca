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
from netmind_mock.journal.redaction import is_secret_header, masking_of
from netmind_mock.validation import InvalidJson, read_json

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from netmind_mock.journal.redaction import Masking

    Kept = TypeVar("Kept")

MAX_ENTRIES: Final = 10_000
MAX_BYTES: Final = 32 * 1024 * 1024

_TEXTS = ("application/json", "text/")


class Note(NamedTuple):
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
        struck: How many of them a fault struck.
    """

    requests: int = 0
    seconds: float = 0.0
    struck: int = 0

    def and_one(self, note: Note) -> Total:
        """With this request."""
        return Total(self.requests + 1, self.seconds + note.seconds, self.struck + bool(note.fault))


class Journal:
    """The last requests, oldest first. Safe to use from several threads."""

    def __init__(self, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        """Empty. Where ``max_entries`` is 0, nothing is kept."""
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._notes: deque[Note] = deque()
        self._bytes = 0
        self._dropped: dict[str | None, int] = {}
        self._totals: dict[tuple[str, int], list[Any]] = {}  # in the order of Total's fields

    def add(self, note: Note) -> None:
        """Keep a note, and drop the oldest that there is no room for."""
        counted = (note.operation, note.status)
        with self._lock:
            total = self._totals.get(counted)
            if total is None:
                total = self._totals[counted] = [0, 0.0, 0]
            total[0] += 1
            total[1] += note.seconds
            total[2] += bool(note.fault)
            self._notes.append(note)
            self._bytes += weight(note)
            while len(self._notes) > self._max_entries or self._bytes > self._max_bytes:
                oldest = self._notes.popleft()
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
            return len(self._notes), self._bytes

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
            notes = [note for note in self._notes if user_id in (None, note.user_id)]
            dropped = self._dropped_of(user_id)
        kept = ((note.operation, note.job_id, note) for note in notes)
        return [entry_of(*one) for one in chosen(kept, dropped, operation, job_id, last)]

    def polls(self, job_ids: Collection[str]) -> dict[str, int]:
        """How often each of these jobs was asked for."""
        with self._lock:
            asked = Counter(note.job_id for note in self._notes if note.operation == "get")
        return {job_id: asked[job_id] for job_id in job_ids}

    def dropped(self, user_id: str | None = None) -> int:
        """How many of a tenant's requests, or (None) of all, there was no room for."""
        with self._lock:
            return self._dropped_of(user_id)

    def _dropped_of(self, user_id: str | None) -> int:
        return sum(self._dropped.values()) if user_id is None else self._dropped.get(user_id, 0)

    def lost(self, note: Note) -> None:
        """Remember that an answer was not received after all, such as since its client had given up."""
        with self._lock:
            for position in range(len(self._notes) - 1, -1, -1):
                if self._notes[position] is note:
                    self._notes[position] = note._replace(arrives=False)
                    return

    def forget(self, user_id: str | None) -> None:
        """Drop a tenant's requests, or (None) all of them, as if there had been none."""
        with self._lock:
            kept = [note for note in self._notes if user_id is not None and note.user_id != user_id]
            self._notes = deque(kept)
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
        (number, note)
        for number, (asked, about, note) in enumerate(kept, dropped + 1)
        if operation in (None, asked) and job_id in (None, about)
    ]
    return found if last is None else found[-last:]


def sealed(note: Note) -> bytes:
    """Return a note without its secrets, as MessagePack."""
    masking = masking_of(note.token)
    return msgspec.msgpack.encode(
        note._replace(
            path=_masked(note.path, masking),
            headers=_sealed_lines(note.headers, masking),
            token="",
            body=_text(note.body, masking).encode(),
            response_headers=_sealed_lines(note.response_headers, masking),
            response=_text(note.response, masking).encode(),
        )
    )


def unsealed(document: bytes) -> Note:
    """Return the note of what ``sealed`` made."""
    return msgspec.msgpack.decode(document, type=Note)


def entry_of(number: int, note: Note) -> Entry:
    """A note as an entry, with what is secret masked."""
    masking = masking_of(note.token)
    response_headers = _by_name(note.response_headers, masking)
    is_text = response_headers.get("content-type", "").startswith(_TEXTS)
    return Entry(
        number=number,
        at=note.at,
        seconds=note.seconds,
        user_id=note.user_id,
        operation=note.operation,
        method=note.method,
        path=_masked(note.path, masking),
        headers=_by_name(note.headers, masking),
        body=_text(note.body, masking),
        status=note.status,
        response_headers=response_headers,
        response=_text(note.response, masking) if is_text and note.operation != "file" else "",
        size=int(response_headers.get("content-length") or len(note.response)),
        job_id=note.job_id,
        scenario=note.scenario,
        fault=note.fault,
        fault_kind=note.fault_kind,
        arrived=note.arrives,
        reached=note.reached,
    )


def same_request(one: Entry, other: Entry) -> bool:
    """Whether two creates ask for the same: their JSON is equal."""
    return (one.json == other.json) if one.json is not None else one.body == other.body


def weight(note: Note) -> int:
    """What a note counts for, in bytes."""
    texts = (note.body, note.response, note.path, note.headers, note.response_headers, note.token, note.fault)
    return 600 + sum(map(len, texts))


def _masked(text: str, masking: Masking) -> str:
    return masking.without_token(text)


def _text(body: bytes, masking: Masking) -> str:
    return _masked(body.decode("utf-8", "replace"), masking)


def lines_of(headers: Iterable[tuple[str, str]]) -> str:
    """Headers as a note has them."""
    return "\n".join([f"{name}: {value}" for name, value in headers])


def _by_name(lines: str, masking: Masking) -> dict[str, str]:
    pairs = [line.partition(": ") for line in lines.split("\n") if line]
    return {
        (key := name.lower().replace("_", "-")): _secret(value)
        if is_secret_header(key)
        else _masked(value, masking)
        for name, _, value in pairs
    }


@lru_cache(maxsize=1024)  # a client sends the same headers with every request
def _sealed_lines(lines: str, masking: Masking) -> str:
    return lines_of(_by_name(lines, masking).items())


def _secret(value: str) -> str:
    """A secret's form, without it."""
    return f"Bearer {REDACTED}" if value[:7].lower() == "bearer " else REDACTED


def _json(text: str) -> Any:
    try:
        return read_json(text.encode())
    except InvalidJson:
        return None
