"""What one running fake consists of, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

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
    """Everything that one running fake consists of. The API, the control API and the fixtures are handed it.

    Attributes:
        profile: How the API behaves.
        store: Where jobs are kept, and everything else that several processes share.
        accounts: What was asked for, and each account's clock.
        journal: The requests and responses so far.
        hosts: Which hosts result URLs may be built from.
        ids: The source of job ids.
        duration: How long a job takes, in seconds.
        accepted: The accounts whose API keys are accepted; None accepts every key.
        strict_models: Whether models that are not in the catalogue are refused.
        load: Latency and rate limit.
        queue: Where jobs wait for their turn; None if any number runs at once.
        prices: What a create costs.
        knows_losses: Whether the journal is told which responses a client did not receive.
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


def fake_of(app: Flask) -> Fake:
    """Return the fake that an application serves which ``create_app`` made."""
    fake: Fake = app.extensions["netmind_mock"]
    return fake
