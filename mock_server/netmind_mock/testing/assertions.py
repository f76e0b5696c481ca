"""Assertions on the journal. Their messages name the field, the expected value and the nearest request."""

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
    """What a fake received: its journal, how many entries were dropped, and advice for an empty journal."""

    journal: Sequence[Entry]
    dropped: int
    if_no_requests: str


class JobDifference(NamedTuple):
    """A field of a request that differs from what was expected."""

    field: str
    expected: Any
    actual: Any

    def __str__(self) -> str:
        if self.expected is _NOTHING:
            return f"{self.field}: expected no such option, actual {_shown(self.actual)}"
        if self.actual is _NOTHING:
            return f"{self.field}: expected {_shown(self.expected)}, but the request has no such option"
        return f"{self.field}: expected {_shown(self.expected)}, actual {_shown(self.actual)}"


def assert_created(
    received: Actual,
    *,
    times: int | None,
    model: str | None,
    config: Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> None:
    """Fail unless ``times`` creates with this model, config and options were accepted.

    Raises:
        AssertionError: The message names the field, the expected and the actual value, and the closest
            request.
    """
    __tracebackhide__ = True
    creates = [entry for entry in received.journal if entry.operation == "create"]
    differences = {entry.number: _differences(entry, model, config, options) for entry in creates}
    matching = [entry for entry in creates if entry.created and not differences[entry.number]]
    if _is_count(len(matching), times, received.dropped):
        return
    expected = _requests(times, "create") + _with(model, config, options)
    lines = [f"expected {expected}, actual {len(matching)}"]
    lines += [f"  accepted: {_request(entry)}" for entry in matching[:_SHOWN_REQUESTS]]
    others = [entry for entry in creates if entry not in matching]
    if others and (times is None or len(matching) < times):
        closest = min(others, key=lambda entry: (len(differences[entry.number]), not entry.created))
        lines.append(f"  closest: {_request(closest)}")
        lines += [f"    {difference}" for difference in differences[closest.number]]
        lines += [f"    {reason}" for reason in _why_not_created(closest)]
        lines += _misspelt(closest, options)
    if not creates:
        lines.append(_all_requests(received))
    lines += _incomplete(received.dropped)
    raise AssertionError("\n".join(lines))


def assert_times(received: Actual, entries: Sequence[Entry], operation: str, times: int | None) -> None:
    """Fail unless there are ``times`` entries.

    Raises:
        AssertionError: There are more or fewer; the message lists the requests.
    """
    __tracebackhide__ = True
    if _is_count(len(entries), times, received.dropped):
        return
    lines = [f"expected {_requests(times, operation)}, actual {len(entries)}"]
    lines += [f"  {_request(entry)}" for entry in entries[:_SHOWN_REQUESTS]]
    if not entries:
        lines.append(_all_requests(received))
    lines += _incomplete(received.dropped)
    raise AssertionError("\n".join(lines))


def _is_count(count: int, times: int | None, dropped: int) -> bool:
    """Return whether ``count`` is as expected. Without ``times``, one is enough.

    An exact number is only known if no entry was dropped from the journal.
    """
    return count >= 1 if times is None else count == times and not dropped


def _requests(times: int | None, operation: str) -> str:
    if times is None:
        return f"at least 1 {operation} request"
    return f"{times} {operation} request{'' if times == 1 else 's'}"


def _with(model: str | None, config: Mapping[str, Any] | None, options: Mapping[str, Any]) -> str:
    parts = [] if model is None else [f"model={_shown(model)}"]
    parts += [] if config is None else [f"config={_shown(dict(config))}"]
    parts += [f"{name}={_shown(value)}" for name, value in options.items()]
    return f" with {', '.join(parts)}" if parts else ""


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
    """Return whether two JSON values are equal. In JSON, unlike in Python, true is not 1."""
    return bool(expected == actual or shortened(expected) == actual) and not (
        isinstance(actual, bool) is not isinstance(expected, bool) and isinstance(expected, int)
    )


def _why_not_created(entry: Entry) -> list[str]:
    if entry.created:
        return []
    if entry.fault and not entry.reached:
        return [f"it was not processed, because of {entry.fault}"]
    reason = entry.response_headers.get("x-mock-hint") or _shown(entry.response)
    return [f"it was rejected with {entry.status}: {reason}"]


def _misspelt(closest: Entry, options: Mapping[str, Any]) -> list[str]:
    lines = []
    for name in options:
        if name not in closest.config:
            near = difflib.get_close_matches(name, closest.config, n=1)
            present = ", ".join(closest.config) or "no options"
            hint = f"did you mean {near[0]}?" if near else f"it has {present}"
            lines.append(f"    config.{name}: {hint}")
    return lines


def _all_requests(received: Actual) -> str:
    if not received.journal:
        return f"  requests your client sent: none. {received.if_no_requests}"
    return "  requests your client sent: " + "; ".join(map(_request, received.journal[:_SHOWN_REQUESTS]))


def _incomplete(dropped: int) -> list[str]:
    if not dropped:
        return []
    return [f"  unknown: {dropped} earlier requests were dropped from the journal (see the option journal)"]


def _request(entry: Entry) -> str:
    fault = f" [{entry.fault}]" if entry.fault else ""
    what = f" of {_shown(entry.model)}" if entry.operation == "create" else f" {entry.path}"
    response = f"response {entry.status}" if entry.arrived else "response lost"
    return f"request {entry.number}: {entry.operation}{what}, {response}{fault}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
