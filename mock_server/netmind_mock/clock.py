"""The clock of the fake.

It shows the system clock's time at its start, plus the time since then by a monotonic clock. So a change of
the system clock cannot move a job back. The middleware reads the clock once per request and passes the time
on as a value.
"""

from __future__ import annotations

import functools
import math
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from netmind_mock.system_time import system_time

if TYPE_CHECKING:
    from collections.abc import Callable


# A clock stops at the start of the year 9000: dates can be shown up to 9999, and jobs end after they begin.
LAST_SECOND: Final = 221_845_392_000.0


class Clock(Protocol):
    """The protocol of a clock. Times are seconds since the epoch."""

    def now(self) -> float:
        """Return the time."""
        ...

    def wait_until(self, moment: float) -> None:
        """Return once ``now() >= moment``."""
        ...


class ClockState(NamedTuple):
    """The state of a clock, from which another process can show the same time.

    Attributes:
        shown: The time that it showed, in seconds since the epoch.
        wall: When it showed that time, by the system clock.
        monotonic: When it showed that time, by a monotonic clock, in seconds.
        source: Identifies the monotonic clock. All processes of a machine share one until it is restarted.
        speed: Simulated seconds per real second.
        frozen: Whether the clock is stopped.
    """

    shown: float
    wall: float
    monotonic: float
    source: str
    speed: float
    frozen: bool


class _Reading(NamedTuple):
    """The time that a clock showed, when that was by the monotonic clock, and how it runs since."""

    shown: float
    since: float
    speed: float
    frozen: bool


class Listeners:
    """Functions that are called after each change of something, in the thread that changed it."""

    def __init__(self) -> None:
        self._functions: tuple[Callable[[], object], ...] = ()

    def add(self, function: Callable[[], object]) -> None:
        """Call the function after each change from now on."""
        self._functions = (*self._functions, function)

    def call(self) -> None:
        """Call the functions."""
        for function in self._functions:
            function()


class SimulatedClock:
    """A clock that runs at ``speed`` times real time, can be frozen, and can be advanced.

    It is safe to use from several threads. A change of the clock wakes the threads that wait on it.

    Attributes:
        listeners: Called after each change of this clock or of a copy of it.
    """

    def __init__(
        self,
        *,
        speed: float = 1.0,
        start: float | None = None,
        wall: Callable[[], float] = system_time.time,
        monotonic: Callable[[], float] = system_time.monotonic,
    ) -> None:
        """Start at a time, in seconds since the epoch; by default at the system clock's.

        Raises:
            ValueError: ``speed`` is not a positive number.
        """
        self._monotonic = monotonic
        self._wall = wall
        self._source = boot() if monotonic is system_time.monotonic else f"{os.getpid()} {id(monotonic)}"
        self._changed = threading.Condition()
        self.listeners = Listeners()
        # One immutable value, which is replaced as a whole, so that no lock is needed to read it.
        shown = wall() if start is None else start
        self._reading = _Reading(shown, monotonic(), _positive(speed), frozen=False)

    def now(self) -> float:
        """Return the time, in seconds since the epoch."""
        return self._now()

    @property
    def speed(self) -> float:
        """Simulated seconds per real second. A frozen clock has it again when it is resumed."""
        return self._reading.speed

    @property
    def frozen(self) -> bool:
        """Whether the clock is stopped."""
        return self._reading.frozen

    def advance(self, seconds: float) -> None:
        """Advance the clock.

        Raises:
            ValueError: ``seconds`` is negative or not a finite number.
        """
        if not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:  # type: ignore[redundant-expr]
            raise ValueError(f"a clock goes forward by 0 seconds or more, not by {seconds!r}")
        self._change(ahead=seconds)

    def freeze(self) -> None:
        """Stop the clock. It can still be advanced."""
        self._change(frozen=True)

    def resume(self) -> None:
        """Start the clock again."""
        self._change(frozen=False)

    def set_speed(self, speed: float) -> None:
        """Set the simulated seconds per real second.

        Raises:
            ValueError: ``speed`` is not a positive number.
        """
        self._change(speed=_positive(speed))

    def copy(self) -> SimulatedClock:
        """Return an independent clock with the same time and speed."""
        with self._changed:
            other = SimulatedClock(wall=self._wall, monotonic=self._monotonic)
            now = self._monotonic()
            other._reading = self._reading._replace(shown=self._shown(now), since=now)
            other.listeners = self.listeners
            return other

    def state(self) -> ClockState:
        """Return the clock's state."""
        with self._changed:
            shown, since, speed, frozen = self._reading
            wall = self._wall() - (self._monotonic() - since)
            return ClockState(self._now() if frozen else shown, wall, since, self._source, speed, frozen)

    def set_state(self, state: ClockState) -> None:
        """Show the same time as the clock with that state, which may be in another process."""
        with self._changed:
            now = self._monotonic()
            same = state.source == self._source != ""
            since = state.monotonic if same else now - self._wall() + state.wall
            self._reading = _Reading(state.shown, min(since, now), state.speed, state.frozen)
            self._changed.notify_all()
        self.listeners.call()

    def wait_until(self, moment: float) -> None:
        """Return once ``now() >= moment``; on a frozen clock, once it is advanced or resumed far enough."""
        with self._changed:
            while (missing := moment - self._now()) > 0:
                self._changed.wait(None if self.frozen else missing / self.speed)

    def _now(self) -> float:
        return self._shown(self._monotonic())

    def _shown(self, now: float) -> float:
        """Return the time when the monotonic clock shows ``now``."""
        shown, since, speed, frozen = self._reading
        return shown if frozen else min(shown + (now - since) * speed, LAST_SECOND)

    def _change(self, *, ahead: float = 0.0, frozen: bool | None = None, speed: float | None = None) -> None:
        with self._changed:
            now = self._monotonic()
            self._reading = _Reading(
                min(self._shown(now) + ahead, LAST_SECOND),
                now,
                self.speed if speed is None else speed,
                self.frozen if frozen is None else frozen,
            )
            self._changed.notify_all()
        self.listeners.call()


@functools.cache
def boot() -> str:
    """Return Linux's id of the current boot of this machine; empty on other systems."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _positive(speed: float) -> float:
    if not 0 < speed < math.inf:
        raise ValueError(f"a clock's speed is a positive number, not {speed!r}")
    return speed
