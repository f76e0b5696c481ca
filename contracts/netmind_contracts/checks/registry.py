"""Findings, verdicts, and the registry of checks. Each check is registered for a claim."""

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
    """The outcome of checking a claim on a run."""

    PASSED = "passed"
    FAILED = "failed"
    DIFFERS = "differs"
    LEARNED = "learned"
    NOT_EXERCISED = "not exercised"
    ERROR = "error"


# The outcome for a claim that does not hold, by its level. Only a documented claim can fail.
CONTRADICTED = {
    Level.DOCUMENTED: Outcome.FAILED,
    Level.OBSERVED: Outcome.DIFFERS,
    Level.ASSUMED: Outcome.LEARNED,
}


class Finding(NamedTuple):
    """The result of checking one exchange.

    Attributes:
        holds: Whether the claim holds for the exchange.
        place: The index of the exchange in the run.
        expected: The expected value, in words.
        actual: The actual value, in words.
    """

    holds: bool
    place: int
    expected: str = ""
    actual: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of checking a claim on a run.

    Attributes:
        checked: The number of findings.
        against: The findings that contradict the claim.
        reason: Why the claim was not exercised, or how the check itself failed.
    """

    claim: Claim
    outcome: Outcome
    checked: int = 0
    against: tuple[Finding, ...] = ()
    reason: str = ""


Check = Callable[[Histories], Iterator[Finding]]


class Registered(NamedTuple):
    """A check, with the id of its claim and what a run must contain to exercise it."""

    claim: str
    needs: str
    run: Check


CHECKS: list[Registered] = []


def check(claim: str, needs: str) -> Callable[[Check], Check]:
    """Register a check of the claim with this id; ``needs`` completes "the run has no …"."""

    def register(function: Check) -> Check:
        CHECKS.append(Registered(claim, needs, function))
        return function

    return register


def finding(holds: object, observation: Observation, expected: str, actual: object) -> Finding:
    """Return a finding on an exchange, with the actual value truncated."""
    text = " ".join(str(actual).split())
    shown = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
    return Finding(bool(holds), observation.place, expected, shown)


def actual_of(observation: Observation) -> str:
    """Return the status and the body of a response, or why there was no response."""
    response = observation.exchange.response
    return (
        f"{response.status} {response.body}" if response else f"no response ({observation.exchange.failure})"
    )


def judge(run: Run) -> tuple[Verdict, ...]:
    """Return the verdict on every claim, in the order of the claims."""
    histories = Histories(run)
    return tuple(_verdict(claim, histories) for claim in load_claims())


def _verdict(claim: Claim, histories: Histories) -> Verdict:
    checks = [registered for registered in CHECKS if registered.claim == claim.id]
    try:
        findings = [found for registered in checks for found in registered.run(histories)]
    except Exception as error:  # noqa: BLE001 - a bug in a check must not count as drift
        return Verdict(claim, Outcome.ERROR, reason=f"the check raised {type(error).__name__}: {error}")
    against = tuple(found for found in findings if not found.holds)
    if not findings:
        needs = " and no ".join(registered.needs for registered in checks)
        return Verdict(claim, Outcome.NOT_EXERCISED, reason=f"the run has no {needs}")
    outcome = CONTRADICTED[claim.level] if against else Outcome.PASSED
    return Verdict(claim, outcome, len(findings), against)
