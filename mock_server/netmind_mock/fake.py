"""What one running fake consists of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netmind_mock.jobs import ids
    from netmind_mock.jobs.profile import Profile
    from netmind_mock.journal.shared import AnyJournal
    from netmind_mock.journal.spend import Prices
    from netmind_mock.simulation.accounts import Tenants
    from netmind_mock.simulation.load import Queue
    from netmind_mock.stores import JobStore

    Payload = Mapping[str, Any]

    from netmind_mock.hosts import HostPolicy


@dataclass(frozen=True, slots=True)
class World:
    """All that there is to steer."""

    profile: Profile
    store: JobStore
    tenants: Tenants
    journal: AnyJournal
    prices: Prices
    queue: Queue | None = None
    told_of_losses: bool = False  # whether the journal is told which answers were not received


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the routes work with.

    Attributes:
        duration: How long a job takes, in seconds.
        accepted: The tenants whose tokens are accepted; None accepts every token.
        strict_models: Refuse models that the catalogue does not have.
        queue: Where jobs wait for a place; None if any number runs at once.
    """

    profile: Profile
    tenants: Tenants
    store: JobStore
    ids: ids.JobIds
    hosts: HostPolicy
    duration: float
    accepted: frozenset[str] | None
    strict_models: bool
    queue: Queue | None
