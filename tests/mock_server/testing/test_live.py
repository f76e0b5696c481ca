"""The served fake: a tenant for each test, and the same orders and verdicts as in process."""

import os
import subprocess
import sys
import threading

import httpx
import pytest
import requests
from asking import by_httpx, by_httpx_async, by_requests

import netmind_mock
from netmind_client import GenerationClient, GenerationFailed
from netmind_mock import InvalidOrder, LiveServer
from netmind_mock.testing.live import NotStarted

pytestmark = pytest.mark.slow

BODY = {"model": "Qwen/Qwen-Image", "config": {"prompt": "A cup of coffee"}}


@pytest.fixture(scope="module")
def server():
    with LiveServer(
        {"profile": "observed", "duration": 780, "api_key": [], "strict_models": False, "seed": None}
    ) as server:
        yield server


@pytest.fixture
def mock(server):
    with server.tenant() as mock:
        yield mock


def test_a_job_of_thirteen_minutes_is_made_in_no_time(mock, tmp_path):
    client = GenerationClient()
    job = client.create(**BODY)
    mock.clock.advance(780)
    (path,) = client.download(client.wait(job), tmp_path)
    assert path.read_bytes()[:4] == b"\x89PNG"
    mock.assert_created(model="Qwen/Qwen-Image", prompt="A cup of coffee")
    mock.polling(job).assert_polite()


def test_the_clock_can_be_sped_up_frozen_and_read(mock):
    mock.clock.freeze()
    before = mock.clock.now()
    mock.clock.advance(60)
    assert mock.clock.now() == pytest.approx(before + 60)
    mock.clock.set_speed(3600)
    mock.clock.resume()
    job = GenerationClient().create(**BODY)
    assert GenerationClient().wait(job, timeout=10).is_completed
    with pytest.raises(InvalidOrder):
        mock.clock.advance(-1)


def test_orders_are_the_tenants_own(server, mock):
    mock.next_job("failed after=0")
    with server.tenant() as other:
        client = GenerationClient()
        job = client.create(**BODY)
        assert client.get(job.id).status == "pending"
        assert len(other.jobs) == 1
    assert mock.jobs == []
    assert [one.startswith("next_job('failed after=0')") for one in mock.unused()] == [True]
    with pytest.raises(GenerationFailed):
        GenerationClient().wait(GenerationClient().create(**BODY))


def test_two_clients_one_lost_answer_and_a_bill(mock):
    mock.fault("create", "reset")
    for attempt in (requests.post, httpx.post):
        try:
            attempt(
                f"{mock.base_url}/v1/generation",
                json=BODY,
                headers={"Authorization": mock.api_key},
                timeout=5,
            )
        except requests.ConnectionError:
            continue
    with pytest.raises(AssertionError, match="paid for twice: request 2 created Qwen/Qwen-Image again"):
        mock.assert_billed_once()


def test_the_journal_is_told_whole(mock):
    GenerationClient().create(**BODY)
    (entry,) = mock.journal
    assert (entry.operation, entry.json, entry.headers["authorization"]) == (
        "create",
        BODY,
        "Bearer [masked]",
    )
    assert mock.api_key not in repr(entry)


def test_a_job_is_ended_by_hand(mock):
    mock.next_job("by_hand")
    client = GenerationClient()
    job = client.create(**BODY)
    mock.complete(job)
    assert client.get(job.id).is_completed
    with pytest.raises(InvalidOrder, match="is completed already"):
        mock.fail(job)


def test_faults_rules_and_reset(mock):
    mock.every_job("failed", prompt="coffee", after=0)
    mock.fault("get", "status", code=429, retry_after=1)
    client = GenerationClient()
    job = client.create(**BODY)
    with pytest.raises(GenerationFailed):
        client.wait(job)
    mock.reset()
    assert (mock.jobs, mock.journal) == ([], [])


def test_a_tenant_that_is_done_leaves_nothing(server):
    with server.tenant() as mock:
        GenerationClient().create(**BODY)
    with server.tenant() as other:
        assert other.jobs == []
    assert mock.jobs == []
    assert "NETMIND_API_KEY" not in os.environ


def test_a_leftover_order_fails_the_block(server):
    with pytest.raises(AssertionError, match="What came: no request"), server.tenant() as mock:
        mock.next_job("failed")


def test_a_server_that_cannot_start_says_why():
    with pytest.raises(
        NotStarted,
        match="the fake did not start: Error: nowhere: no such profile; give documented or observed",
    ):
        LiveServer({"profile": "nowhere"}).start()


def test_a_server_ends_with_whoever_started_it():
    script = (
        "import os, signal, netmind_mock; server = netmind_mock.LiveServer().start(); "
        "print(server.base_url, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    url = killed.stdout.strip()
    assert any(is_gone(url) or threading.Event().wait(0.05) for _ in range(200))


def is_gone(url):
    try:
        requests.get(f"{url}/__mock/health", timeout=5)
    except requests.ConnectionError:
        return True
    return False


LOST = [
    ("reset", {"when": "request"}),
    ("reset", {"when": "before"}),
    ("reset", {"when": "during"}),
    ("hang", {}),
    ("hang", {"seconds": 0.1}),
    ("delay", {"seconds": 5}),
    ("dribble", {"seconds": 20}),
    ("truncate", {}),
]


@pytest.mark.parametrize("ask", [by_requests, by_httpx, by_httpx_async], ids=lambda ask: ask.__name__)
@pytest.mark.parametrize(("kind", "arguments"), LOST)
def test_a_fault_raises_over_a_socket_what_it_raises_in_process(server, ask, kind, arguments):
    raised = []
    for fake in (netmind_mock.start(), server.tenant()):
        with fake as mock:
            mock.fault("list", kind, **arguments)
            with pytest.raises((requests.RequestException, httpx.HTTPError)) as error:
                ask("GET", f"{mock.base_url}/v1/generation", timeout=0.3, token=mock.api_key)
            raised.append(type(error.value))
    assert raised[0] is raised[1]
