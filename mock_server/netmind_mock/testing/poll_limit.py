"""Ends a test whose client never would: one that polls for ever, or while its clock stands still."""

from __future__ import annotations

import json
import re
import time
from typing import NamedTuple

_POLL = re.compile(r"/v1/generation/([0-9a-f]{32})")

# So many polls of a job at one and the same moment of a clock that stands; and so many after a real pause,
# which shows that the client sleeps, and not on this clock.
MAX_STANDING = 100
MAX_PAUSES = 3
PAUSE_SECONDS = 0.5


class PollLimitReached(BaseException):
    """The client polls without end. No ``except Exception`` swallows it, so that the test ends."""

    __module__ = "netmind_mock"  # where it is public, and short in a report


class _Standing(NamedTuple):
    """Polls at one moment of the virtual clock: the moment, how many, when the last was, and real pauses."""

    moment: float
    polls: int
    last: float
    pauses: int


class PollLimit:
    """Counts polls by their job."""

    def __init__(self, max_polls: int) -> None:
        """Count up to ``max_polls`` of each job; 0 for any number."""
        self._most = max_polls
        self._polls: dict[str, int] = {}
        self._standing: dict[str, _Standing] = {}

    def saw(self, method: str, path: str, now: float, response: bytes) -> None:
        """Take notice of a request at ``now``, in seconds, and of its answer's body.

        Raises:
            PollLimitReached: It was one poll too many.
        """
        __tracebackhide__ = True
        found = _POLL.fullmatch(path) if method == "GET" else None
        if found is None or not self._most:
            return
        job = found[1]
        self._polls[job] = polls = self._polls.get(job, 0) + 1
        standing = self._standing[job] = _next(self._standing.get(job), now, time.monotonic())
        if polls > self._most:
            raise PollLimitReached(
                f"generation {job} was polled {polls} times, and the client goes on; {_last(response)}. "
                "(netmind_mock_max_polls sets how many polls a test may take; 0 for any number)"
            )
        if standing.polls > MAX_STANDING or standing.pauses >= MAX_PAUSES:
            raise PollLimitReached(
                f"generation {job} was polled {standing.polls} times while the virtual clock stood still. If "
                "the client sleeps with time.sleep or asyncio.sleep, couple them: "
                "@pytest.mark.netmind(sleep=True) or netmind_clock.patch_sleep(). "
                f"If it does not sleep, it polls in a busy loop; {_last(response)}"
            )


def _next(before: _Standing | None, moment: float, real: float) -> _Standing:
    if before is None or before.moment != moment:
        return _Standing(moment, 1, real, 0)
    paused = real - before.last >= PAUSE_SECONDS
    return _Standing(moment, before.polls + 1, real, before.pauses + paused)


def _last(response: bytes) -> str:
    """What the last answer says of the client."""
    try:
        document = json.loads(response)
    except ValueError:
        document = None
    status = document.get("status") if isinstance(document, dict) else None
    if status in ("completed", "failed"):
        return f"its status is {status}, which is final, and the client takes no notice"
    answered = (
        "its polls are answered with errors or not at all" if status is None else f"its status is {status}"
    )
    return f"{answered}, and the client has no deadline, or one of the event loop, which keeps real time"
