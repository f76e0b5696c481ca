"""Learn a profile from recorded exchanges, so that the fake behaves like the endpoint.

``facts`` finds what a run shows, by the profile's keys, ``omissions`` what a profile cannot express, and
``profile`` writes both as TOML.
"""

from netmind_contracts.learn.facts import learn
from netmind_contracts.learn.profile import profile_of

__all__ = ["learn", "profile_of"]
