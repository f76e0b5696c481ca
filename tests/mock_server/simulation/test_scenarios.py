"""Each scenario as a client sees it: the responses, and when they change."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import AUTHORIZED, PAGE_IMAGE

from netmind_contracts import violations
from netmind_mock import load_profile
from netmind_mock.jobs.job import Job, Status, ended, stages_until, status_at
from netmind_mock.jobs.plan import CreateRequest
from netmind_mock.simulation.scenarios import SCENARIOS, make_scenario, parse, plan_for
from netmind_mock.validation import InvalidInput

PROFILES = {name: load_profile(name) for name in ("documented", "observed")}


@pytest.fixture
def job(observed, clock):
    """Return a class that creates a job with a scenario, and reads it."""

    class Watched:
        def __init__(self, line):
            response = observed.post(
                "/v1/generation", json=PAGE_IMAGE, headers={**AUTHORIZED, "X-Mock-Scenario": line}
            )
            assert response.status_code == 200, response.text
            self.id = response.json["id"]

        def get(self, after=0.0):
            clock.advance(after)
            return observed.get(f"/v1/generation/{self.id}", headers=AUTHORIZED)

        def status(self, after=0.0):
            return self.get(after).json["status"]

        def statuses(self, *pauses):
            return [self.status(pause) for pause in pauses]

        def listed(self):
            return observed.get("/v1/generation", headers=AUTHORIZED).json["generation_list"]

        def delete(self):
            return observed.delete(f"/v1/generation/{self.id}", headers=AUTHORIZED)

        def download(self, response):
            return observed.get(response.json["result"]["data"][0]["url"].removeprefix("http://localhost"))

    return Watched


def test_completed_takes_the_given_seconds(job):
    assert job("completed after=10").statuses(0, 9, 1) == ["pending", "processing", "completed"]


def test_slow_takes_thirteen_minutes(job):
    assert job("slow").statuses(779, 1) == ["processing", "completed"]


def test_slow_takes_the_given_seconds(job):
    assert job("slow after=600").statuses(599, 1) == ["processing", "completed"]


def test_at_once_is_completed_at_the_first_poll(job):
    assert job("at_once").statuses(0) == ["completed"]


def test_after_polls_counts_polls_and_not_time(job):
    one = job("after_polls polls=3")
    assert one.statuses(0, 9999, 0, 0) == ["pending", "pending", "completed", "completed"]


def test_updated_at_is_the_time_of_the_poll_that_completed_the_job(job):
    one = job("after_polls polls=2")
    one.get(5)
    completed = one.get(60).json
    assert (completed["created_at"], completed["updated_at"]) == (
        "2025-09-18 09:14:20",
        "2025-09-18 09:15:25",
    )


def test_a_list_does_not_count_as_a_poll(job):
    one = job("after_polls polls=2")
    for _ in range(5):
        assert one.listed()[0]["status"] == "pending"
    assert one.statuses(0, 0) == ["pending", "completed"]


def test_by_hand_stays_pending(job):
    assert job("by_hand").statuses(0, 1e6) == ["pending", "pending"]


def test_failed_has_the_reason_in_its_last_log_line(job):
    failed = job("failed after=5 reason='no GPU'").get(5).json
    assert (failed["status"], failed["logs"][-1], failed["result"]) == ("failed", {"text": "no GPU"}, {})


def test_rejected_fails_with_the_error_of_the_worker(job):
    reason = job("rejected after=1 field=image_urls message='not an image'").get(1).json["logs"][-1]["text"]
    detail = json.loads(reason.removeprefix("Something error: 422: "))["detail"]
    assert detail == [{"loc": ["body", "image_urls"], "msg": "not an image", "type": "value_error"}]


@pytest.mark.parametrize("status", ["pending", "initializing", "processing", "somewhere"])
def test_stuck_stays_in_any_status(job, status):
    assert job(f"stuck status={status} after=10").status(1e6) == status


def test_stuck_passes_through_the_stages_before(job):
    assert job("stuck status=somewhere after=10").statuses(0, 5, 5) == ["pending", "processing", "somewhere"]


def test_unknown_status_passes_through_an_undocumented_status(job):
    assert job("unknown_status after=10 status=polishing").statuses(0, 5, 5) == [
        "pending",
        "polishing",
        "completed",
    ]


def test_backward_goes_back_to_pending(job):
    statuses = job("backward after=9").statuses(0, 3, 3, 3)
    assert statuses == ["pending", "processing", "pending", "completed"]


def test_empty_result_stays_empty_for_a_while(job):
    one = job("empty_result after=5 seconds=3")
    early, late = one.get(5).json, one.get(3).json
    assert (early["status"], early["result"]) == ("completed", {})
    assert len(late["result"]["data"]) == 1


def test_empty_result_stays_empty_forever_by_default(job):
    seen = job("empty_result after=5").get(1e6).json
    assert (seen["status"], seen["result"]) == ("completed", {})


def test_completed_then_failed_removes_the_file(job):
    one = job("completed_then_failed after=5 later=10 reason='late check'")
    done = one.get(5)
    assert one.download(done).status_code == 200
    failed = one.get(10).json
    assert (failed["status"], failed["logs"], failed["result"]) == ("failed", [{"text": "late check"}], {})
    assert one.download(done).status_code == 404


def test_missing_at_first_is_404_and_later_found(job):
    one = job("missing_at_first seconds=2")
    assert [one.get(pause).status_code for pause in (0, 1.9, 0.1)] == [404, 404, 200]


def test_list_behind_shows_the_job_later_than_get(job):
    one = job("list_behind after=10 seconds=4")
    assert one.listed() == []
    assert one.status(10) == "completed"
    assert one.listed()[0]["status"] == "processing"
    one.get(4)
    assert one.listed()[0]["status"] == "completed"


def test_delete_race_completes_the_deleted_job_and_removes_it_later(job):
    one = job("delete_race after=20 seconds=5")
    assert one.status(10) == "processing"
    assert one.delete().json == {"message": "Generation deleted"}
    seen = one.get()
    assert (seen.json["status"], seen.json["is_deleted"]) == ("completed", False)
    assert one.download(seen).status_code == 200
    assert one.get(5).status_code == 404
    assert one.download(seen).status_code == 404


def test_an_expired_link_is_rejected_and_getting_the_job_again_gives_a_new_one(job):
    one = job("expiring_link after=5 seconds=60")
    early = one.get(5)
    assert one.download(early).status_code == 200
    late = one.get(60)
    refused = one.download(early)
    assert (refused.status_code, refused.json) == (403, {"message": "Request has expired"})
    assert one.download(late).status_code == 200


@pytest.mark.parametrize("expires", ["", "?Expires=", "?Expires=1e99", "?Expires=-5", "?Expires=" + "9" * 50])
def test_a_link_with_a_changed_expiry_is_rejected(job, observed, expires):
    url = job("expiring_link after=0").get().json["result"]["data"][0]["url"]
    path = url.removeprefix("http://localhost").partition("?")[0]
    assert observed.get(path + expires).status_code == 403


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_responses_of_a_scenario_match_the_schema_of_a_generation(make, clock, create, profile, name):
    client = make(profile=profile, wire_faults=["reset"])
    job = (
        create(client, headers={**AUTHORIZED, "X-Mock-Scenario": name})
        if name != "response_lost"
        else create(client)
    )
    for pause in (0, 1, 1, 600, 600):
        clock.advance(pause)
        response = client.get(f"/v1/generation/{job['id']}", headers=AUTHORIZED)
        if response.status_code == 200 and name != "empty_result":
            assert violations("generation", response.json) == ()


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_has_a_description_and_a_level(name):
    scenario = SCENARIOS[name]
    assert scenario.about.endswith(".")
    assert scenario.level in ("documented", "observed", "assumed")
    assert all(parameter.about for parameter in scenario.parameters.values())


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_as_text_is_parsed_to_an_equal_scenario(name):
    assert parse(str(make_scenario(name))) == make_scenario(name)


def test_arguments_with_spaces_and_quotes_are_parsed_to_an_equal_scenario():
    original = make_scenario("failed", reason='it\'s "over" = done', after=2.5)
    assert parse(str(original)) == original


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("faild", "scenario: no such scenario as 'faild'; did you mean failed?"),
        ("after-polls", "scenario: no such scenario as 'after-polls'; did you mean after_polls?"),
        ("failed afer=3", "scenario failed: afer: no such key; did you mean after?"),
        ("failed after=soon", "scenario failed: after: expected a number of seconds, 0 or more, got 'soon'"),
        ("after_polls polls=0", "scenario after_polls: polls: expected a whole number from 1 to 10000, got 0"),
        ("stuck status=completed", "scenario stuck: status: expected a status other than completed and failed, got 'completed'"),
        ("failed 3", "scenario: expected a line such as failed after=3 reason='too dark' (write arguments as NAME=VALUE without commas, and quote a VALUE with spaces), got 'failed 3'"),
        ("failed reason='x", "scenario: expected a line such as failed after=3, got \"failed reason='x\" (No closing quotation)"),
        ("", "scenario: expected a line such as failed after=3 reason='too dark' (write arguments as NAME=VALUE without commas, and quote a VALUE with spaces), got ''"),
        ("response_lost how=magic", 'scenario response_lost: how: expected one of "reset", "hang", "gateway", got \'magic\''),
        ("delete_race seconds=0", "scenario delete_race: seconds: expected a number of seconds above 0, got 0"),
    ],
)  # fmt: skip
def test_an_invalid_scenario_is_rejected_with_what_was_expected(line, message):
    with pytest.raises(InvalidInput) as refused:
        parse(line)
    assert str(refused.value) == message


def test_an_unknown_name_that_resembles_none_is_rejected_with_all_names():
    with pytest.raises(InvalidInput, match="available: completed, slow, at_once, "):
        make_scenario("xyzzy")


class TestEnding:
    """A job that a person or a test ends by hand."""

    JOB = Job(
        "0" * 32, "1" * 32, "Qwen/Qwen-Image", b"{}", 1000.0,
        plan_for(CreateRequest("Qwen/Qwen-Image", {}), PROFILES["observed"], 10.0),
    )  # fmt: skip

    def test_its_earlier_stages_do_not_change(self):
        done = ended(self.JOB, 1003.7, None)
        assert [stage.status for stage in stages_until(done, 1010.0)] == [
            "pending",
            "initializing",
            "completed",
        ]
        assert status_at(done, 1003.6).status == "initializing"

    def test_it_fails_with_the_given_reason(self):
        failed = ended(self.JOB, 1001.0, "by hand")
        assert (status_at(failed, 1001.0).status, failed.plan.failure) == ("failed", "by hand")

    @given(st.floats(0, 100), st.sampled_from(sorted(SCENARIOS)))
    def test_it_has_ended_from_that_moment_on_with_any_scenario(self, elapsed, name):
        plan = plan_for(CreateRequest("Qwen/Qwen-Image", {}), PROFILES["observed"], 10.0, make_scenario(name))
        job = Job("0" * 32, "1" * 32, "m", b"{}", 0.0, plan)
        if status_at(job, elapsed).status in (Status.COMPLETED, Status.FAILED):
            return
        assert status_at(ended(job, elapsed, None), elapsed).status == "completed"
        assert status_at(ended(job, elapsed, None), math.inf).status == "completed"
