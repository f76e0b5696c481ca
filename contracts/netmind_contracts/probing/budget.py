"""What may be spent at an endpoint, and whether the endpoint and its key can be used at all."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

MAX_CREATES = 3


class EndpointError(Exception):
    """The endpoint cannot be looked at. The message is one sentence that says what to do."""


@dataclass(slots=True)
class Budget:
    """How many generations may be created. A create is reserved before it is sent.

    Attributes:
        limit: The most that may be created.
        reserved: How many were, or may have been.
    """

    limit: int
    reserved: int = field(default=0, init=False)

    def reserve(self) -> bool:
        """Whether one more may be created; if so, it counts from now on."""
        if self.reserved >= self.limit:
            return False
        self.reserved += 1
        return True

    def release(self) -> None:
        """Take back a reservation: the endpoint certainly created nothing."""
        self.reserved -= 1


def base_url_of(text: str) -> str:
    """The base URL without a slash or /v1 at its end.

    Raises:
        EndpointError: It is not an HTTP URL, or holds a password, a query or a fragment.
    """
    url = text.strip().rstrip("/").removesuffix("/v1").rstrip("/")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not close, a port that is none
        usable = False
    if usable and "@" in parts.netloc:
        raise EndpointError("the base URL holds a user or password; give the key as --api-key instead")
    if not usable or parts.query or parts.fragment:
        raise EndpointError(f"expected a base URL such as http://127.0.0.1:8000, got {text!r}")
    return url


def check_key(api_key: str) -> None:
    """Do nothing if a header can carry the key.

    Raises:
        EndpointError: It cannot. The key is not repeated.
    """
    if not api_key or not all(33 <= ord(character) <= 126 for character in api_key):
        raise EndpointError("the API key is empty, or holds characters that no HTTP header may carry")


def is_loopback(base_url: str) -> bool:
    """Whether the URL leads to this machine."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def allowance(base_url: str, *, live: bool, max_creates: int | None, free_only: bool) -> Budget:
    """How many generations a run may create there.

    Raises:
        EndpointError: It is not on this machine, and nobody said that it may cost something.
    """
    if not is_loopback(base_url):
        if not live:
            raise EndpointError(
                f"{base_url} is not on this machine, and may charge for what is created: "
                f"add --live --max-creates {MAX_CREATES}, or --live --free-only; --dry-run shows the calls"
            )
        if max_creates is None and not free_only:
            raise EndpointError(
                f"say how many generations may be created (and charged) at {base_url}: "
                f"--max-creates {MAX_CREATES} is enough for every call, --free-only creates nothing"
            )
    if free_only:
        return Budget(0)
    return Budget(MAX_CREATES if max_creates is None else max_creates)
