"""Verifying over HTTP what a client did."""

import pytest
from support import AUTHORIZED

MODEL = "Qwen/Qwen-Image"


@pytest.fixture
def create(api):
    def create(prompt, headers=AUTHORIZED, **config):
        body = {"model": MODEL, "config": {"prompt": prompt, **config}}
        return api.post("/v1/generation", json=body, headers=headers).json.get("id")

    return create


@pytest.fixture
def ask(api):
    """Return a function that asks for the account, or with ``headers={}`` for all."""

    def ask(path, headers=AUTHORIZED, **wanted):
        if path == "verify":
            return api.get("/__mock/verify", headers=headers).json
        response = api.post(f"/__mock/{path}", json=wanted, headers=headers)
        assert response.status_code == 200, response.text
        return response.json

    return ask


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({}, 2),
        ({"model": MODEL}, 2),
        ({"model": "other/model"}, 0),
        ({"options": {"prompt": "tea"}}, 1),
        ({"config": {"prompt": "tea"}}, 0),
        ({"config": {"prompt": "tea", "num_images": 2}}, 1),
        ({"options": {"num_images": True}}, 0),
    ],
)
def test_creates_are_counted_and_found_by_model_config_and_options(create, ask, wanted, count):
    create("tea", num_images=2)
    create("coffee")
    assert ask("requests/count", **wanted) == {"for": "this account", "count": count, "dropped": 0}
    found = ask("requests/find", **wanted)["entries"]
    assert [entry["operation"] for entry in found] == ["create"] * count


def test_creates_of_other_accounts_count_only_without_a_key(create, ask):
    create("tea")
    create("tea", headers={"Authorization": "other-key-of-mine"})
    assert ask("requests/count")["count"] == 1
    assert ask("requests/count", headers={}) == {"for": "every account", "count": 2, "dropped": 0}


def test_a_create_that_was_not_accepted_does_not_count_and_is_a_near_miss(api, create, ask):
    api.post("/__mock/faults", json={"operation": "create", "kind": "status", "code": 429, "times": 1})
    create("tea")
    assert ask("requests/count", options={"prompt": "tea"})["count"] == 0
    [miss] = ask("near-misses", options={"prompt": "tea"})["near_misses"]
    assert miss["request"].startswith("request 1: create of 'Qwen/Qwen-Image', response 429")
    assert miss["reasons"] == [
        "it was not processed, because of fault 1: status of create (code=429, reaches=False)"
    ]


def test_near_misses_say_how_they_differ_the_closest_first(create, ask):
    create("coffee", num_images=3)
    create("tea", num_images=3)
    misses = ask("near-misses", options={"prompt": "tea", "num_image": 2})["near_misses"]
    assert [one["number"] for one in misses] == [2, 1]
    assert misses[0]["reasons"] == [
        "config.num_image: expected 2, but the request has no such option",
        "config.num_image: did you mean num_images?",
    ]


def test_a_description_that_is_not_valid_is_refused(api):
    refused = api.post("/__mock/requests/count", json={"options": ["prompt"]})
    assert (refused.status_code, refused.json["message"]) == (
        422, "count: options: expected a JSON object, got ['prompt']",
    )  # fmt: skip


class TestVerdicts:
    def test_a_client_that_did_everything_right(self, api, create, ask, clock):
        job = create("tea")
        for seconds in (1, 3):
            clock.advance(seconds)
            api.get(f"/v1/generation/{job}", headers=AUTHORIZED)
        verdicts = ask("verify")
        assert verdicts["holds"] is True
        assert verdicts["text"] == "billed once: yes\npolled politely: yes\neverything used: yes"

    def test_a_create_that_was_billed_twice(self, create, ask):
        headers = {**AUTHORIZED, "X-Mock-Scenario": "response_lost how=reset"}
        with pytest.raises(ConnectionResetError):
            create("tea", headers=headers)
        create("tea")
        verdict = ask("verify")["verdicts"][0]
        assert (verdict["name"], verdict["holds"], len(verdict["problems"])) == ("billed once", False, 1)

    def test_polls_that_are_not_polite(self, api, create, ask):
        job = create("tea")
        for _ in range(5):
            api.get(f"/v1/generation/{job}", headers=AUTHORIZED)
        verdicts = ask("verify")
        assert verdicts["holds"] is False
        assert f"polled politely: {job}: " in verdicts["text"]

    def test_a_scenario_and_a_fault_that_were_not_used(self, api, ask):
        api.post(
            "/__mock/next-job", json={"scenario": "failed", "where": "app.test.js:7"}, headers=AUTHORIZED
        )
        fault = {"operation": "get", "kind": "status", "code": 503, "times": 1}
        api.post("/__mock/faults", json=fault, headers=AUTHORIZED)
        assert ask("verify")["verdicts"][2]["problems"] == [
            "next_job('failed') at app.test.js:7", "fault('get', 'status')",
        ]  # fmt: skip

    def test_requests_that_the_journal_dropped_are_a_problem(self, make):
        client = make(journal=1)
        for _ in range(3):
            client.get("/v1/generation", headers=AUTHORIZED)
        verdicts = client.get("/__mock/verify", headers=AUTHORIZED).json
        assert verdicts["verdicts"][3]["problems"] == ["2 requests were dropped (see the option --journal)"]
