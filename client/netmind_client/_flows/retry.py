"""Decide whether a request may be sent again, and when. No I/O is done here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netmind_client._api import message_of
from netmind_client.exceptions import (
    ApiError,
    RateLimitedError,
    ServerError,
    TransportError,
    UnexpectedResponseError,
)

if TYPE_CHECKING:
    from netmind_client._http import NoResponse
    from netmind_client.exceptions import NetMindError

MAX_ATTEMPTS = 3
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0

# Errors that may be temporary. A 4xx other than 408 and 429 is not.
_TEMPORARY = (TransportError, ServerError, RateLimitedError)


def pause_before_next(failed: int, retry_after: float | None = None) -> float:
    """Return the seconds to wait after a number of failures in a row.

    The pause doubles with each failure, up to LONGEST_PAUSE. It is never shorter than Retry-After.
    """
    doubled: float = FIRST_PAUSE * 2 ** min(failed - 1, 16)
    return max(min(doubled, LONGEST_PAUSE), retry_after or 0.0)


def is_temporary(error: NetMindError, *, polling: bool = False) -> bool:
    """Return whether a get, list or delete may succeed the next time.

    While ``polling``, an unexpected response, such as a proxy's HTML page, also counts as temporary. A
    redirect does not: the API has moved, or the base URL is wrong.
    """
    if isinstance(error, UnexpectedResponseError):
        return polling and error.location is None
    return isinstance(error, _TEMPORARY) or (isinstance(error, ApiError) and error.status == 408)


def create_may_be_sent_again(error: NoResponse | ApiError) -> bool:
    """Return whether a create certainly created nothing: it was not sent, or the server rejected it.

    A 503 without Retry-After does not count. It may come from a gateway whose server crashed while it
    processed the create.
    """
    if isinstance(error, ApiError):
        return error.status == 429 or (error.status == 503 and error.retry_after is not None)
    return not error.sent


def generation_may_exist(error: NoResponse | ApiError) -> bool:
    """Return whether a create with this error may have been processed.

    It may if it was sent and got no response, or if the response is a 408 or a 5xx, which a gateway also
    sends after it has forwarded the create. A 500 "Service is unavailable" is an exception: the API rejects
    unavailable models with it (observed).
    """
    if not isinstance(error, ApiError):
        return error.sent
    is_unavailable = error.status == 500 and "Service is unavailable" in message_of(error.body)
    is_rejected = is_unavailable or (error.status == 503 and error.retry_after is not None)
    return error.status == 408 or (error.status >= 500 and not is_rejected)
