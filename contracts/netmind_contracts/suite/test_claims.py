"""One test per claim. It fails if a documented claim fails; other differences are only reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from netmind_contracts.checks import Outcome
from netmind_contracts.claims import Claim, load_claims
from netmind_contracts.reports.text import evidence

if TYPE_CHECKING:
    from netmind_contracts.pytest_plugin import Verdicts
    from netmind_contracts.runs.exchange import Run


@pytest.mark.parametrize("claim", load_claims(), ids=lambda claim: claim.id)
def test_claim(claim: Claim, netmind_run: Run, netmind_verdicts: Verdicts) -> None:
    """Fail if the claim failed or its check raised an exception; skip if it was not exercised."""
    verdict = netmind_verdicts[claim.id]
    if verdict.outcome is Outcome.NOT_EXERCISED:
        pytest.skip(verdict.reason)
    if verdict.outcome in (Outcome.FAILED, Outcome.ERROR):
        lines = "\n".join(evidence(netmind_run, verdict))
        pytest.fail(f"{claim.id}: {verdict.outcome}\n{lines}", pytrace=False)
