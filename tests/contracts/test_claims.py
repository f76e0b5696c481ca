"""The claims are complete, and each says how it is known."""

import re
from collections import Counter

import pytest

from netmind_contracts import Level, load_claims

CLAIMS = load_claims()


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
class TestEveryClaim:
    def test_has_an_id_that_says_what_it_is_about(self, claim):
        assert re.fullmatch(r"[a-z0-9-]+\.[a-z0-9-]+", claim.id)

    def test_is_a_sentence(self, claim):
        assert claim.sentence.endswith(".")

    def test_has_a_source(self, claim):
        assert claim.source

    def test_has_a_date_or_says_that_it_has_none(self, claim):
        assert re.fullmatch(r"\d{4}-\d{2}(-\d{2})?|undated", claim.date)


def test_no_two_claims_share_an_id():
    assert [name for name, count in Counter(claim.id for claim in CLAIMS).items() if count > 1] == []


def test_claims_are_of_all_three_levels():
    assert Counter(claim.level for claim in CLAIMS) == {
        Level.DOCUMENTED: 30,
        Level.OBSERVED: 28,
        Level.ASSUMED: 18,
    }


def test_what_is_documented_comes_from_the_vendors_page():
    assert all("vendor's page" in claim.source for claim in CLAIMS if claim.level is Level.DOCUMENTED)
