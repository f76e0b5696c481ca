"""The example application: its tests find three bugs of its client, and pass once the bugs are fixed."""

import shutil

import pytest
from support import ROOT, run_pytest

EXAMPLE = ROOT / "examples/thumbnails"

pytestmark = pytest.mark.slow


def run(folder):
    return run_pytest(folder, "-q", "--tb=line", COLUMNS="400").stdout


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "thumbnails", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "thumbnails"


def test_all_three_bugs_are_found_and_explained(copy):
    output = run(copy)
    assert "3 failed, 1 passed" in output
    assert "billed twice: request 2 created Qwen/Qwen-Image again" in output
    assert "its status is pending, and the client has no deadline" in output
    assert "its status is failed, which is final, but the client ignores it" in output


def test_the_fixed_client_passes(copy):
    (copy / "client_mended.py").replace(copy / "client.py")
    assert "4 passed" in run(copy)


def test_the_test_file_is_short():
    assert len((EXAMPLE / "test_thumbnails.py").read_text().splitlines()) < 60
