"""A fake of NetMind's asynchronous generation API, for developing and testing offline.

Not the real service, not affiliated with it, and it makes no AI: results are placeholder files.
"""

from netmind_mock.app import create_app
from netmind_mock.clock import Clock, SteerableClock
from netmind_mock.profile import Fact, Profile, load_profile
from netmind_mock.stores import JobStore
from netmind_mock.stores.memory import MemoryStore
from netmind_mock.toml_files import InvalidFile

__all__ = [
    "Clock",
    "Fact",
    "InvalidFile",
    "JobStore",
    "MemoryStore",
    "Profile",
    "SteerableClock",
    "create_app",
    "load_profile",
]
