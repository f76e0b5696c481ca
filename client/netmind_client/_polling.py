"""Pure decisions of a wait: how long until the next poll, and what a state means."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netmind_client._models import Generation

FIRST_DELAY = 0.5
GROWTH = 1.25
LONGEST_DELAY = 10.0
EMPTY_RESULT_SECONDS = 15.0


class Verdict(Enum):
    """What to do about a state."""

    WAIT = "wait"
    DONE = "done"
    FAILED = "failed"
    DELETED = "deleted"
    WAIT_FOR_RESULT = "wait for result"


def delay_before(poll: int) -> float:
    """Seconds to wait before poll number ``poll``, counted from 1: from half a second up to ten."""
    # A float's power overflows long after the longest delay is reached.
    return min(FIRST_DELAY * GROWTH ** min(poll - 1, 64), LONGEST_DELAY)


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
