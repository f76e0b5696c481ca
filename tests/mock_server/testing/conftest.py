"""A fake in process whose jobs take 13 minutes, and the HTTP libraries that it intercepts."""

import pytest
from asking import by_httpx, by_httpx_async, by_requests

import netmind_mock


@pytest.fixture
def mock():
    with netmind_mock.start(profile="observed", duration=780, unused="ignore") as mock:
        yield mock


@pytest.fixture(params=[by_requests, by_httpx, by_httpx_async], ids=lambda ask: ask.__name__)
def ask(request):
    return request.param
