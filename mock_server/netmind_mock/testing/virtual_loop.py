"""Event loops of asyncio that show virtual time, so that ``asyncio.timeout`` and ``call_later`` take no time.

An event loop computes how long it can wait until its next timer, and waits that long in ``select`` for input.
While a clock is connected, ``select`` advances the clock by this time instead, and returns at once.

Real input comes first. If a loop has something to wait for besides its timers (a socket, a thread of
``run_in_executor``), ``select`` waits for it a little in real time before it advances the clock.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from netmind_mock.system_time import system_time
from netmind_mock.testing.patching import wrap

if TYPE_CHECKING:
    from collections.abc import Callable

# How long a loop waits for real input before its clock advances. Threads do work, which takes longer than
# what arrives on a socket of this machine.
_SOCKET_SECONDS = 0.02
_THREAD_SECONDS = 1.0
_OWN_SOCKETS = 1  # by which other threads wake a loop


class _Clock(Protocol):
    """The part of a virtual clock that event loops need."""

    @property
    def elapsed(self) -> float: ...

    def advance(self, seconds: float) -> None: ...


class _Source(NamedTuple):
    """A clock that loops show, and the loop time at which it showed no elapsed seconds."""

    clock: _Clock
    base: float


class _Awaited(NamedTuple):
    """What a loop may get input from.

    Attributes:
        sockets: The number of its sockets.
        threads: The number of calls that ``run_in_executor`` has begun.
    """

    sockets: int
    threads: int


_sources: list[_Source] = []  # the last one is used
_running: dict[int, int] = {}  # calls in threads that have not ended, by the id of the loop
_begun = [0]
_in_vain: dict[
    int, _Awaited
] = {}  # what a selector has waited for without success, by the id of the selector


def start(clock: _Clock) -> None:
    """Make event loops show the time of a clock."""
    wrap(asyncio.BaseEventLoop, "time", _time)
    wrap(asyncio.BaseEventLoop, "run_in_executor", _run_in_executor)
    wrap(selectors.DefaultSelector, "select", _select)
    # A whole number, so that sums of it and the seconds of timers are exact.
    _sources.append(_Source(clock, math.ceil(system_time.monotonic()) - clock.elapsed))


def stop(clock: _Clock) -> None:
    """Make event loops show the time of the clock before this one; without one, real time."""
    _sources[:] = [source for source in _sources if source.clock is not clock]
    _in_vain.clear()


def is_virtual(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether a loop can show virtual time: those of asyncio can, that of ``uvloop`` cannot."""
    return isinstance(loop, asyncio.SelectorEventLoop)


def _time(time: Callable[[Any], float], loop: Any) -> float:
    if not _sources or not is_virtual(loop):
        return time(loop)
    clock, base = _sources[-1]
    return base + clock.elapsed


def _select(select: Callable[..., Any], selector: Any, timeout: float | None = None) -> Any:
    # Only the event loop's own call; code that it runs may use another selector.
    caller = sys._getframe(2).f_globals.get("__name__")
    if not _sources or not timeout or timeout < 0 or caller != "asyncio.base_events":
        return select(selector, timeout)
    loop = asyncio.get_running_loop()
    events = select(selector, 0)
    if events:
        return events
    awaited = _Awaited(len(selector.get_map()), _begun[0])
    if awaited != _in_vain.get(id(selector)):
        seconds = _grace(awaited, _running.get(id(loop), 0))
        events = select(selector, min(seconds, timeout)) if seconds else ()
        if events:
            return events
        _in_vain[id(selector)] = awaited
    _sources[-1].clock.advance(timeout)
    return []


def _grace(awaited: _Awaited, threads: int) -> float:
    if threads:
        return _THREAD_SECONDS
    return _SOCKET_SECONDS if awaited.sockets > _OWN_SOCKETS else 0.0


def _run_in_executor(run: Callable[..., Any], loop: Any, *arguments: Any, **options: Any) -> Any:
    _begun[0] += 1
    key = id(loop)
    _running[key] = _running.get(key, 0) + 1

    def ended(_future: Any) -> None:
        _running[key] -= 1

    future = run(loop, *arguments, **options)
    future.add_done_callback(ended)
    return future
