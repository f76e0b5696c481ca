"""The claims: ids, sentences, levels, sources and dates."""

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

    def test_has_a_date_or_is_undated(self, claim):
        assert re.fullmatch(r"\d{4}-\d{2}(-\d{2})?|undated", claim.date)


def test_no_two_claims_share_an_id():
    assert [name for name, count in Counter(claim.id for claim in CLAIMS).items() if count > 1] == []


def test_claims_are_of_all_three_levels():
    assert Counter(claim.level for claim in CLAIMS) == {
        Level.DOCUMENTED: 30,
        Level.OBSERVED: 28,
        Level.ASSUMED: 18,
    }


def test_the_source_of_documented_claims_is_the_vendor_documentation():
    assert all("vendor documentation" in claim.source for claim in CLAIMS if claim.level is Level.DOCUMENTED)
