"""Known departures: they are shown, are no failures, and are mentioned once they no longer apply."""

import dataclasses

import pytest
from recordings import har, session

from netmind_contracts.checks import judge
from netmind_contracts.reports import as_html, as_json, as_junit
from netmind_contracts.reports.text import exit_code, table
from netmind_contracts.runs.exchange import InvalidRun
from netmind_contracts.runs.har import run_of_har
from netmind_contracts.watching.known_departures import KnownDeparture, apply_known, load_known

DELETE = KnownDeparture("delete.message", "Ticket 12.", "2025-09-01")


def run_with(message):
    """Return a run, of 2025-09-18, in which a delete is responded to with this message."""
    entries = session()
    entries[5]["response"]["content"]["text"] = f'{{"message": "{message}"}}'
    entries[5]["response"]["content"]["size"] = 0
    return run_of_har(har(entries), "session.har")


def judged(run, *departures):
    return apply_known(run, judge(run), departures)


def test_a_known_departure_is_shown_and_is_not_a_failure():
    run = run_with("Gone")
    assert exit_code(run, judge(run)) == 1
    run, verdicts = judged(run, DELETE)
    assert exit_code(run, verdicts) == 0
    lines = list(table(run, verdicts))
    assert "known          documented  delete.message" in lines
    assert "    known since 2025-09-01: Ticket 12." in lines
    assert "1 known" in lines[-1]
    for report in (as_html, as_json):
        assert "known since 2025-09-01: Ticket 12." in report(run, verdicts)
    assert 'failures="0"' in as_junit(run, verdicts)


def test_one_that_no_longer_occurs_is_mentioned():
    run, _ = judged(run_with("Generation deleted"), DELETE)
    (note,) = run.notes
    assert note.startswith(
        "The departure from delete.message that is known since 2025-09-01 no longer occurs: "
    )


@pytest.mark.parametrize(
    ("since", "until", "code"),
    [
        ("2025-09-01", "2025-09-17", 1),
        ("2025-09-01", "2025-09-18", 0),
        ("2025-09-18", "", 0),
        ("2025-09-19", "", 1),
    ],
)
def test_one_applies_only_between_its_dates(since, until, code):
    departure = dataclasses.replace(DELETE, since=since, until=until)
    run, verdicts = judged(run_with("Gone"), departure)
    assert exit_code(run, verdicts) == code
    assert any("does not apply to 2025-09-18: check it again" in note for note in run.notes) == bool(code)


def test_one_whose_claim_was_not_exercised_is_not_mentioned():
    run, _ = judged(run_with("Gone"), KnownDeparture("models.video", "Slow.", "2025-09-01"))
    assert run.notes == ()


def test_a_file_is_read(tmp_path):
    file = tmp_path / "known.toml"
    file.write_text(
        '[[departure]]\nclaim = "delete.message"\nreason = "Ticket 12."\nsince = 2025-09-01\nuntil = "2025-12-31"\n'
    )
    assert load_known(file) == (dataclasses.replace(DELETE, until="2025-12-31"),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[[departure", "expected TOML"),
        ("departures = []", "expected only tables [[departure]], each with claim, reason, since, until"),
        ("departure = 3", "expected only tables [[departure]]"),
        ("departure = [3]", "departure 1: expected a table with claim"),
        ('[[departure]]\nclaim = "delete.mesage"\nreason = "x"', "did you mean delete.message?"),
        ('[[departure]]\nclaim = "zzz"\nreason = "x"', "there is no claim 'zzz'; netmind-contracts claims lists all"),
        ('[[departure]]\nclaim = "delete.gone"', "departure 1: reason: expected a text that is not empty"),
        ('[[departure]]\nclaim = "delete.gone"\nreason = "x"', "since: expected a date such as 2026-11-24"),
        ('[[departure]]\nclaim = "delete.gone"\nreason = "x"\nwhy = "y"', "departure 1: unknown key why; expected claim"),
        (
            '[[departure]]\nclaim = "delete.gone"\nreason = "x"\nsince = 2025-09-02\nuntil = 2025-09-01',
            "until: expected 2025-09-02 or later, got 2025-09-01",
        ),
    ],
)  # fmt: skip
def test_an_invalid_file_is_rejected_with_place_and_reason(tmp_path, content, message):
    file = tmp_path / "known.toml"
    file.write_text(content)
    with pytest.raises(InvalidRun) as raised:
        load_known(file)
    assert str(raised.value).startswith(str(file))
    assert message in str(raised.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InvalidRun, match=r"none\.toml: cannot be read: No such file"):
        load_known(tmp_path / "none.toml")
