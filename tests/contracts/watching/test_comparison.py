"""What changed between two runs, and since a baseline."""

import dataclasses
import json

import pytest
from recordings import har, session

from netmind_contracts.claims import Level
from netmind_contracts.runs.exchange import InvalidRun
from netmind_contracts.runs.har import run_of_har
from netmind_contracts.watching.comparison import compare, merged
from netmind_contracts.watching.snapshot import load_snapshot, save_snapshot, snapshot_in, snapshot_of


def recorded(change=lambda _: None, day="2025-09-18"):
    """Return a snapshot of a session of this day. ``change`` changes the JSON of each response."""
    entries = session()
    for entry in entries:
        entry["startedDateTime"] = day + entry["startedDateTime"][10:]
        content = entry["response"]["content"]
        if content["mimeType"] == "application/json":
            document = json.loads(content["text"])
            change(document)
            content["text"] = json.dumps(document)
            content["size"] = 0
    return snapshot_of(run_of_har(har(entries), "session.har"))


def changes(change, **options):
    return [(one.key, one.old, one.new) for one in compare(recorded(), recorded(change, **options))]


def each_generation(change):
    """Return a function that changes a generation, also one in a list."""

    def on(document):
        for one in document.get("generation_list", [document]):
            if "id" in one:
                change(one)

    return on


def of_status(status, **fields):
    return each_generation(lambda one: one.update(fields) if one["status"] == status else None)


def renamed(old, new):
    return each_generation(lambda one: one.update(status=new) if one["status"] == old else None)


def test_equal_runs_have_no_changes():
    assert changes(lambda _: None, day="2025-09-25") == []


def test_a_message_that_changed_is_found_as_a_fact_and_as_a_verdict():
    def gone(document):
        if "deleted" in document.get("message", ""):
            document["message"] = "Gone"

    assert changes(gone) == [
        ("claim.delete.message", "passed", "failed"),
        ("delete.message", "Generation deleted", "Gone"),
    ]


def test_a_field_that_appeared_disappeared_or_has_another_type_is_found():
    found = changes(of_status("processing", queue=3, logs={}))
    assert ("types.Qwen/Qwen-Image.processing.queue", "missing", "number") in found
    assert ("types.Qwen/Qwen-Image.processing.logs", "array", "object") in found
    gone = changes(each_generation(lambda one: one.pop("logs")))
    assert ("types.Qwen/Qwen-Image.completed.logs", "array", "missing") in gone


def test_a_status_that_was_renamed_is_found_in_their_order():
    found = changes(renamed("processing", "running"))
    assert ("claim.status.on-the-way", "passed", "differs") in found


def order(*statuses, noise=1.0):
    return dataclasses.replace(FACT, value=[list(one) for one in statuses], noise=noise)


FACT = next(fact for key, fact in recorded().facts.items() if key.startswith("order."))
BOTH = (("pending", 5), ("initializing", 1), ("processing", 9), ("completed", 0))


@pytest.mark.parametrize(
    ("new", "is_changed"),
    [
        ([("pending", 5), ("processing", 9), ("completed", 0)], False),
        ([("pending", 5), ("initializing", 1), ("completed", 0)], True),
        ([("pending", 5), ("queued", 2), ("processing", 9), ("completed", 0)], False),
        ([("pending", 5), ("queued", 8), ("processing", 9), ("completed", 0)], True),
        ([("pending", 5), ("processing", 9), ("initializing", 1), ("completed", 0)], True),
        ([("pending", 5), ("processing", 9), ("done", 0)], True),
    ],
)
def test_the_order_of_statuses_changes_only_beyond_what_polling_can_miss(new, is_changed):
    old = dataclasses.replace(recorded(), facts={"order.m": order(*BOTH)})
    assert bool(compare(old, dataclasses.replace(old, facts={"order.m": order(*new)}))) == is_changed


@pytest.mark.parametrize(
    ("seconds", "is_changed"), [(19, False), (24, False), (30, True), (3, True), (6, False)]
)
def test_a_duration_changes_only_beyond_its_noise(seconds, is_changed):
    old = dataclasses.replace(FACT, value=12.0, noise=1.0)
    before = dataclasses.replace(recorded(), facts={"duration.m": old})
    after = dataclasses.replace(before, facts={"duration.m": dataclasses.replace(old, value=float(seconds))})
    assert bool(compare(before, after)) == is_changed


def test_what_one_run_did_not_show_is_not_a_change():
    entries = session()[:3]
    short = snapshot_of(run_of_har(har(entries), "session.har"))
    assert compare(recorded(), short) == compare(short, recorded()) == ()


def test_a_change_has_its_level_and_the_days_of_both_values():
    old, new = recorded(), recorded(of_status("completed", is_deleted=True), day="2025-09-25")
    (change,) = [one for one in compare(old, new) if one.key == "claim.generation.not-deleted"]
    assert (change.level, change.is_news) == (Level.DOCUMENTED, False)
    assert str(change) == (
        "claim.generation.not-deleted (documented): passed (last seen 2025-09-18) → failed (first seen 2025-09-25)"
    )


def test_a_baseline_keeps_the_first_and_the_last_day_of_each_fact(tmp_path):
    first, second = recorded(), recorded(day="2025-09-25")
    baseline = merged(first, second)
    fact = baseline.facts["delete.message"]
    assert (fact.first_seen, fact.last_seen) == ("2025-09-18", "2025-09-25")
    third = recorded(lambda one: one.update(message="Gone"), day="2025-10-01")
    (change,) = [one for one in compare(baseline, third) if one.key == "delete.message"]
    assert (change.last_seen, change.first_seen) == ("2025-09-25", "2025-10-01")
    again = merged(baseline, third)
    assert again.facts["delete.message"].first_seen == "2025-10-01"
    assert again.facts["claim.result.kind"].first_seen == "2025-09-18"
    save_snapshot(again, tmp_path / "baseline.json")
    assert load_snapshot(tmp_path / "baseline.json") == again
    assert snapshot_in(tmp_path / "baseline.json") == (again, None)


def with_fact(key):
    fact = {"value": "by hand", "level": "observed", "first_seen": "", "last_seen": "", "noise": 0}
    return json.dumps({"format": 1, "base_url": "http://h", "started": "", "facts": {key: fact}})


def test_values_are_shown_as_json():
    before = dataclasses.replace(
        recorded(), facts={"a": dataclasses.replace(FACT, value={"x": True, "y": ""})}
    )
    after = dataclasses.replace(before, facts={"a": dataclasses.replace(FACT, value={"x": 1, "y": None})})
    assert [(one.key, one.old, one.new) for one in compare(before, after)] == [
        ("a.x", "true", "1"),
        ("a.y", "(empty)", "null"),
    ]


def test_a_file_that_is_neither_run_nor_baseline_is_rejected(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(
        InvalidRun, match="expected a run that netmind-contracts verify --save wrote, or a HAR file"
    ):
        snapshot_in(tmp_path / "x.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "expected JSON: "),
        ("[]", "expected a baseline that netmind-contracts verify --baseline-update wrote"),
        ('{"format": 1}', "remove it to create a new one"),
        ('{"format": 2}', "format: expected 1, got 2 (another version)"),
        *(
            (with_fact(key), "remove it to create a new one")
            for key in ("types.m.completed", "order.m", "duration.m")
        ),
    ],
)
def test_an_invalid_baseline_is_rejected(tmp_path, content, message):
    file = tmp_path / "baseline.json"
    file.write_text(content)
    with pytest.raises(InvalidRun) as raised:
        load_snapshot(file)
    assert message in str(raised.value)
