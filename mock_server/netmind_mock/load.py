"""How the fake behaves under load, as it is told: slow answers, a queue of jobs, a limit of requests. Pure.

Nobody published any of this about the real API: all of it is assumed, and there only where it is asked for.
Times are in seconds of the jobs' clock.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import random

_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"
_FIXED = re.compile(_NUMBER)
_RANGE = re.compile(f"{_NUMBER}-{_NUMBER}")
_LOG_NORMAL = re.compile(f"lognormal:{_NUMBER},{_NUMBER}")
_RATE = re.compile(r"([0-9]{1,9})/([smh])")
_PERIODS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_MOST_SECONDS = 1e6


class Latency(NamedTuple):
    """How long answers take: between two bounds, or (``sigma`` above 0) log-normal around a median.

    Attributes:
        low: The least, or the median.
        high: The most; of a log-normal one, the same as ``low``.
        sigma: The standard deviation of its logarithm.
    """

    low: float
    high: float
    sigma: float = 0.0

    @classmethod
    def parsed(cls, text: str) -> Latency:
        """A latency from ``0.2``, ``0.1-0.5`` or ``lognormal:MEDIAN,SIGMA``.

        Raises:
            ValueError: It is none of these.
        """
        if fixed := _FIXED.fullmatch(text):
            latency = cls(float(fixed[1]), float(fixed[1]))
        elif between := _RANGE.fullmatch(text):
            latency = cls(float(between[1]), float(between[2]))
        elif found := _LOG_NORMAL.fullmatch(text):
            latency = cls(float(found[1]), float(found[1]), float(found[2]))
        else:
            expected = "seconds such as 0.2, a range such as 0.1-0.5, or lognormal:MEDIAN,SIGMA"
            raise ValueError(f"latency: expected {expected}, got {text[:40]!r}")
        if latency.low > latency.high:
            raise ValueError(f"latency: expected the lower bound first, got {text!r}")
        if latency.high > _MOST_SECONDS or latency.sigma > 10:
            raise ValueError(
                f"latency: expected at most 1e6 seconds, and a sigma of at most 10, got {text[:40]!r}"
            )
        return latency

    @property
    def most(self) -> float:
        """What hardly any answer is later than, in seconds."""
        return self.high * math.exp(3 * self.sigma)

    def drawn(self, chance: random.Random) -> float:
        """One answer's latency, in seconds."""
        if self.sigma:
            return min(self.low * math.exp(self.sigma * chance.gauss(0.0, 1.0)), _MOST_SECONDS)
        return self.low if self.low == self.high else chance.uniform(self.low, self.high)


class RateLimit(NamedTuple):
    """So many requests in so many seconds, of one account: all at once, or evenly.

    It is kept as one number: when the account would have used up nothing again (the generic cell rate
    algorithm, which ATM networks count cells by).
    """

    requests: int
    seconds: float

    @classmethod
    def parsed(cls, text: str) -> RateLimit:
        """A limit from ``10/s``, ``60/m`` or ``1000/h``.

        Raises:
            ValueError: It is none of these.
        """
        found = _RATE.fullmatch(text)
        if found is None or int(found[1]) == 0:
            raise ValueError(f"rate limit: expected one such as 10/s, 60/m or 1000/h, got {text[:40]!r}")
        return cls(int(found[1]), _PERIODS[found[2]])

    def taken(self, unused_at: float, now: float) -> tuple[float, float]:
        """What is kept after a request at ``now``, and by how many seconds it comes too early, or 0.

        ``unused_at`` is what was kept before; 0 if nothing was.
        """
        each = self.seconds / self.requests
        after = max(unused_at, now) + each
        wait = after - self.seconds - now
        return (after, 0.0) if wait <= each * 1e-6 else (unused_at, wait)


class Load(NamedTuple):
    """What the door makes of it.

    Attributes:
        latency: None if answers are not to be late.
        rate: None if there is no limit.
        chance: What decides each latency.
    """

    latency: Latency | None
    rate: RateLimit | None
    chance: random.Random


def begun(ends: list[float], capacity: int, now: float, lasts: float) -> tuple[float, list[float]]:
    """When a job begins that is created at ``now``, where no more than ``capacity`` run at once.

    Args:
        ends: When the places of jobs before it are free again, in any order; infinite for never.
        capacity: How many jobs run at once.
        now: When it is created.
        lasts: How long it runs; infinite for ever.

    Returns:
        When it begins, and when the places are free with it.
    """
    taken = sorted(end for end in ends if end > now)
    begins = now
    if len(taken) >= capacity:
        begins, *taken = taken[len(taken) - capacity :]
    return begins, [*taken, begins + lasts]
