"""Tests of learned profiles: a fake with a profile learned from another fake behaves the same."""

import dataclasses
import json
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import tomlkit
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from probing import fake, probe_of
from recordings import har, session

from netmind_contracts.checks import judge
from netmind_contracts.learn import learn, profile_of
from netmind_contracts.runs.har import run_of_har
from netmind_mock.jobs.profile import load_profile

pytestmark = pytest.mark.slow

NAMES = ("pending", "initializing", "processing", "completed", "failed")
DURATION = 120
PAUSE = 7.5  # between two polls, at most: a twentieth of the time so far


def words():
    """Return a strategy for the words of the statuses."""
    return st.fixed_dictionaries(
        {
            "pending": st.sampled_from(["pending", "queued", "waiting"]),
            "initializing": st.sampled_from(["initializing", "starting"]),
            "processing": st.sampled_from(["processing", "running"]),
            "completed": st.sampled_from(["completed", "success", "done"]),
            "failed": st.sampled_from(["failed", "error"]),
        }
    )


def stages():
    """Return a strategy for stages that are long enough for a probe to observe each."""
    later = st.lists(st.sampled_from(["initializing", "processing"]), unique=True, max_size=2)
    share = st.integers(2, 6)
    return later.flatmap(
        lambda names: st.tuples(*(share for _ in range(len(names) + 1))).map(
            lambda shares: [
                {"status": name, "share": value / sum(shares)}
                for name, value in zip(["pending", *sorted(names)], shares, strict=True)
            ]
        )
    )


def refusals(*statuses):
    text = st.sampled_from(["no", "Not found", "Kein Zugriff — nein", 'quoted "so"'])
    body = st.fixed_dictionaries({"message": text}) | st.fixed_dictionaries(
        {"error": text, "code": st.integers(-9, 999)}
    )
    return st.fixed_dictionaries({"status": st.sampled_from(statuses), "body": body})


FACTS = st.fixed_dictionaries(
    {},
    optional={
        "success.status": st.sampled_from([200, 201, 202]),
        "statuses.words": words(),
        "statuses.stages": stages(),
        "fields.logs": st.booleans(),
        "fields.durations": st.booleans(),
        "fields.extra": st.dictionaries(
            st.sampled_from(["model_id", "payment_type", "meta_info"]),
            st.text("abc ", max_size=5) | st.integers(0, 99) | st.booleans() | st.just({"file_id": "x"}),
        ),
        "result.url_path": st.sampled_from(
            ["/files/{file_id}", "/files/{user_id}/inference/{file_id}/{file_name}", "/f/{file_name}/of/{file_id}"]
        ),
        "result.file_name": st.sampled_from(["output_{kind}.{extension}", "{kind}.{extension}", "result"]),
        "result.text_inline": st.booleans(),
        "result.empty_for": st.sampled_from([0.0, 20.0]),
        "worker.rejects_bad_input": st.booleans(),
        "worker.error_text": st.sampled_from(["Something error: 422: {detail}", "{detail}", "worker said {detail}!"]),
        "models.unknown": st.sampled_from(["accept", "refuse"]),
        "delete.message": st.sampled_from(["Generation deleted", "OK"]),
        "delete.leaves": st.sampled_from(["gone", "tombstone"]),
        "list.order": st.sampled_from(["newest_first", "oldest_first"]),
        "errors.missing_token": refusals(401, 403),
        "errors.bad_token": refusals(401, 403),
        "errors.unknown_generation": refusals(404, 400),
        "errors.unknown_model": refusals(400, 404, 422),
        "errors.unknown_route": refusals(403, 404),
        "errors.wrong_method": refusals(405, 404),
        "errors.body_too_large": refusals(413, 400),
        "errors.wrong_content_type": refusals(415, 422),
        "errors.invalid_body": refusals(400, 422),
    },
)  # fmt: skip


def profile_file(facts, folder):
    """Write facts, by their keys, to a profile file, and return its path."""
    document = {"name": "generated", "extends": "documented"}
    for key, value in facts.items():
        group, _, name = key.partition(".")
        document.setdefault(group, {})[name] = {"value": value, "level": "assumed", "source": "generated"}
    file = Path(folder) / "profile.toml"
    file.write_text(tomlkit.dumps(document), encoding="utf-8")
    return str(file)


def run_on(profile):
    return probe_of(*fake(profile=profile, duration=DURATION), timeout=3000).run()


def outcomes(run):
    return {verdict.claim.id: str(verdict.outcome) for verdict in judge(run)}


def assert_alike(learned, again):
    """Assert that facts are equal, except that times may differ by the polling interval."""
    inexact = {"statuses.stages": None, "result.empty_for": None}
    assert {**learned, **inexact} == {**again, **inexact}
    assert learned["result.empty_for"] == pytest.approx(again["result.empty_for"], abs=PAUSE)
    assert_same_stages(learned["statuses.stages"], again["statuses.stages"])


def assert_same_stages(one, other):
    assert [stage["status"] for stage in one] == [stage["status"] for stage in other]
    assert [stage["share"] for stage in one] == pytest.approx([stage["share"] for stage in other], abs=0.03)


def on_the_wire(stages, words):
    """Return stages with the words on the wire, since a probe cannot know which of our statuses a word is."""
    return [{**stage, "status": words.get(stage["status"], stage["status"])} for stage in stages]


def visible(facts):
    """Return the facts of a profile that a probe can observe."""
    rejects = facts.get("worker.rejects_bad_input", False)
    refuses = facts.get("models.unknown", "accept") == "refuse"
    hidden = {"statuses.words", "statuses.stages", "result.empty_for"}
    if not (rejects and refuses):
        hidden.add("worker.error_text")
    # If unknown models are accepted, the budget is used up before the last job, which would show these.
    if not refuses:
        hidden |= {"worker.rejects_bad_input", "result.text_inline", "errors.unknown_model"}
    if rejects:
        hidden.add("result.text_inline")
    if "{file_name}" in facts.get("result.url_path", "") and not facts.get("result.file_name", ""):
        hidden |= {"result.url_path"}
    return {key: value for key, value in facts.items() if key not in hidden}


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=set(Phase) - {Phase.explain, Phase.shrink},
)
@given(FACTS)
def test_the_facts_of_a_served_profile_are_learned(facts):
    if "{file_name}" in facts.get("result.url_path", "") and "result.file_name" not in facts:
        facts = {**facts, "result.file_name": "output_{kind}.{extension}"}
    with TemporaryDirectory() as folder:
        run = run_on(profile_file(facts, folder))
        learned = learn(run)
        shown = visible(facts)
        assert {key: learned.get(key) for key in shown} == shown
        assert learned["result.empty_for"] == pytest.approx(facts.get("result.empty_for", 0), abs=PAUSE)
        if "statuses.stages" in facts:
            words = facts.get("statuses.words", {})
            assert_same_stages(
                on_the_wire(learned["statuses.stages"], learned["statuses.words"]),
                on_the_wire(facts["statuses.stages"], words),
            )
        file = Path(folder) / "learned.toml"
        file.write_text(profile_of(run), encoding="utf-8")
        again = run_on(str(file))
        assert_alike(learned, learn(again))
        assert outcomes(again) == outcomes(run)


@pytest.mark.parametrize("name", ["documented", "observed"])
def test_a_shipped_profile_is_learned_completely(name, tmp_path):
    run = run_on(name)
    file = tmp_path / "learned.toml"
    file.write_text(profile_of(run), encoding="utf-8")
    assert outcomes(run_on(str(file))) == outcomes(run)


def test_each_learned_fact_names_its_source():
    text = profile_of(run_on("observed"))
    facts = tomllib.loads(text)
    assert facts["name"] == "learned from 127.0.0.1:8000"
    assert facts["delete"]["leaves"] == {
        "value": "gone",
        "level": "observed",
        "source": "learned from 127.0.0.1:8000 on 2025-09-18",
    }


def test_a_word_that_was_not_observed_is_marked_as_assumed():
    words = tomllib.loads(profile_of(run_on("documented")))["statuses"]["words"]
    assert words["value"]["failed"] == "failed"
    assert words["source"].endswith("; not observed, and so assumed: initializing, processing, failed")


@pytest.mark.parametrize("value", [None, 2**63, "\ud800", {"\ud800": 1}, [[None]]])
def test_an_error_response_that_toml_cannot_represent_is_omitted(tmp_path, value):
    free = probe_of(*fake(profile="observed"), budget=0).run()
    place = next(place for place, one in enumerate(free.exchanges) if "no-such-route" in one.request.url)
    exchange = free.exchanges[place]
    refusal = dataclasses.replace(exchange.response, body=json.dumps({"message": value}))
    exchanges = [
        *free.exchanges[:place],
        dataclasses.replace(exchange, response=refusal),
        *free.exchanges[place + 1 :],
    ]
    run = dataclasses.replace(free, exchanges=tuple(exchanges))
    (tmp_path / "learned.toml").write_text(profile_of(run), encoding="utf-8")
    assert set(learn(free)) - set(learn(run)) == {"errors.unknown_route"}


def comments_of(run):
    return [line[4:] for line in profile_of(run).splitlines() if line.startswith("# - ")]


def changed(change):
    """Return the comments of a profile that is learned from a session with these changes."""
    entries = session()
    for entry in entries:
        content = entry["response"]["content"]
        if content["mimeType"] == "application/json":
            document = json.loads(content["text"])
            change(entry, document)
            content.update(text=json.dumps(document), size=0)
    return comments_of(run_of_har(har(entries), "session.har"))


LINK = "result.url_path: the fake cannot serve "


def test_what_was_left_out_is_in_comments_with_the_reason():
    assert comments_of(run_on("observed")) == []
    (link,) = changed(lambda *_: None)
    assert link.startswith(LINK)
    assert link.endswith("it needs a fixed first part and the file id.")


@pytest.mark.parametrize(
    ("change", "comment"),
    [
        (
            lambda entry, _: entry["request"]["method"] == "POST" and entry["response"].update(status=201),
            "success.status: create 201, get 200, list 200, delete 200: a profile has one status for all successes.",
        ),
        (
            lambda entry, document: (
                document.update(queue=entry["startedDateTime"]) if "id" in document else None
            ),
            "fields.extra: queue changes between responses; the profile has its last value.",
        ),
        (
            lambda _, document: document.update(has_more=True) if "generation_list" in document else None,
            "list: it has pages (has_more); a profile's list has none.",
        ),
        (
            lambda _, document: document.update(message=2**70) if "message" in document else None,
            "delete.message: its value has a null, a number of over 64 bits or half a character, unlike TOML.",
        ),
    ],
)
def test_each_reason_to_leave_something_out_is_a_comment(change, comment):
    assert comment in changed(change)


def test_a_refusal_that_is_no_json_object_is_a_comment():
    free = probe_of(*fake(profile="observed"), budget=0).run()
    exchanges = [
        dataclasses.replace(
            one,
            response=dataclasses.replace(one.response, body="<p>\x00", headers={"content-type": "text/html"}),
        )
        if "no-such-route" in one.request.url
        else one
        for one in free.exchanges
    ]
    comments = comments_of(dataclasses.replace(free, exchanges=tuple(exchanges)))
    assert "errors.unknown_route: its body is not a JSON object (text/html)." in comments


def test_facts_that_were_not_observed_are_omitted(tmp_path):
    free = probe_of(*fake(profile="observed"), budget=0).run()
    assert sorted(learn(free)) == [
        "errors.bad_token", "errors.body_too_large", "errors.invalid_body", "errors.missing_token",
        "errors.unknown_generation", "errors.unknown_route", "errors.wrong_content_type", "errors.wrong_method",
        "success.status",
    ]  # fmt: skip
    file = tmp_path / "free.toml"
    file.write_text(profile_of(free), encoding="utf-8")
    assert load_profile(str(file)).errors["unknown_route"].status == 403
