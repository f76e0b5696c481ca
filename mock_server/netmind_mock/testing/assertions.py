"""Assertions on the journal, and messages that name the field, what was expected, and what came nearest."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, NamedTuple

from netmind_mock.journal.redaction import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netmind_mock.journal.entries import Entry

_SHOWN_CHARACTERS = 120
_SHOWN_REQUESTS = 8
_NOTHING = object()


class Actual(NamedTuple):
    """What a fake has seen: its journal, how much of it was dropped, and what to say if it is empty."""

    journal: Sequence[Entry]
    dropped: int
    if_nothing_came: str


class JobDifference(NamedTuple):
    """A field of a request that is not as expected."""

    field: str
    expected: Any
    actual: Any

    def __str__(self) -> str:
        if self.expected is _NOTHING:
            return f"{self.field}: expected no such option, got {_shown(self.actual)}"
        if self.actual is _NOTHING:
            return f"{self.field}: expected {_shown(self.expected)}, and the request has no such option"
        return f"{self.field}: expected {_shown(self.expected)}, got {_shown(self.actual)}"


def assert_created(
    seen: Actual,
    *,
    times: int | None,
    model: str | None,
    config: Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> None:
    """Fail unless so many creates were accepted that ask for this.

    Raises:
        AssertionError: The message names the field, what was expected, what came, and the nearest request.
    """
    __tracebackhide__ = True
    creates = [entry for entry in seen.journal if entry.operation == "create"]
    differences = {entry.number: _differences(entry, model, config, options) for entry in creates}
    matching = [entry for entry in creates if entry.created and not differences[entry.number]]
    if _is_count(len(matching), times, seen.dropped):
        return
    wanted = _wanted(model, config, options)
    lines = [f"expected {_times(times)} of {wanted}, got {len(matching)}"]
    lines += [f"  accepted: {_request(entry)}" for entry in matching[:_SHOWN_REQUESTS]]
    others = [entry for entry in creates if entry not in matching]
    if others and (times is None or len(matching) < times):
        nearest = min(others, key=lambda entry: (len(differences[entry.number]), not entry.created))
        lines.append(f"  the nearest is {_request(nearest)}")
        lines += [f"    {difference}" for difference in differences[nearest.number]]
        lines += [f"    {reason}" for reason in _why_not_created(nearest)]
        lines += _misspelt(nearest, options)
    if not creates:
        lines.append(_what_came_instead(seen, "create"))
    lines += _incomplete(seen.dropped)
    raise AssertionError("\n".join(lines))


def assert_times(seen: Actual, entries: Sequence[Entry], operation: str, times: int | None) -> None:
    """Fail unless there are so many.

    Raises:
        AssertionError: There are not; the message lists what there is.
    """
    __tracebackhide__ = True
    if _is_count(len(entries), times, seen.dropped):
        return
    lines = [f"expected {_times(times)} of {operation}, got {len(entries)}"]
    lines += [f"  {_request(entry)}" for entry in entries[:_SHOWN_REQUESTS]]
    if not entries:
        lines.append(_what_came_instead(seen, operation))
    lines += _incomplete(seen.dropped)
    raise AssertionError("\n".join(lines))


def _is_count(count: int, times: int | None, dropped: int) -> bool:
    """Whether there are so many: one is enough where none is named, and a number needs the whole journal."""
    return count >= 1 if times is None else count == times and not dropped


def _times(times: int | None) -> str:
    return "at least 1 request" if times is None else f"{times} request{'' if times == 1 else 's'}"


def _wanted(model: str | None, config: Mapping[str, Any] | None, options: Mapping[str, Any]) -> str:
    parts = [] if model is None else [f"model={_shown(model)}"]
    parts += [] if config is None else [f"config={_shown(dict(config))}"]
    parts += [f"{name}={_shown(value)}" for name, value in options.items()]
    return "create" + (f" with {', '.join(parts)}" if parts else "")


def _differences(
    entry: Entry, model: str | None, config: Mapping[str, Any] | None, options: Mapping[str, Any]
) -> list[JobDifference]:
    found = []
    if model is not None and entry.model != model:
        found.append(JobDifference("model", model, entry.model))
    if config is not None:
        for name in [*config, *(name for name in entry.config if name not in config)]:
            expected, actual = config.get(name, _NOTHING), entry.config.get(name, _NOTHING)
            if expected is _NOTHING:
                found.append(JobDifference(f"config.{name}", _NOTHING, actual))
            elif actual is _NOTHING or not _equal(expected, actual):
                found.append(JobDifference(f"config.{name}", expected, actual))
    for name, expected in options.items():
        actual = entry.config.get(name, _NOTHING)
        if actual is _NOTHING or not _equal(expected, actual):
            found.append(JobDifference(f"config.{name}", expected, actual))
    return found


def _equal(expected: Any, actual: Any) -> bool:
    """Equality, in which JSON's true is not 1."""
    return bool(expected == actual or shortened(expected) == actual) and not (
        isinstance(actual, bool) is not isinstance(expected, bool) and isinstance(expected, int)
    )


def _why_not_created(entry: Entry) -> list[str]:
    if entry.created:
        return []
    if entry.fault and not entry.reached:
        return [f"it was not carried out: {entry.fault}"]
    reason = entry.response_headers.get("x-mock-hint") or _shown(entry.response)
    return [f"it was refused with {entry.status}: {reason}"]


def _misspelt(nearest: Entry, options: Mapping[str, Any]) -> list[str]:
    lines = []
    for name in options:
        if name not in nearest.config:
            near = difflib.get_close_matches(name, nearest.config, n=1)
            known = f"did you mean {near[0]}?" if near else f"it has {', '.join(nearest.config) or 'none'}"
            lines.append(f"    config.{name}: {known}")
    return lines


def _what_came_instead(seen: Actual, operation: str) -> str:
    others = [entry for entry in seen.journal if entry.operation != operation]
    if not others:
        return f"  no request came at all: {seen.if_nothing_came}"
    return f"  no {operation} came, but: " + "; ".join(map(_request, others[:_SHOWN_REQUESTS]))


def _incomplete(dropped: int) -> list[str]:
    if not dropped:
        return []
    return [
        f"  the journal had no room for {dropped} earlier requests, so nobody knows (--journal is its size)"
    ]


def _request(entry: Entry) -> str:
    fault = f" [{entry.fault}]" if entry.fault else ""
    what = f" of {_shown(entry.model)}" if entry.operation == "create" else f" {entry.path}"
    actual = str(entry.status) if entry.arrived else "an answer that was lost"
    return f"request {entry.number}: {entry.operation}{what}, answered with {actual}{fault}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
