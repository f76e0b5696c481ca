"""A fake in process whose jobs take 13 minutes, and the HTTP libraries that it responds to."""

import pytest
from asking import ALL

import netmind_mock


@pytest.fixture
def mock():
    with netmind_mock.start(profile="observed", duration=780, unused="ignore") as mock:
        yield mock


@pytest.fixture(params=ALL, ids=lambda ask: ask.__name__)
def ask(request):
    return request.param
