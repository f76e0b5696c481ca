"""Check recorded exchanges against each claim.

Checks are pure functions and do not know what recorded the exchanges.

``registry`` has the decorator that connects a check to its claim, and the verdicts. The checks are grouped
by subject: ``messages`` (create, get and their JSON), ``lifecycle`` (how a generation changes), ``results``
(result files), ``lists`` and ``refusals`` (errors).
"""

from __future__ import annotations

from netmind_contracts.checks import lifecycle, lists, messages, refusals, results  # noqa: F401 - they register
from netmind_contracts.checks.registry import CHECKS, Finding, Outcome, Verdict, judge

__all__ = ["CHECKS", "Finding", "Outcome", "Verdict", "judge"]
