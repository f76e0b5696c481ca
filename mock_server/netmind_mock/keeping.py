"""What survives a restart besides jobs: what time it is to whom, which decides how far a job is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from netmind_mock.clock import ClockState, SteerableClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from netmind_mock.stores import JobStore
    from netmind_mock.tenants import Tenants

_CLOCKS = "clocks"


def keep_clocks(store: JobStore, tenants: Tenants) -> None:
    """Keep the clocks as they are now.

    Raises:
        StoreUnavailable: The store is not to be had now.
    """
    states = {
        user_id: clock.state()
        for user_id, clock in tenants.clocks().items()
        if isinstance(clock, SteerableClock)
    }
    store.keep(_CLOCKS, orjson.dumps({user_id: list(state) for user_id, state in states.items()}))


def restore_clocks(store: JobStore, tenants: Tenants, **times: Callable[[], float]) -> None:
    """Let the clocks go on that were kept: time went on meanwhile, unless one was frozen.

    Everybody's clock shows the time that was kept, and runs as fast as the fake is told now. ``times`` are
    the system's clocks, as ``SteerableClock.restored`` takes them.
    """
    kept = store.recall(_CLOCKS)
    for user_id, state in orjson.loads(kept or b"{}").items():
        clock = SteerableClock.restored(ClockState(*state), **times)
        now = tenants.clock(None)
        if user_id == "" and isinstance(now, SteerableClock):
            clock.set_speed(now.speed)
        tenants.take_clock(user_id or None, clock)
    keep_clocks(store, tenants)
