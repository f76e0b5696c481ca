"""Findings, verdicts, and the register of checks: each names the claim that it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from netmind_contracts.claims import Claim, Level, load_claims
from netmind_contracts.runs.histories import Histories, Observation

if TYPE_CHECKING:
    from netmind_contracts.runs.exchange import Run

_SHOWN_CHARACTERS = 160


class Outcome(StrEnum):
    """What a run says of a claim."""

    HELD = "held"
    BROKEN = "broken"
    DIFFERS = "differs"
    LEARNED = "learned"
    NOT_EXERCISED = "not exercised"
    ERROR = "error"


# What it is called when a claim of a level does not hold.
CONTRADICTED = {
    Level.DOCUMENTED: Outcome.BROKEN,
    Level.OBSERVED: Outcome.DIFFERS,
    Level.ASSUMED: Outcome.LEARNED,
}


class Finding(NamedTuple):
    """One look at one exchange.

    Attributes:
        holds: Whether the claim holds there.
        place: The exchange's place in the run.
        expected: What the claim leads to expect, in words.
        came: What came instead, in words.
    """

    holds: bool
    place: int
    expected: str = ""
    actual: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run says of one claim.

    Attributes:
        looks: How many findings there were.
        against: Those that contradict the claim.
        reason: Why it was not exercised, or what went wrong in the kit itself.
    """

    claim: Claim
    outcome: Outcome
    looks: int = 0
    against: tuple[Finding, ...] = ()
    reason: str = ""


Check = Callable[[Histories], Iterator[Finding]]


class Registered(NamedTuple):
    """A check, and what a run has to hold for it to find anything."""

    claim: str
    needs: str
    run: Check


CHECKS: list[Registered] = []


def check(claim: str, needs: str) -> Callable[[Check], Check]:
    """Register a check of the claim with this id; ``needs`` completes "the run holds no …"."""

    def register(function: Check) -> Check:
        CHECKS.append(Registered(claim, needs, function))
        return function

    return register


def finding(holds: object, seen: Observation, expected: str, actual: object) -> Finding:
    """A finding at an exchange."""
    text = " ".join(str(actual).split())
    shown = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
    return Finding(bool(holds), seen.place, expected, shown)


def actual_of(seen: Observation) -> str:
    """An answer in words: its HTTP status and the beginning of its body."""
    response = seen.exchange.response
    return f"{response.status} {response.body}" if response else f"no answer ({seen.exchange.failure})"


def judge(run: Run) -> tuple[Verdict, ...]:
    """What a run says of every claim, in the order of the claims."""
    seen = Histories(run)
    return tuple(_verdict(claim, seen) for claim in load_claims())


def _verdict(claim: Claim, seen: Histories) -> Verdict:
    checks = [registered for registered in CHECKS if registered.claim == claim.id]
    try:
        findings = [found for registered in checks for found in registered.run(seen)]
    except Exception as error:  # noqa: BLE001 - a mistake of the kit is no verdict on the endpoint
        return Verdict(claim, Outcome.ERROR, reason=f"the check failed: {type(error).__name__}: {error}")
    against = tuple(found for found in findings if not found.holds)
    if not findings:
        needs = " and no ".join(registered.needs for registered in checks)
        return Verdict(claim, Outcome.NOT_EXERCISED, reason=f"the run holds no {needs}")
    outcome = CONTRADICTED[claim.level] if against else Outcome.HELD
    return Verdict(claim, outcome, len(findings), against)
