"""Where time comes from.

Time is the wall clock at start plus the monotonic clock since, so that a changed system clock cannot send
a job back. The middleware reads it once a request, and hands it on as a value.
"""

from __future__ import annotations

import functools
import math
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock(Protocol):
    """What the fake needs of a clock. Times are seconds since the epoch."""

    def now(self) -> float:
        """The time."""
        ...

    def wait_until(self, moment: float) -> None:
        """Return once ``now() >= moment``."""
        ...


class ClockState(NamedTuple):
    """How a clock stands and runs, for another process to show the same.

    Attributes:
        shown: What it showed, in seconds since the epoch.
        wall: When that was, by the system's clock, likewise.
        monotonic: When that was, by a clock that nobody sets, in seconds.
        source: Which clock that is: all processes of a machine have one, until it is started again.
        speed: How many seconds pass in a real one.
        frozen: Whether it stands.
    """

    shown: float
    wall: float
    monotonic: float
    source: str
    speed: float
    frozen: bool


class _Stand(NamedTuple):
    """What a clock showed, since when by the monotonic clock, and how it has run since."""

    shown: float
    since: float
    speed: float
    frozen: bool


class SimulatedClock:
    """A clock that runs at ``speed`` times real time, can be frozen, and can be sent forward.

    Safe to use from several threads. Whoever waits is woken when the clock is steered.
    """

    def __init__(
        self,
        *,
        speed: float = 1.0,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start at the wall clock's time.

        Raises:
            ValueError: ``speed`` is not a positive number.
        """
        self._monotonic = monotonic
        self._wall = wall
        self._source = boot() if monotonic is time.monotonic else f"{os.getpid()} {id(monotonic)}"
        self._steered = threading.Condition()
        # One value, so that it is read without a lock.
        self._stand = _Stand(wall(), monotonic(), _positive(speed), frozen=False)

    def now(self) -> float:
        """The time, in seconds since the epoch."""
        return self._now()

    @property
    def speed(self) -> float:
        """How many seconds pass in a real one; what it will be again after a freeze."""
        return self._stand.speed

    @property
    def frozen(self) -> bool:
        """Whether the clock stands."""
        return self._stand.frozen

    def advance(self, seconds: float) -> None:
        """Send the clock forward.

        Raises:
            ValueError: ``seconds`` is negative, or no number.
        """
        if not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:  # type: ignore[redundant-expr]
            raise ValueError(f"a clock goes forward by 0 seconds or more, not by {seconds!r}")
        self._steer(ahead=seconds)

    def freeze(self) -> None:
        """Let the clock stand; it can still be sent forward."""
        self._steer(frozen=True)

    def resume(self) -> None:
        """Let the clock run again."""
        self._steer(frozen=False)

    def set_speed(self, speed: float) -> None:
        """Let ``speed`` seconds pass in a real one.

        Raises:
            ValueError: ``speed`` is not a positive number.
        """
        self._steer(speed=_positive(speed))

    def copy(self) -> SimulatedClock:
        """A clock that shows the same time and runs alike, and is steered by itself."""
        with self._steered:
            other = SimulatedClock(wall=self._wall, monotonic=self._monotonic)
            now = self._monotonic()
            other._stand = self._stand._replace(shown=self._shown(now), since=now)
            return other

    def state(self) -> ClockState:
        """How it stands and runs."""
        with self._steered:
            shown, since, speed, frozen = self._stand
            wall = self._wall() - (self._monotonic() - since)
            return ClockState(self._now() if frozen else shown, wall, since, self._source, speed, frozen)

    def set_state(self, state: ClockState) -> None:
        """Show what the clock of that state shows, in this process or another."""
        with self._steered:
            now = self._monotonic()
            same = state.source == self._source != ""
            since = state.monotonic if same else now - self._wall() + state.wall
            self._stand = _Stand(state.shown, min(since, now), state.speed, state.frozen)
            self._steered.notify_all()

    def wait_until(self, moment: float) -> None:
        """Return once ``now() >= moment``; a frozen clock is waited on until somebody steers it."""
        with self._steered:
            while (missing := moment - self._now()) > 0:
                self._steered.wait(None if self.frozen else missing / self.speed)

    def _now(self) -> float:
        return self._shown(self._monotonic())

    def _shown(self, now: float) -> float:
        """What it shows when the monotonic clock shows ``now``."""
        shown, since, speed, frozen = self._stand
        return shown if frozen else shown + (now - since) * speed

    def _steer(self, *, ahead: float = 0.0, frozen: bool | None = None, speed: float | None = None) -> None:
        with self._steered:
            now = self._monotonic()
            self._stand = _Stand(
                self._shown(now) + ahead,
                now,
                self.speed if speed is None else speed,
                self.frozen if frozen is None else frozen,
            )
            self._steered.notify_all()


@functools.cache
def boot() -> str:
    """What names this start of this machine, as Linux does it; empty elsewhere."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _positive(speed: float) -> float:
    if not 0 < speed < math.inf:
        raise ValueError(f"a clock's speed is a positive number, not {speed!r}")
    return speed
