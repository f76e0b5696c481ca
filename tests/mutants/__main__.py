"""Prints which mutants the claims notice: ``make mutants``."""

import logging
import sys

from mutants.baseline import run_over
from mutants.catalogue import MUTANTS
from netmind_contracts import load_claims
from netmind_contracts.checks import Outcome, judge

CONTRADICTED = (Outcome.BROKEN, Outcome.DIFFERS, Outcome.LEARNED, Outcome.ERROR)


def noticed_by(mutant):
    """The claims that do not hold on a mutant."""
    return {verdict.claim.id for verdict in judge(run_over(mutant)) if verdict.outcome in CONTRADICTED}


def main():
    """Run every mutant; the number of those that went unnoticed, or were noticed by others."""
    logging.disable(logging.CRITICAL)
    missed = 0
    for mutant in MUTANTS:
        wrong = noticed_by(mutant) ^ {mutant.claim, *mutant.also}
        missed += bool(wrong)
        print(f"{'MISSED ' if wrong else 'noticed'}  {mutant.claim}  {mutant.name}")
    claims = {mutant.claim for mutant in MUTANTS}
    print(
        f"{len(MUTANTS) - missed} of {len(MUTANTS)} mutants noticed by just the claims that they break; "
        f"{len(claims)} of {len(load_claims())} claims have one"
    )
    return missed


if __name__ == "__main__":
    sys.exit(bool(main()))
