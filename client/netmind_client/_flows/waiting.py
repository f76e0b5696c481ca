"""Wait for a generation until it is completed, has failed or is deleted, or until the timeout expires."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netmind_client import _api
from netmind_client._flows import operations, retry
from netmind_client._flows.call import check_callback
from netmind_client._flows.effects import Flow, Show
from netmind_client.exceptions import (
    GenerationFailedError,
    NetMindError,
    ResultMissingError,
    WaitTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from netmind_client._flows.call import Call
    from netmind_client._models import Generation

# The pause between polls grows with the time waited: 22 % of it, at least 1 s and at most 6.5 s, or 5 % of it
# if that is more (from 130 s on). The end of a generation is noticed within that pause. A generation of one
# minute takes 20 polls. To notice every end within 1 s or 5 % would take 43 polls in that minute.
SHORTEST_DELAY = 1.0
LONGEST_EARLY_DELAY = 6.5
EARLY_SHARE = 0.22
LATE_SHARE = 0.05

EMPTY_RESULT_SECONDS = 15.0
_LONGEST_RESULT_DELAY = 3.0  # seconds that a published client waits if the result is empty (observed)
_DELETE_SECONDS = 2.0  # reserved for the delete if ``delete_on_timeout`` is set


@dataclass(frozen=True, slots=True)
class Waiting:
    """The user's options for waiting.

    Attributes:
        on_poll: Called with each state received.
        delete_on_timeout: Delete the generation when the timeout expires.

    Raises:
        ConfigurationError: ``on_poll`` cannot be called.
    """

    on_poll: Callable[[Generation], object] | None = None
    delete_on_timeout: bool = False

    def __post_init__(self) -> None:
        check_callback("on_poll", self.on_poll)


def wait(call: Call, generation: Generation | str, waiting: Waiting) -> Flow[Generation]:
    """Poll until the generation is completed, show each state, and return the last one.

    Args:
        call: The call that this belongs to.
        generation: An id, which is polled at once; or a generation that its create has just returned, whose
            state is used instead of a first poll.
        waiting: The user's options.
    """
    if isinstance(generation, str):
        seen, generation_id = None, generation
    else:
        seen, generation_id = generation, generation.id
    reserved = min(_DELETE_SECONDS, call.timeout / 5) if waiting.delete_on_timeout else 0.0
    begun, completed_at, at_least = call.elapsed(), math.inf, 0.0
    last_status: str | None = None
    while True:
        pause = call.client.poll_interval or delay_after(call.elapsed() - begun)
        if seen is None:
            seen, at_least = yield from _poll(call, generation_id)
        if seen is not None:
            last_status = seen.status
            if waiting.on_poll is not None:
                waiting.on_poll(seen)
            yield Show(seen)
            if seen.is_completed:
                completed_at = min(completed_at, call.elapsed())
                pause = min(pause, _LONGEST_RESULT_DELAY)
            if seen.is_failed or seen.is_deleted:
                call.set_resume("get", generation_id)  # waiting again would be of no use
            if has_ended(seen, call.elapsed() - completed_at):
                return seen
            seen = None
        left = call.left() - reserved
        if left <= 0:
            break
        yield from call.pause(min(max(pause, at_least), left))
    raise (yield from _timed_out(call, generation_id, last_status, delete=waiting.delete_on_timeout))


def _poll(call: Call, generation_id: str) -> Flow[tuple[Generation | None, float]]:
    """Return the generation and the least seconds until the next poll.

    The generation is None if the poll failed with an error that may be temporary.
    """
    try:
        response, body = yield from operations.send_once(call, "GET", generation_id)
        return _api.generation(body, generation_id), _api.retry_after(response) or 0.0
    except NetMindError as error:
        if not retry.is_temporary(error, polling=True):
            raise
        return None, getattr(error, "retry_after", None) or 0.0


def has_ended(seen: Generation, completed_for: float) -> bool:
    """Return whether a generation is completed and has its results. With an unknown status, it has not ended.

    Args:
        seen: The generation's state.
        completed_for: Seconds since it was first seen as completed. The results may follow later (observed).

    Raises:
        GenerationFailedError: It failed, was cancelled or is marked as deleted.
        ResultMissingError: It has been completed for EMPTY_RESULT_SECONDS, and has no results.
    """
    if (
        seen.is_deleted
    ):  # the fields is_deleted and deleted_at suggest that deleted ones remain visible (assumed)
        raise GenerationFailedError(f"generation {seen.id} was deleted", generation=seen)
    if seen.is_failed:
        reason = seen.failure or "the logs give no reason"
        raise GenerationFailedError(f"generation {seen.id} ended as {seen.status}: {reason}", generation=seen)
    if seen.is_completed and not seen.results and completed_for >= EMPTY_RESULT_SECONDS:
        raise ResultMissingError(
            f"generation {seen.id} is completed, but its result stayed empty", generation=seen
        )
    return seen.is_completed and bool(seen.results)


def _timed_out(
    call: Call, generation_id: str, last_status: str | None, *, delete: bool
) -> Flow[WaitTimeoutError]:
    """Return the error for a generation that did not end within the timeout; delete it first if requested."""
    outcome = "It was not deleted"
    deleted = False
    if delete:
        try:
            yield from operations.send_once(call, "DELETE", generation_id)
        except NetMindError as error:
            outcome = f"It could not be deleted ({error})"
        else:
            deleted, outcome = True, "It was deleted, as requested"
            call.resume = None
    status = last_status or "unknown"
    within = f"within {call.timeout:g} s (last status: {status})"
    return WaitTimeoutError(
        f"generation {generation_id} did not end {within}. {outcome}",
        generation_id=generation_id,
        last_status=last_status,
        deleted=deleted,
    )


def delay_after(waited: float) -> float:
    """Return the seconds until the next poll of a generation that has been waited for this many seconds."""
    return max(SHORTEST_DELAY, min(EARLY_SHARE * waited, LONGEST_EARLY_DELAY), LATE_SHARE * waited)
