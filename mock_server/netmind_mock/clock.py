"""Now, and its steerable twin.

Time is the wall clock at start plus the monotonic clock since, so that a changed system clock cannot send
a job back. It is read once a request, at the door, and handed on as a value.
"""

from __future__ import annotations

import math
import threading
import time
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
    """How a clock stands and runs, for another process to go on from.

    Attributes:
        shown: What it showed, in seconds since the epoch.
        at: When that was, by the system's clock, likewise.
        speed: How many seconds pass in a real one.
        frozen: Whether it stands.
    """

    shown: float
    at: float
    speed: float
    frozen: bool


class SteerableClock:
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
        self._steered = threading.Condition()
        self._anchor = monotonic()
        self._base = wall()
        self._speed = _positive(speed)
        self._frozen = False

    def now(self) -> float:
        """The time, in seconds since the epoch."""
        with self._steered:
            return self._now()

    @property
    def speed(self) -> float:
        """How many seconds pass in a real one; what it will be again after a freeze."""
        return self._speed

    @property
    def frozen(self) -> bool:
        """Whether the clock stands."""
        return self._frozen

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

    def copy(self) -> SteerableClock:
        """A clock that shows the same time and runs alike, and is steered by itself."""
        with self._steered:
            other = SteerableClock(speed=self._speed, wall=self._wall, monotonic=self._monotonic)
            other._base, other._frozen = self._now(), self._frozen
            return other

    def state(self) -> ClockState:
        """How it stands and runs."""
        with self._steered:
            return ClockState(self._now(), self._wall(), self._speed, self._frozen)

    def set_state(self, state: ClockState) -> None:
        """Stand and run as it did in this process a moment ago."""
        with self._steered:
            self._base = state.shown
            self._anchor = self._monotonic()
            self._frozen, self._speed = state.frozen, state.speed
            self._steered.notify_all()

    @classmethod
    def restored(cls, state: ClockState, **times: Callable[[], float]) -> SteerableClock:
        """A clock that goes on from a state; time went on meanwhile, unless it was frozen.

        Args:
            state: As ``state`` gave it, in this process or another.
            times: ``wall`` and ``monotonic``, as for any clock.
        """
        clock = cls(speed=state.speed, **times)
        meanwhile = 0.0 if state.frozen else max(clock._wall() - state.at, 0.0) * state.speed
        clock._base, clock._frozen = state.shown + meanwhile, state.frozen
        return clock

    def wait_until(self, moment: float) -> None:
        """Return once ``now() >= moment``; a frozen clock is waited on until somebody steers it."""
        with self._steered:
            while (missing := moment - self._now()) > 0:
                self._steered.wait(None if self._frozen else missing / self._speed)

    def _now(self) -> float:
        if self._frozen:
            return self._base
        return self._base + (self._monotonic() - self._anchor) * self._speed

    def _steer(self, *, ahead: float = 0.0, frozen: bool | None = None, speed: float | None = None) -> None:
        with self._steered:
            self._base = self._now() + ahead
            self._anchor = self._monotonic()
            self._frozen = self._frozen if frozen is None else frozen
            self._speed = self._speed if speed is None else speed
            self._steered.notify_all()


def _positive(speed: float) -> float:
    if not 0 < speed < math.inf:
        raise ValueError(f"a clock's speed is a positive number, not {speed!r}")
    return speed
