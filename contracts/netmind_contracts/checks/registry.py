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
    KNOWN = "known"
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
        holds: Whether the claim holds for the exchange; None if the exchange does not show it.
        place: The index of the exchange in the run.
        expected: The expected value, in words.
        actual: The actual value, in words.
    """

    holds: bool | None
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
    return Finding(bool(holds), observation.place, expected, _shown(actual))


def unseen(observation: Observation, reason: str) -> Finding:
    """Return that an exchange does not show whether the claim holds, and why."""
    return Finding(None, observation.place, actual=_shown(reason))


def _shown(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


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
        findings = [_seen(found, histories) for registered in checks for found in registered.run(histories)]
    except Exception as error:  # noqa: BLE001 - a bug in a check must not count as drift
        return Verdict(claim, Outcome.ERROR, reason=f"the check raised {type(error).__name__}: {error}")
    against = tuple(found for found in findings if found.holds is False)
    seen = [found for found in findings if found.holds is not None]
    if not seen:
        return Verdict(claim, Outcome.NOT_EXERCISED, reason=_why_not(findings, checks, histories))
    outcome = CONTRADICTED[claim.level] if against else Outcome.PASSED
    return Verdict(claim, outcome, len(seen), against)


def _why_not(findings: list[Finding], checks: list[Registered], histories: Histories) -> str:
    """Return why a claim was not exercised."""
    if findings:
        exchange = histories.run.exchanges[findings[0].place]
        return f"{exchange}: {findings[0].actual}"
    needs = " and no ".join(dict.fromkeys(registered.needs for registered in checks))
    return f"the run has no {needs}" + (f"; {histories.missing}" if histories.missing else "")


def _seen(found: Finding, histories: Histories) -> Finding:
    """Return a finding; as unseen if it contradicts its claim only because the body was not recorded."""
    if not found.holds and histories.recorded[found.place].is_unread:
        return found._replace(holds=None, actual="the recording has no body")
    return found
