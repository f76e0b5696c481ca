"""A create whose outcome is unknown is settled in the jobs file, and the next run goes on from there."""

import pytest
from click.testing import CliRunner

from netmind_client import GenerationClient
from netmind_client.cli import commands
from netmind_client.exceptions import CreateOutcomeUnknownError

REQUESTS = [("m", {"prompt": "one"}), ("m", {"prompt": "two"})]


@pytest.fixture
def mock():
    import netmind_mock  # noqa: PLC0415 - the only test of the client with a fake in this folder

    with netmind_mock.start(unused="ignore") as mock:
        yield mock


@pytest.fixture
def jobs_file(mock, tmp_path):
    """A jobs file whose second create got no response, though its generation exists."""
    mock.next_job("completed")
    mock.next_job("response_lost")
    client = GenerationClient()
    outcomes = client.generate_many(REQUESTS, tmp_path, concurrency=1, jobs_file=tmp_path / "jobs.jsonl")
    assert isinstance(outcomes[1].error, CreateOutcomeUnknownError)
    return tmp_path / "jobs.jsonl"


def settle(*arguments):
    return CliRunner().invoke(commands.main, ["settle", *map(str, arguments)], env={"NETMIND_API_KEY": "k"})


def run_again(jobs_file):
    return GenerationClient().generate_many(REQUESTS, jobs_file.parent, jobs_file=jobs_file)


def test_the_error_of_the_next_run_has_the_command(mock, jobs_file):  # noqa: ARG001 - it is started
    error = str(run_again(jobs_file)[1].error)
    assert f"settle it: netmind-client settle {jobs_file} 2 --generation ID or --none" in error


def test_a_generation_that_was_found_is_waited_for(mock, jobs_file):
    lost = mock.jobs[1].id
    assert settle(jobs_file, 2, "--generation", lost).exit_code == 0
    outcome = run_again(jobs_file)[1]
    assert (outcome.error, outcome.generation_id, len(mock.jobs)) == (None, lost, 2)


def test_without_a_generation_it_is_created_again(mock, jobs_file):
    assert settle(jobs_file, 2, "--none").exit_code == 0
    outcome = run_again(jobs_file)[1]
    assert (outcome.error, len(mock.jobs)) == (None, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["1", "--none"], "request 1: expected a create without a response; its outcome is known: saved"),
        (["9", "--none"], "request 9: expected a create without a response; its outcome is not in it"),
        (["2"], "expected either --generation ID or --none"),
        (["2", "--none", "--generation", "x"], "expected either --generation ID or --none"),
        (["0", "--none"], "0 is not in the range x>=1"),
    ],
)
def test_a_mistake_changes_nothing(mock, jobs_file, arguments, message):  # noqa: ARG001 - it is started
    before = jobs_file.read_bytes()
    result = settle(jobs_file, *arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert jobs_file.read_bytes() == before


def test_another_file_is_rejected_and_left_unchanged(tmp_path):
    notes = tmp_path / "notes"
    notes.write_text("my notes\n")
    result = settle(notes, 1, "--none")
    assert result.exit_code == 2
    assert "not a jobs file of generate_many" in result.output
    assert notes.read_text() == "my notes\n"
