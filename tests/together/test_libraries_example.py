"""The example of one test for four HTTP libraries passes."""

import shutil

import pytest
from support import ROOT, run_pytest

pytestmark = pytest.mark.slow


def test_all_pass(tmp_path):
    example = ROOT / "examples/libraries"
    folder = shutil.copytree(example, tmp_path / "libraries", ignore=shutil.ignore_patterns("__pycache__"))
    assert "5 passed" in run_pytest(folder, "-q").stdout
