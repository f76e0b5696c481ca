"""Waiting for a job: until it is completed, has failed, is gone, or time is over."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netmind_client import _api
from netmind_client._flows import operations, retry
from netmind_client._flows.call import check_callback
from netmind_client._flows.effects import Flow, Show
from netmind_client.exceptions import GenerationFailed, NetMindError, ResultMissing, WaitTimeout

if TYPE_CHECKING:
    from collections.abc import Callable

    from netmind_client._flows.call import Call
    from netmind_client._models import Generation

# A job of a minute is polled 20 times. Its end is noticed within 1 s or 22 % of its time, at most 6.5 s; from
# 130 s on within 5 %. To notice every end within 1 s or 5 % would take 43 polls in that minute.
SHORTEST_DELAY = 1.0
LONGEST_EARLY_DELAY = 6.5
EARLY_SHARE = 0.22
LATE_SHARE = 0.05

EMPTY_RESULT_SECONDS = 15.0
_LONGEST_RESULT_DELAY = 3.0  # what a client in the wild waits for an empty result (observed)
_TO_DELETE = 2.0  # seconds that are kept for a delete, if one is asked for


@dataclass(frozen=True, slots=True)
class Waiting:
    """How to wait for a job, as a user gives it.

    Attributes:
        on_poll: Called with each state.
        delete_on_timeout: Delete the job when time is over.

    Raises:
        ConfigurationError: ``on_poll`` cannot be called.
    """

    on_poll: Callable[[Generation], object] | None = None
    delete_on_timeout: bool = False

    def __post_init__(self) -> None:
        check_callback("on_poll", self.on_poll)


def wait(call: Call, job: Generation | str, waiting: Waiting) -> Flow[Generation]:
    """Poll until the job is completed, show each state, and return the last one.

    A job that its create returned just now is given as it is, so that the first poll can wait.
    """
    seen, generation_id = (None, job) if isinstance(job, str) else (job, job.id)
    kept = min(_TO_DELETE, call.timeout / 5) if waiting.delete_on_timeout else 0.0
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
                call.resume_by("get", generation_id)  # there is nothing to wait for
            if has_ended(seen, call.elapsed() - completed_at):
                return seen
            seen = None
        left = call.left() - kept
        if left <= 0:
            break
        yield from call.rest(min(max(pause, at_least), left))
    raise (yield from _timed_out(call, generation_id, last_status, delete=waiting.delete_on_timeout))


def _poll(call: Call, generation_id: str) -> Flow[tuple[Generation | None, float]]:
    """Return the job, or None where the next poll may get it; and the least seconds until that."""
    try:
        response, body = yield from operations.ask_once(call, "GET", generation_id)
        return _api.generation(body, generation_id), _api.retry_after(response) or 0.0
    except NetMindError as error:
        if not retry.passes(error, polling=True):
            raise
        return None, getattr(error, "retry_after", None) or 0.0


def has_ended(seen: Generation, completed_for: float) -> bool:
    """Return whether a job is completed and has its results. A status that is not known is waited on.

    Args:
        seen: The job.
        completed_for: Seconds since it was first seen completed; its results may be late (observed).

    Raises:
        GenerationFailed: It ended otherwise, or is marked as deleted.
        ResultMissing: It was completed long ago, and still has no results.
    """
    if seen.is_deleted:  # a tombstone, which the fields is_deleted and deleted_at suggest (assumed)
        raise GenerationFailed(f"generation {seen.id} was deleted", generation=seen)
    if seen.is_failed:
        reason = seen.failure or "the logs give no reason"
        raise GenerationFailed(f"generation {seen.id} ended as {seen.status}: {reason}", generation=seen)
    if seen.is_completed and not seen.results and completed_for >= EMPTY_RESULT_SECONDS:
        raise ResultMissing(
            f"generation {seen.id} is completed, but its result stayed empty", generation=seen
        )
    return seen.is_completed and bool(seen.results)


def _timed_out(call: Call, generation_id: str, last_status: str | None, *, delete: bool) -> Flow[WaitTimeout]:
    """Return the error for a job that had not ended in time; delete it first if that is asked for."""
    fate = "It goes on"
    deleted = False
    if delete:
        try:
            yield from operations.ask_once(call, "DELETE", generation_id)
        except NetMindError as error:
            fate = f"It could not be deleted, and goes on ({error})"
        else:
            deleted, fate = True, "It was deleted, as asked"
            call.resume = None
    had = f"generation {generation_id} had not ended after {call.timeout:g} s (last status: {last_status})"
    return WaitTimeout(
        f"{had}. {fate}", generation_id=generation_id, last_status=last_status, deleted=deleted
    )


def delay_after(waited: float) -> float:
    """Return the seconds until the next poll of a job that has been waited for this long, in seconds."""
    return max(SHORTEST_DELAY, min(EARLY_SHARE * waited, LONGEST_EARLY_DELAY), LATE_SHARE * waited)
