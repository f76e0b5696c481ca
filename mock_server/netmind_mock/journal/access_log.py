"""The access log: one line for each request, as text or JSON, without API keys, prompts and queries."""

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
    """Return the line of a request, without a newline. Its time is that of the account's clock, in UTC.

    Args:
        raw: The request.
        form: ``text`` or ``json``.
    """
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
    # So that a path cannot add a line or control a terminal.
    printable = "".join(one if one.isprintable() else "?" for one in path)
    lost = "" if raw.arrives else ", response lost"
    fault = f" [{raw.fault}]" if raw.fault else ""
    return f"{at} {raw.method} {printable} {raw.status}{lost} {raw.seconds * 1e3:.1f} ms{fault}"


def logged(form: str, write: Callable[[str], object]) -> Callable[[RawEntry], None] | None:
    """Return a function that writes the line of each request; None if nothing is logged.

    Args:
        form: One of ``FORMATS``.
        write: Called with each line.
    """
    if form == NONE:
        return None

    def log(raw: RawEntry) -> None:
        write(line_of(raw, form))

    return log
