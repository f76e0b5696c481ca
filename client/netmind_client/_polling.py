"""Decisions of a wait: how long until the next poll, and what a state means. Pure."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netmind_client._models import Generation

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
