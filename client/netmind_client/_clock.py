"""How clients that were given no clock of their own wait, and what time it is to them.

Tests put a virtual clock here, so that code which makes its own client need not be changed to be tested.
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


# Looked up at each call, so that whoever patches the module time is heard.
_real = _Timing(lambda seconds: time.sleep(seconds), lambda: time.monotonic())  # noqa: PLW0108 - as said
_stack = [_real]

# In a tuple, where those do not find it who replace the functions of ``time``.
_system = (time.monotonic,)


def real() -> float:
    """Seconds that a network takes, which no virtual clock makes shorter."""
    return _system[0]()


def sleep(seconds: float) -> None:
    """Wait."""
    _stack[-1].sleep(seconds)


def monotonic() -> float:
    """Seconds since some moment; never goes back."""
    return _stack[-1].monotonic()


def wall() -> float:
    """Seconds since the epoch, as the system's clock has it."""
    return time.time()


def is_virtual() -> bool:
    """Whether time is not the system's, so that waiting takes none."""
    return _stack[-1] is not _real


@contextlib.contextmanager
def use_clock(*, sleep: Callable[[float], None], monotonic: Callable[[], float]) -> Iterator[None]:
    """Let clients without a clock of their own use this one, in all threads, within a ``with`` block.

    Args:
        sleep: How to wait, in seconds.
        monotonic: What time it is, in seconds; never goes back.
    """
    timing = _Timing(sleep, monotonic)
    _stack.append(timing)
    try:
        yield
    finally:
        _stack.remove(timing)
