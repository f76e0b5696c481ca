"""Ends a test whose client never would: one that polls for ever, or while its clock stands still."""

from __future__ import annotations

import json
import re

_POLL = re.compile(r"/v1/generation/([0-9a-f]{32})")

# So many polls of a job at one and the same moment of a clock that stands.
MOST_STANDING = 100


class NeverStops(BaseException):
    """The client polls without end. No ``except Exception`` swallows it, so that the test ends."""


class Patience:
    """Counts polls by their job."""

    def __init__(self, most_polls: int) -> None:
        """Count up to ``most_polls`` of each job; 0 for any number."""
        self._most = most_polls
        self._polls: dict[str, int] = {}
        self._standing: dict[str, tuple[float, int]] = {}

    def saw(self, method: str, path: str, now: float, answer: bytes) -> None:
        """Take notice of a request at ``now``, in seconds, and of its answer's body.

        Raises:
            NeverStops: It was one poll too many.
        """
        found = _POLL.fullmatch(path) if method == "GET" else None
        if found is None or not self._most:
            return
        job = found[1]
        self._polls[job] = polls = self._polls.get(job, 0) + 1
        moment, standing = self._standing.get(job, (now, 0))
        self._standing[job] = (now, standing + 1 if moment == now else 1)
        if polls > self._most:
            raise NeverStops(
                f"generation {job} was polled {polls} times, and the client goes on; {_last(answer)}. "
                "(netmind_mock_max_polls sets how many polls a test may take; 0 for any number)"
            )
        if self._standing[job][1] > MOST_STANDING:
            raise NeverStops(
                f"generation {job} was polled {MOST_STANDING} times while the virtual clock stood still. If "
                "the client sleeps with time.sleep or asyncio.sleep, couple them: "
                "@pytest.mark.netmind(sleep=True) or netmind_clock.patch_sleep(). "
                f"If it does not sleep, it polls in a busy loop; {_last(answer)}"
            )


def _last(answer: bytes) -> str:
    """What the last answer says of the client."""
    try:
        document = json.loads(answer)
    except ValueError:
        document = None
    status = document.get("status") if isinstance(document, dict) else None
    if status in ("completed", "failed"):
        return f"its status is {status}, which is final, and the client takes no notice"
    if status is None:
        return "its polls are answered with errors or not at all, and the client has no deadline"
    return f"its status is {status}, and the client has no deadline"
