"""Report verdicts as JSON."""

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
    """Return the verdicts as a JSON document.

    Its keys are ``format`` (1), ``base_url``, ``started``, ``scope``, ``exit_code``, ``summary``, ``sums``
    (the number of claims for each outcome), ``notes`` and ``claims``. A claim has ``id``, ``sentence``,
    ``level``, ``source``, ``date``, ``cost``, ``outcome``, ``checked`` (the number of findings), ``reason``
    and ``against``: the findings that contradict it, each with ``exchange`` (its index in the run),
    ``request``, ``expected`` and ``actual``.
    """
    document = {
        "format": FORMAT,
        "base_url": run.base_url,
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
        "checked": verdict.checked,
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
