"""Print which mutants the checks detect: ``make mutants``."""

import logging
import sys

from mutants.baseline import run_over
from mutants.catalogue import MUTANTS
from netmind_contracts import load_claims
from netmind_contracts.checks import Outcome, judge

CONTRADICTED = (Outcome.FAILED, Outcome.DIFFERS, Outcome.LEARNED, Outcome.ERROR)


def detected_by(mutant):
    """Return the ids of the claims that do not pass on a mutant."""
    return {verdict.claim.id for verdict in judge(run_over(mutant)) if verdict.outcome in CONTRADICTED}


def main():
    """Run every mutant. Return how many were not detected by exactly the expected claims."""
    logging.disable(logging.CRITICAL)
    missed = 0
    for mutant in MUTANTS:
        wrong = detected_by(mutant) ^ {mutant.claim, *mutant.also}
        missed += bool(wrong)
        print(f"{'MISSED  ' if wrong else 'detected'}  {mutant.claim}  {mutant.name}")
    claims = {mutant.claim for mutant in MUTANTS}
    print(
        f"{len(MUTANTS) - missed} of {len(MUTANTS)} mutants detected by exactly the claims that they violate; "
        f"{len(claims)} of {len(load_claims())} claims have a mutant"
    )
    return missed


if __name__ == "__main__":
    sys.exit(bool(main()))
