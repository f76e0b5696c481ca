"""The virtual clock: it advances only when code sleeps on it or a test advances it.

``patch_sleep`` replaces functions of ``time`` and ``asyncio``, for all callers except Python's own modules
and pytest, and makes the event loops of asyncio show virtual time (see ``virtual_loop``).
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

from netmind_mock.clock import LAST_SECOND, SimulatedClock
from netmind_mock.system_time import system_time
from netmind_mock.testing import virtual_loop

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
        "trio",
        "uvicorn",
    }
) - {"test"}
_NANO = 1_000_000_000
# How many turns of the event loop in a row must pass without work before the clock advances. More than one is
# for event loops whose queue of callbacks cannot be read: there, every turn looks quiet.
_QUIET_TURNS = 3


class VirtualClock(SimulatedClock):
    """A clock that advances only when code sleeps on it or a test advances it.

    ``sleep``, ``monotonic`` and ``time`` replace those of the module ``time``.
    """

    def __init__(self, start: float | None = None) -> None:
        """Start at a time, in seconds since the epoch.

        By default, it starts in whole seconds at the time of ``time.time()`` when the clock is first read. So
        a test that freezes the date before its first request gets jobs of that date.
        """
        # Whole nanoseconds, so that ten sleeps of 0.1 s are exactly one second.
        self._passed = 0
        self._sleepers: dict[asyncio.AbstractEventLoop, list[int]] = {}
        self._patch: SleepPatch | None = None
        self._start: float | None = None
        super().__init__(start=0.0)
        self.freeze()
        self._start = start

    def now(self) -> float:
        """Return the time, in seconds since the epoch."""
        self._start = self._began
        return self._now()

    @property
    def elapsed(self) -> float:
        """Return the seconds since the clock was created, exact to a nanosecond."""
        return self._passed / _NANO

    @property
    def is_patched(self) -> bool:
        """Return whether ``time.sleep`` and the event loops use this clock."""
        return self._patch is not None

    def copy(self) -> VirtualClock:
        """Return an independent clock that shows the same time."""
        other = VirtualClock(self._began)
        other.advance(self.elapsed)
        other.listeners = self.listeners
        return other

    def set_state(self, state: ClockState) -> None:
        """Set the clock to the time of a saved state, to a microsecond."""
        with self._changed:
            self._passed = max(round((state.shown - self._began) * 1_000_000), 0) * 1_000
            self._changed.notify_all()
        self.listeners.call()

    def sleep(self, seconds: float) -> None:
        """Advance the clock by this many seconds, and return at once.

        Raises:
            ValueError: ``seconds`` is negative.
        """
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        self.advance(seconds)

    async def async_sleep(self, delay: float, result: _T | None = None) -> _T | None:
        """Advance the clock by this many seconds, once all other tasks of the event loop sleep or wait.

        Of several sleeping tasks, the one that is due first wakes first. Outside of asyncio, for example on
        trio, the clock advances at once.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.sleep(max(delay, 0.0))
            return result
        if delay == math.inf:
            await asyncio.Event().wait()
        if self.is_patched and virtual_loop.is_virtual(loop):
            return await _ASYNCIO_SLEEP(delay, result)
        # A sleeping task does not advance the clock at once: another task may have work to do before that, or
        # sleep until an earlier moment. So each one lets the loop run until only sleeping tasks are ready and
        # its own moment is the earliest. Then it advances the clock to that moment.
        moment = self._passed + round(max(delay, 0.0) * _NANO)
        sleepers = self._sleepers.setdefault(loop, [])
        sleepers.append(moment)
        try:
            quiet = 0  # turns of the loop in a row in which only sleeping tasks ran
            while quiet < _QUIET_TURNS or min(sleepers) < moment:
                await _ASYNCIO_SLEEP(0)
                quiet = quiet + 1 if _others_sleep(loop, len(sleepers)) else 0
            self.advance(max(moment - self._passed, 0) / _NANO)
        finally:
            sleepers.remove(moment)
        return result

    def monotonic(self) -> float:
        """Return the seconds since the clock was created. They never go back."""
        return self.elapsed

    def time(self) -> float:
        """Return the seconds since the epoch."""
        return self.now()

    def wait_until(self, moment: float) -> None:
        """Advance the clock to this moment, unless it is already past it."""
        self.advance(max(moment - self.now(), 0.0))

    @property
    def _began(self) -> float:
        return float(int(time.time())) if self._start is None else self._start

    def _now(self) -> float:
        return min(self._began + self.elapsed, LAST_SECOND)

    def _change(self, *, ahead: float = 0.0, frozen: bool | None = None, speed: float | None = None) -> None:
        if frozen is False or speed is not None:
            raise ValueError("a virtual clock has no speed and cannot be resumed: advance it, or sleep on it")
        with self._changed:
            self._start = self._began
            self._passed += round(ahead * _NANO)
            self._reading = self._reading._replace(frozen=True)
            self._changed.notify_all()
        self.listeners.call()

    def patch_sleep(self) -> SleepPatch:
        """Make ``time.sleep``, ``asyncio.sleep``, the clocks of ``time`` and event loops use this clock.

        This lasts until ``unpatch_sleep``, or until the end of the test, of ``netmind_mock.start()`` or of a
        ``with`` block around this call. Imported names (``from time import sleep``) are replaced, too.
        """
        if self._patch is None:
            self._patch = SleepPatch(self)
        return self._patch

    def unpatch_sleep(self) -> None:
        """Restore the real functions."""
        if self._patch is not None:
            self._patch = None
            _disconnect(self)


def _others_sleep(loop: asyncio.AbstractEventLoop, sleepers: int) -> bool:
    """Return whether only sleeping tasks are ready to run; true if the loop does not show its queue.

    Each sleeping task is in the queue once, except the one that calls this.
    """
    ready = getattr(loop, "_ready", None)
    return ready is None or len(ready) < sleepers


class SleepPatch(contextlib.AbstractContextManager["SleepPatch"]):
    """The replacement of sleeps and clocks by a virtual clock, from creation until the end of ``with``."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        _connect(clock)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clock.unpatch_sleep()


_ASYNCIO_SLEEP = asyncio.sleep
_MODULES: dict[str, ModuleType] = {"time": time, "asyncio": asyncio}
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
_connecting = threading.Lock()
_connected: list[VirtualClock] = []  # the last one is used
# The functions that the first connected clock replaced, by name. They are read then, not when this module is
# imported, because a test may freeze the date in between.
_before: dict[str, Any] = {}
_replaced: list[tuple[Any, str, Any]] = []


def _replacement(name: str) -> Any:
    """Return a function that looks up the connected clock on each call.

    It is harmless where it cannot be removed: in a module that imported it by name while a clock was
    connected. There it calls the function that the module ``time`` has without a clock.
    """
    virtual, (module, _, attribute) = _VIRTUAL[name], name.partition(".")

    @functools.wraps(_REAL[name])
    def either(*arguments: Any, **options: Any) -> Any:
        if not _connected:
            current = getattr(_MODULES[module], attribute)
            return (_REAL[name] if current is either else current)(*arguments, **options)
        caller = sys._getframe(1).f_globals.get("__name__") or ""
        keeps = caller.partition(".")[0] in _KEEP_REAL_TIME
        return (_before[name] if keeps else virtual(_connected[-1]))(*arguments, **options)

    return either


_REAL: dict[str, Any] = {
    name: _ASYNCIO_SLEEP if name == "asyncio.sleep" else getattr(system_time, name.partition(".")[2])
    for name in _VIRTUAL
}
_REPLACEMENTS = {name: _replacement(name) for name in _VIRTUAL}


def _connect(clock: VirtualClock) -> None:
    with _connecting:
        if not _connected:
            for name in _VIRTUAL:
                module, _, attribute = name.partition(".")
                current = getattr(_MODULES[module], attribute)
                # A patch that was undone after its clock was disconnected has put the replacement back.
                _before[name] = _REAL[name] if current is _REPLACEMENTS[name] else current
                setattr(_MODULES[module], attribute, _before[name])
        _connected.append(clock)
        virtual_loop.start(clock)
        replacements = {id(function): _REPLACEMENTS[name] for name, function in _before.items()}
        for module_name, imported in list(sys.modules.items()):
            package = module_name.partition(".")[0]
            if package not in _KEEP_REAL_TIME or module_name in _MODULES:
                for name, value in list(getattr(imported, "__dict__", {}).items()):
                    _replace(imported, name, value, replacements.get(id(value)))


def _replace(place: Any, name: str, value: Any, replacement: Any) -> None:
    if replacement is not None and getattr(place, name) is value:
        _replaced.append((place, name, value))
        setattr(place, name, replacement)


def _disconnect(clock: VirtualClock) -> None:
    with _connecting:
        _connected.remove(clock)
        virtual_loop.stop(clock)
        if _connected:
            return
        replacements = {id(function): _REPLACEMENTS[name] for name, function in _before.items()}
        while _replaced:
            place, name, before = _replaced.pop()
            # Otherwise other code has replaced it since, and that value stays.
            if getattr(place, name, None) is replacements[id(before)]:
                setattr(place, name, before)
