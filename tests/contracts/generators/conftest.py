"""Fixtures of the tests with tools of other languages. What they generate is in temporary folders."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import running_fake, skip_or_fail

from netmind_contracts import openapi

BIN = Path(sys.executable).parent


@pytest.fixture(scope="session")
def needs():
    """Return a function that returns a program's path. If it is not installed, it skips or fails the test."""

    def needs(program):
        return shutil.which(program) or skip_or_fail(f"{program} is not installed")

    return needs


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a command in a folder, by default the test's, and returns what it prints."""

    def run(*command, folder=tmp_path, **variables):
        environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **variables}
        arguments = [str(argument) for argument in command]
        done = subprocess.run(
            arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=180
        )
        assert done.returncode == 0, f"{arguments}\n{done.stdout}{done.stderr}"
        return done.stdout

    return run


@pytest.fixture(scope="session")
def npm(needs, tmp_path_factory):
    """Return a folder whose ``node_modules`` has the packages that package-lock.json pins."""
    program = needs("npm")
    folder = tmp_path_factory.mktemp("npm")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(Path(__file__).with_name(name), folder)
    command = [program, "ci", "--ignore-scripts", "--silent", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    if done.returncode:
        skip_or_fail(f"npm cannot install the packages: {done.stderr}")
    return folder


@pytest.fixture
def document(tmp_path):
    """Return a file with the OpenAPI document."""
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(openapi()))
    return file


@pytest.fixture
def fake(tmp_path):
    """Yield the base URL of a served fake whose jobs are completed at once."""
    with running_fake(tmp_path, "--duration", "0") as (base_url, _):
        yield base_url
