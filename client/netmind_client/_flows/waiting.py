"""Waiting for a job: until it is completed, has failed, is gone, or time is over."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from netmind_client import _api
from netmind_client._flows import operations, retry
from netmind_client._flows.call import callback
from netmind_client._flows.effects import Flow, Show
from netmind_client.exceptions import GenerationFailed, NetMindError, ResultMissing, WaitTimeout

if TYPE_CHECKING:
    from collections.abc import Callable

    from netmind_client._flows.call import Call
    from netmind_client._models import Generation


_TO_DELETE = 2.0  # seconds that are kept for a delete, if one is asked for
_LONGEST_RESULT_DELAY = 3.0  # what a client in the wild waits for an empty result (observed)


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
        callback("on_poll", self.on_poll)


def wait(call: Call, generation_id: str, waiting: Waiting, *, is_new: bool = False) -> Flow[Generation]:
    """Poll until the job is completed, show each state, and return the last one.

    Args:
        call: Its time.
        generation_id: The job.
        waiting: How to wait.
        is_new: It was created just now: the first poll can wait.
    """
    kept = min(_TO_DELETE, call.timeout / 5) if waiting.delete_on_timeout else 0.0
    begun = call.elapsed()
    completed_at: float | None = None
    last_status: str | None = None
    while True:
        pause = call.client.poll_interval or delay_after(call.elapsed() - begun)
        if is_new:
            is_new = False
        else:
            try:
                answer, body = yield from operations.ask_once(call, "GET", generation_id)
                seen = _api.generation(body, generation_id)
            except NetMindError as error:
                if not retry.passes(error, polling=True):
                    raise
                pause = max(pause, getattr(error, "retry_after", None) or 0.0)
            else:
                last_status = seen.status
                if waiting.on_poll is not None:
                    waiting.on_poll(seen)
                yield Show(seen)
                if seen.is_completed:
                    completed_at = call.elapsed() if completed_at is None else completed_at
                    pause = min(pause, _LONGEST_RESULT_DELAY)
                if seen.is_failed or seen.is_deleted:
                    call.resume_by("get", generation_id)  # there is nothing to wait for
                if ended(seen, 0.0 if completed_at is None else call.elapsed() - completed_at):
                    return seen
                pause = max(pause, _api.retry_after(answer) or 0.0)
        left = call.left() - kept
        if left <= 0:
            break
        yield from call.rest(min(pause, left))
    raise (yield from _timed_out(call, generation_id, last_status, delete=waiting.delete_on_timeout))


def ended(seen: Generation, completed_for: float) -> bool:
    """Whether the wait is over; raises if it ended badly. ``completed_for`` is in seconds."""
    match verdict(seen):
        case Verdict.DONE:
            return True
        case Verdict.DELETED:
            raise GenerationFailed(f"generation {seen.id} was deleted", generation=seen)
        case Verdict.FAILED:
            reason = seen.failure or "the logs give no reason"
            raise GenerationFailed(f"generation {seen.id} ended as {seen.status}: {reason}", generation=seen)
        case Verdict.WAIT_FOR_RESULT if completed_for >= EMPTY_RESULT_SECONDS:
            raise ResultMissing(
                f"generation {seen.id} is completed, but its result stayed empty", generation=seen
            )
        case _:
            return False


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
        f"{had}. {fate}",
        generation_id=generation_id,
        last_status=last_status,
        deleted=deleted,
    )


# A job of a minute is polled 20 times. Its end is noticed within 1 s or 22 % of its time, at most 6.5 s; from
# 130 s on within 5 %. To notice every end within 1 s or 5 % would take 43 polls in that minute.
SHORTEST_DELAY = 1.0
LONGEST_EARLY_DELAY = 6.5
EARLY_SHARE = 0.22
LATE_SHARE = 0.05

EMPTY_RESULT_SECONDS = 15.0


class Verdict(Enum):
    """What to do about a state."""

    WAIT = "wait"
    DONE = "done"
    FAILED = "failed"
    DELETED = "deleted"
    WAIT_FOR_RESULT = "wait for result"


def delay_after(waited: float) -> float:
    """Seconds until the next poll of a job that has been waited for this long, in seconds."""
    return max(SHORTEST_DELAY, min(EARLY_SHARE * waited, LONGEST_EARLY_DELAY), LATE_SHARE * waited)


def verdict(generation: Generation) -> Verdict:
    """What a state means: a status that nobody knows is waited on."""
    if generation.is_deleted:  # a tombstone, which the fields is_deleted and deleted_at suggest (assumed)
        return Verdict.DELETED
    if generation.is_failed:
        return Verdict.FAILED
    if not generation.is_completed:
        return Verdict.WAIT
    # A completed job has been seen with an empty result for a moment (observed).
    return Verdict.DONE if generation.results else Verdict.WAIT_FOR_RESULT
