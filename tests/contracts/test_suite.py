"""The suite, run by pytest on the installed package."""

import subprocess
import sys

import pytest
from mutants.catalogue import MUTANTS
from probing import fake, probe_of
from support import run_pytest, running_fake

from netmind_contracts.runs.exchange import save


def suite(*arguments, cwd, **environment):
    """Run the suite in a folder outside this project."""
    key = {"NETMIND_API_KEY": "a-good-token"}
    return run_pytest(cwd, "--pyargs", "netmind_contracts.suite", "-q", *arguments, **{**key, **environment})


def last_line(result):
    return result.stdout.strip().splitlines()[-1].partition(" in ")[0]


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
    app, clock = fake(profile="observed")
    mutant = next(mutant for mutant in MUTANTS if mutant.claim == "delete.message")
    save(probe_of(mutant.wrap(app), clock).run(), tmp_path / "run.json")
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
        (["--netmind-url", "https://api.netmind.ai"], 2, "add --live --max-creates 3, or --live --free-only"),
        (["--netmind-url", "http://127.0.0.1:9", "-p", "xdist", "-n", "2"], 4, "every xdist worker would create generations; add -n 0"),
        (["--netmind-run", "none.json"], 2, "none.json: cannot be read: No such file or directory"),
    ],
)  # fmt: skip
def test_an_endpoint_that_cannot_be_probed_ends_the_session_in_one_sentence(
    tmp_path, arguments, code, message
):
    result = suite(*arguments, cwd=tmp_path)
    assert (result.returncode, message in result.stdout + result.stderr) == (code, True), result.stdout
    assert "Traceback" not in result.stdout + result.stderr


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
