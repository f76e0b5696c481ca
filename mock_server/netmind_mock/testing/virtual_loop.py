"""Event loops of asyncio that show virtual time, so that ``asyncio.timeout`` and ``call_later`` take no time.

An event loop computes how long it can wait until its next timer, and waits that long in ``select`` for input.
While a clock is connected, ``select`` advances the clock by this time instead, and returns at once.

Real input comes first. If a loop has something to wait for besides its timers (a socket, a thread of
``run_in_executor``), ``select`` waits for it a little in real time before it advances the clock.

The time of a loop never goes back, also when a clock is connected or disconnected: its timers would be late.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

from netmind_mock.testing.patching import wrap

if TYPE_CHECKING:
    from collections.abc import Callable

# How long a loop waits for real input before its clock advances. Threads do work, which takes longer than
# what arrives on a socket of this machine.
_SOCKET_SECONDS = 0.02
_THREAD_SECONDS = 1.0
_OWN_SOCKETS = 1  # by which other threads wake a loop
_RESOLUTION = 1e-9  # of the clock of asyncio
_CALLERS = ("asyncio.base_events", "nest_asyncio")  # modules that run an event loop


class _Clock(Protocol):
    """The part of a virtual clock that event loops need."""

    @property
    def elapsed(self) -> float: ...

    def advance(self, seconds: float) -> None: ...


class _Shift(NamedTuple):
    """What is added to the seconds of a clock, or (None) of the system, to get the time of a loop."""

    clock: _Clock | None
    seconds: float


class _Awaited(NamedTuple):
    """What a loop may get input from.

    Attributes:
        sockets: The number of its sockets.
        threads: The number of calls that ``run_in_executor`` has begun.
    """

    sockets: int
    threads: int


_clocks: list[_Clock] = []  # the last one is used
_shifts: WeakKeyDictionary[Any, _Shift] = WeakKeyDictionary()  # of loops that have shown virtual time
_running: WeakKeyDictionary[Any, int] = WeakKeyDictionary()  # calls in threads that have not ended, by loop
_begun = [0]
# What a selector has waited for without success, by the id of the selector.
_in_vain: dict[int, _Awaited] = {}


def start(clock: _Clock) -> None:
    """Make event loops show the time of a clock."""
    wrap(asyncio.BaseEventLoop, "time", _time)
    wrap(asyncio.BaseEventLoop, "run_in_executor", _run_in_executor)
    wrap(selectors.DefaultSelector, "select", _select)
    _clocks.append(clock)


def stop(clock: _Clock) -> None:
    """Make event loops show the time of the clock before this one; without one, real time."""
    _clocks[:] = [one for one in _clocks if one is not clock]
    _in_vain.clear()


def is_virtual(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether a loop can show virtual time: one of asyncio with the usual selector can."""
    selector = getattr(loop, "_selector", None)
    return isinstance(loop, asyncio.SelectorEventLoop) and type(selector) is selectors.DefaultSelector


def _time(time: Callable[[Any], float], loop: Any) -> float:
    clock, shift = _clocks[-1] if _clocks else None, _shifts.get(loop)
    if shift is None and (clock is None or not is_virtual(loop)):
        return time(loop)

    def seconds(clock: _Clock | None) -> float:
        return time(loop) if clock is None else clock.elapsed

    if shift is None or shift.clock is not clock:
        now = time(loop) if shift is None else shift.seconds + seconds(shift.clock)
        # A whole number, so that sums of it and the seconds of timers are exact.
        shift = _shifts[loop] = _Shift(clock, math.ceil(now) - seconds(clock))
    return shift.seconds + seconds(clock)


def _select(select: Callable[..., Any], selector: Any, timeout: float | None = None) -> Any:
    # Only the event loop's own call; code that it runs may use another selector.
    caller = sys._getframe(2).f_globals.get("__name__")
    if not _clocks or timeout is None or timeout < 0 or caller not in _CALLERS:
        return select(selector, timeout)
    loop, clock = asyncio.get_running_loop(), _clocks[-1]
    events = select(selector, 0)
    if events or not is_virtual(loop):
        return events or select(selector, timeout)
    if not timeout:
        if not getattr(loop, "_ready", True) and (now := loop.time()) + _RESOLUTION == now:
            clock.advance(math.ulp(now))  # so late that asyncio cannot see that the time of a timer has come
        return events
    awaited = _Awaited(len(selector.get_map()), _begun[0])
    if awaited != _in_vain.get(id(selector)):
        seconds = _grace(awaited, _running.get(loop, 0))
        events = select(selector, seconds) if seconds else ()
        if events:
            return events
        _in_vain[id(selector)] = awaited
    clock.advance(timeout)
    return []


def _grace(awaited: _Awaited, threads: int) -> float:
    if threads:
        return _THREAD_SECONDS
    return _SOCKET_SECONDS if awaited.sockets > _OWN_SOCKETS else 0.0


def _run_in_executor(run: Callable[..., Any], loop: Any, *arguments: Any, **options: Any) -> Any:
    _begun[0] += 1
    _running[loop] = _running.get(loop, 0) + 1

    def ended(_future: Any) -> None:
        _running[loop] -= 1

    future = run(loop, *arguments, **options)
    future.add_done_callback(ended)
    return future
