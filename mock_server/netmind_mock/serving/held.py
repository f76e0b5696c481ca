"""Responses that are sent later: because of a latency, or because they wait for a job (``sync_mode``)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from netmind_mock.clock import SimulatedClock
from netmind_mock.stores import StoreUnavailable

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from netmind_mock.api.request import Hold
    from netmind_mock.clock import Listeners

_CHECK_SECONDS: Final = 0.05


class Held:
    """The held responses of one event loop.

    A running clock needs a timer for each response, and a frozen one needs nothing. After a change of a clock
    or a job, the moments of all responses are computed again.

    Two changes call no listener: that of a job by another process on the same store, and that of a clock
    of the user's own class. So these are looked for every 50 ms, as long as a response waits for one.
    """

    def __init__(self, listeners: Listeners, threads: Executor | None) -> None:
        """Start without responses.

        Args:
            listeners: Called after each change of a clock or a job in this process.
            threads: Where to read the store if it may be slow; None for a store in memory.
        """
        self._threads = threads
        self._waiting: dict[asyncio.Future[None], _Waiting] = {}  # in the order of arrival
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_scheduled = False
        self._watch: asyncio.Task[None] | None = None
        listeners.add(self._changed)

    async def until_due(self, hold: Hold) -> None:
        """Return once a response is due."""
        self._loop = asyncio.get_running_loop()
        due = self._loop.create_future()
        waiting = self._waiting[due] = _Waiting(hold, due)
        if self._watch is None and self._must_be_watched(hold):
            self._watch = asyncio.create_task(self._look_for_changes())
        try:
            self._set_timer(waiting)  # its job may have been changed since the response was made
            await due
        finally:
            del self._waiting[due]
            waiting.stop()

    def _changed(self) -> None:
        """Compute all moments again, soon. May be called in any thread."""
        if self._waiting and self._loop is not None and not self._is_scheduled:
            self._is_scheduled = True  # one computation for all changes until then
            self._loop.call_soon_threadsafe(self._compute_again)

    def _compute_again(self) -> None:
        self._is_scheduled = False
        for waiting in sorted(self._waiting.values(), key=lambda one: one.moment):
            self._set_timer(waiting)

    def _set_timer(self, waiting: _Waiting) -> None:
        if self._threads is None:
            waiting.read_moment()
        waiting.set_timer()

    def _must_be_watched(self, hold: Hold) -> bool:
        is_own = isinstance(hold.clock, SimulatedClock)
        return not is_own or (self._threads is not None and hold.done_at is not None)

    async def _look_for_changes(self) -> None:
        loop = asyncio.get_running_loop()
        while watched := [one for one in self._waiting.values() if self._must_be_watched(one.hold)]:
            await asyncio.sleep(_CHECK_SECONDS)
            for waiting in watched:
                await loop.run_in_executor(self._threads, waiting.read_moment)
                waiting.set_timer()
        self._watch = None


class _Waiting:
    """A response that waits."""

    def __init__(self, hold: Hold, due: asyncio.Future[None]) -> None:
        self.hold = hold
        self.moment = max(hold.earliest, hold.job_ends)
        self._due = due
        self._timer: asyncio.TimerHandle | None = None

    def read_moment(self) -> None:
        """Compute from its job when it is due. If the store cannot be read now, that stays as it was."""
        try:
            self.moment = self.hold.due()
        except StoreUnavailable:
            return

    def set_timer(self) -> None:
        """Release the response if it is due. Otherwise set a timer, unless its clock is frozen."""
        self.stop()
        clock = self.hold.clock
        missing = self.moment - clock.now()
        if missing <= 0 and not self._due.done():
            self._due.set_result(None)
        elif missing > 0 and isinstance(clock, SimulatedClock) and not clock.frozen:
            self._timer = self._due.get_loop().call_later(missing / clock.speed, self.set_timer)

    def stop(self) -> None:
        """Cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()
