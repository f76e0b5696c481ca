"""Whether a request may be sent again, and when. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netmind_client._api import message_of
from netmind_client.exceptions import (
    ApiError,
    RateLimitedError,
    ServerError,
    TransportError,
    UnexpectedResponse,
)

if TYPE_CHECKING:
    from netmind_client._http import NoResponse
    from netmind_client.exceptions import NetMindError

MAX_ATTEMPTS = 3
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0

# What may have passed by the next time that a job or a list is asked for. Another 4xx will not.
_PASSING = (TransportError, ServerError, RateLimitedError)


def pause_before_next(failed: int, retry_after: float | None = None) -> float:
    """Seconds to wait after this many failures in a row: doubling, and not less than Retry-After says."""
    doubled: float = FIRST_PAUSE * 2 ** min(failed - 1, 16)
    return max(min(doubled, LONGEST_PAUSE), retry_after or 0.0)


def passes(error: NetMindError, *, polling: bool = False) -> bool:
    """Return whether a request that changes nothing may succeed the next time.

    One that is sent many times anyway, ``polling``, also waits a page out that some proxy shows.
    """
    if isinstance(error, UnexpectedResponse):
        return polling
    return isinstance(error, _PASSING) or (isinstance(error, ApiError) and error.status == 408)


def create_may_be_sent_again(error: NoResponse | ApiError) -> bool:
    """Whether a create certainly made no job: it did not reach the server, or the server says so.

    A 503 without Retry-After may be a gateway's, about a server that died at work on it.
    """
    if isinstance(error, ApiError):
        return error.status == 429 or (error.status == 503 and error.retry_after is not None)
    return not error.sent


def create_may_have_made_a_job(error: NoResponse | ApiError) -> bool:
    """Whether a create that ended so may have been carried out: it was sent, or something on the way gave up.

    500 with this text is how a model that is not available is refused (observed).
    """
    if not isinstance(error, ApiError):
        return error.sent
    refused = error.status == 500 and "Service is unavailable" in message_of(error.body)
    says_no = refused or (error.status == 503 and error.retry_after is not None)
    return error.status == 408 or (error.status >= 500 and not says_no)
