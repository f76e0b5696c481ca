"""Fixtures for the in-process fake, on a virtual clock that is frozen until a test advances it."""

import textwrap

import pytest
from support import AUTHORIZED, PAGE_IMAGE, run_pytest

from netmind_mock import SimulatedClock, create_app

NOON = 1_758_186_860.0  # 2025-09-18 09:14:20 UTC, the example of the vendor documentation


@pytest.fixture
def clock():
    clock = SimulatedClock(wall=lambda: NOON)
    clock.freeze()
    return clock


@pytest.fixture
def make(clock):
    """Return a function that creates a test client of a fake with the given options."""

    def make(**options):
        return create_app(**{"clock": clock, "seed": 7, **options}).test_client()

    return make


@pytest.fixture(params=["documented", "observed"])
def client(request, make):
    """Return a test client of a fake; each test runs under both profiles."""
    return make(profile=request.param)


@pytest.fixture
def documented(make):
    return make(profile="documented")


@pytest.fixture
def observed(make):
    return make(profile="observed")


@pytest.fixture
def create():
    """Return a function that creates a job and returns the JSON of the response."""

    def create(client, body=PAGE_IMAGE, headers=AUTHORIZED):
        response = client.post("/v1/generation", json=body, headers=headers)
        assert response.status_code == 200, response.text
        return response.json

    return create


@pytest.fixture
def completed(create, clock):
    """Return a function that creates a job, completes it, and returns the JSON of get."""

    def completed(client, body=PAGE_IMAGE, headers=AUTHORIZED):
        job = create(client, body, headers)
        clock.advance(2)
        return client.get(f"/v1/generation/{job['id']}", headers=headers).json

    return completed


@pytest.fixture
def project(tmp_path):
    """Return a temporary project in which a test can run pytest."""

    class Project:
        folder = tmp_path

        def run(self, code, *arguments, name="test_made_up.py", **environment):
            (tmp_path / name).write_text(textwrap.dedent(code))
            ended = run_pytest(tmp_path, *arguments, **environment)
            self.output = ended.stdout + ended.stderr
            self.code = ended.returncode
            return self

        def ini(self, text):
            (tmp_path / "pytest.ini").write_text("[pytest]\n" + textwrap.dedent(text))
            return self

    return Project()
