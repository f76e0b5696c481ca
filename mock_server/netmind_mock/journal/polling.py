"""Judge how a client polls a job: whether it polls politely, and whether it stops.

Each function at the end of this module checks one rule on the journal, and returns findings.
"""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netmind_mock.journal.entries import Entry


# The thresholds of the rules: seconds between two polls, polls of a job, seconds from the first poll to the
# last.
SHORTEST_INTERVAL: Final = 0.2
MAX_POLLS: Final = 500
LONGEST_WAIT: Final = 6 * 3600.0
# From this many pauses on, one of the later half must be longer than the first three by this factor.
_POLLS_BEFORE_BACKOFF: Final = 12
_GROWN: Final = 1.5
_TOLERANCE: Final = 0.01


@dataclass(frozen=True, slots=True)
class PollingFinding:
    """A rule that the client violated, and the evidence in one sentence."""

    rule: str
    evidence: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.evidence}"


@dataclass(frozen=True, slots=True)
class Polling:
    """How a client polled one job.

    Attributes:
        job_id: The job.
        times: When each poll arrived, in seconds after the create, or after the first poll if the journal has
            no create.
        statuses: For each poll the job's status, or for example ``HTTP 503``; ``lost`` if its response was
            lost.
        findings: The rules that it violated.
    """

    job_id: str
    times: tuple[float, ...]
    statuses: tuple[str, ...]
    findings: tuple[PollingFinding, ...]

    @property
    def intervals(self) -> tuple[float, ...]:
        """The seconds between the polls."""
        return tuple(later - earlier for earlier, later in zip(self.times, self.times[1:], strict=False))

    def assert_polite(self) -> None:
        """Fail if there are findings.

        Raises:
            AssertionError: There are findings. The message lists them with their evidence.
        """
        __tracebackhide__ = True
        if self.findings:
            lines = "\n".join(f"  {finding}" for finding in self.findings)
            raise AssertionError(
                f"generation {self.job_id} was not polled politely ({len(self.times)} polls):\n{lines}"
            )

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON, as in the control API."""
        return {**asdict(self), "intervals": self.intervals, "polite": not self.findings}


def polling_from_json(document: Mapping[str, Any]) -> Polling:
    """Return the verdict of a control API response."""
    return Polling(
        document["job_id"],
        tuple(document["times"]),
        tuple(document["statuses"]),
        tuple(PollingFinding(**one) for one in document["findings"]),
    )


def judge_polling(
    job_id: str, entries: Sequence[Entry], words: Mapping[str, str], *, dropped: int = 0
) -> Polling:
    """Return how a client polled a job, with findings.

    Args:
        job_id: The job.
        entries: The requests about the job, oldest first.
        words: How the profile spells each status.
        dropped: How many entries the journal has dropped. The first requests about the job may be among them.
    """
    polls = [entry for entry in entries if entry.operation == "get"]
    created = next((entry for entry in entries if entry.operation == "create"), None)
    began = created.at if created else polls[0].at if polls else 0.0
    times = tuple(entry.at - began for entry in polls)
    known = {word: status for status, word in words.items()}
    statuses = tuple(_status(poll, known) for poll in polls)
    findings = [
        *([] if polls else [PollingFinding("polls", "it was never polled")]),
        *_too_fast(times),
        *_no_backoff(times, statuses),
        *_retry_after(polls, times),
        *_after_the_end(entries, polls, times, statuses),
        *_without_end(times, statuses),
        *_after_delete(entries, polls),
        *_gave_up(statuses, entries, frozenset(words)),
    ]
    if dropped:
        findings.append(
            PollingFinding(
                "journal", f"{dropped} requests were dropped from the journal, so polls may be missing"
            )
        )
    return Polling(job_id, times, statuses, tuple(findings))


def _status(poll: Entry, known: Mapping[str, str]) -> str:
    """Return the status of a poll's response, as in ``Polling.statuses``."""
    if not poll.arrived or not poll.reached:
        return "lost" if not poll.arrived else f"HTTP {poll.status}"
    document = poll.response_json
    if poll.status >= 300 or not isinstance(document, dict):
        return f"HTTP {poll.status}"
    word = str(document.get("status"))
    status = known.get(word, word)
    return "completed, empty" if status == "completed" and not document.get("result") else status


def _too_fast(times: tuple[float, ...]) -> list[PollingFinding]:
    gaps = [(later - earlier, later) for earlier, later in itertools.pairwise(times)]
    fast = [(gap, later) for gap, later in gaps if gap < SHORTEST_INTERVAL - _TOLERANCE]
    if not fast:
        return []
    gap, later = min(fast)
    return [
        PollingFinding(
            "interval",
            f"{len(fast)} polls were sent less than {SHORTEST_INTERVAL:g} s after the previous one "
            f"(at {later:.2f} s: {gap:.2f} s after it)",
        )
    ]


def _no_backoff(times: tuple[float, ...], statuses: tuple[str, ...]) -> list[PollingFinding]:
    waiting = [time for time, status in zip(times, statuses, strict=True) if not _is_final(status)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(waiting)]
    pauses = [gap for gap in gaps if gap > _TOLERANCE]
    if len(pauses) < _POLLS_BEFORE_BACKOFF or max(pauses[len(pauses) // 2 :]) >= _GROWN * min(pauses[:3]):
        return []
    shown = f"{min(pauses):.2f} to {max(pauses):.2f} s"
    return [PollingFinding("backoff", f"the pause did not grow in {len(waiting)} polls ({shown})")]


def _retry_after(polls: Sequence[Entry], times: tuple[float, ...]) -> list[PollingFinding]:
    for number, (poll, later) in enumerate(itertools.pairwise(polls), 1):
        header = poll.response_headers.get("retry-after", "")
        if poll.status not in (429, 503) or not header.replace(".", "", 1).isdecimal():
            continue
        waited = later.at - poll.at
        if waited < float(header) - _TOLERANCE:
            return [
                PollingFinding(
                    "retry-after",
                    f"poll {number} (at {times[number - 1]:.2f} s) got {poll.status} with "
                    f"Retry-After: {header}, and the next poll was {waited:.2f} s later",
                )
            ]
    return []


def _is_final(status: str) -> bool:
    return status in ("completed", "failed")


def _after_the_end(
    entries: Sequence[Entry], polls: Sequence[Entry], times: tuple[float, ...], statuses: tuple[str, ...]
) -> list[PollingFinding]:
    """Find polls after a final status.

    A poll after a refused download is allowed: the link had expired, and the client gets a new one.
    """
    ends = [number for number, status in enumerate(statuses) if _is_final(status)]
    if not ends:
        return []
    first = ends[0]
    refused = [
        entry.number for entry in entries if entry.operation == "file" and entry.status in (403, 404, 410)
    ]
    later = [
        number
        for number in range(first + 1, len(polls))
        if not any(polls[number - 1].number < one < polls[number].number for one in refused)
    ]
    if not later:
        return []
    end = f"the status {statuses[first]} (at {times[first]:.2f} s), which is final"
    return [PollingFinding("final", f"{len(later)} more polls after {end}")]


def _without_end(times: tuple[float, ...], statuses: tuple[str, ...]) -> list[PollingFinding]:
    if any(map(_is_final, statuses)):
        return []
    if len(times) <= MAX_POLLS and (not times or times[-1] - times[0] <= LONGEST_WAIT):
        return []
    return [
        PollingFinding(
            "deadline",
            f"{len(times)} polls in {times[-1] - times[0]:.0f} s of a job that does not end "
            f"(last: {statuses[-1]}): the client has no deadline",
        )
    ]


def _after_delete(entries: Sequence[Entry], polls: Sequence[Entry]) -> list[PollingFinding]:
    gone = next(
        (one for one in entries if one.operation == "delete" and one.arrived and 200 <= one.status < 300),
        None,
    )
    later = [poll for poll in polls if gone is not None and poll.number > gone.number]
    return [PollingFinding("delete", f"{len(later)} polls after the job was deleted")] if later else []


def _gave_up(
    statuses: tuple[str, ...], entries: Sequence[Entry], known: frozenset[str]
) -> list[PollingFinding]:
    deleted = any(entry.operation == "delete" for entry in entries)
    if (
        not statuses
        or deleted
        or statuses[-1] in known
        or statuses[-1].startswith(("HTTP", "lost", "completed"))
    ):
        return []
    return [
        PollingFinding(
            "unknown status",
            f"the client stopped at the undocumented status {statuses[-1]!r}: the job may still change",
        )
    ]
