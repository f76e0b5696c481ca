"""The fake as a server: a new account for each test, and the same methods as in process."""

import contextlib
import gc
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time

import httpx
import pytest
import requests
from asking import ALL, ERRORS, by_aiohttp

import netmind_mock
from netmind_client import GenerationClient
from netmind_client.exceptions import GenerationFailedError
from netmind_mock import InvalidInput, LiveServer

pytestmark = pytest.mark.slow

REAL_MONOTONIC = (time.monotonic,)  # in a tuple, so that patch_sleep does not replace it

BODY = {"model": "Qwen/Qwen-Image", "config": {"prompt": "A cup of coffee"}}


@pytest.fixture(scope="module")
def server():
    with LiveServer(profile="observed", duration=780) as server:
        yield server


@pytest.fixture
def mock(server):
    with server.account() as mock:
        yield mock


def test_a_job_of_13_minutes_takes_no_time(mock, tmp_path):
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
    with pytest.raises(InvalidInput):
        mock.clock.advance(-1)


def test_a_scenario_applies_to_its_account_only(server, mock):
    mock.next_job("failed after=0")
    with server.account() as other:
        client = GenerationClient()
        job = client.create(**BODY)
        assert client.get(job.id).status == "pending"
        assert len(other.jobs) == 1
    assert mock.jobs == []
    assert [one.startswith("next_job('failed after=0')") for one in mock.unused()] == [True]
    with pytest.raises(GenerationFailedError):
        GenerationClient().wait(GenerationClient().create(**BODY))


def test_a_create_sent_again_after_a_lost_response_is_billed_twice(mock):
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
    with pytest.raises(AssertionError, match="billed twice: request 2 created Qwen/Qwen-Image again"):
        mock.assert_billed_once()


def test_the_journal_has_the_whole_request_without_the_api_key(mock):
    GenerationClient().create(**BODY)
    (entry,) = mock.journal
    assert (entry.operation, entry.json, entry.headers["authorization"]) == (
        "create",
        BODY,
        "Bearer [redacted]",
    )
    assert mock.api_key not in repr(entry)


def test_a_job_is_completed_by_hand(mock):
    mock.next_job("by_hand")
    client = GenerationClient()
    job = client.create(**BODY)
    mock.complete(job)
    assert client.get(job.id).is_completed
    with pytest.raises(InvalidInput, match="is completed already"):
        mock.fail(job)


def test_faults_rules_and_reset(mock):
    mock.every_job("failed", prompt="coffee", after=0)
    mock.fault("get", "status", code=429, retry_after=1)
    client = GenerationClient()
    job = client.create(**BODY)
    with pytest.raises(GenerationFailedError):
        client.wait(job)
    mock.reset()
    assert (mock.jobs, mock.journal) == ([], [])


def test_an_account_leaves_nothing_behind(server):
    with server.account() as mock:
        GenerationClient().create(**BODY)
    with server.account() as other:
        assert other.jobs == []
    assert mock.jobs == []
    assert "NETMIND_API_KEY" not in os.environ


def test_an_unused_scenario_fails_the_block(server):
    with pytest.raises(AssertionError, match="Requests your client sent: none"), server.account() as mock:
        mock.next_job("failed")


def test_a_profile_that_does_not_exist_is_rejected():
    with pytest.raises(ValueError, match="nowhere: no such profile; give documented or observed"):
        LiveServer(profile="nowhere").start()


def test_a_misspelt_option_is_rejected_with_a_suggestion():
    with pytest.raises(ValueError, match=r"LiveServer: duraton: no such key; did you mean duration\?"):
        LiveServer(duraton=3)


def test_a_server_ends_with_its_process():
    script = (
        "import os, signal, netmind_mock; server = netmind_mock.LiveServer().start(); "
        "print(server.base_url, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{killed.stdout.strip()}/__mock/health", timeout=5)


def test_a_server_outlives_an_interrupt_of_the_test(server):
    with contextlib.suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert requests.get(f"{server.base_url}/__mock/health", timeout=5).json()["status"] == "ok"


def test_a_server_is_not_affected_by_a_virtual_clock(server):
    """Its thread keeps real time while sleeps and clocks are replaced."""
    with netmind_mock.start(patch_sleep=True) as virtual, server.account() as mock:
        mock.next_job("completed after=0.3")
        job = post(mock)
        assert get(mock, job)["status"] == "pending"
        until = REAL_MONOTONIC[0]() + 10
        while get(mock, job)["status"] == "pending":
            assert REAL_MONOTONIC[0]() < until
        assert virtual.clock.elapsed == 0


def test_the_garbage_collector_of_the_process_is_not_changed():
    before = gc.get_threshold(), gc.get_freeze_count(), len(gc.callbacks)
    with LiveServer() as server, server.account() as mock:
        requests.get(f"{mock.base_url}/v1/generation", headers={"Authorization": mock.api_key}, timeout=10)
    assert (gc.get_threshold(), gc.get_freeze_count(), len(gc.callbacks)) == before


def test_a_thousand_accounts_in_a_row_leave_nothing():
    before = threading.active_count()
    with LiveServer(duration=0) as server:
        for _ in range(1000):
            with server.account() as mock:
                post(mock)
        assert requests.get(f"{server.base_url}/__mock/jobs", timeout=5).json()["jobs"] == []
        assert threading.active_count() < before + 30


def test_stopped_servers_leave_no_threads():
    before = threading.active_count()
    for _ in range(3):
        with LiveServer() as server:
            assert requests.get(f"{server.base_url}/__mock/health", timeout=5).ok
    assert any(threading.active_count() <= before or threading.Event().wait(0.05) for _ in range(100))


def post(mock):
    """Create a job with http.client, which no fake intercepts."""
    connection = http.client.HTTPConnection(mock.base_url.removeprefix("http://"), timeout=10)
    with contextlib.closing(connection):
        headers = {"Authorization": mock.api_key, "Content-Type": "application/json"}
        connection.request("POST", "/v1/generation", json.dumps(BODY), headers)
        return json.loads(connection.getresponse().read())["id"]


def get(mock, job):
    """Get a job with http.client, which no fake intercepts."""
    connection = http.client.HTTPConnection(mock.base_url.removeprefix("http://"), timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", f"/v1/generation/{job}", headers={"Authorization": mock.api_key})
        return json.loads(connection.getresponse().read())


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


@pytest.mark.parametrize("ask", ALL, ids=lambda ask: ask.__name__)
@pytest.mark.parametrize(("kind", "arguments"), LOST)
def test_a_fault_raises_the_same_exception_over_a_socket_and_in_process(server, ask, kind, arguments):
    raised = []
    for fake in (netmind_mock.start(), server.account()):
        with fake as mock:
            # aiohttp sends a GET again if its connection breaks before the response.
            mock.fault("list", kind, times=2 if ask is by_aiohttp else 1, **arguments)
            with pytest.raises(ERRORS) as error:
                ask("GET", f"{mock.base_url}/v1/generation", timeout=0.3, token=mock.api_key)
            raised.append(type(error.value))
    assert raised[0] is raised[1]
