"""What the API answers, as frozen values. Fields come and go (observed): all that came is kept in ``raw``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# failed is observed; nobody reported error or cancelled, but clients in the wild look for them.
FAILED = frozenset({"failed", "error", "cancelled"})


@dataclass(frozen=True, slots=True)
class Result:
    """One result of a completed generation: a file with a ``url``, or a ``text`` (observed of whisper).

    Attributes:
        url: Where the file is downloaded from, without a token.
        file_id: The file's id.
        file_name: The file's name; may be empty.
        file_type: What it is, such as ``image``.
        text: The result itself, where it is text and no file.
        raw: The entry as it came.
    """

    url: str | None = None
    file_id: str | None = None
    file_name: str | None = None
    file_type: str | None = None
    text: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Generation:
    """A generation job as it was when it was asked for.

    Attributes:
        id: The job's id.
        status: ``pending``, ``completed``, …; other words may occur.
        created_at: ``YYYY-MM-DD HH:MM:SS``, with no zone.
        updated_at: Likewise.
        results: Empty until the job is completed.
        logs: Log lines; of a failed job the last one tells why (observed).
        raw: The answer as it came, unknown fields included.
    """

    id: str
    status: str
    created_at: str | None = None
    updated_at: str | None = None
    results: tuple[Result, ...] = ()
    logs: tuple[str, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def is_deleted(self) -> bool:
        """Whether it is marked as deleted."""
        return self.raw.get("is_deleted") is True

    @property
    def is_completed(self) -> bool:
        """Whether it ended well."""
        return self.status == "completed"

    @property
    def is_failed(self) -> bool:
        """Whether it ended otherwise: failed, error or cancelled."""
        return self.status in FAILED

    @property
    def failure(self) -> str | None:
        """Why it failed, as far as the logs tell."""
        return self.logs[-1] if self.is_failed and self.logs else None


def read_generation(document: object) -> Generation | None:
    """A generation from an answer's JSON; None if it has no id and status."""
    if not isinstance(document, dict) or not isinstance(document.get("status"), str):
        return None
    if not is_id(document.get("id")):
        return None
    return Generation(
        id=document["id"],
        status=document["status"],
        created_at=_text(document.get("created_at")),
        updated_at=_text(document.get("updated_at")),
        results=tuple(map(_read_result, _entries(document.get("result"), "data"))),
        logs=tuple(entry["text"] for entry in _entries(document, "logs") if _text(entry.get("text"))),
        raw=document,
    )


def is_id(text: object) -> bool:
    """Whether it can be an id in a URL: no half of a surrogate pair, and not dots, which lead elsewhere."""
    if not isinstance(text, str) or not text.strip("."):
        return False
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _entries(document: object, name: str) -> list[dict[str, Any]]:
    entries = document.get(name) if isinstance(document, dict) else None
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _read_result(entry: dict[str, Any]) -> Result:
    known = {name: _text(entry.get(name)) for name in ("url", "file_id", "file_name", "file_type", "text")}
    return Result(**known, raw=entry)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
