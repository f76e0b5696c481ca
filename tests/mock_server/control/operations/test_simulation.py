"""What is ordered over HTTP holds: scenarios, rules, faults, the clock, a reset."""

import time

import pytest
from support import AUTHORIZED, PAGE_IMAGE

OTHER = {"Authorization": "another-token"}


def test_the_next_job_goes_as_ordered_and_those_after_it_as_usual(api, post, create, clock, status_of):
    post("next-job", {"scenario": "failed", "reason": "no GPU"})
    first, second = create(api), create(api)
    clock.advance(2)
    assert (status_of(first), status_of(second)) == ("failed", "completed")


def test_an_order_can_be_one_line_and_for_several_jobs(api, post, create, clock, status_of):
    post("next-job", {"scenario": "failed after=1", "times": 2})
    jobs = [create(api) for _ in range(3)]
    clock.advance(2)
    assert [status_of(job) for job in jobs] == ["failed", "failed", "completed"]


def test_orders_wait_in_the_order_in_which_they_were_given(post, get):
    post("next-job", {"scenario": "slow"})
    post("next-job", {"scenario": "by_hand"})
    assert [one["scenario"] for one in get("next-job")["next_jobs"]] == ["slow", "by_hand"]


def test_what_is_ordered_for_an_account_holds_for_no_other(api, post, create, clock, status_of):
    post("next-job", {"scenario": "failed"})
    theirs, mine = create(api, headers=OTHER), create(api)
    clock.advance(2)
    assert (status_of(theirs, OTHER), status_of(mine)) == ("completed", "failed")


def test_what_is_ordered_for_nobody_in_particular_holds_for_everybody(api, post, create, clock, status_of):
    post("next-job", {"scenario": "failed"}, headers={})
    job = create(api, headers=OTHER)
    clock.advance(2)
    assert status_of(job, OTHER) == "failed"


def test_an_accounts_own_order_comes_first(api, post, create, clock, status_of):
    post("next-job", {"scenario": "by_hand"}, headers={})
    post("next-job", {"scenario": "failed"})
    job = create(api)
    clock.advance(2)
    assert status_of(job) == "failed"


def test_a_tag_in_the_prompt_orders_its_own_job(api, post, create, clock, status_of):
    post("next-job", {"scenario": "by_hand"})
    job = create(api, {**PAGE_IMAGE, "config": {"prompt": "A cup [[mock:failed after=1]] of coffee"}})
    clock.advance(1)
    assert status_of(job) == "failed"


def test_a_header_comes_before_a_tag(api, create, clock, status_of):
    body = {**PAGE_IMAGE, "config": {"prompt": "[[mock:failed after=1]]"}}
    job = create(api, body, {**AUTHORIZED, "X-Mock-Scenario": "completed after=1"})
    clock.advance(1)
    assert status_of(job) == "completed"


def test_a_tag_in_a_spoken_text_counts_too(api, create, clock, status_of):
    job = create(api, {"model": "minimax/speech-02-hd", "config": {"text": "[[mock:by_hand]]"}})
    clock.advance(99)
    assert status_of(job) == "pending"


@pytest.mark.parametrize("headers", [{}, {"X-Mock-Scenario": "faild"}])
def test_a_tag_or_header_that_orders_nothing_is_refused_where_it_stands(api, headers):
    body = {**PAGE_IMAGE, "config": {"prompt": "[[mock:faild]]"}}
    refused = api.post("/v1/generation", json=body, headers={**AUTHORIZED, **headers})
    assert refused.status_code == 422
    detail = refused.json["detail"][0]
    assert detail["loc"] == (["header", "X-Mock-Scenario"] if headers else ["body", "config", "prompt"])
    assert detail["msg"] == "scenario: no such scenario as 'faild'; did you mean failed?"
    assert "did you mean failed?" in refused.headers["X-Mock-Hint"]


def test_a_rule_holds_for_the_jobs_that_it_fits(api, post, create, clock, status_of):
    post("rules", {"model": "Qwen/*", "prompt": "COFFEE", "scenario": "failed"})
    fits, does_not = create(api), create(api, {**PAGE_IMAGE, "config": {"prompt": "tea"}})
    clock.advance(2)
    assert (status_of(fits), status_of(does_not)) == ("failed", "completed")


def test_rules_can_be_looked_at_and_taken_away(api, post, get):
    post("rules", {"scenario": "failed after=3"})
    rule = {"scenario": "failed after=3", "model": None, "prompt": None}
    assert get("rules")["rules"] == [rule]
    assert api.delete("/__mock/rules", headers=AUTHORIZED).json["rules"] == []


def test_a_rule_that_can_never_match_is_refused(post):
    post("rules", {"model": "Qwen/*", "scenario": "failed"})
    never = post("rules", {"model": "Qwen/Qwen-Image", "prompt": "tea", "scenario": "slow"}, status=422)
    assert (
        never["message"]
        == "rule: can never match, since rule 1 (failed for model Qwen/*) comes first and fits whatever this one fits"
    )


def test_a_rule_for_a_model_that_nobody_knows_is_refused_with_the_nearest(post):
    unknown = post("rules", {"model": "Qwen/Qwen-Imag", "scenario": "failed"}, status=422)
    assert (
        "no model of the catalogue is called 'Qwen/Qwen-Imag'; did you mean Qwen/Qwen-Image?"
        in unknown["message"]
    )
    assert post("rules", {"model": "Qwen/Qwen-Imag", "any_model": True, "scenario": "failed"})


def test_a_fault_strikes_as_often_as_ordered_and_says_how_often_it_did(api, post, get):
    post("faults", {"operation": "list", "kind": "status", "code": 429, "retry_after": 7, "times": 2})
    responses = [api.get("/v1/generation", headers=AUTHORIZED) for _ in range(3)]
    assert [(one.status_code, one.headers.get("Retry-After")) for one in responses] == [
        (429, "7"),
        (429, "7"),
        (200, None),
    ]
    assert [(one["seen"], one["applied"]) for one in get("faults")["faults"]] == [(2, 2)]


def test_a_refusal_by_a_fault_says_so_in_its_hint(api, post):
    post("faults", {"operation": "list", "kind": "status", "code": 429})
    hint = api.get("/v1/generation", headers=AUTHORIZED).headers["X-Mock-Hint"]
    assert hint.startswith("fault 1: status of list (code=429")


def test_a_create_that_a_fault_refuses_creates_nothing(api, post, get):
    post("faults", {"operation": "create", "kind": "status", "code": 503})
    assert api.post("/v1/generation", json=PAGE_IMAGE, headers=AUTHORIZED).status_code == 503
    assert get("jobs") == {"jobs": []}


def test_a_create_whose_answer_suffers_is_carried_out(api, post, get):
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


def test_faults_can_be_taken_away(api, post):
    post("faults", {"operation": "list", "kind": "status", "times": None})
    assert api.delete("/__mock/faults", headers=AUTHORIZED).json["faults"] == []
    assert api.get("/v1/generation", headers=AUTHORIZED).status_code == 200


def test_a_fault_that_nobody_can_apply_out_is_refused(make):
    refused = make().post("/__mock/faults", json={"operation": "get", "kind": "reset"})
    assert refused.status_code == 422
    assert "start it with netmind-mock serve" in refused.json["message"]


def test_a_scenario_that_loses_its_answer_is_refused_where_nobody_can_lose_it(make):
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


def test_the_clock_of_everybody_can_be_sent_forward_too(api, post, create, status_of):
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
def test_a_clock_that_cannot_be_is_refused(post, wrong):
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


def test_the_clock_goes_no_further_than_calendars(post):
    for _ in range(300):
        response = post("clock", {"advance": 1e9}, status=None)
    assert response["message"] == "clock: goes no further than the year 9000"


@pytest.mark.parametrize("scenario", ["after_polls", "by_hand", "stuck"])
def test_sync_mode_with_a_job_that_no_time_ends_is_answered_as_it_is(api, post, scenario):
    post("next-job", {"scenario": scenario})
    body = {"model": "google/nano-banana-pro", "config": {"prompt": "x", "sync_mode": True}}
    assert api.post("/v1/generation", json=body, headers=AUTHORIZED).json["status"] == "pending"


def test_a_standing_order_for_all_else_comes_after_rules(api, post, create, clock, status_of):
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


def test_a_reset_of_everything_is_an_empty_fake(api, post, get, create):
    create(api, headers=OTHER)
    post("faults", {"operation": "get", "kind": "status"}, headers={})
    assert post("reset", headers={}) == {"for": "every account"}
    assert (get("jobs", headers={})["jobs"], get("faults", headers={})["faults"]) == ([], [])
