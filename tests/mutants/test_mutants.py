"""Every mutant is detected by the checks of the claims that it violates, and by no others."""

from pathlib import Path

import pytest

from mutants.__main__ import detected_by
from mutants.baseline import NO_MUTANT, run_over
from mutants.catalogue import MUTANTS
from netmind_contracts import load_claims
from netmind_contracts.checks import judge

pytestmark = pytest.mark.slow


def test_without_a_mutant_every_claim_is_exercised_and_passes():
    assert {verdict.claim.id: str(verdict.outcome) for verdict in judge(run_over(NO_MUTANT))} == {
        claim.id: "passed" for claim in load_claims()
    }


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_detected_by_exactly_the_claims_that_it_violates(mutant):
    assert detected_by(mutant) == {mutant.claim, *mutant.also}


def test_every_claim_has_a_mutant():
    assert {mutant.claim for mutant in MUTANTS} == {claim.id for claim in load_claims()}


def test_the_readme_quotes_the_score():
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    score = f"{len(MUTANTS)} deliberately broken fakes, each detected by exactly the checks for"
    assert score in " ".join(readme.split())
