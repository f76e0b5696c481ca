"""End a test whose client polls forever, or while the virtual clock does not advance."""

from __future__ import annotations

import asyncio
import datetime
import json
import re
import sys
from typing import TYPE_CHECKING, NamedTuple

from netmind_mock.system_time import system_time

if TYPE_CHECKING:
    from types import FrameType

    from netmind_mock.testing.virtual_time import VirtualClock

_POLL = re.compile(r"/v1/generation/([0-9a-f]{32})")

# Limits while the virtual clock does not advance. A client that polls in a busy loop reaches the first one.
# A client that sleeps in real time between its polls would take long for that, and reaches the second one.
_MAX_POLLS = 100
_MAX_PAUSES = 3
_PAUSE_SECONDS = 0.5

_CONNECT = "@pytest.mark.netmind(sleep=True) or netmind_clock.patch_sleep()"


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

    def __init__(self, max_polls: int, clock: VirtualClock) -> None:
        """Allow ``max_polls`` of each job; 0 for any number. ``clock`` is the clock of the fake."""
        self._max_polls = max_polls
        self._clock = clock
        self._polls: dict[str, int] = {}
        self._moments: dict[str, _Moment] = {}

    def count(self, method: str, path: str, response: bytes) -> None:
        """Count a request, if it is a poll.

        Args:
            method: Its method.
            path: Its path.
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
        real_now = system_time.monotonic()
        moment = self._moments[job] = _next(self._moments.get(job), self._clock.elapsed, real_now)
        if polls > self._max_polls:
            raise PollLimitReached(
                f"generation {job} was polled {polls} times without end: {self._why(response)}. "
                "(The option netmind_mock_max_polls sets the limit; 0 removes it.)"
            )
        if moment.polls > _MAX_POLLS or moment.pauses >= _MAX_PAUSES:
            raise PollLimitReached(
                f"generation {job} was polled {moment.polls} times while the virtual clock did not advance. "
                f"{self._advice(moment)}"
                f"If it does not wait at all, it polls in a busy loop: {self._why(response)}."
            )

    def _advice(self, moment: _Moment) -> str:
        if not self._clock.is_patched:
            return (
                "If the client uses time.sleep or asyncio.sleep, connect them to the virtual clock with "
                f"{_CONNECT}. "
            )
        if moment.pauses:
            return (
                "time.sleep and asyncio.sleep use the virtual clock, but the client waits in real time, for "
                "example with threading.Event.wait, a queue's get or uvloop. Make it sleep with time.sleep "
                "in tests, or use netmind_server and its clock. "
            )
        return ""

    def _why(self, response: bytes) -> str:
        """Return why the client does not stop, as far as the last response and its code show it."""
        try:
            document = json.loads(response)
        except ValueError:
            document = None
        status = document.get("status") if isinstance(document, dict) else None
        if status in ("completed", "failed"):
            return f"its status is {status}, which is final, but the client ignores it"
        polls = "its polls get errors or no response" if status is None else f"its status is {status}"
        return f"{polls}, and {_deadline()}"


def _next(before: _Moment | None, now: float, real: float) -> _Moment:
    if before is None or before.time != now:
        return _Moment(now, 1, real, 0)
    paused = real - before.last >= _PAUSE_SECONDS
    return _Moment(now, before.polls + 1, real, before.pauses + paused)


def _deadline() -> str:
    """Return which deadline the code that polls seems to have, and why it does not end."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        is_users = package not in sys.stdlib_module_names and package not in ("netmind_mock", "_pytest")
        if is_users and any(isinstance(value, datetime.datetime) for value in frame.f_locals.values()):
            return (
                f"its deadline seems to be a datetime ({frame.f_code.co_filename}:{frame.f_lineno}), which "
                "keeps real time: use time.monotonic() for it, or move the date with time-machine"
            )
        frame = frame.f_back
    if _has_timers():
        return (
            "its deadline seems to be one of the event loop, which keeps real time without "
            f"{_CONNECT} (and always with uvloop and trio)"
        )
    return "the client has no deadline"


def _has_timers() -> bool:
    """Return whether the running event loop has timers; false if it does not show them."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return False
    return any(not timer.cancelled() for timer in getattr(loop, "_scheduled", ()))
