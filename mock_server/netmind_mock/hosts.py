"""The Host headers that result URLs may be built from.

A result URL has to work on the client's machine. Without ``--public-url``, it is built from the host that the
client used, if that is known to be this server's: a loopback name, the host that it listens on, or one in
``--allowed-host``. A stated ``--public-url`` is used for all requests but those to other allowed hosts: a
proxy may pass on the host of its client, or put the address of this server in its place.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

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


def base_url(host: str, port: int) -> str:
    """Return the URL at which a client on this machine reaches a server that listens on a host."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host)  # noqa: S104 - translated
    return f"http://{reachable or (f'[{host}]' if ':' in host else host)}:{port}"


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """The rule by which a request's Host header becomes the base of its result URLs.

    Attributes:
        listens_at: The URL of this server for clients on its machine.
        allowed: The allowed hosts in addition to loopback names. One without a port allows every port.
        public_url: The base that was stated, without a slash at its end; None if none was.
    """

    listens_at: str = "http://127.0.0.1:8000"
    allowed: frozenset[Host] = frozenset()
    public_url: str | None = None

    def allows(self, host: Host) -> bool:
        """Return whether a request may have this host: the control API refuses others."""
        is_own = host.name in (_host_of(self.listens_at), _host_of(self.public_url or self.listens_at))
        return is_own or is_loopback(host.name) or self._is_listed(host)

    def origin(self, scheme: str, host_header: str, prefix: str = "") -> str:
        """Return the base of the result URLs in a response.

        Args:
            scheme: The scheme of the request.
            host_header: Its Host header.
            prefix: The path before that of the API, such as ``/mock``; empty without one.
        """
        return _origin(self, scheme, host_header, prefix)

    def _is_listed(self, host: Host) -> bool:
        return host in self.allowed or Host(host.name, None) in self.allowed

    def knows(self, host: Host | None) -> bool:
        """Return whether a URL may be built from this host."""
        if host is None:
            return False
        if self.public_url is None:
            return self.allows(host)
        return self._is_listed(host) and host.name != _host_of(self.public_url)


@cache_short(1024)  # a client sends the same Host with every request
def _origin(policy: HostPolicy, scheme: str, host_header: str, prefix: str) -> str:
    host = parse_host(host_header)
    if policy.knows(host):
        return f"{scheme}://{host}{prefix}"
    return policy.public_url or policy.listens_at


@cache_short(64)
def _host_of(url: str) -> str:
    """Return the name of a URL's host."""
    return (urlsplit(url).hostname or "").rstrip(".")
