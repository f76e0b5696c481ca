"""What a run shows of an endpoint, and the profile that makes the fake behave alike."""

from netmind_contracts.learn.facts import learn
from netmind_contracts.learn.profile import profile_of

__all__ = ["learn", "profile_of"]
