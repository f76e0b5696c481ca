"""The pages as HTML: what they show and refuse. How they work in a browser is tested in one."""

import html
import re

import pytest

import netmind_mock
from netmind_mock import SimulatedClock, create_app
from netmind_mock.control.operations import OPERATIONS_BY_NAME
from netmind_mock.jobs.catalogue import catalogue

AUTH = {"Authorization": "Bearer a-token-of-mine"}
OWN = {"Origin": "http://localhost"}


def body(prompt="A cup of tea", model="Qwen/Qwen-Image", **config):
    return {"model": model, "config": {"prompt": prompt, **config}}


class Fake:
    """A fake on a clock that stands, and its pages."""

    def __init__(self, **options):
        self.clock = SimulatedClock(wall=lambda: 1_800_000_000.0)
        self.clock.freeze()
        self.app = create_app(clock=self.clock, duration=10, **options)
        self.client = self.app.test_client()

    def create(self, headers=AUTH, **asked):
        return self.client.post("/v1/generation", json=body(**asked), headers=headers).json["id"]

    def page(self, path="", status=200, **options):
        with self.client.get(f"/__mock/{path}", **options) as response:
            assert response.status_code == status, response.text
            return response.text

    def press(self, status=303, **fields):
        response = self.client.post("/__mock/pages/do", data=fields, headers=OWN)
        assert response.status_code == status, response.text
        return response


@pytest.fixture
def fake():
    return Fake()


def text_in(page):
    """What a person reads, in one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


class TestJobs:
    def test_before_there_are_any_it_says_what_to_do(self, fake):
        assert "No jobs yet. Try: curl" in text_in(fake.page())

    def test_a_row_says_what_a_person_wants_to_know(self, fake):
        job = fake.create(prompt="A cup of tea")
        fake.clock.advance(4)
        fake.client.get(f"/v1/generation/{job}", headers=AUTH)
        shown = text_in(fake.page())
        assert f"○ pending {job[:8]}… A cup of tea Qwen/Qwen-Image 4.0 s 1 1" in shown

    def test_a_completed_job_shows_its_picture(self, fake):
        fake.create()
        fake.clock.advance(10)
        [picture] = re.findall(r'<img src="([^"]+)"', fake.page())
        assert fake.client.get(picture).content_type == "image/png"

    def test_the_newest_is_first_and_pages_lead_on(self, fake):
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

    def test_filters_narrow_it_and_stay_while_paging(self, fake):
        done = fake.create(prompt="A green door")
        fake.clock.advance(10)
        other = fake.create(prompt="A red door", headers={"Authorization": "other"})
        fake.create(prompt="A window", model="some/other-model")

        def found(**query):
            page = fake.client.get("/__mock/", query_string=query).text
            return re.findall(r"pages/jobs/([0-9a-f]{32})", page)

        assert found(status="completed") == [done]
        assert found(text="RED") == [other]
        assert len(found(model="qwen")) == 2
        account = fake.client.get("/__mock/jobs").json["jobs"][1]["user_id"]
        assert found(account=account) == [other]
        assert found(text="door", status="pending") == [other]
        assert found(text="nothing of the kind") == []
        for number in range(60):
            fake.create(prompt=f"door {number}")
        assert "text=door&amp;before=" in fake.client.get("/__mock/?text=door").text


class TestJob:
    def test_it_tells_when_it_was_polled_and_what_is_to_come(self, fake):
        job = fake.create()
        for _ in range(3):
            fake.clock.advance(2)
            fake.client.get(f"/v1/generation/{job}", headers=AUTH)
        page = fake.page(f"pages/jobs/{job}")
        assert 'aria-label="Timeline: pending from 0.0 s, completed due after 10 s; 3 polls"' in page
        assert page.count('<line class="tick"') == 3
        assert "Advance to the next stage" in page

    def test_it_shows_request_answer_and_how_to_do_it_again(self, fake):
        job = fake.create(prompt="It's <b>bold</b>")
        shown = html.unescape(fake.page(f"pages/jobs/{job}"))
        assert '"prompt": "It\'s <b>bold</b>"' in shown
        assert f'"id": "{job}"' in shown
        assert "def test_it(netmind_mock):" in shown

    @pytest.mark.parametrize(
        ("kind", "tag"),
        [("image", "<img"), ("audio", "<audio controls"), ("video", "<video controls"), ("text", "<pre")],
    )
    def test_each_kind_of_result_is_shown_where_it_is(self, fake, kind, tag):
        model = next(model for model in catalogue().values() if model.kind == kind)
        job = fake.create(model=model.name, text="Some words", prompt="Some words")
        assert "<h2>Results</h2>" not in fake.page(f"pages/jobs/{job}")
        fake.clock.advance(10)
        shown = fake.page(f"pages/jobs/{job}").split("<h2>Results</h2>")[1].split("</section>")[0]
        assert tag in shown
        for path in re.findall(r'src="([^"]+)"', shown):
            assert fake.client.get(html.unescape(path)).status_code == 200

    def test_the_test_that_it_offers_runs(self, fake):
        job = fake.create(prompt='It\'s "quoted"\nin two lines')
        code = html.unescape(
            re.search(r'aria-label="pytest">(.*?)</pre>', fake.page(f"pages/jobs/{job}"), re.DOTALL)[1]
        )
        offered = {}
        exec(code, offered)  # noqa: S102 - it is what is tested
        with netmind_mock.start() as mock:
            offered["test_it"](mock)
            [created] = mock.journal
        assert created.config == {"prompt": 'It\'s "quoted"\nin two lines'}

    @pytest.mark.parametrize("path", ["0" * 32, "x", "../jobs", "%00"])
    def test_one_that_is_not_there_is_said_to_be_so(self, fake, path):
        assert "nothing is here" in fake.page(f"pages/jobs/{path}", status=404)

    def test_buttons_do_what_they_say(self, fake):
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

    def test_a_button_that_can_do_no_more_says_why(self, fake):
        job = fake.create()
        fake.press(operation="complete", id=job)
        response = fake.press(status=422, operation="complete", id=job, back=f"/__mock/pages/jobs/{job}")
        assert f"job: generation {job} is completed already" in response.text
        assert f'<a href="/__mock/pages/jobs/{job}">Back</a>' in response.text


class TestJournal:
    def test_it_shows_what_breaks_the_contract_and_what_was_paid_twice(self, fake):
        fake.create()
        fake.create()
        fake.client.post("/v1/generation", json={"model": 5}, headers=AUTH)
        fake.client.post("/__mock/faults", json={"operation": "list", "kind": "malformed_json"}, headers=AUTH)
        fake.client.get("/v1/generation", headers=AUTH)
        shown = text_in(fake.page("pages/journal"))
        assert "same request as 1: billed twice" in shown
        assert "request model (type): expected a string, got the integer 5" in shown
        assert "malformed_json of list" in shown
        assert "response (the whole body) (type): expected an object, got null" in shown

    def test_what_is_as_it_should_be_is_not_warned_of(self, fake):
        for profile in ("documented", "observed"):
            fake = Fake(profile=profile)
            job = fake.create()
            fake.clock.advance(5)
            for method, path in [("GET", f"/{job}"), ("GET", ""), ("DELETE", f"/{job}")]:
                fake.client.open(f"/v1/generation{path}", method=method, headers=AUTH)
            assert "warned" not in fake.page("pages/journal")

    def test_it_is_filtered_and_paged(self, fake):
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


class TestSteer:
    def test_its_buttons_steer_clock_and_orders(self, fake):
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
        page = text_in(fake.page("pages/steer"))
        assert "2 scenarios queued. failed after=3 reason='no GPU'" in page
        assert "status of get: applied 0 of 3 times" in page
        fake.press(operation="clear_faults")
        assert "No faults." in fake.page("pages/steer")
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
            ({"operation": "explode"}, "no such operation"),
            ({"operation": "change_clock", "advance": "1", "account": "x" * 40}, "no such account"),
        ],
    )
    def test_a_mistake_is_told_on_the_page(self, fake, fields, message):
        assert message in html.unescape(fake.press(status=422, **fields).text)

    def test_the_next_event_is_a_button_where_there_is_one(self, fake):
        assert "To the next event" not in fake.page("pages/steer")
        fake.create()
        [advance] = re.findall(r'name="advance" value="(10\.\d+|10)"', fake.page("pages/steer"))
        fake.press(operation="change_clock", advance=advance)
        assert fake.client.get("/__mock/jobs").json["jobs"][0]["status"] == "completed"


class TestCurl:
    def test_each_button_has_a_command_that_the_control_plane_takes(self, fake):
        job = fake.create()
        pages = fake.page(f"pages/jobs/{job}") + fake.page("pages/steer")
        buttons = re.findall(r"<button(?: class=\"danger\")?>([^<]+)</button>", pages)
        commands = re.findall(r"<pre [^>]*>(curl http://localhost/__mock/[^<]+)</pre>", pages)
        assert len(commands) == len(buttons) == 14
        for command in map(html.unescape, commands):
            found = re.fullmatch(
                r"curl http://localhost(\S+?)(?: -X (DELETE)| -H '[^']+' -d '(.+)')", command
            )
            sent = {} if found[2] else {"data": found[3], "content_type": "application/json"}
            response = fake.client.open(found[1], method=found[2] or "POST", **sent)
            assert response.status_code in (200, 404, 422), (command, response.text)
            assert "nothing is here" not in response.text


class TestGuards:
    def test_every_page_forbids_what_is_not_its_own(self, fake):
        for path in ("", "pages/journal", "pages/steer", "pages/static/page.css", "pages/static/page.js"):
            with fake.client.get(f"/__mock/{path}") as response:
                headers = response.headers
            assert response.status_code == 200
            assert headers["Content-Security-Policy"].startswith("default-src 'self';")
            assert "unsafe" not in headers["Content-Security-Policy"]
            assert headers["X-Content-Type-Options"] == "nosniff"

    @pytest.mark.parametrize("origin", [None, "http://evil.example", "null", "http://localhost:81"])
    def test_a_form_that_is_not_the_pages_own_does_nothing(self, fake, origin):
        fake.create()
        headers = {} if origin is None else {"Origin": origin}
        response = fake.client.post("/__mock/pages/do", data={"operation": "reset"}, headers=headers)
        assert response.status_code == 403
        assert len(fake.client.get("/__mock/jobs").json["jobs"]) == 1

    @pytest.mark.parametrize(
        "back",
        ["http://evil.example", "//evil.example", "/__mock/\\evil", "/__mock/\rX: y", "javascript:1", ""],
    )
    def test_no_form_leads_elsewhere(self, fake, back):
        assert fake.press(operation="reset", back=back).location == "/__mock/"

    def test_a_form_that_is_too_large_is_refused(self, fake):
        response = fake.client.post("/__mock/pages/do", data={"operation": "x" * 100_000}, headers=OWN)
        assert response.status_code == 413

    def test_beyond_loopback_a_person_is_asked_for_the_key_once(self):
        fake = Fake(control_key="the-key")
        asked = fake.page(status=401, headers={"Accept": "text/html"})
        assert 'name="key" type="password"' in asked
        assert fake.client.get("/__mock/jobs").status_code == 401
        assert "--ink" in fake.page("pages/static/page.css")
        wrong = fake.client.post("/__mock/pages/key", data={"key": "other", "back": "/__mock/"}, headers=OWN)
        assert (wrong.status_code, "That is not the key." in wrong.text) == (401, True)
        assert (
            fake.client.post("/__mock/pages/do", data={"operation": "reset"}, headers=OWN).status_code == 401
        )
        right = fake.client.post(
            "/__mock/pages/key", data={"key": "the-key", "back": "/__mock/"}, headers=OWN
        )
        assert right.status_code == 303
        cookie = right.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert "the-key" not in cookie
        assert fake.client.get("/__mock/").status_code == 200

    @pytest.mark.parametrize("sent", ["\xe9", "\xc3\xa9", '"\\303\\251"', "\xed\xa0\x80", ""])
    def test_a_cookie_that_is_no_key_lets_nobody_in(self, sent):
        client = create_app(control_key="the-key").test_client(use_cookies=False)
        cookie = {"HTTP_COOKIE": f"netmind_mock_key={sent}"}
        assert client.get("/__mock/jobs", environ_overrides=cookie).status_code == 401

    def test_who_has_not_given_the_key_is_shown_nothing_of_the_fake(self):
        fake = Fake(control_key="the-key", profile="observed")
        for path in ("", "jobs", "pages/x"):
            page = fake.page(path, status=401, headers={"Accept": "text/html"})
            assert 'name="key" type="password"' in page
            assert not re.search("observed|Clock</dt>|Store|NETMIND_BASE_URL|<script", page), path

    @pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
    def test_who_comes_from_elsewhere_is_shown_nothing_of_the_fake(self, headers):
        fake = Fake(profile="observed")
        for path in ("", "pages/journal", "pages/x"):
            page = fake.page(path, status=403, headers=headers)
            assert not re.search("observed|Clock</dt>|Store|NETMIND_BASE_URL|<script", page), path

    @pytest.mark.parametrize("path", ["", "pages/journal", "pages/steer", "pages/do", "pages/nothing"])
    def test_a_page_takes_no_method_that_a_browser_does_not_send(self, fake, path):
        response = fake.client.put(f"/__mock/{path}")
        assert (response.status_code, "a page takes no PUT" in response.text) == (405, True)

    def test_no_argument_of_a_page_changes_where_its_links_lead(self, fake):
        for number in range(60):
            fake.create(prompt=f"door {number}")
        page = fake.page("?text=door&_scheme=javascript&_external=1&_anchor=x&_method=POST")
        assert re.search(r'rel="next" href="([^"]+)"', page)[1].startswith("/__mock/?text=door&amp;before=")
        assert "javascript:" not in page

    def test_a_picture_that_has_not_changed_is_not_sent_again(self, fake):
        fake.create()
        fake.clock.advance(10)
        [picture] = re.findall(r'<img src="([^"]+)"', fake.page())
        headers = fake.client.get(picture).headers
        assert headers["Cache-Control"] == "no-cache"
        again = fake.client.get(picture, headers={"If-None-Match": headers["ETag"]})
        assert again.status_code == 304

    def test_a_page_that_has_not_changed_is_not_sent_again(self, fake):
        tag = fake.client.get("/__mock/").headers["ETag"]
        assert fake.client.get("/__mock/", headers={"If-None-Match": tag}).status_code == 304
        fake.create()
        assert fake.client.get("/__mock/", headers={"If-None-Match": tag}).status_code == 200

    @pytest.mark.parametrize("name", ["page.css", "page.js"])
    def test_what_the_pages_bring_along_is_small(self, fake, name):
        assert 1_000 < len(fake.page(f"pages/static/{name}").encode()) <= 10_000


def test_what_a_person_looks_at_is_not_in_the_journal(fake):
    fake.create()
    fake.clock.advance(10)
    [picture] = re.findall(r'<img src="([^"]+)"', fake.page())
    assert fake.client.get(picture).content_type == "image/png"
    assert fake.client.get("/__mock/pages/files/file-nothing").status_code == 404
    entries = fake.client.get("/__mock/journal").json["entries"]
    assert [entry["operation"] for entry in entries] == ["create"]


def test_all_that_a_form_may_ask_for_is_an_operation(fake):
    pages = fake.page("pages/steer") + fake.page(f"pages/jobs/{fake.create()}")
    asked = set(re.findall(r'name="operation" value="(\w+)"', pages))
    assert asked <= set(OPERATIONS_BY_NAME)
    assert {"complete", "fail", "delete", "change_clock", "add_next_job", "add_fault", "reset"} <= asked
