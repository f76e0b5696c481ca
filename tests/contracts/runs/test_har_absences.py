"""What a recording leaves out is not a fact about the API."""

import base64
import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import BASE_URL, FILE_URL, ID, entry, generation, har, named, png, session

from netmind_contracts.checks import judge
from netmind_contracts.reports.text import exit_code
from netmind_contracts.runs.exchange import InvalidRun
from netmind_contracts.runs.har import read_run, run_of_har


def run_of(entries):
    return run_of_har(har(entries), "session.har")


def outcomes(run):
    return {verdict.claim.id: str(verdict.outcome) for verdict in judge(run)}


def every(_):
    return True


def changed(change, only=every):
    """Return the run of a session in which some entries are changed."""
    entries = copy.deepcopy(session())
    for one in entries:
        if only(one):
            change(one)
    return run_of(entries)


def is_file(one):
    return one["request"]["url"] == FILE_URL


def is_list(one):
    return one["request"]["method"] == "GET" and one["request"]["url"].endswith("/generation")


def is_delete(one):
    return one["request"]["method"] == "DELETE"


def without_body(one):
    for key in ("text", "encoding"):
        one["response"]["content"].pop(key, None)


def cut(one):
    one["response"]["content"]["text"] = one["response"]["content"]["text"][:40]


def base64_with_line_breaks(one):
    content = one["response"]["content"]
    if content.get("encoding") != "base64":
        content.update(text=base64.b64encode(content["text"].encode()).decode(), encoding="base64")
    content["text"] = "\r\n".join(
        content["text"][start : start + 76] for start in range(0, len(content["text"]), 76)
    )


def called_base64(one):
    one["response"]["content"]["encoding"] = "base64"


def in_capitals(one):
    one["response"]["headers"] = [named("content-type", "Application/JSON; charset=UTF-8")]


CHANGES = {
    "no bodies": (without_body, every),
    "no body of the delete": (without_body, is_delete),
    "no body of the list": (without_body, is_list),
    "no body of the file": (without_body, is_file),
    "null as body": (lambda one: one["response"]["content"].update(text=None), every),
    "empty text as body": (lambda one: one["response"]["content"].update(text=""), every),
    "no content": (lambda one: one["response"].pop("content"), every),
    "bodies that are cut": (cut, lambda one: not is_file(one)),
    "files that are cut": (cut, is_file),
    "no time": (lambda one: one.update(time=None), every),
    "base64 with line breaks": (base64_with_line_breaks, every),
    "text that is called base64": (called_base64, is_delete),
    "a media type in capitals": (in_capitals, lambda one: not is_file(one)),
}


def test_a_complete_session_passes():
    actual = outcomes(run_of(session()))
    assert {outcome for outcome in actual.values() if outcome != "not exercised"} == {"passed"}
    assert actual["result.kind"] == actual["delete.message"] == actual["list.has-jobs"] == "passed"


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_recording_leaves_out_is_not_drift(name):
    run = changed(*CHANGES[name])
    assert set(outcomes(run).values()) <= {"passed", "not exercised"}
    assert exit_code(run, judge(run)) in (0, 2)


def test_the_reason_is_that_the_recording_has_no_body():
    run = changed(without_body, is_delete)
    verdict = next(verdict for verdict in judge(run) if verdict.claim.id == "delete.message")
    assert str(verdict.outcome) == "not exercised"
    assert "no body" in verdict.reason or "without their complete body" in verdict.reason
    assert "The recording lacks the body of 1 of 7 responses, or a part of it." in run.notes


def test_an_empty_body_is_a_fact_if_its_length_was_recorded():
    def empty(one):
        one["response"].update(headers=[named("Content-Length", "0")], content={"size": 0, "text": ""})

    assert outcomes(changed(empty, is_delete))["delete.message"] == "failed"


def more(*entries):
    return run_of([*session(), *entries])


PATH = f"/v1/generation/{ID}"
POLL = entry(20, "GET", PATH, generation("processing"))


def poll(**changes):
    one = copy.deepcopy(POLL)
    one["response"].update(changes)
    return one


LEFT_OUT = {
    "1 OPTIONS requests": entry(4, "OPTIONS", PATH, {}, status=200),
    "1 HEAD requests": entry(4, "HEAD", PATH, {}),
    "1 not modified (304)": poll(status=304, content={"size": 0, "mimeType": "x-unknown"}),
    "1 redirects": poll(status=307, redirectURL=BASE_URL + PATH),
    "1 without a response": poll(status=0),
    "1 parts of files (206)": entry(32, "GET", FILE_URL, png()[100:], status=206),
    "1 from the cache of the browser": {
        **entry(36, "GET", PATH, generation("pending")),
        "_fromCache": "disk",
    },
    "1 creates without their request body": entry(39, "POST", "/v1/generation", generation("pending")),
}


@pytest.mark.parametrize("note", LEFT_OUT)
def test_an_entry_that_is_no_fact_about_the_api_is_left_out_and_counted(note):
    run = more(LEFT_OUT[note])
    assert len(run.exchanges) == 7
    assert run.notes == (f"Left out of the recording: {note}.",)
    assert outcomes(run) == outcomes(run_of(session()))


def test_a_file_whose_beginning_was_requested_as_a_part_is_judged():
    entries = session()
    entries[3]["response"]["status"] = 206
    entries[3]["response"]["headers"].append(named("Content-Range", f"bytes 0-{len(png()) - 1}/{len(png())}"))
    run = run_of(entries)
    assert len(run.exchanges) == 7
    assert set(outcomes(run).values()) == {"passed", "not exercised"}


def test_a_download_that_is_redirected_to_its_storage_is_a_download():
    entries = session()
    there = copy.deepcopy(entries[3])
    there["request"]["url"] = "https://storage.example/b/file"
    there["startedDateTime"] = entries[4]["startedDateTime"]
    entries[3]["response"].update(status=302, redirectURL="https://storage.example/b/file")
    run = run_of([*entries, there])
    assert outcomes(run)["result.kind"] == "passed"
    assert run.notes == ("Left out of the recording: 1 redirects.",)


def test_of_requests_at_the_same_time_those_that_may_be_out_of_order_are_left_out():
    slow = entry(29, "GET", PATH, generation("completed"), time=9000.0)
    fast = entry(30, "GET", PATH, generation("processing"), time=50.0)
    deleted = entry(35, "GET", PATH, {"message": "Generation not found"}, status=404, time=3000.0)
    listed = entry(34, "GET", "/v1/generation", {"generation_list": []}, time=3000.0)
    for entries in ([slow, fast], [deleted], [listed]):
        assert set(outcomes(more(*entries)).values()) == {"passed", "not exercised"}


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (7, "expected an object with request and response"),
        (
            {**POLL, "startedDateTime": "yesterday"},
            "startedDateTime: expected a time such as 2026-11-24T12:00:00.000Z",
        ),
        (
            {**POLL, "request": {"method": "GET", "url": "http://[::1/v1/generation"}},
            "request.url: expected a URL",
        ),
        ({**POLL, "request": {"method": "GET", "url": "http://h:port/"}}, "request.url: expected a URL"),
        ({**POLL, "request": {"method": 7, "url": BASE_URL}}, "request.method: expected a string"),
        ({**POLL, "response": None}, "expected an object with request and response"),
    ],
)
def test_an_odd_entry_costs_that_entry_and_is_noted(odd, reason):
    run = more(odd)
    assert run.exchanges == run_of(session()).exchanges
    assert run.notes == (f"Left out of the recording: 1 entry that cannot be read (8): {reason}.",)


def test_a_file_with_a_lone_surrogate_or_a_byte_order_mark_is_read(tmp_path):
    file = tmp_path / "session.har"
    odd = {**POLL, "comment": "\ud800"}
    file.write_text("\ufeff" + json.dumps(har([*session(), odd])), encoding="utf-8")
    assert len(read_run(file).exchanges) == 8


def test_entries_are_sorted_by_time_in_any_zone():
    entries = session()
    entries[1]["startedDateTime"] = "2025-09-18T09:47:45.000+02:00"
    entries[2]["startedDateTime"] = "2025-09-18T00:48:10.000-07:00"
    run = run_of(entries[::-1])
    assert [exchange.request.method for exchange in run.exchanges] == ["POST", *["GET"] * 4, "DELETE", "GET"]
    assert (run.started, run.exchanges[1].at - run.exchanges[0].at) == ("2025-09-18T07:47:40Z", 5.0)


def test_a_time_without_a_zone_is_utc():
    entries = session()
    entries[0]["startedDateTime"] = "2025-09-18T07:47:40"
    assert run_of(entries).started == "2025-09-18T07:47:40Z"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["GET", "http://[", "="]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "value", "text", "url"]), inner)
    ),
    max_leaves=4,
)


def places(value, path=()):
    """Yield the path of each part of a JSON value."""
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        if isinstance(part, dict | list):
            yield from places(part, (*path, key))


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.sampled_from(list(places(session()))), JSON)
def test_any_value_anywhere_is_read_or_rejected_in_a_sentence(path, value):
    entries = copy.deepcopy(session())
    part = entries
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    try:
        run = run_of(entries)
    except InvalidRun:
        return
    assert "error" not in outcomes(run).values()
