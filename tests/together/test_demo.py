"""Tests of ``make demo``, and of the targets of the Makefile."""

import re
import subprocess
import sys

import pytest
from PIL import Image
from support import ROOT

pytestmark = pytest.mark.slow


def test_the_demo_shows_the_job_and_saves_its_image(tmp_path):
    ended = subprocess.run(
        [sys.executable, str(ROOT / "examples/demo.py")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    statuses = re.findall(r" s  [0-9a-f]{32}  (\w+)", ended.stdout)
    assert (statuses[0], statuses[-1]) == ("pending", "completed")
    saved = re.search(r"^Saved (.*) \(\d+ bytes\)", ended.stdout, re.MULTILINE)[1]
    with Image.open(saved) as picture:
        picture.load()
        assert (picture.format, picture.size) == ("PNG", (1024, 768))


@pytest.mark.parametrize(
    "target", ["install", "demo", "serve", "test", "check", "bench", "contract", "clean", "help"]
)
def test_every_make_target_is_listed_by_help(target):
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, timeout=30).stdout
    assert re.search(rf"^  make {target} ", listed, re.MULTILINE)


def test_ci_calls_the_readmes_test_command():
    script = (ROOT / ".ci/run").read_text()
    assert "\nmake check\n" in script
    assert "\nmake test\n" in script
    assert "\nmake test " in (ROOT / "README.md").read_text()
