"""Run the command without a network."""

import pytest
import responses
from click.testing import CliRunner

from netmind_client._flows import retry, waiting
from netmind_client.cli import commands

URL = "https://api.netmind.ai/v1/generation"
ID = "6347623b2fce4998b0e842f7e935ccb0"


@pytest.fixture
def api():
    """Yield the mocked responses. Any other request fails the test."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as api:
        yield api


@pytest.fixture
def run(api, monkeypatch, tmp_path):  # noqa: ARG001 - no request reaches the network
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(waiting, "SHORTEST_DELAY", 0.001)
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)

    def run(*arguments, **variables):
        return CliRunner().invoke(commands.main, arguments, env={"NETMIND_API_KEY": "k3y", **variables})

    return run
