"""The default clock of all clients.

Tests replace it with a virtual clock, so that code that creates its own client can be tested unchanged.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class _Timing(NamedTuple):
    sleep: Callable[[float], None]
    monotonic: Callable[[], float]


# The functions are looked up at each call, so that patches of the module time take effect.
_real = _Timing(lambda seconds: time.sleep(seconds), lambda: time.monotonic())  # noqa: PLW0108 - see above
_stack = [_real]

# In a tuple, because libraries that fake time replace the module attributes that refer to time.monotonic.
_system = (time.monotonic,)


def real() -> float:
    """Return the system's monotonic time in seconds, even while a virtual clock is in use."""
    return _system[0]()


def sleep(seconds: float) -> None:
    """Sleep on the current clock."""
    _stack[-1].sleep(seconds)


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
def use_clock(*, sleep: Callable[[float], None], monotonic: Callable[[], float]) -> Iterator[None]:
    """Replace the default clock within a ``with`` block, in all threads.

    It affects all clients that were created without a clock of their own.

    Args:
        sleep: A function that sleeps for a number of seconds.
        monotonic: A function that returns the time in seconds and never goes back.
    """
    timing = _Timing(sleep, monotonic)
    _stack.append(timing)
    try:
        yield
    finally:
        _stack.remove(timing)
