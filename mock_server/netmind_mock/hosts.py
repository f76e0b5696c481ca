"""The Host headers that result URLs may be built from.

A result URL has to work on the client's machine, so it is built from the host that the client used. Only
hosts that are known to be this server's are used: loopback names, and those in ``--allowed-host``.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import NamedTuple

from netmind_mock.caching import cache_short

_HOST = re.compile(
    r"(?:\[(?P<ipv6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)\.?)(?::(?P<port>[0-9]{1,5}))?"
)
_MAX_HOST = 261  # a name of 255, a colon and a port


class Host(NamedTuple):
    """A parsed Host header: the name in lower case without brackets, and the port if it has one."""

    name: str
    port: int | None

    def __str__(self) -> str:
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port is None else f"{name}:{self.port}"


def parse_host(text: str) -> Host | None:
    """Parse a Host header. Return None if it is not well formed."""
    if len(text) > _MAX_HOST or not (match := _HOST.fullmatch(text.lower())):
        return None
    port = None if match["port"] is None else int(match["port"])
    if port is not None and not 0 < port < 1 << 16:
        return None
    if match["ipv6"] is None:
        return Host(match["name"], port)
    try:
        return Host(str(ipaddress.IPv6Address(match["ipv6"])), port)
    except ValueError:
        return None


def is_loopback(name: str) -> bool:
    """Return whether a host name is a loopback name: localhost, its subdomains, 127.0.0.0/8, ::1."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """The rule by which a request's Host header becomes the base of its result URLs.

    Attributes:
        allowed: The allowed hosts in addition to loopback names. One without a port allows every port.
        public_url: The base for requests whose host is not allowed, without a slash at its end.
    """

    public_url: str
    allowed: frozenset[Host] = frozenset()

    def allows(self, host: Host) -> bool:
        """Return whether a URL may be built from this host."""
        return is_loopback(host.name) or host in self.allowed or Host(host.name, None) in self.allowed

    def origin(self, scheme: str, host_header: str) -> str:
        """Return ``scheme://host[:port]`` if the request's host is allowed, otherwise the public URL."""
        return _origin(self, scheme, host_header)


@cache_short(1024)  # a client sends the same Host with every request
def _origin(policy: HostPolicy, scheme: str, host_header: str) -> str:
    host = parse_host(host_header)
    return f"{scheme}://{host}" if host and policy.allows(host) else policy.public_url
