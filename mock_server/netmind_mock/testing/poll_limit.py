"""End a test whose client polls forever, or while the virtual clock does not advance."""

from __future__ import annotations

import json
import re
import time
from typing import NamedTuple

_POLL = re.compile(r"/v1/generation/([0-9a-f]{32})")

# Limits while the virtual clock does not advance. A client that polls in a busy loop reaches the first one.
# A client that sleeps in real time between its polls would take long for that, and reaches the second one.
_MAX_POLLS = 100
_MAX_PAUSES = 3
_PAUSE_SECONDS = 0.5


class PollLimitReached(BaseException):
    """The client polls without end.

    A BaseException, so that ``except Exception`` in a client's retry loop does not catch it.
    """

    __module__ = "netmind_mock"  # the public name, which reports show


class _Moment(NamedTuple):
    """The polls of a job at one moment of the virtual clock.

    Attributes:
        time: The moment.
        polls: How many polls.
        last: When the last one was, by the real monotonic clock.
        pauses: How many of them followed a real pause.
    """

    time: float
    polls: int
    last: float
    pauses: int


class PollLimit:
    """Counts the polls of each job, and ends the test at too many."""

    def __init__(self, max_polls: int) -> None:
        """Allow ``max_polls`` of each job; 0 for any number."""
        self._max_polls = max_polls
        self._polls: dict[str, int] = {}
        self._moments: dict[str, _Moment] = {}

    def count(self, method: str, path: str, now: float, response: bytes) -> None:
        """Count a request, if it is a poll.

        Args:
            method: Its method.
            path: Its path.
            now: Its time on the virtual clock, in seconds.
            response: The body of its response.

        Raises:
            PollLimitReached: There were too many polls of this job.
        """
        __tracebackhide__ = True
        found = _POLL.fullmatch(path) if method == "GET" else None
        if found is None or not self._max_polls:
            return
        job = found[1]
        self._polls[job] = polls = self._polls.get(job, 0) + 1
        moment = self._moments[job] = _next(self._moments.get(job), now, time.monotonic())
        if polls > self._max_polls:
            raise PollLimitReached(
                f"generation {job} was polled {polls} times without end: {_why(response)}. "
                "(The option netmind_mock_max_polls sets the limit; 0 removes it.)"
            )
        if moment.polls > _MAX_POLLS or moment.pauses >= _MAX_PAUSES:
            raise PollLimitReached(
                f"generation {job} was polled {moment.polls} times while the virtual clock did not advance. "
                "If the client uses time.sleep or asyncio.sleep, connect them to the virtual clock with "
                "@pytest.mark.netmind(sleep=True) or netmind_clock.patch_sleep(). "
                f"If it does not sleep, it polls in a busy loop: {_why(response)}."
            )


def _next(before: _Moment | None, now: float, real: float) -> _Moment:
    if before is None or before.time != now:
        return _Moment(now, 1, real, 0)
    paused = real - before.last >= _PAUSE_SECONDS
    return _Moment(now, before.polls + 1, real, before.pauses + paused)


def _why(response: bytes) -> str:
    """Return why the client does not stop, as far as the last response shows it."""
    try:
        document = json.loads(response)
    except ValueError:
        document = None
    status = document.get("status") if isinstance(document, dict) else None
    if status in ("completed", "failed"):
        return f"its status is {status}, which is final, but the client ignores it"
    polls = "its polls get errors or no response" if status is None else f"its status is {status}"
    return f"{polls}, and the client has no deadline (or one of the event loop, which keeps real time)"
