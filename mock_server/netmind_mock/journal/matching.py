"""Compare requests with what a test expects: which match, and how the others differ."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, NamedTuple

from netmind_mock.journal.redaction import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netmind_mock.journal.entries import Entry

_SHOWN_CHARACTERS = 120
_NOTHING = object()


class Wanted(NamedTuple):
    """The creates that a test expects.

    Attributes:
        model: The model's name; None for any.
        config: The whole config; None for any.
        options: Some options of the config.
    """

    model: str | None
    config: Mapping[str, Any] | None
    options: Mapping[str, Any]

    def __str__(self) -> str:
        parts = [] if self.model is None else [f"model={text_of(self.model)}"]
        parts += [] if self.config is None else [f"config={text_of(dict(self.config))}"]
        parts += [f"{name}={text_of(value)}" for name, value in self.options.items()]
        return ", ".join(parts)


class JobDifference(NamedTuple):
    """A field of a request that differs from what was expected."""

    field: str
    expected: Any
    actual: Any

    def __str__(self) -> str:
        if self.expected is _NOTHING:
            return f"{self.field}: expected no such option, actual {text_of(self.actual)}"
        if self.actual is _NOTHING:
            return f"{self.field}: expected {text_of(self.expected)}, but the request has no such option"
        return f"{self.field}: expected {text_of(self.expected)}, actual {text_of(self.actual)}"


class NearMiss(NamedTuple):
    """A create that does not match, and why.

    Attributes:
        entry: The request.
        reasons: Its differences, and why it was not accepted, as sentences; at least one.
    """

    entry: Entry
    reasons: list[str]


def matching(entries: Sequence[Entry], wanted: Wanted) -> list[Entry]:
    """Return the accepted creates that have the wanted model, config and options."""
    return [entry for entry in entries if entry.created and not _differences(entry, wanted)]


def near_misses(entries: Sequence[Entry], wanted: Wanted) -> list[NearMiss]:
    """Return the creates that do not match, those with the fewest differences first."""
    found = []
    for entry in entries:
        differences = _differences(entry, wanted)
        if entry.operation == "create" and (differences or not entry.created):
            reasons = [*map(str, differences), *_why_not_created(entry), *_misspelt(entry, wanted.options)]
            found.append((len(differences), not entry.created, entry.number, NearMiss(entry, reasons)))
    return [miss for *_, miss in sorted(found, key=lambda one: one[:3])]


def line_of(entry: Entry) -> str:
    """Return a request on one line, such as ``request 1: create of 'm', response 200``."""
    fault = f" [{entry.fault}]" if entry.fault else ""
    what = f" of {text_of(entry.model)}" if entry.operation == "create" else f" {entry.path}"
    response = f"response {entry.status}" if entry.arrived else "response lost"
    return f"request {entry.number}: {entry.operation}{what}, {response}{fault}"


def text_of(value: object) -> str:
    """Return a value for a message, shortened if it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def _differences(entry: Entry, wanted: Wanted) -> list[JobDifference]:
    found = []
    config = wanted.config
    if wanted.model is not None and entry.model != wanted.model:
        found.append(JobDifference("model", wanted.model, entry.model))
    if config is not None:
        for name in [*config, *(name for name in entry.config if name not in config)]:
            expected, actual = config.get(name, _NOTHING), entry.config.get(name, _NOTHING)
            if expected is _NOTHING:
                found.append(JobDifference(f"config.{name}", _NOTHING, actual))
            elif actual is _NOTHING or not _equal(expected, actual):
                found.append(JobDifference(f"config.{name}", expected, actual))
    for name, expected in wanted.options.items():
        actual = entry.config.get(name, _NOTHING)
        if actual is _NOTHING or not _equal(expected, actual):
            found.append(JobDifference(f"config.{name}", expected, actual))
    return found


def _equal(expected: Any, actual: Any) -> bool:
    """Return whether two JSON values are equal. In JSON, unlike in Python, true is not 1."""
    return bool(expected == actual or shortened(expected) == actual) and not (
        isinstance(actual, bool) is not isinstance(expected, bool) and isinstance(expected, int)
    )


def _why_not_created(entry: Entry) -> list[str]:
    if entry.created:
        return []
    if entry.fault and not entry.reached:
        return [f"it was not processed, because of {entry.fault}"]
    reason = entry.response_headers.get("x-mock-hint") or text_of(entry.response)
    return [f"it was rejected with {entry.status}: {reason}"]


def _misspelt(closest: Entry, options: Mapping[str, Any]) -> list[str]:
    lines = []
    for name in options:
        if name not in closest.config:
            near = difflib.get_close_matches(name, closest.config, n=1)
            present = ", ".join(closest.config) or "no options"
            hint = f"did you mean {near[0]}?" if near else f"it has {present}"
            lines.append(f"config.{name}: {hint}")
    return lines
