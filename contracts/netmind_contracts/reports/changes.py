"""Report what changed between two runs: as text, JSON and HTML."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib import resources
from typing import TYPE_CHECKING, Any

from netmind_contracts.runs.exchange import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netmind_contracts.watching.comparison import Change
    from netmind_contracts.watching.snapshot import Snapshot

FORMAT = 1


def as_text(old: Snapshot, new: Snapshot, changes: tuple[Change, ...]) -> Iterator[str]:
    """Yield lines: what is compared, every change, and the number of changes."""
    yield f"old: {_name(old)}"
    yield f"new: {_name(new)}"
    yield from (f"changed  {change}" for change in changes)
    yield summary(old, new, changes)


def summary(old: Snapshot, new: Snapshot, changes: tuple[Change, ...]) -> str:
    """Return how much changed, in one line."""
    compared = len(old.facts.keys() & new.facts.keys())
    return f"{len(changes)} changed; {compared} facts that both show were compared"


def as_json(old: Snapshot, new: Snapshot, changes: tuple[Change, ...], code: int) -> str:
    """Return the changes as a JSON document.

    Its keys are ``format`` (1), ``old`` and ``new`` (each with ``base_url`` and ``started``), ``exit_code``,
    ``summary`` and ``changes``. A change has ``key``, ``level``, ``old``, ``new``, ``last_seen`` (of the old
    value) and ``first_seen`` (of the new one).
    """
    document: dict[str, Any] = {
        "format": FORMAT,
        "old": {"base_url": old.base_url, "started": old.started},
        "new": {"base_url": new.base_url, "started": new.started},
        "exit_code": code,
        "summary": summary(old, new, changes),
        "changes": [asdict(change) for change in changes],
    }
    return json.dumps(document, indent=1) + "\n"


def as_html(old: Snapshot, new: Snapshot, changes: tuple[Change, ...]) -> str:
    """Return the changes as one self-contained HTML page, without scripts."""
    import jinja2  # noqa: PLC0415 - takes 40 ms to import

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["visible"] = lambda text: printable(str(text))
    template = resources.files("netmind_contracts.reports").joinpath("changes.html.jinja")
    return environment.from_string(template.read_text(encoding="utf-8")).render(
        old=_name(old), new=_name(new), changes=changes, summary=summary(old, new, changes)
    )


def _name(snapshot: Snapshot) -> str:
    return f"{snapshot.base_url}, {snapshot.started}"
