"""Verdicts for people: a table with the evidence for whatever did not hold, and what a command exits with."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from netmind_contracts.checks import Outcome, Verdict
from netmind_contracts.claims import Level
from netmind_contracts.runs.exchange import Run, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

HELD, DRIFT, COULD_NOT_LOOK = 0, 1, 2

_SHOWN_FINDINGS = 3


def exit_code(run: Run, verdicts: tuple[Verdict, ...]) -> int:
    """0 if every documented claim held, 1 on drift, 2 if some could not be looked at.

    A recording, and a run that was to cost nothing, are judged by what they hold.
    """
    outcomes = [verdict.outcome for verdict in verdicts if verdict.claim.level is Level.DOCUMENTED]
    if Outcome.BROKEN in outcomes:
        return DRIFT
    if any(verdict.outcome is Outcome.ERROR for verdict in verdicts) or Outcome.HELD not in outcomes:
        return COULD_NOT_LOOK
    if run.scope is Scope.FULL and Outcome.NOT_EXERCISED in outcomes:
        return COULD_NOT_LOOK
    return HELD


def table(run: Run, verdicts: tuple[Verdict, ...]) -> Iterator[str]:
    """Yield lines: what held in one each, everything else with its evidence, then the sums."""
    yield f"{run.target}, {run.started}, {len(run.exchanges)} exchanges"
    yield from _lines(run, verdicts, shown=tuple(Outcome))


def news(run: Run, verdicts: tuple[Verdict, ...]) -> Iterator[str]:
    """Yield lines: what differs and what was learned, with the evidence, then the sums."""
    return _lines(run, verdicts, shown=(Outcome.DIFFERS, Outcome.LEARNED))


def _lines(run: Run, verdicts: tuple[Verdict, ...], shown: tuple[Outcome, ...]) -> Iterator[str]:
    for verdict in verdicts:
        if verdict.outcome in shown:
            yield f"{verdict.outcome:13}  {verdict.claim.level:10}  {verdict.claim.id}"
            yield from evidence(run, verdict)
    yield from (f"note: {note}" for note in run.notes)
    yield summary(run, verdicts)


def evidence(run: Run, verdict: Verdict) -> Iterator[str]:
    """Yield lines: why a claim was not exercised, or what contradicts it; none where it held."""
    if verdict.reason:
        yield f"    {verdict.reason}"
    if verdict.against:
        yield f"    {verdict.claim.sentence}"
    for found in verdict.against[:_SHOWN_FINDINGS]:
        yield f"    {run.exchanges[found.place]}: expected {found.expected}, got {found.actual}"
    if len(verdict.against) > _SHOWN_FINDINGS:
        yield f"    and {len(verdict.against) - _SHOWN_FINDINGS} more of {verdict.looks} looks"


def summary(run: Run, verdicts: tuple[Verdict, ...]) -> str:
    """The sums, and what they mean, in one line."""
    sums = Counter(verdict.outcome for verdict in verdicts)
    counted = ", ".join(f"{sums[outcome]} {outcome}" for outcome in Outcome if sums[outcome])
    meaning = {
        HELD: "no drift",
        DRIFT: "drift: a documented claim is broken",
        COULD_NOT_LOOK: "not every documented claim could be looked at",
    }
    return f"{counted}: {meaning[exit_code(run, verdicts)]}"
