"""Validate an endpoint and its API key, and limit how many generations may be created there."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

MAX_CREATES = 3


class EndpointError(Exception):
    """The endpoint cannot be probed. The message is one sentence that says what to do."""


@dataclass(slots=True)
class Budget:
    """A limit on created generations. A create is reserved before it is sent.

    Attributes:
        limit: The maximum number of generations.
        reserved: The number of generations that were, or may have been, created.
    """

    limit: int
    reserved: int = field(default=0, init=False)

    def reserve(self) -> bool:
        """Reserve a create. Return False if the limit is reached."""
        if self.reserved >= self.limit:
            return False
        self.reserved += 1
        return True

    def count(self) -> None:
        """Count a generation that was created without a reservation, even over the limit."""
        self.reserved += 1

    def release(self) -> None:
        """Release a reservation whose request certainly created nothing."""
        self.reserved -= 1


def base_url_of(text: str) -> str:
    """Return the base URL without a trailing slash or /v1.

    Raises:
        EndpointError: It is not an HTTP URL, or has a password, a query or a fragment.
    """
    url = text.strip().rstrip("/").removesuffix("/v1").rstrip("/")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # unclosed brackets, or a port that is not a number
        usable = False
    if usable and "@" in parts.netloc:
        raise EndpointError("the base URL has a user name or password; use --api-key for the API key")
    if not usable or parts.query or parts.fragment:
        raise EndpointError(f"expected a base URL such as http://127.0.0.1:8000, got {text!r}")
    return url


def check_key(api_key: str) -> None:
    """Raise an exception if the key cannot be sent in a header.

    Raises:
        EndpointError: The key is empty or has invalid characters. The message does not contain the key.
    """
    if not api_key or not all(33 <= ord(character) <= 126 for character in api_key):
        raise EndpointError("the API key is empty, or has characters that are not allowed in an HTTP header")


def is_loopback(base_url: str) -> bool:
    """Return whether the host of the URL is this machine."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def allowance(base_url: str, *, live: bool, max_creates: int | None, free_only: bool) -> Budget:
    """Return the budget for a run at an endpoint.

    Raises:
        EndpointError: The endpoint is not on this machine, and ``live`` or a limit is not set.
    """
    if not is_loopback(base_url):
        if not live:
            raise EndpointError(
                f"{base_url} is not on this machine, and may charge for generations: "
                f"add --live --max-creates {MAX_CREATES}, or --live --free-only; --dry-run shows the requests"
            )
        if max_creates is None and not free_only:
            raise EndpointError(
                f"set how many generations may be created (and charged) at {base_url}: "
                f"--max-creates {MAX_CREATES} is enough for a full run, --free-only creates none"
            )
    if free_only:
        return Budget(0)
    return Budget(MAX_CREATES if max_creates is None else max_creates)
