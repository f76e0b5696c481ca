"""What survives a restart besides jobs: what time it is to whom, which decides how far a job is."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import orjson

from netmind_mock.clock import ClockState, SteerableClock
from netmind_mock.stores import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from netmind_mock.stores import JobStore
    from netmind_mock.tenants import Tenants

_CLOCK = "clock:"  # and the tenant's id; everybody's has none


def keep_clock(store: JobStore, user_id: str | None, clock: object) -> None:
    """Keep a clock as it is now: a tenant's, or (None) everybody's. Another server may keep others.

    Raises:
        StoreUnavailable: The store is not to be had now.
    """
    if isinstance(clock, SteerableClock):
        store.keep(_CLOCK + (user_id or ""), orjson.dumps(list(clock.state())))


def forget_clocks(store: JobStore, user_id: str | None) -> None:
    """Keep a tenant's clock no longer, or (None) nobody's but everybody's.

    Raises:
        StoreUnavailable: The store is not to be had now.
    """
    for name in store.recall(_CLOCK):
        if name != _CLOCK and user_id in (None, name.removeprefix(_CLOCK)):
            store.keep(name, None)


def restore_clocks(store: JobStore, tenants: Tenants, **times: Callable[[], float]) -> None:
    """Let the clocks go on that were kept: time went on meanwhile, unless one was frozen.

    Everybody's clock shows the time that was kept, and runs as fast as the fake is told now. ``times`` are
    the system's clocks, as ``SteerableClock.restored`` takes them.
    """
    for name, state in store.recall(_CLOCK).items():
        clock = SteerableClock.restored(ClockState(*orjson.loads(state)), **times)
        now = tenants.clock(None)
        if name == _CLOCK and isinstance(now, SteerableClock):
            clock.set_speed(now.speed)
        tenants.take_clock(name.removeprefix(_CLOCK) or None, clock)
    with contextlib.suppress(StoreUnavailable):  # what can be read can be served
        keep_clock(store, None, tenants.clock(None))
