"""Report verdicts as text, and return the exit code of the commands."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from netmind_contracts.checks import Outcome, Verdict
from netmind_contracts.claims import Cost, Level
from netmind_contracts.runs.exchange import Run, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSED, DRIFT, INCOMPLETE, CHANGED = 0, 1, 2, 3

_SHOWN_FINDINGS = 3


def exit_code(run: Run, verdicts: tuple[Verdict, ...]) -> int:
    """Return 0 if every documented claim passed, 1 if one failed (drift), 2 if not all could be checked.

    Claims that were not exercised are ignored in a recording. In a run with ``free_only``, those that need a
    generation are.
    """
    documented = [verdict for verdict in verdicts if verdict.claim.level is Level.DOCUMENTED]
    outcomes = {verdict.outcome for verdict in documented}
    if Outcome.FAILED in outcomes:
        return DRIFT
    if any(verdict.outcome is Outcome.ERROR for verdict in verdicts) or Outcome.PASSED not in outcomes:
        return INCOMPLETE
    costs = {Scope.FULL: (Cost.FREE, Cost.PAID), Scope.FREE: (Cost.FREE,), Scope.RECORDING: ()}[run.scope]
    unseen = [one for one in documented if one.outcome is Outcome.NOT_EXERCISED and one.claim.cost in costs]
    return INCOMPLETE if unseen else PASSED


def table(run: Run, verdicts: tuple[Verdict, ...]) -> Iterator[str]:
    """Yield lines: every verdict with its evidence, the notes, and the summary."""
    yield f"{run.base_url}, {run.started}, {len(run.exchanges)} exchanges"
    yield from _lines(run, verdicts, shown=tuple(Outcome))


def news(run: Run, verdicts: tuple[Verdict, ...]) -> Iterator[str]:
    """Yield lines: the claims that do not hold without a failure, the notes, and the summary."""
    return _lines(run, verdicts, shown=(Outcome.KNOWN, Outcome.DIFFERS, Outcome.LEARNED))


def _lines(run: Run, verdicts: tuple[Verdict, ...], shown: tuple[Outcome, ...]) -> Iterator[str]:
    for verdict in verdicts:
        if verdict.outcome in shown:
            yield f"{verdict.outcome:13}  {verdict.claim.level:10}  {verdict.claim.id}"
            yield from evidence(run, verdict)
    yield from (f"note: {note}" for note in run.notes)
    yield summary(run, verdicts)


def evidence(run: Run, verdict: Verdict) -> Iterator[str]:
    """Yield lines: why a claim was not exercised, or the findings against it. Nothing if it passed."""
    if verdict.reason:
        yield f"    {verdict.reason}"
    if verdict.against:
        yield f"    {verdict.claim.sentence}"
    for found in verdict.against[:_SHOWN_FINDINGS]:
        yield f"    {run.exchanges[found.place]}: expected {found.expected}, got {found.actual}"
    if len(verdict.against) > _SHOWN_FINDINGS:
        yield f"    and {len(verdict.against) - _SHOWN_FINDINGS} more ({verdict.checked} checked)"


def summary(run: Run, verdicts: tuple[Verdict, ...]) -> str:
    """Return the number of claims for each outcome and the overall result, in one line."""
    sums = Counter(verdict.outcome for verdict in verdicts)
    counted = ", ".join(f"{sums[outcome]} {outcome}" for outcome in Outcome if sums[outcome])
    meaning = {
        PASSED: "no drift",
        DRIFT: "drift: a documented claim failed",
        INCOMPLETE: "incomplete: not every documented claim could be checked",
    }
    return f"{counted}: {meaning[exit_code(run, verdicts)]}"
