"""The control API over HTTP: what is ordered there holds, and who may order."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import AUTHORIZED, PAGE_IMAGE

from netmind_contracts.runs.har import run_of_har
from netmind_mock import create_app
from netmind_mock.control.operations import OPERATIONS_BY_NAME

OTHER = {"Authorization": "another-token"}
ALL_WIRE = ("delay", "hang", "dribble", "reset", "truncate")


@pytest.fixture
def api(make):
    return make(profile="observed", wire_faults=ALL_WIRE)


@pytest.fixture
def post(api):
    """Posts to the control API, for the tests' own account unless told otherwise."""

    def post(path, payload=None, headers=AUTHORIZED, status=200):
        answer = api.post(f"/__mock/{path}", json=payload or {}, headers=headers)
        assert status in (None, answer.status_code), answer.text
        return answer.json

    return post


@pytest.fixture
def get(api):
    def get(path, headers=AUTHORIZED, status=200):
        answer = api.get(f"/__mock/{path}", headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json

    return get


@pytest.fixture
def status_of(api):
    def status_of(job, headers=AUTHORIZED):
        return api.get(f"/v1/generation/{job['id']}", headers=headers).json["status"]

    return status_of


def test_health_says_what_is_served(get):
    health = get("health")
    assert (health["status"], health["profile"]) == ("ok", "observed")
    assert "reset" in health["faults"]


def urls(api, job):
    answer = api.get(f"/v1/generation/{job['id']}", headers=AUTHORIZED).json
    return [one["url"].removeprefix("http://localhost") for one in answer["result"]["data"]]


def test_links_that_are_let_expire_are_refused_and_get_gives_new_ones(api, post, create, clock):
    job = create(api)
    clock.advance(2)
    [old] = urls(api, job)
    assert api.get(old).status_code == 200
    links = [old]
    for _ in range(2):  # also in the same second, and twice
        post(f"jobs/{job['id']}/expire-links")
        [new] = urls(api, job)
        assert [api.get(link).status_code for link in (*links, new)] == [403] * len(links) + [200]
        links.append(new)


def test_a_job_can_be_deleted_by_hand_as_its_account_does(api, create, get):
    job = create(api)
    answer = api.delete(f"/__mock/jobs/{job['id']}", headers=AUTHORIZED)
    assert (answer.status_code, answer.json["deleted_at"] is not None) == (200, True)
    assert api.get(f"/v1/generation/{job['id']}", headers=AUTHORIZED).status_code == 404
    assert api.delete(f"/__mock/jobs/{job['id']}", headers=OTHER).status_code == 404
    assert [one["deleted_at"] is not None for one in get("jobs")["jobs"]] == [True]


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
    answers = [api.get("/v1/generation", headers=AUTHORIZED) for _ in range(3)]
    assert [(one.status_code, one.headers.get("Retry-After")) for one in answers] == [
        (429, "7"),
        (429, "7"),
        (200, None),
    ]
    assert [(one["seen"], one["struck"]) for one in get("faults")["faults"]] == [(2, 2)]


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


def test_a_fault_that_nobody_can_carry_out_is_refused(make):
    refused = make().post("/__mock/faults", json={"operation": "get", "kind": "reset"})
    assert refused.status_code == 422
    assert "start it with netmind-mock serve" in refused.json["message"]


def test_a_scenario_that_loses_its_answer_is_refused_where_nobody_can_lose_it(make):
    app = make()
    assert app.post("/__mock/next-job", json={"scenario": "answer_lost"}).status_code == 422
    tagged = {**PAGE_IMAGE, "config": {"prompt": "[[mock:answer_lost]]"}}
    assert app.post("/v1/generation", json=tagged, headers=AUTHORIZED).status_code == 422
    gateway = {"scenario": "answer_lost how=gateway"}
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


def test_a_job_is_completed_by_hand(api, post, create, status_of):
    post("next-job", {"scenario": "by_hand"})
    job = create(api)
    assert post(f"jobs/{job['id']}/complete")["status"] == "completed"
    assert status_of(job) == "completed"
    assert "completed already" in post(f"jobs/{job['id']}/fail", status=422)["message"]


def test_a_job_is_failed_by_hand_with_a_reason(api, post, create):
    job = create(api)
    post(f"jobs/{job['id']}/fail", {"reason": "because"})
    failed = api.get(f"/v1/generation/{job['id']}", headers=AUTHORIZED).json
    assert (failed["status"], failed["logs"]) == ("failed", [{"text": "because"}])


def test_another_accounts_job_is_not_there_to_be_steered(api, post, create):
    job = create(api)
    assert "no such generation" in post(f"jobs/{job['id']}/complete", headers=OTHER, status=404)["message"]


def test_jobs_are_told_newest_first_with_their_scenario(api, post, get, create):
    create(api)
    post("next-job", {"scenario": "stuck"})
    create(api, headers=AUTHORIZED)
    create(api, headers=OTHER)
    assert [job["scenario"] for job in get("jobs")["jobs"]] == ["stuck", ""]
    assert len(get("jobs", headers={})["jobs"]) == 3


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


def test_the_journal_can_be_asked_for_the_last_of_an_operation(api, get, create):
    for _ in range(3):
        create(api)
        api.get("/v1/generation", headers=AUTHORIZED)
    assert [entry["number"] for entry in get("journal?operation=create&limit=2")["entries"]] == [3, 5]
    assert "did you mean create?" in get("journal?operation=crate", status=422)["message"]
    assert "limit" in get("journal?limit=none", status=422)["message"]


def test_the_journal_as_har_is_read_by_the_contract_kit(api, get, create, clock):
    job = create(api)
    clock.advance(2)
    api.get(f"/v1/generation/{job['id']}", headers=AUTHORIZED)
    run = run_of_har(get("journal.har"), "the journal")
    assert [str(exchange) for exchange in run.exchanges] == [
        "POST /v1/generation → 200",
        f"GET /v1/generation/{job['id'][:8]}… → 200",
    ]
    assert {exchange.request.authorization for exchange in run.exchanges} == {"bearer"}


def test_the_spend_is_told(api, get, create):
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
    answer = api.post("/v1/generation", json={**PAGE_IMAGE, "config": {"prompt": prompt}}, headers=AUTHORIZED)
    assert answer.status_code == 422
    assert time.monotonic() - began < 5  # a quadratic search took minutes


def test_a_path_that_is_no_url_does_not_break_the_har(api, get):
    api.get("/", headers=AUTHORIZED, environ_overrides={"PATH_INFO": "//["})
    assert len(get("journal.har")["log"]["entries"]) == 1


def test_the_clock_goes_no_further_than_calendars(post):
    for _ in range(300):
        answer = post("clock", {"advance": 1e9}, status=None)
    assert answer["message"] == "clock: goes no further than the year 9000"


def test_a_job_that_was_to_fail_can_be_completed_by_hand_with_its_result(api, post, create):
    post("next-job", {"scenario": "failed", "after": 600})
    job = create(api)
    post(f"jobs/{job['id']}/complete")
    assert len(api.get(f"/v1/generation/{job['id']}", headers=AUTHORIZED).json["result"]["data"]) == 1


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


@pytest.mark.parametrize(("name", "one"), OPERATIONS_BY_NAME.items())
def test_an_argument_that_an_operation_does_not_have_is_refused(api, create, post, get, name, one):
    """A DELETE of one fault would else have cleared all of them."""
    path = one.path.replace("{id}", create(api)["id"])
    post("faults", {"operation": "get", "kind": "status"})
    sent = {"json": {"numbr": 1}} if one.method == "POST" else {"query_string": {"numbr": 1}}
    refused = api.open(f"/__mock/{path}", method=one.method, headers=AUTHORIZED, **sent)
    assert refused.status_code == 422, name
    assert len(get("faults")["faults"]) == 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
POSTS = sorted(
    one.path.replace("{id}", "0" * 32) for one in OPERATIONS_BY_NAME.values() if one.method == "POST"
)
KEYS = [
    "scenario",
    "operation",
    "kind",
    "after",
    "times",
    "model",
    "prompt",
    "advance",
    "speed",
    "freeze",
    "reason",
    "id",
]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(POSTS),
    st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), json_values, max_size=5),
)
def test_no_payload_breaks_the_control_plane(path, payload):
    body = json.dumps(payload).replace("NaN", "0").replace("-Infinity", "0").replace("Infinity", "0")
    answer = create_app().test_client().post(f"/__mock/{path}", data=body, content_type="application/json")
    assert answer.status_code in (200, 404, 422), answer.text
