"""Tests of the dashboard's HTML. tests/browser tests it in a browser."""

import html
import re

import pytest
from dashboards import AUTH, Fake, body, text_in

import netmind_mock
from netmind_mock.control.operations import OPERATIONS_BY_NAME
from netmind_mock.jobs.catalogue import catalogue


@pytest.fixture
def fake():
    return Fake()


class TestJobs:
    def test_without_jobs_it_shows_how_to_create_one(self, fake):
        assert "No jobs yet. Try: curl" in text_in(fake.page())

    def test_a_row_shows_status_id_prompt_model_age_polls_and_price(self, fake):
        job = fake.create(prompt="A cup of tea")
        fake.clock.advance(4)
        fake.client.get(f"/v1/generation/{job}", headers=AUTH)
        shown = text_in(fake.page())
        assert f"○ pending {job[:8]}… A cup of tea Qwen/Qwen-Image 4.0 s 1 1" in shown

    def test_a_completed_job_shows_its_image(self, fake):
        fake.create()
        fake.clock.advance(10)
        [picture] = re.findall(r'<img src="([^"]+)"', fake.page())
        assert fake.client.get(picture).content_type == "image/png"

    def test_the_newest_job_is_first_and_pages_are_linked(self, fake):
        for number in range(120):
            fake.create(prompt=f"number {number:03}")
        seen, path = [], ""
        while path is not None:
            page = fake.page(path)
            seen.append(re.findall(r"number (\d+)", page))
            older = re.search(r'rel="next" href="/__mock/([^"]+)"', page)
            path = older and html.unescape(older[1])
        assert [len(numbers) for numbers in seen] == [50, 50, 20]
        assert [number for numbers in seen for number in numbers] == [
            f"{number:03}" for number in reversed(range(120))
        ]

    def test_filters_select_jobs_and_are_kept_while_paging(self, fake):
        done = fake.create(prompt="A green gate")
        fake.clock.advance(10)
        other = fake.create(prompt="A red gate", headers={"Authorization": "other"})
        fake.create(prompt="A window", model="some/other-model")

        def found(**query):
            page = fake.client.get("/__mock/", query_string=query).text
            return re.findall(r"pages/jobs/([0-9a-f]{32})", page)

        assert found(status="completed") == [done]
        assert found(text="RED") == [other]
        assert len(found(model="qwen")) == 2
        account = fake.client.get("/__mock/jobs").json["jobs"][1]["user_id"]
        assert found(account=account) == [other]
        assert found(text="gate", status="pending") == [other]
        assert found(text="no such text") == []
        for number in range(60):
            fake.create(prompt=f"gate {number}")
        assert "text=gate&amp;before=" in fake.client.get("/__mock/?text=gate").text


class TestJob:
    def test_it_shows_the_polls_and_the_planned_stages(self, fake):
        job = fake.create()
        for _ in range(3):
            fake.clock.advance(2)
            fake.client.get(f"/v1/generation/{job}", headers=AUTH)
        page = fake.page(f"pages/jobs/{job}")
        assert 'aria-label="Timeline: pending from 0.0 s, completed due after 10 s; 3 polls"' in page
        assert page.count('<line class="tick"') == 3
        assert "Advance to the next stage" in page

    def test_it_shows_the_request_the_response_and_how_to_reproduce_it(self, fake):
        job = fake.create(prompt="It's <b>bold</b>")
        shown = html.unescape(fake.page(f"pages/jobs/{job}"))
        assert '"prompt": "It\'s <b>bold</b>"' in shown
        assert f'"id": "{job}"' in shown
        assert "def test_it(netmind_mock):" in shown

    def test_a_long_text_in_the_request_is_shortened_also_in_the_commands(self, fake):
        job = fake.create(prompt="x" * 30_000)
        shown = html.unescape(fake.page(f"pages/jobs/{job}"))
        assert shown.count(f"{'x' * 40}… (30000 characters, ") == 3  # the request, curl, pytest

    def test_a_request_of_many_values_is_cut_and_has_no_commands(self, fake):
        job = fake.create(values=["word"] * 10_000)
        shown = html.unescape(fake.page(f"pages/jobs/{job}"))
        assert '"prompt": "A cup of tea"' in shown
        assert "The request is too long to be shown as a command." in shown

    @pytest.mark.parametrize(
        ("kind", "tag"),
        [("image", "<img"), ("audio", "<audio controls"), ("video", "<video controls"), ("text", "<pre")],
    )
    def test_each_kind_of_result_is_shown_with_its_element(self, fake, kind, tag):
        model = next(model for model in catalogue().values() if model.kind == kind)
        job = fake.create(model=model.name, text="Some words", prompt="Some words")
        assert "<h2>Results</h2>" not in fake.page(f"pages/jobs/{job}")
        fake.clock.advance(10)
        shown = fake.page(f"pages/jobs/{job}").split("<h2>Results</h2>")[1].split("</section>")[0]
        assert tag in shown
        for path in re.findall(r'src="([^"]+)"', shown):
            assert fake.client.get(html.unescape(path)).status_code == 200

    def test_the_generated_test_runs(self, fake):
        job = fake.create(prompt='It\'s "quoted"\nin two lines')
        code = html.unescape(
            re.search(r'aria-label="pytest">(.*?)</pre>', fake.page(f"pages/jobs/{job}"), re.DOTALL)[1]
        )
        generated = {}
        exec(code, generated)  # noqa: S102 - this is the code under test
        with netmind_mock.start() as mock:
            generated["test_it"](mock)
            [created] = mock.journal
        assert created.config == {"prompt": 'It\'s "quoted"\nin two lines'}

    @pytest.mark.parametrize("path", ["0" * 32, "x", "../jobs", "%00"])
    def test_an_unknown_job_is_not_found(self, fake, path):
        assert "no such" in fake.page(f"pages/jobs/{path}", status=404)

    def test_buttons_run_their_operations(self, fake):
        first, second, third = (fake.create() for _ in range(3))
        back = f"/__mock/pages/jobs/{first}"
        assert fake.press(operation="complete", id=first, back=back).location == back
        fake.press(operation="fail", id=second, reason="By <hand>")
        fake.press(operation="delete", id=third)
        statuses = [job["status"] for job in fake.client.get("/__mock/jobs").json["jobs"]]
        assert statuses == ["pending", "failed", "completed"]
        assert "By &lt;hand&gt;" in fake.page(f"pages/jobs/{second}")
        [picture] = re.findall(r'<img src="([^"]+)"', fake.page(f"pages/jobs/{first}"))
        fake.press(operation="expire_links", id=first)
        assert fake.client.get(picture).status_code == 403
        [picture] = re.findall(r'<img src="([^"]+)"', fake.page(f"pages/jobs/{first}"))
        assert fake.client.get(html.unescape(picture)).status_code == 200

    def test_completing_a_job_twice_shows_an_error(self, fake):
        job = fake.create()
        fake.press(operation="complete", id=job)
        response = fake.press(status=422, operation="complete", id=job, back=f"/__mock/pages/jobs/{job}")
        assert f"job: {job} is completed already" in response.text
        assert f'<a href="/__mock/pages/jobs/{job}">Back</a>' in response.text


class TestJournal:
    def test_it_shows_contract_violations_and_faults(self, fake):
        fake.client.post("/v1/generation", json={"model": 5}, headers=AUTH)
        fake.client.post("/__mock/faults", json={"operation": "list", "kind": "malformed_json"}, headers=AUTH)
        fake.client.get("/v1/generation", headers=AUTH)
        shown = text_in(fake.page("pages/journal"))
        assert "request model (type): expected a string, got the integer 5" in shown
        assert "malformed_json of list" in shown
        assert "response (the whole body) (type): expected an object, got null" in shown

    def test_a_repeated_create_is_not_billed_twice_if_the_first_response_was_received(self, fake):
        fake.create()
        fake.create()
        shown = text_in(fake.page("pages/journal"))
        assert "same request as 1" in shown
        assert "billed twice" not in shown
        assert fake.client.get("/__mock/spend").json["twice"] == []

    def test_a_create_that_repeats_one_whose_response_was_lost_is_billed_twice(self, fake):
        fault = {"operation": "create", "kind": "html", "code": 504, "reaches": True}
        fake.client.post("/__mock/faults", json=fault, headers=AUTH)
        fake.client.post("/v1/generation", json=body(), headers=AUTH)
        fake.create()
        assert "same request as 1: billed twice" in text_in(fake.page("pages/journal"))
        [twice] = fake.client.get("/__mock/spend").json["twice"]
        assert (twice["first"], twice["again"]) == (1, 2)

    def test_an_equal_create_of_another_account_is_no_repeat(self, fake):
        fault = {"operation": "create", "kind": "html", "code": 504, "reaches": True}
        fake.client.post("/__mock/faults", json=fault, headers=AUTH)
        fake.client.post("/v1/generation", json=body(), headers=AUTH)
        fake.create(headers={"Authorization": "other"})
        assert "same request" not in text_in(fake.page("pages/journal"))

    def test_valid_requests_and_responses_have_no_warning(self, fake):
        for profile in ("documented", "observed"):
            fake = Fake(profile=profile)
            job = fake.create()
            fake.clock.advance(5)
            for method, path in [("GET", f"/{job}"), ("GET", ""), ("DELETE", f"/{job}")]:
                fake.client.open(f"/v1/generation{path}", method=method, headers=AUTH)
            assert "warned" not in fake.page("pages/journal")

    def test_requests_are_filtered_and_paged(self, fake):
        for number in range(60):
            fake.create(prompt=f"number {number:03}")
        fake.client.get("/v1/generation/" + "0" * 32, headers=AUTH)
        page = fake.page("pages/journal?operation=create")
        assert "60 requests" in text_in(page)
        older = html.unescape(re.search(r'rel="next" href="/__mock/([^"]+)"', page)[1])
        assert fake.page(older).count("<summary>bodies") == 10
        assert "1 requests" in text_in(fake.page("pages/journal?status=4"))
        assert "1 requests" in text_in(fake.page("pages/journal?text=number+007"))
        assert "No request matches." in text_in(fake.page("pages/journal?text=nothing"))


class TestSimulation:
    def test_its_buttons_change_the_clock_scenarios_and_faults(self, fake):
        fake.create()
        before = fake.clock.now()
        fake.press(operation="change_clock", advance="60")
        assert fake.clock.now() == before + 60
        fake.press(operation="change_clock", freeze="false")
        assert not fake.clock.frozen
        fake.press(operation="change_clock", speed="60")
        assert fake.clock.speed == 60
        fake.press(
            operation="add_next_job", scenario="failed", arguments='after=3 reason="no GPU"', times="2"
        )
        fake.press(operation="add_fault", fault_of="get", kind="status", arguments="code=429", times="3")
        page = text_in(fake.page("pages/simulation"))
        assert "2 scenarios queued. failed after=3 reason='no GPU'" in page
        assert "status of get: applied 0 of 3 times" in page
        fake.press(operation="clear_faults")
        assert "No faults." in fake.page("pages/simulation")
        fake.press(operation="reset")
        assert fake.client.get("/__mock/jobs").json["jobs"] == []

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            (
                {"operation": "add_next_job", "scenario": "failed", "arguments": "after"},
                "expected name=value",
            ),
            ({"operation": "add_next_job", "scenario": "faild", "times": "1"}, "did you mean failed?"),
            ({"operation": "add_fault", "fault_of": "get", "kind": "status", "arguments": '"'}, "name=value"),
            ({"operation": "change_clock", "speed": "fast"}, "speed: expected"),
            ({"operation": "rest"}, "no such operation as 'rest'; did you mean reset?"),
            (
                {"operation": "change_clock", "advance": "1", "account": "x" * 40},
                "account: expected 32 hexadecimal digits",
            ),
        ],
    )
    def test_an_invalid_input_is_shown_as_an_error(self, fake, fields, message):
        assert message in html.unescape(fake.press(status=422, **fields).text)

    def test_it_shows_the_rules_and_the_scenario_of_all_other_jobs(self, fake):
        assert "No rules." in fake.page("pages/simulation")
        rule = {"model": "Qwen/*", "prompt": "tea <1>", "scenario": "slow"}
        fake.client.post("/__mock/rules", json=rule)
        fake.client.post("/__mock/rules", json={"scenario": "failed after=3", "otherwise": True})
        page = text_in(fake.page("pages/simulation"))
        assert "slow for model Qwen/* if the prompt contains tea <1> Otherwise: failed after=3" in page
        fake.press(operation="clear_rules")
        assert "No rules." in fake.page("pages/simulation")

    def test_it_has_a_button_to_advance_to_the_next_event_if_one_is_planned(self, fake):
        assert "To the next event" not in fake.page("pages/simulation")
        fake.create()
        [advance] = re.findall(r'name="advance" value="(10\.\d+|10)"', fake.page("pages/simulation"))
        fake.press(operation="change_clock", advance=advance)
        assert fake.client.get("/__mock/jobs").json["jobs"][0]["status"] == "completed"


class TestCurl:
    def test_each_button_has_a_curl_command_that_the_control_api_accepts(self, fake):
        job = fake.create()
        pages = fake.page(f"pages/jobs/{job}") + fake.page("pages/simulation")
        buttons = re.findall(r"<button(?: class=\"danger\")?>([^<]+)</button>", pages)
        commands = re.findall(r"<pre [^>]*>(curl http://localhost/__mock/[^<]+)</pre>", pages)
        assert len(commands) == len(buttons) == 15
        for command in map(html.unescape, commands):
            found = re.fullmatch(
                r"curl http://localhost(\S+?)(?: -X (DELETE)| -H '[^']+' -d '(.+)')", command
            )
            sent = {} if found[2] else {"data": found[3], "content_type": "application/json"}
            response = fake.client.open(found[1], method=found[2] or "POST", **sent)
            assert response.status_code in (200, 404, 422), (command, response.text)
            assert "no such path" not in response.text


def test_requests_of_the_dashboard_are_not_in_the_journal(fake):
    fake.create()
    fake.clock.advance(10)
    [picture] = re.findall(r'<img src="([^"]+)"', fake.page())
    assert fake.client.get(picture).content_type == "image/png"
    assert fake.client.get("/__mock/pages/files/file-nothing").status_code == 404
    entries = fake.client.get("/__mock/journal").json["entries"]
    assert [entry["operation"] for entry in entries] == ["create"]


def test_every_form_has_an_operation_of_the_control_api(fake):
    pages = fake.page("pages/simulation") + fake.page(f"pages/jobs/{fake.create()}")
    operations = set(re.findall(r'name="operation" value="(\w+)"', pages))
    assert operations <= set(OPERATIONS_BY_NAME)
    assert {"complete", "fail", "delete", "change_clock", "add_next_job", "add_fault", "reset"} <= operations
