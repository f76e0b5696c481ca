"""A faithful endpoint is never called drift, whatever else it does: exit code 0, or 2 if it cannot be looked at."""

import logging

import pytest

from netmind_contracts.checks import Outcome, judge
from netmind_contracts.learn import learn
from netmind_contracts.probing.budget import EndpointError
from netmind_contracts.reports.text import exit_code
from variations.catalogue import VARIATIONS


@pytest.fixture(autouse=True)
def quiet():
    """Do not log the warnings of the fake."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def by_name(name):
    return next(variation for variation in VARIATIONS if variation.name == name)


@pytest.mark.parametrize("variation", VARIATIONS, ids=lambda variation: variation.name)
def test_a_faithful_variation_is_not_called_drift(variation):
    run, transport = variation.run()
    if isinstance(run, EndpointError):
        assert (variation.code, transport.posts) == (2, [])
        assert variation.says in str(run)
        return
    verdicts = judge(run)
    wrong = [verdict for verdict in verdicts if verdict.outcome in (Outcome.FAILED, Outcome.ERROR)]
    said = "\n".join([*run.notes, *(verdict.reason for verdict in verdicts)])
    assert (wrong, exit_code(run, verdicts)) == ([], variation.code), said
    assert variation.says in said
    assert len(transport.created) <= variation.budget
    assert len(transport.posts) == len(set(transport.posts))


def test_there_are_at_least_60_variations_with_names_of_their_own():
    assert len({variation.name for variation in VARIATIONS}) == len(VARIATIONS) >= 60


@pytest.mark.parametrize("name", ["an_unknown_id_is_503_at_first", "an_unknown_route_is_502_at_first", "a_wrong_key_is_503_at_first"])  # fmt: skip
def test_a_request_that_was_sent_again_is_not_a_fact_of_a_profile(name):
    plain, _ = by_name("json_has_a_charset").run()
    run, _ = by_name(name).run()
    for key in ("errors.unknown_generation", "errors.unknown_route", "errors.bad_token"):
        assert learn(run)[key] == learn(plain)[key]


def test_without_a_response_of_the_api_nothing_is_learned_of_an_unknown_id():
    run, _ = by_name("an_unknown_id_is_always_503").run()
    assert "errors.unknown_generation" not in learn(run)
