"""A line a request, for people or for programs. No token, no prompt and no query is in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from netmind_mock.journal.redaction import masking_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from netmind_mock.journal.entries import Note

NONE: Final = "none"
FORMATS: Final = (NONE, "text", "json")

_MAX_PATH_CHARACTERS = 200


def line_of(note: Note, form: str) -> str:
    """The line, without its end. The time is the jobs' clock's, in UTC."""
    at = datetime.fromtimestamp(note.at, UTC).isoformat(timespec="milliseconds")
    path = note.path.partition("?")[0].encode("latin-1", "replace").decode(errors="replace")
    path = masking_of(note.token).without_token(path)
    path = path[:_MAX_PATH_CHARACTERS]
    if form == "json":
        return json.dumps(
            {
                "at": at,
                "operation": note.operation,
                "method": note.method,
                "path": path,
                "status": note.status,
                "seconds": round(note.seconds, 6),
                "user_id": note.user_id,
                "generation_id": note.job_id or None,
                "scenario": note.scenario or None,
                "fault": note.fault or None,
                "arrived": note.arrives,
            }
        )
    printable = "".join(one if one.isprintable() else "?" for one in path)
    lost = "" if note.arrives else ", lost on the way"
    fault = f" [{note.fault}]" if note.fault else ""
    return f"{at} {note.method} {printable} {note.status}{lost} {note.seconds * 1e3:.1f} ms{fault}"


def logged(form: str, write: Callable[[str], object]) -> Callable[[Note], None] | None:
    """What is called with each note; None if nothing is to be logged."""
    if form == NONE:
        return None

    def log(note: Note) -> None:
        write(line_of(note, form))

    return log
