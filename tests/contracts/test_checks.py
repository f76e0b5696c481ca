"""Each claim has its checks; each check notices a fake that breaks its claim."""

# ruff: noqa: ARG005 - every change of an answer is handed both, and few look at both

import dataclasses
import json

import pytest
from probing import fake, probe_of

from netmind_contracts import load_claims
from netmind_contracts.checks import CHECKS, Outcome, judge
from netmind_contracts.exchange import Operation, load, save
from netmind_contracts.report import exit_code, table


def outcomes(run):
    return {verdict.claim.id: verdict.outcome for verdict in judge(run)}


@pytest.fixture(scope="module")
def run():
    """A run over the observed fake, with unknown models refused, so that all three jobs are followed."""
    return probe_of(*fake(profile="observed", strict_models=True)).run()


def test_every_claim_has_a_check_and_every_check_a_claim():
    assert {registered.claim for registered in CHECKS} == {claim.id for claim in load_claims()}


@pytest.mark.parametrize("profile", ["documented", "observed"])
@pytest.mark.parametrize("strict_models", [False, True])
def test_every_documented_claim_holds_on_the_fake(profile, strict_models):
    run = probe_of(*fake(profile=profile, strict_models=strict_models)).run()
    verdicts = judge(run)
    documented = {verdict.outcome for verdict in verdicts if verdict.claim.level == "documented"}
    assert (documented, exit_code(run, verdicts)) == ({Outcome.HELD}, 0)


def test_on_the_observed_fake_everything_that_is_exercised_holds(run):
    not_held = {claim: outcome for claim, outcome in outcomes(run).items() if outcome != "held"}
    assert not_held == dict.fromkeys(
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


def test_a_free_run_looks_at_the_claims_that_are_free():
    free = probe_of(*fake(), budget=0).run()
    verdicts = judge(free)
    assert exit_code(free, verdicts) == 0
    exercised = {verdict.claim.id for verdict in verdicts if verdict.outcome != "not exercised"}
    assert exercised == {claim.id for claim in load_claims() if claim.cost == "free"}


def test_a_budget_too_small_leaves_documented_claims_open():
    run = probe_of(*fake(), budget=1).run()
    assert (outcomes(run)["models.mmaudio"], exit_code(run, judge(run))) == ("not exercised", 2)


def test_a_saved_run_gives_the_same_table(run, tmp_path):
    save(run, tmp_path / "run.json")
    again = load(tmp_path / "run.json")
    assert list(table(again, judge(again))) == list(table(run, judge(run)))


def changed(run, change):
    """The run with every answer's JSON changed by ``change(exchange, document)``, if that returns something."""
    exchanges = []
    for recorded in run.exchanges:
        exchange, made = recorded, None
        if exchange.answer and exchange.answer.body.startswith("{"):
            made = change(exchange, json.loads(exchange.answer.body))
        if made is not None:
            status, document = made if isinstance(made, tuple) else (exchange.answer.status, made)
            answer = dataclasses.replace(exchange.answer, status=status, body=json.dumps(document))
            exchange = dataclasses.replace(exchange, answer=answer)
        exchanges.append(exchange)
    return dataclasses.replace(run, exchanges=tuple(exchanges))


def every(**fields):
    """Changes fields of every generation."""
    return lambda exchange, document: {**document, **fields} if "id" in document else None


def where(operation, make, *, status=None):
    """Changes the answers to one operation that are a success, or have this status."""

    def change(exchange, document):
        wanted = exchange.answer.status == status if status else exchange.answer.is_success
        return make(document) if exchange.request.operation is operation and wanted else None

    return change


def completed(**fields):
    return lambda _, document: {**document, **fields} if document.get("status") == "completed" else None


def in_results(**fields):
    def change(_, document):
        data = document.get("result", {}).get("data") if isinstance(document.get("result"), dict) else None
        return {**document, "result": {"data": [{**entry, **fields} for entry in data]}} if data else None

    return change


def refusal(status, came, body):
    return lambda exchange, document: (came, body) if exchange.answer.status == status else None


BROKEN = {
    "auth.bare-token": lambda exchange, document: (401, {}) if exchange.request.authorization == "bare" else None,
    "auth.bearer-token": lambda exchange, document: (403, {}) if exchange.request.authorization == "bearer" else None,
    "create.request": where(Operation.CREATE, lambda document: (500, {"message": "no"})),
    "models.mmaudio": lambda exchange, document: (422, {}) if "MMAudio" in exchange.request.body else None,
    "models.qwen-image": lambda exchange, document: (422, {}) if "Qwen" in exchange.request.body else None,
    "create.config-by-model": lambda exchange, document: (422, {}) if "MMAudio" in exchange.request.body else None,
    "models.image-size-words": lambda exchange, document: (422, {}) if "image_size" in exchange.request.body else None,
    "create.pending": where(Operation.CREATE, lambda document: {**document, "status": "queued"}),
    "create.updated-at": where(Operation.CREATE, lambda document: {**document, "updated_at": "2000-01-01 00:00:00"}),
    "create.empty-result": where(Operation.CREATE, lambda document: {**document, "result": {"data": []}}),
    "success.status-200": where(Operation.CREATE, lambda document: (201, document)),
    "generation.id": every(id="6347623B"),
    "generation.user-id": every(user_id=7),
    "generation.user-id-form": every(user_id="me"),
    "generation.status": every(status=None),
    "generation.timestamps": every(created_at="2025-09-18T09:14:20Z"),
    "generation.not-deleted": every(is_deleted=None),
    "generation.result-object": every(result=[]),
    "generation.logs": every(logs="none"),
    "generation.durations": completed(pending_duration=1.5),
    "fields.come-and-go": every(model_id="m"),
    "status.on-the-way": lambda _, document: {**document, "status": "queued"} if document.get("status") == "processing" else None,
    "status.at-the-end": completed(status="done"),
    "status.never-seen": completed(status="success"),
    "get.completed": completed(status="done"),
    "get.updated-at-moved": lambda _, document: {**document, "updated_at": document["created_at"]} if document.get("status") == "completed" else None,
    "result.data": completed(result={"data": {}}),
    "result.file-id": in_results(file_id="srcf4srhx"),
    "result.file-id-form": in_results(file_id="file-SRC"),
    "result.file-name": in_results(file_name=None),
    "result.file-name-form": in_results(file_name="picture 1.png"),
    "result.file-type": in_results(file_type="picture"),
    "result.url-form": in_results(url="https://f.example/a.png"),
    "failed.http-200": lambda _, document: (500, document) if document.get("status") == "failed" else None,
    "failed.worker-text": lambda _, document: {**document, "logs": [{"text": "no"}]} if document.get("status") == "failed" else None,
    "failed.worker-input": lambda exchange, document: (400, {"message": "no"}) if "no-such.wav" in exchange.request.body else None,
    "list.generation-list": where(Operation.LIST, lambda document: {"generations": []}),
    "list.not-paged": where(Operation.LIST, lambda document: {**document, "next_page": 2}),
    "list.order": where(Operation.LIST, lambda document: {"generation_list": document["generation_list"][::-1]}),
    "delete.message": where(Operation.DELETE, lambda document: {"message": "Gone"}),
    "delete.gone": refusal(404, 410, {"message": "Gone"}),
    "delete.pending": where(Operation.DELETE, lambda document: (409, {"message": "Still running"})),
    "unknown-id.404": refusal(404, 404, {"message": "Unknown"}),
    "error.platform": refusal(422, 422, {"message": "Unprocessable"}),
    "error.invalid-body": refusal(422, 400, {"message": "Bad request"}),
    "error.content-type": refusal(415, 200, {}),
    "error.too-large": refusal(413, 400, {}),
    "error.wrong-method": refusal(405, 404, {"message": "Not found"}),
    "error.unknown-route": refusal(403, 404, {"message": "Not found"}),
    "error.token": refusal(401, 403, {"message": "Invalid API key"}),
    "error.unknown-model": refusal(400, 404, {"message": "no such model"}),
    "error.model-unavailable": lambda exchange, document: (503, {}) if "no-such.wav" in exchange.request.body else None,
    "create.rate-limit": where(Operation.CREATE, lambda document: (429, {"message": "Slow down"})),
    "result.empty-for-a-moment": completed(result={}),
    "result.text": lambda exchange, document: {**document, "status": "completed", "result": {"data": [{"url": "https://f.example/a"}]}, "logs": []} if document.get("status") == "failed" else None,
}  # fmt: skip


@pytest.mark.parametrize("claim", BROKEN)
def test_a_broken_claim_is_noticed(run, claim):
    noticed = outcomes(changed(run, BROKEN[claim]))[claim]
    level = next(known.level for known in load_claims() if known.id == claim)
    assert noticed == {"documented": "broken", "observed": "differs", "assumed": "learned"}[level]


def files(run, **fields):
    return dataclasses.replace(
        run,
        exchanges=tuple(
            dataclasses.replace(exchange, answer=dataclasses.replace(exchange.answer, **fields))
            if "/files/" in exchange.request.url
            else exchange
            for exchange in run.exchanges
        ),
    )


@pytest.mark.parametrize(
    ("claim", "fields", "outcome"),
    [
        ("result.download", {"size": 0}, "broken"),
        ("result.download", {"status": 404}, "broken"),
        ("result.no-token", {"status": 401}, "differs"),
    ],
)
def test_a_file_that_does_not_download_is_noticed(run, claim, fields, outcome):
    assert outcomes(files(run, **fields))[claim] == outcome


def test_a_job_that_was_too_quick_differs():
    assert outcomes(probe_of(*fake(duration=2)).run())["timing.durations"] == "differs"


def test_a_check_that_fails_is_an_error_of_the_kit(run, monkeypatch):
    def broken(_):
        raise ZeroDivisionError("no")
        yield

    place = next(place for place, registered in enumerate(CHECKS) if registered.claim == "list.order")
    others = [registered for registered in CHECKS if registered.claim != "list.order"]
    monkeypatch.setattr(
        "netmind_contracts.checks.findings.CHECKS", [*others, CHECKS[place]._replace(run=broken)]
    )
    verdicts = judge(run)
    verdict = next(verdict for verdict in verdicts if verdict.claim.id == "list.order")
    assert (verdict.outcome, verdict.reason) == ("error", "the check failed: ZeroDivisionError: no")
    assert exit_code(run, verdicts) == 2


def test_the_table_shows_the_evidence(run):
    broken = changed(run, where(Operation.DELETE, lambda document: {"message": "Gone"}))
    verdicts = judge(broken)
    lines = list(table(broken, verdicts))
    place = lines.index("broken         documented  delete.message")
    assert lines[place + 1] == "    DELETE /v1/generation/{id} answers the message Generation deleted."
    assert lines[place + 2].endswith(
        '… → 200: expected the message Generation deleted, got 200 {"message": "Gone"}'
    )
    assert lines[-1].endswith(": drift: a documented claim is broken")
    assert exit_code(broken, verdicts) == 1
