"""Tests of the nightly drift check. Its script runs in bash, with a fake ``gh`` that stores its calls."""

import os
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "examples" / "github-actions" / "drift.yml"

GH = """#!/usr/bin/env bash
printf '%s\\n' "$*" >> "$STATE/calls"
case "$1 $2" in
  "issue list") cat "$STATE/open-$4" 2>/dev/null || true ;;
  "issue create") echo "${#4}" > "$STATE/open-$4"; cp body.md "$STATE/body" ;;
  "issue comment") cp body.md "$STATE/comment" ;;
  "issue close") rm "$STATE/open-netmind-drift" ;;
  "run list") cat "$STATE/runs" 2>/dev/null || true ;;
  "run download") [ -f "$STATE/artifact-$3" ] && mkdir -p last && cp "$STATE/artifact-$3" last/baseline.json ;;
esac
"""
VERIFY = """#!/usr/bin/env bash
printf '%s\\n' "$*" >> "$STATE/verify"
cp baseline.json "$STATE/seen" 2>/dev/null
cat "$STATE/output"
exit "$(cat "$STATE/code")"
"""


def script():
    steps = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))["jobs"]["drift"]["steps"]
    return next(step["run"] for step in steps if "verify" in step.get("run", ""))


@pytest.fixture
def night(tmp_path):
    """Return a function that runs the script once and returns its exit code and what it changed with ``gh``."""
    (tmp_path / "bin").mkdir()
    for name, text in (("gh", GH), ("netmind-contracts", VERIFY)):
        file = tmp_path / "bin" / name
        file.write_text(text)
        file.chmod(file.stat().st_mode | stat.S_IXUSR)

    def run(code, output="failed  documented  delete.message\n"):
        (tmp_path / "code").write_text(str(code))
        (tmp_path / "output").write_text(output)
        calls = tmp_path / "calls"
        calls.unlink(missing_ok=True)
        environment = {
            **os.environ,
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "STATE": str(tmp_path),
            "RUN_URL": "https://ci.example/1",
            "GITHUB_WORKFLOW": "NetMind drift",
        }
        result = subprocess.run(
            ["bash", "-c", script()], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        called = calls.read_text().splitlines() if calls.exists() else []
        changes = [call.split(" --")[0] for call in called if not call.startswith(("run ", "issue list"))]
        return result.returncode, changes

    run.folder = tmp_path
    return run


CHANGED = "differs  observed  delete.gone\nnote: Changed since the baseline: claim.delete.gone\n"


def test_without_drift_no_issue_is_opened(night):
    assert night(0) == (0, [])


def test_drift_twice_opens_one_issue(night):
    assert night(1) == (0, ["label create netmind-drift", "issue create"])
    assert night(1) == (0, [])


def test_a_second_change_while_an_issue_is_open_is_a_comment(night):
    night(1)
    assert night(1, CHANGED) == (0, ["issue comment 13"])
    assert "claim.delete.gone" in (night.folder / "comment").read_text()


def test_the_issue_is_closed_when_the_checks_pass_again(night):
    night(1)
    assert night(0) == (0, ["issue close 13"])
    assert night(0) == (0, [])


def test_a_change_of_something_else_opens_an_issue_that_stays_open(night):
    assert night(3, CHANGED) == (0, ["label create netmind-change", "issue create"])
    assert night(0) == (0, [])
    assert night(3, CHANGED) == (0, ["issue comment 14"])


def test_a_change_when_the_documented_checks_pass_again_closes_one_issue_and_opens_another(night):
    night(1)
    assert night(3, CHANGED) == (0, ["issue close 13", "label create netmind-change", "issue create"])


@pytest.mark.parametrize("code", [2, 130])
def test_an_endpoint_that_cannot_be_probed_fails_and_changes_no_issue(night, code):
    assert night(code) == (code, [])


def test_the_baseline_is_that_of_the_last_run_that_has_one(night):
    (night.folder / "runs").write_text("12\n11\n10\n")
    (night.folder / "artifact-11").write_text("eleven")
    (night.folder / "artifact-10").write_text("ten")
    assert night(0) == (0, [])
    assert (night.folder / "seen").read_text() == "eleven"
    assert "--baseline baseline.json --baseline-update" in (night.folder / "verify").read_text()


def test_known_departures_are_given_if_there_are_any(night):
    night(0)
    (night.folder / "netmind-known.toml").write_text("")
    night(0)
    without, given = (night.folder / "verify").read_text().splitlines()
    assert ("--known" in without, given.endswith("--known netmind-known.toml")) == (False, True)


def test_text_from_an_endpoint_is_not_executed(night):
    hostile = "passed  x\nfailed `touch owned` $(touch owned) '; touch owned\n~~~~~~~~\n<!-- -->\n"
    night(1, hostile)
    body = (night.folder / "body").read_text()
    assert not (night.folder / "owned").exists()
    assert "failed `touch owned` $(touch owned) '; touch owned" in body
    assert "passed  x" not in body
    assert body.count("~~~~~~~~") == 2


def test_the_key_is_only_in_the_environment_and_the_budget_is_given(night):
    night(0)
    assert (night.folder / "verify").read_text().startswith("verify --live --max-creates 3 --save run.json")
    recipe = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    assert recipe["permissions"] == {"actions": "read", "contents": "read", "issues": "write"}
    assert "${{" not in script()


def test_make_contract_probes_the_given_endpoint():
    shown = subprocess.run(
        ["make", "-n", "contract", "BASE_URL=http://127.0.0.1:9", "API_KEY=a-key-that-nobody-may-see"],
        cwd=ROOT, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert 'netmind-contracts verify --base-url "http://127.0.0.1:9"' in shown
    assert "a-key-that-nobody-may-see" not in shown
