"""Verdicts on runs. What each check detects is tested with the mutants."""

import contextlib
import dataclasses
import json

import pytest
from probing import fake, probe_of

from netmind_contracts import load_claims
from netmind_contracts.checks import CHECKS, Outcome, judge
from netmind_contracts.reports.text import exit_code, table
from netmind_contracts.runs.exchange import Operation, load, save
from netmind_mock.stores import open_store

pytestmark = pytest.mark.slow


def outcomes(run):
    return {verdict.claim.id: verdict.outcome for verdict in judge(run)}


@pytest.fixture(scope="module")
def run():
    """A run over the observed fake. It rejects unknown models, so that the budget is enough for all three jobs."""
    return probe_of(*fake(profile="observed", strict_models=True)).run()


def test_every_claim_has_a_check_and_every_check_a_claim():
    assert {registered.claim for registered in CHECKS} == {claim.id for claim in load_claims()}


@pytest.mark.parametrize("profile", ["documented", "observed"])
@pytest.mark.parametrize("strict_models", [False, True])
def test_every_documented_claim_passes_on_the_fake(profile, strict_models):
    run = probe_of(*fake(profile=profile, strict_models=strict_models)).run()
    verdicts = judge(run)
    documented = {verdict.outcome for verdict in verdicts if verdict.claim.level == "documented"}
    assert (documented, exit_code(run, verdicts)) == ({Outcome.PASSED}, 0)


@pytest.mark.parametrize("store_url", ["memory", "sqlite", "postgresql"], indirect=True)
def test_the_verdicts_are_the_same_with_every_store(store_url, run):
    with contextlib.closing(open_store(store_url)) as store:
        kept = probe_of(*fake(profile="observed", strict_models=True, store=store)).run()
    assert outcomes(kept) == outcomes(run)


def test_on_the_observed_fake_every_exercised_claim_passes(run):
    not_passed = {claim: outcome for claim, outcome in outcomes(run).items() if outcome != "passed"}
    assert not_passed == dict.fromkeys(
        [
            "result.empty-for-a-moment",
            "create.sync-mode",
            "result.text",
            "models.speech-02-hd",
            "models.video",
            "models.nano-banana",
            "error.model-unavailable",
        ],
        "not exercised",
    )


def test_a_free_run_exercises_the_free_claims():
    free = probe_of(*fake(), budget=0).run()
    verdicts = judge(free)
    assert exit_code(free, verdicts) == 0
    exercised = {verdict.claim.id for verdict in verdicts if verdict.outcome != "not exercised"}
    assert exercised == {claim.id for claim in load_claims() if claim.cost == "free"}


def test_a_small_budget_leaves_documented_claims_unexercised():
    run = probe_of(*fake(), budget=1).run()
    assert (outcomes(run)["models.mmaudio"], exit_code(run, judge(run))) == ("not exercised", 2)


def test_a_saved_run_has_the_same_table(run, tmp_path):
    save(run, tmp_path / "run.json")
    again = load(tmp_path / "run.json")
    assert list(table(again, judge(again))) == list(table(run, judge(run)))


def changed(run, change):
    """The run with the JSON of each response replaced by ``change(exchange, document)``, unless that is None."""
    exchanges = []
    for recorded in run.exchanges:
        exchange, made = recorded, None
        if exchange.response and exchange.response.body.startswith("{"):
            made = change(exchange, json.loads(exchange.response.body))
        if made is not None:
            status, document = made if isinstance(made, tuple) else (exchange.response.status, made)
            response = dataclasses.replace(exchange.response, status=status, body=json.dumps(document))
            exchange = dataclasses.replace(exchange, response=response)
        exchanges.append(exchange)
    return dataclasses.replace(run, exchanges=tuple(exchanges))


def where(operation, document):
    """Return a change that replaces the successful responses to one operation."""

    def change(exchange, _):
        wanted = exchange.response.is_success and exchange.request.operation is operation
        return document if wanted else None

    return change


def test_a_check_that_raises_is_an_error(run, monkeypatch):
    def failing(_):
        raise ZeroDivisionError("no")
        yield

    place = next(place for place, registered in enumerate(CHECKS) if registered.claim == "list.order")
    others = [registered for registered in CHECKS if registered.claim != "list.order"]
    monkeypatch.setattr(
        "netmind_contracts.checks.registry.CHECKS", [*others, CHECKS[place]._replace(run=failing)]
    )
    verdicts = judge(run)
    verdict = next(verdict for verdict in verdicts if verdict.claim.id == "list.order")
    assert (verdict.outcome, verdict.reason) == ("error", "the check raised ZeroDivisionError: no")
    assert exit_code(run, verdicts) == 2


def test_the_table_shows_the_evidence(run):
    drifted = changed(run, where(Operation.DELETE, {"message": "Gone"}))
    verdicts = judge(drifted)
    lines = list(table(drifted, verdicts))
    place = lines.index("failed         documented  delete.message")
    assert lines[place + 1] == "    DELETE /v1/generation/{id} returns the message Generation deleted."
    assert lines[place + 2].endswith(
        '… → 200: expected the message Generation deleted, got 200 {"message": "Gone"}'
    )
    assert lines[-1].endswith(": drift: a documented claim failed")
    assert exit_code(drifted, verdicts) == 1
