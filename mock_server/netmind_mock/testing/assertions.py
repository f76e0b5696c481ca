"""Assertions on the journal. Their messages name the field, the expected value and the nearest request."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netmind_mock.journal.matching import line_of, matching, near_misses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netmind_mock.journal.entries import Entry
    from netmind_mock.journal.matching import Wanted

_SHOWN_REQUESTS = 8


class Actual(NamedTuple):
    """What a fake received: its journal, how many entries were dropped, and advice for an empty journal."""

    journal: Sequence[Entry]
    dropped: int
    if_no_requests: str


def assert_created(received: Actual, wanted: Wanted, times: int | None) -> None:
    """Fail unless ``times`` creates like the wanted one were accepted.

    Raises:
        AssertionError: The message names the field, the expected and the actual value, and the closest
            request.
    """
    __tracebackhide__ = True
    accepted = matching(received.journal, wanted)
    if _is_count(len(accepted), times, received.dropped):
        return
    expected = _requests(times, "create") + (f" with {wanted}" if str(wanted) else "")
    lines = [f"expected {expected}, actual {len(accepted)}"]
    lines += [f"  accepted: {line_of(entry)}" for entry in accepted[:_SHOWN_REQUESTS]]
    others = near_misses(received.journal, wanted)
    if others and (times is None or len(accepted) < times):
        lines.append(f"  closest: {line_of(others[0].entry)}")
        lines += [f"    {reason}" for reason in others[0].reasons]
    if not accepted and not others:
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
    lines += [f"  {line_of(entry)}" for entry in entries[:_SHOWN_REQUESTS]]
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


def _all_requests(received: Actual) -> str:
    if not received.journal:
        return f"  requests your client sent: none. {received.if_no_requests}"
    return "  requests your client sent: " + "; ".join(map(line_of, received.journal[:_SHOWN_REQUESTS]))


def _incomplete(dropped: int) -> list[str]:
    if not dropped:
        return []
    return [f"  unknown: {dropped} earlier requests were dropped from the journal (see the option journal)"]
