"""The API's generations and results, as frozen values.

The API adds and leaves out fields (observed), so the complete JSON is kept in ``raw``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# "failed" is observed. No user has reported "error" or "cancelled", but published clients check for them.
FAILED = frozenset({"failed", "error", "cancelled"})


@dataclass(frozen=True, slots=True)
class Result:
    """One result of a completed generation: a file with a ``url``, or a ``text`` (observed of whisper).

    Attributes:
        url: The URL of the file. It is downloaded without the API key.
        file_id: The file's id.
        file_name: The file's name; may be empty.
        file_type: The kind of file, such as ``image``.
        text: The result itself, if it is text and not a file.
        raw: The complete JSON of this result.
    """

    url: str | None = None
    file_id: str | None = None
    file_name: str | None = None
    file_type: str | None = None
    text: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Generation:
    """The state of a generation at the time of the request.

    Attributes:
        id: The generation's id.
        status: ``pending``, ``completed``, …; the API may also use other values.
        created_at: When it was created, as ``YYYY-MM-DD HH:MM:SS`` without a time zone.
        updated_at: When it last changed, in the same format.
        results: The results; empty until the generation is completed.
        logs: The log lines. The last one of a failed generation gives the reason (observed).
        raw: The complete JSON of the response, including unknown fields.
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
        """Return whether the generation is marked as deleted."""
        return self.raw.get("is_deleted") is True

    @property
    def is_completed(self) -> bool:
        """Return whether the generation succeeded."""
        return self.status == "completed"

    @property
    def is_failed(self) -> bool:
        """Return whether the status is failed, error or cancelled."""
        return self.status in FAILED

    @property
    def failure(self) -> str | None:
        """Return the last log line of a failed generation; None if it has not failed or has no logs."""
        return self.logs[-1] if self.is_failed and self.logs else None


def read_generation(document: object) -> Generation | None:
    """Return the generation in a response's JSON; None if it has no valid id or no status."""
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
    """Return whether a value can be an id in a URL.

    Lone surrogates cannot be encoded. A path segment of dots only would lead to another resource.
    """
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
