"""The parts of one running fake, as one value."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netmind_mock.stores import StoreUnavailable

if TYPE_CHECKING:
    from flask import Flask

    from netmind_mock.clock import Listeners
    from netmind_mock.hosts import HostPolicy
    from netmind_mock.jobs.ids import JobIds
    from netmind_mock.jobs.profile import Profile
    from netmind_mock.journal.shared import AnyJournal
    from netmind_mock.journal.spend import Prices
    from netmind_mock.simulation.accounts import Accounts
    from netmind_mock.simulation.load import Load, Queue
    from netmind_mock.stores import JobStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Fake:
    """The parts of one running fake. The API, the control API and the fixtures get this object.

    Attributes:
        profile: How the API behaves.
        store: Contains the jobs, and everything else that several processes share.
        accounts: The configuration and the clock of each account.
        journal: The requests and responses so far.
        hosts: The hosts that result URLs may be built from.
        ids: The source of job ids.
        duration: How long a job takes, in seconds.
        accepted: The accounts whose API keys are accepted; None accepts every key.
        strict_models: Whether models that are not in the catalogue are refused.
        load: Latency and rate limit.
        queue: The queue of jobs; None without a limit on concurrent jobs.
        prices: The price of each create.
        knows_losses: Whether the journal knows which responses a client did not receive.
        listeners: Called after each change of a clock, and after a job has ended or was removed.
    """

    profile: Profile
    store: JobStore
    accounts: Accounts
    journal: AnyJournal
    hosts: HostPolicy
    ids: JobIds
    duration: float
    accepted: frozenset[str] | None
    strict_models: bool
    load: Load
    queue: Queue | None
    prices: Prices
    knows_losses: bool
    listeners: Listeners

    def after_end(self, user_id: str, now: float) -> None:
        """Let the queued jobs of an account move up, since one of its jobs has just ended."""
        if self.queue is not None:
            # The caller's own change is already stored; the next create that has to wait tries again.
            with contextlib.suppress(StoreUnavailable):
                self.queue.move_up(user_id, now)
        self.listeners.call()


def fake_of(app: Flask) -> Fake:
    """Return the fake of an application that ``create_app`` returned."""
    fake: Fake = app.extensions["netmind_mock"]
    return fake
