"""A fake server of NetMind's asynchronous generation API, for development and tests without a network.

It is not made by NetMind and runs no models: results are placeholder files.

::

    import netmind_mock

    with netmind_mock.start() as mock:  # in this process; with pytest, use the fixture netmind_mock
        mock.next_job("failed", reason="out of memory")
        ...

Names are imported when they are first used, so that pytest starts fast if no test uses the fake.
"""

from __future__ import annotations

import importlib
import typing as _typing

if _typing.TYPE_CHECKING:
    from netmind_mock.app import create_app
    from netmind_mock.clock import Clock, SimulatedClock
    from netmind_mock.jobs.profile import Fact, Profile, load_profile
    from netmind_mock.journal.entries import Entry
    from netmind_mock.journal.spend import prices_from
    from netmind_mock.simulation.rules import rules_from
    from netmind_mock.stores import JobStore
    from netmind_mock.stores.memory import MemoryStore
    from netmind_mock.testing.guard import RealRequestRefused, allow_real_api
    from netmind_mock.testing.handle import Handle
    from netmind_mock.testing.live import LiveMock, LiveServer
    from netmind_mock.testing.mock import Mock
    from netmind_mock.testing.mock import Mock as start  # noqa: N813 - a function to its users
    from netmind_mock.testing.poll_limit import PollLimitReached
    from netmind_mock.testing.transport import WouldHang
    from netmind_mock.testing.virtual_time import VirtualClock
    from netmind_mock.validation import InvalidFile, InvalidInput

__all__ = [
    "Clock",
    "Entry",
    "Fact",
    "Handle",
    "InvalidFile",
    "InvalidInput",
    "JobStore",
    "LiveMock",
    "LiveServer",
    "MemoryStore",
    "Mock",
    "PollLimitReached",
    "Profile",
    "RealRequestRefused",
    "SimulatedClock",
    "VirtualClock",
    "WouldHang",
    "allow_real_api",
    "create_app",
    "load_profile",
    "prices_from",
    "rules_from",
    "start",
]

_MODULES = {
    "Clock": "clock",
    "Entry": "journal.entries",
    "Fact": "jobs.profile",
    "Handle": "testing.handle",
    "InvalidFile": "validation",
    "InvalidInput": "validation",
    "JobStore": "stores",
    "LiveMock": "testing.live",
    "LiveServer": "testing.live",
    "MemoryStore": "stores.memory",
    "Mock": "testing.mock",
    "PollLimitReached": "testing.poll_limit",
    "Profile": "jobs.profile",
    "RealRequestRefused": "testing.guard",
    "SimulatedClock": "clock",
    "VirtualClock": "testing.virtual_time",
    "WouldHang": "testing.transport",
    "allow_real_api": "testing.guard",
    "create_app": "app",
    "load_profile": "jobs.profile",
    "prices_from": "journal.spend",
    "rules_from": "simulation.rules",
    "start": "testing.mock",
}


def __getattr__(name: str) -> _typing.Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULES[name]}")
    value = globals()[name] = getattr(module, "Mock" if name == "start" else name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
