"""Tests of the operations that change the simulation: scenarios, rules, faults, the clock, reset."""

import time

import pytest
from support import AUTHORIZED, PAGE_IMAGE

OTHER = {"Authorization": "another-token"}


def test_a_queued_scenario_applies_to_the_next_job_only(api, post, create, clock, status_of):
    post("next-job", {"scenario": "failed", "reason": "no GPU"})
    first, second = create(api), create(api)
    clock.advance(2)
    assert (status_of(first), status_of(second)) == ("failed", "completed")


def test_a_scenario_can_be_one_line_and_for_several_jobs(api, post, create, clock, status_of):
    post("next-job", {"scenario": "failed after=1", "times": 2})
    jobs = [create(api) for _ in range(3)]
    clock.advance(2)
    assert [status_of(job) for job in jobs] == ["failed", "failed", "completed"]


def test_scenarios_are_queued_in_the_order_of_their_requests(post, get):
    post("next-job", {"scenario": "slow"})
    post("next-job", {"scenario": "by_hand"})
    assert [one["scenario"] for one in get("next-job")["next_jobs"]] == ["slow", "by_hand"]


def test_a_scenario_of_an_account_does_not_apply_to_others(api, post, create, clock, status_of):
    post("next-job", {"scenario": "failed"})
    theirs, mine = create(api, headers=OTHER), create(api)
    clock.advance(2)
    assert (status_of(theirs, OTHER), status_of(mine)) == ("completed", "failed")


def test_a_scenario_without_an_account_applies_to_every_account(api, post, create, clock, status_of):
    post("next-job", {"scenario": "failed"}, headers={})
    job = create(api, headers=OTHER)
    clock.advance(2)
    assert status_of(job, OTHER) == "failed"


def test_a_scenario_of_the_account_takes_precedence(api, post, create, clock, status_of):
    post("next-job", {"scenario": "by_hand"}, headers={})
    post("next-job", {"scenario": "failed"})
    job = create(api)
    clock.advance(2)
    assert status_of(job) == "failed"


def test_a_tag_in_the_prompt_sets_the_scenario_of_its_job(api, post, create, clock, status_of):
    post("next-job", {"scenario": "by_hand"})
    job = create(api, {**PAGE_IMAGE, "config": {"prompt": "A cup [[mock:failed after=1]] of coffee"}})
    clock.advance(1)
    assert status_of(job) == "failed"


def test_a_header_takes_precedence_over_a_tag(api, create, clock, status_of):
    body = {**PAGE_IMAGE, "config": {"prompt": "[[mock:failed after=1]]"}}
    job = create(api, body, {**AUTHORIZED, "X-Mock-Scenario": "completed after=1"})
    clock.advance(1)
    assert status_of(job) == "completed"


def test_a_tag_in_a_spoken_text_sets_the_scenario_too(api, create, clock, status_of):
    job = create(api, {"model": "minimax/speech-02-hd", "config": {"text": "[[mock:by_hand]]"}})
    clock.advance(99)
    assert status_of(job) == "pending"


@pytest.mark.parametrize("headers", [{}, {"X-Mock-Scenario": "faild"}])
def test_an_invalid_tag_or_header_is_refused_with_its_location(api, headers):
    body = {**PAGE_IMAGE, "config": {"prompt": "[[mock:faild]]"}}
    refused = api.post("/v1/generation", json=body, headers={**AUTHORIZED, **headers})
    assert refused.status_code == 422
    detail = refused.json["detail"][0]
    assert detail["loc"] == (["header", "X-Mock-Scenario"] if headers else ["body", "config", "prompt"])
    assert detail["msg"] == "scenario: no such scenario as 'faild'; did you mean failed?"
    assert "did you mean failed?" in refused.headers["X-Mock-Hint"]


def test_a_rule_applies_to_the_jobs_that_it_matches(api, post, create, clock, status_of):
    post("rules", {"model": "Qwen/*", "prompt": "COFFEE", "scenario": "failed"})
    fits, does_not = create(api), create(api, {**PAGE_IMAGE, "config": {"prompt": "tea"}})
    clock.advance(2)
    assert (status_of(fits), status_of(does_not)) == ("failed", "completed")


def test_rules_can_be_listed_and_removed(api, post, get):
    post("rules", {"scenario": "failed after=3"})
    rule = {"scenario": "failed after=3", "model": None, "prompt": None}
    assert get("rules")["rules"] == [rule]
    assert api.delete("/__mock/rules", headers=AUTHORIZED).json["rules"] == []


def test_a_rule_that_can_never_match_is_refused(post):
    post("rules", {"model": "Qwen/*", "scenario": "failed"})
    never = post("rules", {"model": "Qwen/Qwen-Image", "prompt": "tea", "scenario": "slow"}, status=422)
    assert (
        never["message"]
        == "rule: can never match, since rule 1 (failed for model Qwen/*) comes first and matches every job that this one matches"
    )


def test_a_rule_for_an_unknown_model_is_refused_with_the_nearest_model(post):
    unknown = post("rules", {"model": "Qwen/Qwen-Imag", "scenario": "failed"}, status=422)
    assert "the catalogue has no model 'Qwen/Qwen-Imag'; did you mean Qwen/Qwen-Image?" in unknown["message"]
    assert post("rules", {"model": "Qwen/Qwen-Imag", "any_model": True, "scenario": "failed"})


def test_a_fault_is_applied_the_given_number_of_times_and_counted(api, post, get):
    post("faults", {"operation": "list", "kind": "status", "code": 429, "retry_after": 7, "times": 2})
    responses = [api.get("/v1/generation", headers=AUTHORIZED) for _ in range(3)]
    assert [(one.status_code, one.headers.get("Retry-After")) for one in responses] == [
        (429, "7"),
        (429, "7"),
        (200, None),
    ]
    assert [(one["seen"], one["applied"]) for one in get("faults")["faults"]] == [(2, 2)]


def test_an_error_of_a_fault_names_the_fault_in_its_hint(api, post):
    post("faults", {"operation": "list", "kind": "status", "code": 429})
    hint = api.get("/v1/generation", headers=AUTHORIZED).headers["X-Mock-Hint"]
    assert hint.startswith("fault 1: status of list (code=429")


def test_a_create_that_a_fault_refuses_creates_nothing(api, post, get):
    post("faults", {"operation": "create", "kind": "status", "code": 503})
    assert api.post("/v1/generation", json=PAGE_IMAGE, headers=AUTHORIZED).status_code == 503
    assert get("jobs") == {"jobs": []}


def test_a_create_whose_response_is_replaced_still_creates_a_job(api, post, get):
    post("faults", {"operation": "create", "kind": "html", "code": 504, "reaches": True})
    assert api.post("/v1/generation", json=PAGE_IMAGE, headers=AUTHORIZED).status_code == 504
    assert len(get("jobs")["jobs"]) == 1


def test_a_fault_can_be_for_one_job(api, post, create):
    one, other = create(api), create(api)
    post("faults", {"operation": "get", "kind": "status", "job": other["id"]})
    statuses = [
        api.get(f"/v1/generation/{job['id']}", headers=AUTHORIZED).status_code for job in (one, other)
    ]
    assert statuses == [200, 503]


def test_a_fault_on_files_is_for_the_account_of_the_job(api, post, completed):
    post("faults", {"operation": "file", "kind": "status", "code": 410})
    url = completed(api)["result"]["data"][0]["url"].removeprefix("http://localhost")
    assert (api.get(url).status_code, api.get(url).status_code) == (410, 200)


def test_faults_can_be_removed(api, post):
    post("faults", {"operation": "list", "kind": "status", "times": None})
    assert api.delete("/__mock/faults", headers=AUTHORIZED).json["faults"] == []
    assert api.get("/v1/generation", headers=AUTHORIZED).status_code == 200


def test_a_fault_that_is_not_supported_is_refused(make):
    refused = make().post("/__mock/faults", json={"operation": "get", "kind": "reset"})
    assert refused.status_code == 422
    assert "start it with netmind-mock serve" in refused.json["message"]


def test_a_scenario_that_needs_wire_faults_is_refused_without_them(make):
    app = make()
    assert app.post("/__mock/next-job", json={"scenario": "response_lost"}).status_code == 422
    tagged = {**PAGE_IMAGE, "config": {"prompt": "[[mock:response_lost]]"}}
    assert app.post("/v1/generation", json=tagged, headers=AUTHORIZED).status_code == 422
    gateway = {"scenario": "response_lost how=gateway"}
    assert app.post("/__mock/next-job", json=gateway).status_code == 200


def test_the_clock_is_the_accounts_own(api, post, create, status_of):
    mine, theirs = create(api), create(api, headers=OTHER)
    assert post("clock", {"advance": 600})["utc"] == "2025-09-18 09:24:20"
    assert (status_of(mine), status_of(theirs, OTHER)) == ("completed", "pending")


def test_the_clock_of_all_accounts_can_be_advanced_too(api, post, create, status_of):
    job = create(api, headers=OTHER)
    post("clock", {"advance": 600}, headers={})
    assert status_of(job, OTHER) == "completed"


def test_the_clock_can_be_frozen_and_sped_up(post, get):
    assert post("clock", {"freeze": False, "speed": 60})["speed"] == 60
    assert post("clock", {"freeze": True})["frozen"] is True
    assert get("clock", headers={})["speed"] == 1


@pytest.mark.parametrize(
    "wrong", [{"advance": -1}, {"advance": 1e300}, {"speed": 0}, {"freeze": 1}, {"advanced": 1}]
)
def test_an_invalid_change_of_the_clock_is_refused(post, wrong):
    assert post("clock", wrong, status=422)["message"].startswith("clock: ")


@pytest.mark.parametrize(
    "prompt",
    [
        "[[mock:" * 40_000,
        "[[mock:failed reason=" + "x" * 1_000_000 + "]]",
        "[[mock:failed" + " a=1" * 100_000 + "]]",
        "[[mock:failed after=" + "1" * 400 + "]]",
        "[[mock:failed after=" + "1" * 5000 + "]]",
        "[[mock failed]]",
        "[[mock:failed after=3]",
    ],
)
def test_a_hostile_tag_is_refused_at_once(api, prompt):
    began = time.monotonic()
    response = api.post(
        "/v1/generation", json={**PAGE_IMAGE, "config": {"prompt": prompt}}, headers=AUTHORIZED
    )
    assert response.status_code == 422
    assert time.monotonic() - began < 5  # a quadratic search took minutes


def test_the_clock_stays_before_the_year_9000(post):
    for _ in range(300):
        response = post("clock", {"advance": 1e9}, status=None)
    assert response["message"] == "clock: expected a time before the year 9000"


@pytest.mark.parametrize("scenario", ["after_polls", "by_hand", "stuck"])
def test_sync_mode_does_not_wait_for_a_job_that_does_not_end_by_time(api, post, scenario):
    post("next-job", {"scenario": scenario})
    body = {"model": "google/nano-banana-pro", "config": {"prompt": "x", "sync_mode": True}}
    assert api.post("/v1/generation", json=body, headers=AUTHORIZED).json["status"] == "pending"


def test_the_scenario_of_all_other_jobs_comes_after_the_rules(api, post, create, clock, status_of):
    post("rules", {"scenario": "failed", "otherwise": True})
    post("rules", {"scenario": "slow", "prompt": "coffee"})
    slow, failed = create(api), create(api, {**PAGE_IMAGE, "config": {"prompt": "tea"}})
    clock.advance(2)
    assert (status_of(slow), status_of(failed)) == ("pending", "failed")


def test_a_reset_of_an_account_leaves_the_others(api, post, get, create):
    create(api)
    create(api, headers=OTHER)
    post("next-job", {"scenario": "failed"})
    assert post("reset") == {"for": "this account"}
    assert (get("jobs")["jobs"], get("journal")["entries"], get("next-job")["next_jobs"]) == ([], [], [])
    assert len(get("jobs", headers=OTHER)["jobs"]) == 1


def test_a_reset_of_all_accounts_empties_the_fake(api, post, get, create):
    create(api, headers=OTHER)
    post("faults", {"operation": "get", "kind": "status"}, headers={})
    assert post("reset", headers={}) == {"for": "every account"}
    assert (get("jobs", headers={})["jobs"], get("faults", headers={})["faults"]) == ([], [])
