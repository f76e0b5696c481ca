"""What one response means, and which of several responses count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urljoin

from netmind_contracts.runs.exchange import Authorization, Exchange, Operation

if TYPE_CHECKING:
    from collections.abc import Iterable

# A create that is refused with such a text may be valid. The first two were reported of the chat gateway.
_NOT_AVAILABLE = ("balance", "recharge", "unavailable")

# How a request that is meant to succeed sends the API key.
WITH_KEY = (Authorization.BARE, Authorization.BEARER, Authorization.UNKNOWN)


class Observation(NamedTuple):
    """A response, or one entry of a list.

    Attributes:
        place: The index of the exchange in the run.
        document: The JSON of the response, or its part at ``where``; None if it is not JSON.
        where: The path of the entry in the response; empty for the whole response.
    """

    place: int
    exchange: Exchange
    document: Any
    where: str = ""

    @property
    def status(self) -> int:
        """The HTTP status; 0 if there was no response."""
        return self.exchange.status

    @property
    def succeeded(self) -> bool:
        """Whether the response is a success."""
        return self.exchange.succeeded

    @property
    def is_unread(self) -> bool:
        """Whether the body is missing or truncated in the recording."""
        response = self.exchange.response
        return response is not None and not response.complete

    def field(self, name: str, default: Any = None) -> Any:
        """Return a field of the document; the default if it is missing, or the document is not an object."""
        return self.document.get(name, default) if isinstance(self.document, dict) else default


def is_refused_for_another_reason(create: Exchange) -> bool:
    """Return whether a create was refused for another reason than its content.

    Reasons are the API key, its rights, the balance, the rate limit, an unavailable model, or a gateway.
    """
    if create.succeeded:
        return False
    body = create.response.body.lower() if create.response else ""
    refused = create.status in (401, 402, 403) or any(text in body for text in _NOT_AVAILABLE)
    return refused or create.failed_in_transit


def is_marked_deleted(document: Any) -> bool:
    """Return whether a generation says that it is deleted."""
    return isinstance(document, dict) and document.get("is_deleted") is True


def redirect_of(exchange: Exchange) -> str:
    """Return the URL that a response redirects to, or an empty string."""
    response = exchange.response
    if response is None or not 300 <= response.status <= 399 or "location" not in response.headers:
        return ""
    try:
        return urljoin(exchange.request.url, response.headers["location"])
    except ValueError:
        return ""


def with_token(observations: Iterable[Observation], operation: Operation) -> list[Observation]:
    """Return the exchanges of one operation that sent an API key and got a response."""
    return [
        observation
        for observation in observations
        if observation.exchange.request.operation is operation
        and observation.exchange.request.authorization in WITH_KEY
        and observation.exchange.response
    ]


def without_lag(observations: list[Observation]) -> list[Observation]:
    """Return the responses about a job without each 404 before a success: replicas may be behind."""
    found = max((observation.place for observation in observations if observation.succeeded), default=-1)
    return [
        observation for observation in observations if observation.status != 404 or observation.place > found
    ]
