"""Tests of the dashboard in a browser."""

import contextlib
import http.client
import json

import pytest
import requests

pytestmark = pytest.mark.slow

PAGES = ["/__mock/", "/__mock/pages/journal", "/__mock/pages/simulation"]
# Known ways to inject code into a page, combined with ways to wrap them: 150 strings.
_BREAKOUTS = [
    "<script>window.hacked=1</script>",
    "</script><script>window.hacked=1</script>",
    '"><img src=x onerror=window.hacked=1>',
    "'><svg onload=window.hacked=1>",
    "</pre><iframe srcdoc='<script>parent.hacked=1</script>'>",
    "</title><script>window.hacked=1</script>",
    "javascript:window.hacked=1",
    "{{ 7*7 }}{% for x in ().__class__ %}",
    "${window.hacked=1}",
    "<!--><script>window.hacked=1</script>-->",
    "<details open ontoggle=window.hacked=1>",
    "<style>*{display:none}</style>",
    "<base href=http://evil.example/>",
    "<meta http-equiv=refresh content='0;url=http://evil.example'>",
    "<form action=http://evil.example><button>Complete</button></form>",
]
_WRAPS = [
    "{}",
    "a{}b",
    "{}\n{}",
    "\u202e{}",
    "\x00{}",
    "%3C{}",
    "&lt;{}&gt;",
    "\\u003c{}",
    "\ud7ff{}",
    '"{}"',
]
HOSTILE = [wrap.replace("{}", text) for text in _BREAKOUTS for wrap in _WRAPS]


def test_there_are_150_hostile_strings():
    assert len(set(HOSTILE)) == 150


def test_a_job_appears_completes_and_shows_its_image_without_a_reload(page, create):
    page.goto("/__mock/")
    page.get_by_text("No jobs yet").wait_for()
    job = create("A cup of tea")
    page.get_by_role("row", name="A cup of tea").get_by_text("pending").wait_for()
    page.get_by_role("link", name=f"{job[:8]}…").click()
    page.get_by_role("button", name="Complete", exact=True).click()
    page.get_by_text("Done: Complete").wait_for()
    picture = page.get_by_role("img", name="Result 1, an image")
    picture.wait_for()
    picture.evaluate("one => one.decode()")
    assert picture.evaluate("one => one.naturalWidth") > 0
    page.get_by_role("link", name="Jobs", exact=True).click()
    page.get_by_role("row", name="A cup of tea").get_by_text("completed").wait_for()


def test_every_button_of_a_job_runs_its_operation(page, api, create):
    first, second, third = create("one"), create("two"), create("three")

    def press(name):
        page.get_by_role("button", name=name, exact=True).click()
        page.get_by_text(f"Done: {name}").wait_for()

    def statuses():
        return {job["id"]: job["status"] for job in api("GET", "/__mock/jobs")["jobs"]}

    page.goto(f"/__mock/pages/jobs/{first}")
    press("Advance to the next stage")
    assert statuses()[first] == "completed"
    press("Expire links")
    page.goto(f"/__mock/pages/jobs/{third}")
    press("Delete")
    page.get_by_text("deleted").first.wait_for()
    fourth = create("four")
    page.goto(f"/__mock/pages/jobs/{fourth}")
    page.get_by_label("Reason").fill("No <b>GPU</b>")
    press("Fail")
    assert statuses()[fourth] == "failed"
    page.get_by_text("No <b>GPU</b>").first.wait_for()
    assert statuses()[second] == "completed"


def test_every_button_of_the_simulation_page_runs_its_operation(page, api, create):
    page.goto("/__mock/pages/simulation")

    def press(name):
        page.get_by_role("button", name=name, exact=True).click()
        page.get_by_text(f"Done: {name}").wait_for()

    press("Freeze")
    before = api("GET", "/__mock/clock")["now"]
    press("+1 s")
    press("+1 min")
    assert api("GET", "/__mock/clock")["now"] == pytest.approx(before + 61)
    create()
    press("To the next event")
    assert api("GET", "/__mock/jobs")["jobs"][0]["status"] == "completed"
    press("Resume")
    page.get_by_role("spinbutton", name="Speed").fill("7")
    press("Set the speed")
    assert api("GET", "/__mock/clock")["speed"] == 7
    page.get_by_role("combobox", name="Scenario").select_option("failed")
    page.get_by_role("textbox", name="Arguments").first.fill("after=3")
    press("Add scenario")
    page.get_by_text("1 scenario queued.").wait_for()
    page.get_by_role("combobox", name="Operation").select_option("get")
    page.get_by_role("combobox", name="Fault").select_option("status")
    page.get_by_role("textbox", name="Arguments").last.fill("code=418")
    press("Add fault")
    page.get_by_text("applied 0 of 1").wait_for()
    api("POST", "/__mock/rules", {"model": "Qwen/*", "scenario": "slow"})
    page.get_by_text("slow for model Qwen/*").wait_for()
    press("Remove all rules")
    page.get_by_text("No rules.").wait_for()
    press("Remove all faults")
    page.get_by_text("No faults.").wait_for()
    press("Remove all jobs, scenarios, rules, faults and the journal")
    page.get_by_text("No scenarios queued.").wait_for()
    assert api("GET", "/__mock/jobs")["jobs"] == []


def test_an_invalid_input_is_shown_on_the_same_page(page):
    page.goto("/__mock/pages/simulation")
    page.get_by_role("textbox", name="Arguments").first.fill("nonsense")
    page.get_by_role("button", name="Add scenario").click()
    page.get_by_role("status").get_by_text("expected name=value").wait_for()
    assert page.url.endswith("/__mock/pages/simulation")
    assert page.get_by_role("textbox", name="Arguments").first.input_value() == "nonsense"


def test_filters_are_kept_while_changes_appear(page, create):
    create("green gate")
    create("red gate")
    page.goto("/__mock/")
    page.get_by_label("Text").fill("green")
    page.get_by_role("button", name="Filter").click()
    page.get_by_text("1 of 2 jobs").wait_for()
    create("green window")
    page.get_by_text("2 of 3 jobs").wait_for()
    assert page.get_by_label("Text").input_value() == "green"


def test_open_details_and_typed_text_are_kept_while_changes_appear(page, create):
    job = create()
    page.goto(f"/__mock/pages/jobs/{job}")
    page.get_by_label("Reason").fill("My own words")
    page.get_by_text("curl for Fail").first.evaluate("one => one.closest('details').open = true")
    create()
    with page.expect_response(lambda one: one.status in (200, 304)):
        pass
    with page.expect_response(lambda one: one.status in (200, 304)):
        pass
    assert page.get_by_label("Reason").input_value() == "My own words"


def test_a_paused_page_does_not_update(page, create):
    page.clock.install()
    page.goto("/__mock/")
    page.get_by_role("button", name="Pause").click()
    requested = []
    page.on("request", lambda one: requested.append(one.url))
    page.clock.run_for(10_000)
    assert requested == []
    create("late")
    page.get_by_role("button", name="Pause").click()
    page.clock.run_for(2_000)
    page.get_by_text("late").wait_for()


def test_the_dashboard_works_without_javascript(browser, served, create, api):
    job = create("no script")
    with browser.new_context(base_url=served, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto("/__mock/")
        page.get_by_role("link", name=f"{job[:8]}…").click()
        page.get_by_role("button", name="Complete", exact=True).click()
        page.get_by_text("completed").first.wait_for()
        assert page.url.endswith(f"/__mock/pages/jobs/{job}")
        assert page.get_by_role("button", name="Pause").count() == 0
    assert api("GET", "/__mock/jobs")["jobs"][0]["status"] == "completed"


def test_the_dashboard_works_with_the_keyboard_alone(page, api, create):
    create("by keyboard")
    page.goto("/__mock/")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('tbody a')"):
            break
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Timeline").wait_for()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Complete":
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.get_by_text("Done: Complete").wait_for()
    assert api("GET", "/__mock/jobs")["jobs"][0]["status"] == "completed"


def test_the_dark_scheme_is_dark(browser, served):
    def lightness(scheme):
        with browser.new_context(base_url=served, color_scheme=scheme) as context:
            page = context.new_page()
            page.goto("/__mock/")
            colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
            return sum(int(part) for part in colour.strip("rgb()").split(","))

    assert lightness("dark") < 200
    assert lightness("light") > 600


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_no_violation_and_nothing_is_wider_than_the_window(
    browser, served, api, create, axe, scheme, width
):
    job = create("A cup")
    for scenario in ("failed after=0", "at_once"):
        api("POST", "/__mock/next-job", {"scenario": scenario})
        done = create("A cup")
    api("POST", "/__mock/faults", {"operation": "get", "kind": "status", "times": 5})
    with browser.new_context(
        base_url=served, color_scheme=scheme, viewport={"width": width, "height": 900}
    ) as context:
        page = context.new_page()
        for path in [*PAGES, f"/__mock/pages/jobs/{job}", f"/__mock/pages/jobs/{done}", "/__mock/pages/x"]:
            page.goto(path)
            page.evaluate(axe)
            found = page.evaluate("axe.run()")["violations"]
            assert [(one["id"], one["nodes"][0]["html"]) for one in found] == [], path
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_no_hostile_text_is_executed_in_any_field(page, served, create, api):
    jobs = []
    for text in HOSTILE:
        jobs.append(create(text, model=f"m{text}"))
        headers = {"Authorization": "Bearer x", "X-Note": json.dumps(text)}
        requests.get(f"{served}/v1/{text}", headers=headers, params={"q": text}, timeout=30)
        api("POST", "/__mock/next-job", {"scenario": "slow", "where": text})
    api("POST", f"/__mock/jobs/{jobs[0]}/fail", {"reason": HOSTILE[0]})
    paths = [*PAGES, "/__mock/?before=" + jobs[100], "/__mock/?before=" + jobs[50]]
    paths += ["/__mock/pages/journal?before=251", "/__mock/pages/journal?before=201"]
    paths += [f"/__mock/pages/jobs/{job}" for job in jobs[::10]]
    for path in paths:
        page.goto(path)
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    for text in HOSTILE[::10]:
        page.goto("/__mock/")
        page.get_by_label("Text").fill(text)
        page.get_by_role("button", name="Filter").click()
    assert page.evaluate("window.hacked") is None


def test_ten_thousand_jobs_are_paged(page, served):
    headers = {"Authorization": "Bearer many", "Content-Type": "application/json"}
    with contextlib.closing(
        http.client.HTTPConnection(served.removeprefix("http://"), timeout=30)
    ) as connection:
        for number in range(10_000):
            body = {"model": "Qwen/Qwen-Image", "config": {"prompt": f"number {number}"}}
            connection.request("POST", "/v1/generation", json.dumps(body), headers)
            with connection.getresponse() as response:
                assert (response.status, response.read()[:1]) == (200, b"{")
    page.goto("/__mock/")
    page.get_by_text("10000 of 10000 jobs").wait_for()
    assert page.locator("tbody tr").count() == 50
    page.get_by_role("link", name="Older jobs").click()
    page.get_by_role("row", name="number 9949").wait_for()
