"""Verdicts as JSON."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from netmind_contracts.reports.text import exit_code, summary

if TYPE_CHECKING:
    from netmind_contracts.checks import Verdict
    from netmind_contracts.runs.exchange import Run

FORMAT = 1


def as_json(run: Run, verdicts: tuple[Verdict, ...]) -> str:
    """The verdicts as a JSON document.

    Its keys are ``format`` (1), ``target``, ``started``, ``scope``, ``exit_code``, ``summary``, ``sums`` (how
    many claims came to each outcome), ``notes`` and ``claims``: of each ``id``, ``sentence``, ``level``,
    ``source``, ``date``, ``cost``, ``outcome``, ``looks``, ``reason`` and ``against``, a list of ``exchange``
    (its number in the run, from 0), ``request``, ``expected`` and ``came``.
    """
    document = {
        "format": FORMAT,
        "target": run.target,
        "started": run.started,
        "scope": run.scope,
        "exit_code": exit_code(run, verdicts),
        "summary": summary(run, verdicts),
        "sums": Counter(verdict.outcome for verdict in verdicts),
        "notes": run.notes,
        "claims": [_claim(run, verdict) for verdict in verdicts],
    }
    return json.dumps(document, indent=1) + "\n"


def _claim(run: Run, verdict: Verdict) -> dict[str, Any]:
    return {
        **asdict(verdict.claim),
        "outcome": verdict.outcome,
        "looks": verdict.looks,
        "reason": verdict.reason,
        "against": [
            {
                "exchange": found.place,
                "request": str(run.exchanges[found.place]),
                "expected": found.expected,
                "actual": found.actual,
            }
            for found in verdict.against
        ],
    }
