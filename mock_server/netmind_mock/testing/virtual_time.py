"""Time that passes only when a test, or code that sleeps, lets it.

``patch_sleep`` couples the functions of ``time`` and ``asyncio`` to it, for whoever calls them but Python's
own modules and pytest: an event loop has to keep real time to run at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sys
import time
from typing import TYPE_CHECKING, Any, TypeVar

from netmind_mock.clock import SteerableClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType, TracebackType

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
    }
) - {"test"}
_NANO = 1_000_000_000


class VirtualClock(SteerableClock):
    """A clock that stands until somebody sleeps on it or sends it forward.

    ``sleep``, ``monotonic`` and ``time`` stand in for those of the module ``time``.
    """

    def __init__(self, *, wall: Callable[[], float] = time.time) -> None:
        """Stand at the wall clock's time, in whole seconds."""
        self._began = float(int(wall()))
        # Whole nanoseconds, so that ten sleeps of 0.1 s are a second, and not nearly.
        self._passed = 0
        self._sleepers: list[int] = []
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

    def sleep(self, seconds: float) -> None:
        """Let so many seconds pass, in no time.

        Raises:
            ValueError: ``seconds`` is negative.
        """
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        self.advance(seconds)

    async def async_sleep(self, delay: float, result: _T | None = None) -> _T | None:
        """Let so many seconds pass, in no time; of tasks that sleep at once, the first due goes first."""
        moment = self._passed + round(max(delay, 0.0) * _NANO)
        self._sleepers.append(moment)
        try:
            await _REAL["asyncio.sleep"](0)
            while min(self._sleepers) < moment:
                await _REAL["asyncio.sleep"](0)
            self.advance(max(moment - self._passed, 0) / _NANO)
        finally:
            self._sleepers.remove(moment)
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
            self._frozen = True
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
            self._patch.undo()
            self._patch = None


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
_MODULES: dict[str, ModuleType] = {"time": time, "asyncio": asyncio}


class SleepPatch(contextlib.AbstractContextManager["SleepPatch"]):
    """The coupling of a virtual clock to the process's own, from when it is made until it is undone."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        virtual: dict[str, Any] = {
            "time.sleep": clock.sleep,
            "time.time": clock.time,
            "time.time_ns": lambda: round(clock.time() * _NANO),
            "time.monotonic": clock.monotonic,
            "time.monotonic_ns": lambda: round(clock.monotonic() * _NANO),
            "time.perf_counter": clock.monotonic,
            "time.perf_counter_ns": lambda: round(clock.monotonic() * _NANO),
            "asyncio.sleep": clock.async_sleep,
        }
        self._changed: list[tuple[Any, str, Any]] = []
        replacements = {
            id(_REAL[name]): _coupled(_REAL[name], stand_in) for name, stand_in in virtual.items()
        }
        for name, real in _REAL.items():
            module, _, attribute = name.partition(".")
            self._change(_MODULES[module], attribute, replacements[id(real)])
        for module_name, imported in list(sys.modules.items()):
            if module_name.partition(".")[0] not in _KEEP_REAL_TIME:
                self._change_names(imported, replacements)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clock.unpatch_sleep()

    def undo(self) -> None:
        """Put everything back."""
        while self._changed:
            place, name, real = self._changed.pop()
            setattr(place, name, real)

    def _change_names(self, imported: ModuleType, replacements: dict[int, Any]) -> None:
        for name, value in list(getattr(imported, "__dict__", {}).items()):
            if id(value) in replacements:
                self._change(imported, name, replacements[id(value)])

    def _change(self, place: Any, name: str, value: Any) -> None:
        self._changed.append((place, name, getattr(place, name)))
        setattr(place, name, value)


def _coupled(real: Any, virtual: Any) -> Any:
    """A function that is the virtual one, but the real one to Python's own modules."""

    @functools.wraps(real)
    def either(*arguments: Any, **options: Any) -> Any:
        caller = sys._getframe(1).f_globals.get("__name__") or ""
        chosen = real if caller.partition(".")[0] in _KEEP_REAL_TIME else virtual
        return chosen(*arguments, **options)

    return either
