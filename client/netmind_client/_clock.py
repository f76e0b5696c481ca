"""The default clock of all clients.

Tests replace it with a virtual clock, so that code that creates its own client can be tested unchanged.
"""

from __future__ import annotations

import contextlib
import time
from importlib.machinery import BuiltinImporter
from importlib.util import module_from_spec
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator


class _Timing(NamedTuple):
    sleep: Callable[[float], None]
    monotonic: Callable[[], float]
    async_sleep: Callable[[float], Awaitable[object]] | None = None


# The functions are looked up at each call, so that patches of the module time take effect.
_real = _Timing(lambda seconds: time.sleep(seconds), lambda: time.monotonic())  # noqa: PLW0108 - see above
_stack = [_real]

# A second instance of the built-in module. freezegun replaces the functions of the first one wherever they
# were imported, so a client that is first imported in a frozen test would keep a deadline that never ends.
_builtin: Any = BuiltinImporter
_system_time: Any = module_from_spec(_builtin.find_spec("time"))
_builtin.exec_module(_system_time)


def real() -> float:
    """Return the system's monotonic time in seconds, whatever a test has done to the module ``time``."""
    seconds: float = _system_time.monotonic()
    return seconds


def sleep(seconds: float) -> None:
    """Sleep on the current clock."""
    _stack[-1].sleep(seconds)


async def async_sleep(seconds: float) -> None:
    """Sleep on the current clock, in an event loop."""
    timing = _stack[-1]
    if timing.async_sleep is None:
        timing.sleep(seconds)
    else:
        await timing.async_sleep(seconds)


def monotonic() -> float:
    """Return the current clock's time in seconds. It never goes back."""
    return _stack[-1].monotonic()


def wall() -> float:
    """Return the seconds since the epoch, by the system's clock."""
    return time.time()


def is_virtual() -> bool:
    """Return whether a virtual clock is in use, so that sleeping takes no real time."""
    return _stack[-1] is not _real


@contextlib.contextmanager
def use_clock(
    *,
    sleep: Callable[[float], None],
    monotonic: Callable[[], float],
    async_sleep: Callable[[float], Awaitable[object]] | None = None,
) -> Iterator[None]:
    """Replace the default clock within a ``with`` block, in all threads.

    It affects all clients that were created without a clock of their own.

    Args:
        sleep: A function that sleeps for a number of seconds.
        monotonic: A function that returns the time in seconds and never goes back.
        async_sleep: An async function that sleeps for a number of seconds. Without it, each asynchronous
            client calls ``sleep``, so that the sleeps of several add up.
    """
    timing = _Timing(sleep, monotonic, async_sleep)
    _stack.append(timing)
    try:
        yield
    finally:
        _stack.remove(timing)
