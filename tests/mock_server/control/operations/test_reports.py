"""Tests of the operations that read: health, journal, spend, polling."""

import json

from support import AUTHORIZED, PAGE_IMAGE

from netmind_contracts.runs.har import run_of_har

OTHER = {"Authorization": "another-token"}


def test_health_returns_profile_and_faults(get):
    health = get("health")
    assert (health["status"], health["profile"]) == ("ok", "observed")
    assert "reset" in health["faults"]


def test_the_journal_has_each_request_of_the_account(api, get, create):
    job = create(api)
    api.get(f"/v1/generation/{job['id']}", headers=AUTHORIZED)
    api.get("/v1/generation", headers=OTHER)
    entries = get("journal")["entries"]
    assert [(entry["operation"], entry["status"], entry["job_id"]) for entry in entries] == [
        ("create", 200, job["id"]),
        ("get", 200, job["id"]),
    ]
    assert json.loads(entries[0]["body"]) == PAGE_IMAGE


def test_the_journal_can_be_filtered_by_operation_and_limited(api, get, create):
    for _ in range(3):
        create(api)
        api.get("/v1/generation", headers=AUTHORIZED)
    assert [entry["number"] for entry in get("journal?operation=create&limit=2")["entries"]] == [3, 5]
    assert "did you mean create?" in get("journal?operation=crate", status=422)["message"]
    assert "limit" in get("journal?limit=none", status=422)["message"]


def test_the_journal_as_har_can_be_read_by_the_contracts(api, get, create, clock):
    job = create(api)
    clock.advance(2)
    api.get(f"/v1/generation/{job['id']}", headers=AUTHORIZED)
    run = run_of_har(get("journal.har"), "the journal")
    assert [str(exchange) for exchange in run.exchanges] == [
        "POST /v1/generation → 200",
        f"GET /v1/generation/{job['id'][:8]}… → 200",
    ]
    assert {exchange.request.authorization for exchange in run.exchanges} == {"bearer"}


def test_spend_returns_total_and_creates(api, get, create):
    create(api)
    create(api)
    spent = get("spend")
    assert (spent["total"], spent["creates"], spent["twice"]) == (2.0, 2, [])


def test_polling_is_judged(api, get, create):
    job = create(api)
    for _ in range(3):
        api.get(f"/v1/generation/{job['id']}", headers=AUTHORIZED)
    verdict = get(f"polling/{job['id']}")
    assert (verdict["polite"], [one["rule"] for one in verdict["findings"]]) == (False, ["interval"])


def test_a_path_that_is_not_a_url_does_not_break_the_har(api, get):
    api.get("/", headers=AUTHORIZED, environ_overrides={"PATH_INFO": "//["})
    assert len(get("journal.har")["log"]["entries"]) == 1
