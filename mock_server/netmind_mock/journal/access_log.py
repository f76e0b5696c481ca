"""A line a request, for people or for programs. No token, no prompt and no query is in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from netmind_mock.journal.redaction import redactor_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from netmind_mock.journal.entries import RawEntry

NONE: Final = "none"
FORMATS: Final = (NONE, "text", "json")

_MAX_PATH_CHARACTERS = 200


def line_of(raw: RawEntry, form: str) -> str:
    """The line, without its end. The time is the jobs' clock's, in UTC."""
    at = datetime.fromtimestamp(raw.at, UTC).isoformat(timespec="milliseconds")
    path = raw.path.partition("?")[0].encode("latin-1", "replace").decode(errors="replace")
    path = redactor_of(raw.token).without_token(path)
    path = path[:_MAX_PATH_CHARACTERS]
    if form == "json":
        return json.dumps(
            {
                "at": at,
                "operation": raw.operation,
                "method": raw.method,
                "path": path,
                "status": raw.status,
                "seconds": round(raw.seconds, 6),
                "user_id": raw.user_id,
                "generation_id": raw.job_id or None,
                "scenario": raw.scenario or None,
                "fault": raw.fault or None,
                "arrived": raw.arrives,
            }
        )
    printable = "".join(one if one.isprintable() else "?" for one in path)
    lost = "" if raw.arrives else ", lost on the way"
    fault = f" [{raw.fault}]" if raw.fault else ""
    return f"{at} {raw.method} {printable} {raw.status}{lost} {raw.seconds * 1e3:.1f} ms{fault}"


def logged(form: str, write: Callable[[str], object]) -> Callable[[RawEntry], None] | None:
    """What is called with each note; None if nothing is to be logged."""
    if form == NONE:
        return None

    def log(raw: RawEntry) -> None:
        write(line_of(raw, form))

    return log
