"""The suite, run by pytest on the installed package."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from mutants.catalogue import MUTANTS
from probing import fake, probe_of
from support import run_pytest, running_fake

from netmind_contracts.runs.exchange import Operation, Scope, load, save


def suite(*arguments, cwd, **environment):
    """Run the suite in a folder outside this project."""
    key = {"NETMIND_API_KEY": "a-good-token"}
    return run_pytest(cwd, "--pyargs", "netmind_contracts.suite", "-q", *arguments, **{**key, **environment})


def last_line(result):
    return result.stdout.strip().splitlines()[-1].partition(" in ")[0]


def saved_run(file, *, mutant_of="", **options):
    """Save a run over the fake, or over the mutant that breaks a claim."""
    app, clock = fake(profile="observed")
    mutant = next((mutant for mutant in MUTANTS if mutant.claim == mutant_of), None)
    save(probe_of(mutant.wrap(app) if mutant else app, clock, **options).run(), file)


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["documented", "observed"])
def test_it_passes_on_the_fake(tmp_path, profile):
    with running_fake(tmp_path, "--duration", "0.3", "--profile", profile, "--api-key", "a-good-token") as (
        url,
        _,
    ):
        result = suite("--netmind-url", url, cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    assert "netmind claims" in result.stdout
    assert "\ndiffers        observed    timing.durations\n" in result.stdout
    assert "a-good-token" not in result.stdout + result.stderr


@pytest.mark.slow
def test_it_fails_on_a_saved_run_with_drift_and_shows_the_evidence(tmp_path):
    saved_run(tmp_path / "run.json", mutant_of="delete.message")
    result = suite("--netmind-run", "run.json", cwd=tmp_path)
    assert result.returncode == 1
    assert "delete.message: failed" in result.stdout
    assert "expected the message Generation deleted, got 200" in result.stdout
    assert last_line(result).startswith("1 failed, ")


@pytest.mark.slow
def test_without_an_endpoint_everything_is_skipped_with_the_reason(tmp_path):
    result = suite("-rs", cwd=tmp_path)
    assert (result.returncode, last_line(result)) == (0, "76 skipped")
    assert "no endpoint to check: add --netmind-url URL" in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--netmind-url", "http://127.0.0.1:9"], 2, "Connection refused; check the URL, and that the endpoint is running"),
        (["--netmind-url", "https://api.netmind.ai"], 2, "add --netmind-live --netmind-max-creates 3, or --netmind-live --netmind-free-only; netmind-contracts verify --dry-run"),
        (["--netmind-url", "https://api.netmind.ai", "--netmind-live"], 2, "--netmind-max-creates 3 is enough for a full run, --netmind-free-only creates none"),
        (["--netmind-url", ""], 2, "netmind: --netmind-url: expected a base URL such as http://127.0.0.1:8000, got ''"),
        (["--netmind-url", "http://me:secret@127.0.0.1:9"], 2, "--netmind-url: the base URL has a user name or password; use NETMIND_API_KEY for the API key"),
        (["--netmind-url", "http://127.0.0.1:9", "--netmind-run", "run.json"], 2, "expected --netmind-url or --netmind-run, got both; nothing was sent"),
        (["--netmind-url", "http://127.0.0.1:9", "--netmind-request", "none.json"], 2, "none.json: cannot be read: No such file or directory"),
        (["--netmind-url", "http://127.0.0.1:9", "--netmind-known", "none.toml"], 2, "none.toml: cannot be read: No such file or directory"),
        (["--netmind-url", "http://127.0.0.1:9", "--netmind-save", "no/run.json"], 2, "--netmind-save: no/run.json: cannot be written: the folder no does not exist; nothing was sent"),
        (["--netmind-url", "http://127.0.0.1:9", "--netmind-report", "."], 2, "--netmind-report: .: cannot be written: it is a folder; nothing was sent"),
        (["--netmind-url", "http://127.0.0.1:9", "-p", "xdist", "-n", "2"], 2, "netmind: http://127.0.0.1:9"),
        (["--netmind-run", "none.json", "-p", "xdist", "-n", "2"], 2, "none.json: cannot be read: No such file or directory"),
        (["--netmind-run", "none.json"], 2, "none.json: cannot be read: No such file or directory"),
    ],
)  # fmt: skip
def test_an_endpoint_that_cannot_be_probed_ends_the_session_in_one_sentence(
    tmp_path, arguments, code, message
):
    result = suite(*arguments, cwd=tmp_path)
    assert (result.returncode, message in result.stdout + result.stderr) == (code, True), result.stdout
    assert "Traceback" not in result.stdout + result.stderr


@pytest.mark.slow
def test_an_api_key_that_cannot_be_sent_is_an_error_that_names_its_variable(tmp_path):
    result = suite("--netmind-url", "http://127.0.0.1:9", cwd=tmp_path, NETMIND_API_KEY="")
    assert result.returncode == 2
    assert "netmind: NETMIND_API_KEY: the API key is empty" in result.stdout + result.stderr


@pytest.mark.slow
def test_an_api_key_that_the_endpoint_rejects_is_an_error_that_names_its_variable(tmp_path):
    with running_fake(tmp_path, "--api-key", "a-good-token") as (url, _):
        result = suite("--netmind-url", url, cwd=tmp_path, NETMIND_API_KEY="another")
    assert result.returncode == 2
    assert "check NETMIND_API_KEY and the base URL" in result.stdout + result.stderr


WORKERS = pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "2"]], ids=["one process", "xdist"])


@pytest.mark.slow
@WORKERS
def test_an_interrupted_run_is_saved_as_far_as_it_was_recorded(tmp_path, workers):
    (tmp_path / "interrupting.py").write_text(
        "from netmind_contracts.probing.probe import Probe\n"
        "def interrupted(probe): raise KeyboardInterrupt\n"
        "Probe._follow_all = interrupted\n"
    )
    with running_fake(tmp_path, "--duration", "0.3", "--api-key", "a-good-token") as (url, _):
        arguments = ["-p", "interrupting", "--netmind-url", url, "--netmind-save", "run.json"]
        result = suite(*workers, *arguments, cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert result.returncode == 2, result.stdout
    sent = [one.request.operation for one in load(tmp_path / "run.json").exchanges if one.succeeded]
    assert sent.count(Operation.CREATE) == 3
    assert sent.count(Operation.DELETE) == 3
    assert "incomplete: not every documented claim could be checked" in result.stdout


@pytest.mark.slow
def test_it_saves_the_run_writes_a_report_and_creates_the_requests_of_files(tmp_path):
    config = {"prompt": "a cup of my own", "image_size": "square"}
    (tmp_path / "mine.json").write_text(json.dumps({"model": "Qwen/Qwen-Image", "config": config}))
    with running_fake(tmp_path, "--duration", "0.3", "--api-key", "a-good-token") as (url, _):
        files = [
            "--netmind-save",
            "run.json",
            "--netmind-report",
            "run.html",
            "--netmind-request",
            "mine.json",
        ]
        result = suite("--netmind-url", url, *files, cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    run = load(tmp_path / "run.json")
    assert [one for one in run.exchanges if "a cup of my own" in one.request.body]
    assert "create.pending" in (tmp_path / "run.html").read_text()
    assert "a-good-token" not in (tmp_path / "run.json").read_text() + (tmp_path / "run.html").read_text()


@pytest.mark.slow
def test_selecting_only_free_claims_creates_nothing(tmp_path):
    with running_fake(tmp_path, "--duration", "0.3", "--api-key", "a-good-token") as (url, _):
        result = suite("--netmind-url", url, "--netmind-save", "run.json", "-k", "error.token", cwd=tmp_path)
    assert (result.returncode, last_line(result)) == (0, "1 passed, 75 deselected"), result.stdout
    run = load(tmp_path / "run.json")
    assert run.scope is Scope.FREE
    assert not [one for one in run.exchanges if one.request.operation is Operation.CREATE and one.succeeded]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("selected", "creates"), [([], 3), (["-k", "error.token or error.unknown-route"], 0)]
)
def test_under_xdist_the_workers_share_one_run(tmp_path, selected, creates):
    with running_fake(tmp_path, "--duration", "0.3", "--api-key", "a-good-token") as (url, _):
        files = ["--netmind-save", "run.json", "--netmind-report", "run.html"]
        arguments = ["-p", "xdist", "-n", "2", *selected, *files]
        result = suite("--netmind-url", url, *arguments, cwd=tmp_path)
        spend = requests.get(
            f"{url}/__mock/spend", headers={"Authorization": "Bearer a-good-token"}, timeout=5
        ).json()
    assert result.returncode == 0, result.stdout
    assert result.stdout.count("netmind claims") == 1
    assert "create.pending" in (tmp_path / "run.html").read_text()
    run = load(tmp_path / "run.json")
    assert (
        sum(one.request.operation is Operation.CREATE and one.succeeded for one in run.exchanges) == creates
    )
    assert spend["creates"] == creates


@pytest.mark.slow
def test_under_xdist_a_test_of_another_file_does_not_start_a_run(tmp_path):
    (tmp_path / "test_own.py").write_text("def test_own(netmind_run): pass\n")
    arguments = ["-p", "netmind_contracts", "-p", "xdist", "-n", "2", "--netmind-url", "http://127.0.0.1:9"]
    result = run_pytest(tmp_path, "-q", "test_own.py", *arguments)
    assert (result.returncode, last_line(result)) == (1, "1 error"), result.stdout
    assert "under xdist only the tests of netmind_contracts.suite start a run; add -n 0" in result.stdout


@pytest.mark.slow
@WORKERS
def test_a_known_departure_is_shown_and_is_not_a_failure(tmp_path, workers):
    saved_run(tmp_path / "run.json", mutant_of="delete.message")
    (tmp_path / "known.toml").write_text(
        '[[departure]]\nclaim = "delete.message"\nreason = "Ticket 123."\nsince = 2020-01-01\n'
    )
    files = ["--netmind-known", "known.toml", "--netmind-report", "run.html"]
    result = suite("--netmind-run", "run.json", *files, *workers, cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    assert (
        "known          documented  delete.message\n    known since 2020-01-01: Ticket 123." in result.stdout
    )
    assert "Ticket 123." in (tmp_path / "run.html").read_text()


@pytest.mark.slow
@WORKERS
def test_a_run_that_could_not_check_all_documented_claims_exits_with_2(tmp_path, workers):
    saved_run(tmp_path / "run.json", budget=1)
    result = suite("--netmind-run", "run.json", *workers, cwd=tmp_path)
    assert result.returncode == 2, result.stdout
    assert " failed" not in last_line(result)
    assert "incomplete, exit status 2: documented claims were not exercised: " in result.stdout


@pytest.mark.slow
def test_of_an_incomplete_run_only_the_selected_claims_decide_the_exit_status(tmp_path):
    saved_run(tmp_path / "run.json", budget=1)
    result = suite("--netmind-run", "run.json", "-k", "delete.message", cwd=tmp_path)
    assert (result.returncode, last_line(result)) == (0, "1 passed, 75 deselected"), result.stdout


@pytest.mark.slow
def test_a_file_that_cannot_be_written_after_the_run_is_reported_and_exits_with_2(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("the system has no device that is always full")
    saved_run(tmp_path / "run.json")
    result = suite("--netmind-run", "run.json", "--netmind-save", "/dev/full", cwd=tmp_path)
    assert result.returncode == 2, result.stdout
    assert "/dev/full: cannot be written: No space left on device" in result.stdout


def test_the_plugin_imports_no_heavy_module():
    """Without the suite, a pytest session imports only the module of the plugin."""
    code = (
        "import sys, pytest; before = set(sys.modules); import netmind_contracts.pytest_plugin;"
        "print(*sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"jsonschema", "requests", "hypothesis", "puremagic", "click", "msgspec"} & set(loaded), loaded
