"""Time that passes only when a test, or code that sleeps, lets it.

``patch_sleep`` couples the functions of ``time`` and ``asyncio`` to it, for whoever calls them but Python's
own modules and pytest: an event loop has to keep real time to run at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from netmind_mock.clock import SimulatedClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType, TracebackType

    from netmind_mock.clock import ClockState

    _T = TypeVar("_T")

_KEEP_REAL_TIME = (
    sys.stdlib_module_names
    | {
        "_pytest",
        "pytest",
        "pluggy",
        "xdist",
        "execnet",
        "coverage",
        "hypothesis",
        "pytest_timeout",
        "netmind_mock",
        "uvicorn",
    }
) - {"test"}
_NANO = 1_000_000_000
# A loop without a queue that can be looked at may need some turns until its other tasks sleep again.
_QUIET_TURNS = 3


class VirtualClock(SimulatedClock):
    """A clock that stands until somebody sleeps on it or sends it forward.

    ``sleep``, ``monotonic`` and ``time`` stand in for those of the module ``time``.
    """

    def __init__(self, *, wall: Callable[[], float] = time.time) -> None:
        """Stand at the wall clock's time, in whole seconds."""
        self._began = float(int(wall()))
        # Whole nanoseconds, so that ten sleeps of 0.1 s are a second, and not nearly.
        self._passed = 0
        self._sleepers: dict[asyncio.AbstractEventLoop, list[int]] = {}
        self._patch: SleepPatch | None = None
        super().__init__(wall=lambda: self._began)
        self.freeze()

    @property
    def elapsed(self) -> float:
        """Seconds since the clock was made, exact to a nanosecond."""
        return self._passed / _NANO

    def copy(self) -> VirtualClock:
        """A clock that shows the same time and is sent forward by itself."""
        other = VirtualClock(wall=lambda: self._began)
        other.advance(self.elapsed)
        return other

    def set_state(self, state: ClockState) -> None:
        """Show what the clock of that state showed, to a microsecond."""
        with self._steered:
            self._passed = max(round((state.shown - self._began) * 1_000_000), 0) * 1_000
            self._steered.notify_all()

    def sleep(self, seconds: float) -> None:
        """Let so many seconds pass, in no time.

        Raises:
            ValueError: ``seconds`` is negative.
        """
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        self.advance(seconds)

    async def async_sleep(self, delay: float, result: _T | None = None) -> _T | None:
        """Let so many seconds pass, in no time: once all other tasks of the loop sleep, too, or wait.

        Of tasks that sleep at once, the first that is due goes first. A task that waits for the world outside
        (a thread, a socket) is not waited for.
        """
        if delay == math.inf:
            await asyncio.Event().wait()
        loop = asyncio.get_running_loop()
        moment = self._passed + round(max(delay, 0.0) * _NANO)
        sleepers = self._sleepers.setdefault(loop, [])
        sleepers.append(moment)
        try:
            quiet = 0  # turns of the loop in which nobody did anything but sleep
            while quiet < _QUIET_TURNS or min(sleepers) < moment:
                await _REAL["asyncio.sleep"](0)
                quiet = quiet + 1 if _others_sleep(loop, len(sleepers)) else 0
            self.advance(max(moment - self._passed, 0) / _NANO)
        finally:
            sleepers.remove(moment)
        return result

    def monotonic(self) -> float:
        """Seconds since the clock was made; never goes back."""
        return self.elapsed

    def time(self) -> float:
        """Seconds since the epoch."""
        return self.now()

    def wait_until(self, moment: float) -> None:
        """Send the clock forward to this moment, if it is not there yet."""
        self.advance(max(moment - self.now(), 0.0))

    def _now(self) -> float:
        return self._began + self.elapsed

    def _steer(self, *, ahead: float = 0.0, frozen: bool | None = None, speed: float | None = None) -> None:
        if frozen is False or speed is not None:
            raise ValueError("a virtual clock stands until it is sent forward: advance it, or sleep on it")
        with self._steered:
            self._passed += round(ahead * _NANO)
            self._stand = self._stand._replace(frozen=True)
            self._steered.notify_all()

    def patch_sleep(self) -> SleepPatch:
        """Couple ``time.sleep``, ``asyncio.sleep`` and the clocks of ``time`` to this one.

        It holds from now on, until the end of the test, of ``netmind_mock.start()``, or of a ``with`` block
        around it. Names that were imported (``from time import sleep``) are replaced where they are.
        """
        if self._patch is None:
            self._patch = SleepPatch(self)
        return self._patch

    def unpatch_sleep(self) -> None:
        """Give real time back to whoever had it."""
        if self._patch is not None:
            self._patch = None
            _uncouple(self)


def _others_sleep(loop: asyncio.AbstractEventLoop, sleepers: int) -> bool:
    """Whether nothing is to be done in the loop but by tasks that sleep; true where that cannot be told."""
    ready = getattr(loop, "_ready", None)
    return ready is None or len(ready) < sleepers


class SleepPatch(contextlib.AbstractContextManager["SleepPatch"]):
    """The coupling of a virtual clock to the process's own, from when it is made until it is undone."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        _couple(clock)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clock.unpatch_sleep()


# What stands in, by what it stands in for. A stand-in looks for its clock when it is called, and is the real
# function where there is none: so one that somebody has kept, such as a module that was imported meanwhile,
# does no harm.
_REAL: dict[str, Any] = {
    "time.sleep": time.sleep,
    "time.time": time.time,
    "time.time_ns": time.time_ns,
    "time.monotonic": time.monotonic,
    "time.monotonic_ns": time.monotonic_ns,
    "time.perf_counter": time.perf_counter,
    "time.perf_counter_ns": time.perf_counter_ns,
    "asyncio.sleep": asyncio.sleep,
}
_VIRTUAL: dict[str, Callable[[VirtualClock], Any]] = {
    "time.sleep": lambda clock: clock.sleep,
    "time.time": lambda clock: clock.time,
    "time.time_ns": lambda clock: lambda: round(clock.time() * _NANO),
    "time.monotonic": lambda clock: clock.monotonic,
    "time.monotonic_ns": lambda clock: lambda: round(clock.monotonic() * _NANO),
    "time.perf_counter": lambda clock: clock.monotonic,
    "time.perf_counter_ns": lambda clock: lambda: round(clock.monotonic() * _NANO),
    "asyncio.sleep": lambda clock: clock.async_sleep,
}
_MODULES: dict[str, ModuleType] = {"time": time, "asyncio": asyncio}
_coupling = threading.Lock()
_coupled: list[VirtualClock] = []  # the last one counts
_replaced: list[tuple[Any, str, Any]] = []


def _stand_in(name: str) -> Any:
    real, virtual = _REAL[name], _VIRTUAL[name]

    @functools.wraps(real)
    def either(*arguments: Any, **options: Any) -> Any:
        if not _coupled:
            return real(*arguments, **options)
        caller = sys._getframe(1).f_globals.get("__name__") or ""
        chosen = real if caller.partition(".")[0] in _KEEP_REAL_TIME else virtual(_coupled[-1])
        return chosen(*arguments, **options)

    return either


_STAND_INS = {id(real): _stand_in(name) for name, real in _REAL.items()}


def _couple(clock: VirtualClock) -> None:
    with _coupling:
        _coupled.append(clock)
        for name, real in _REAL.items():
            module, _, attribute = name.partition(".")
            _replace(_MODULES[module], attribute, real)
        for module_name, imported in list(sys.modules.items()):
            if module_name.partition(".")[0] not in _KEEP_REAL_TIME:
                for name, value in list(getattr(imported, "__dict__", {}).items()):
                    _replace(imported, name, value)


def _replace(place: Any, name: str, value: Any) -> None:
    stand_in = _STAND_INS.get(id(value))
    if stand_in is not None and getattr(place, name) is value:
        _replaced.append((place, name, value))
        setattr(place, name, stand_in)


def _uncouple(clock: VirtualClock) -> None:
    with _coupling:
        _coupled.remove(clock)
        while _replaced and not _coupled:
            place, name, real = _replaced.pop()
            if (
                getattr(place, name, None) is _STAND_INS[id(real)]
            ):  # unless somebody else has replaced it since
                setattr(place, name, real)
