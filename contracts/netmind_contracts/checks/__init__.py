"""What a run shows of each claim. Checks are pure: they see what was recorded, and not who recorded it."""

from __future__ import annotations

from netmind_contracts.checks import lifecycle, lists, messages, refusals, results  # noqa: F401 - they register
from netmind_contracts.checks.registry import CHECKS, Finding, Outcome, Verdict, judge

__all__ = ["CHECKS", "Finding", "Outcome", "Verdict", "judge"]
