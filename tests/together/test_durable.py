"""Tests of a served fake that is killed: every acknowledged job exists afterwards, complete and on time."""

import contextlib
import http.client
import signal
import threading

import psutil
import pytest
import requests
from support import TOKEN, create_until, running_fake

from netmind_client import GenerationClient

CONFIG = {"prompt": "a cup", "image_size": "square"}


@pytest.mark.slow
@pytest.mark.parametrize("store_url", ["sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize("moment", [0.05, 0.21])
def test_every_job_that_was_acknowledged_survives_a_kill(tmp_path, store_url, moment):
    acknowledged, stop = [], threading.Event()
    with running_fake(tmp_path, "--store", store_url, "--duration", "0") as (base_url, process):
        creating = [
            threading.Thread(target=create_until, args=(stop, base_url, acknowledged)) for _ in range(4)
        ]
        for thread in creating:
            thread.start()
        while not acknowledged:
            assert process.poll() is None
            stop.wait(0.01)
        stop.wait(moment)
        process.kill()
        stop.set()
        for thread in creating:
            thread.join()
    with (
        running_fake(tmp_path, "--store", store_url, "--duration", "0") as (base_url, _),
        GenerationClient(TOKEN, base_url) as client,
    ):
        listed = {job.id for job in client.list()}
        assert set(acknowledged) <= listed
        jobs = [client.get(job_id) for job_id in listed]
        assert all(job.is_completed and job.results for job in jobs)
        # Each thread may have one create that was processed and whose response was not sent.
        assert len(listed) <= len(acknowledged) + 4


@pytest.mark.slow
def test_a_job_keeps_its_time_after_a_restart(tmp_path):
    options = ("--store", f"sqlite:///{tmp_path}/jobs.db", "--duration", "60", "--speed", "100")
    with running_fake(tmp_path, *options) as (base_url, process), GenerationClient(TOKEN, base_url) as client:
        job = client.create("Qwen/Qwen-Image", CONFIG)
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    with running_fake(tmp_path, *options) as (base_url, _), GenerationClient(TOKEN, base_url) as client:
        assert client.wait(job, timeout=30).created_at == job.created_at


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_the_journal_has_the_last_requests_before_an_orderly_end(tmp_path, how):
    store = ("--store", f"sqlite:///{tmp_path}/jobs.db", "--workers", "2")
    with running_fake(tmp_path, *store) as (base_url, process):
        for _ in range(10):
            requests.get(f"{base_url}/v1/generation", headers={"Authorization": TOKEN}, timeout=10)
        process.send_signal(how)
        process.wait(20)
    with running_fake(tmp_path, *store) as (base_url, _):
        entries = requests.get(f"{base_url}/__mock/journal?operation=list", timeout=10).json()["entries"]
    assert len(entries) == 10


@pytest.mark.slow
def test_a_full_disk_is_503_loses_no_job_and_may_become_writable_again(tmp_path):
    body = {"model": "Qwen/Qwen-Image", "config": {"prompt": "x" * 50_000}}
    with (
        running_fake(tmp_path, "--store", f"sqlite:///{tmp_path}/jobs.db") as (base_url, process),
        requests.Session() as session,
    ):
        session.headers["Authorization"] = f"Bearer {TOKEN}"
        worker = psutil.Process(process.pid)
        before = worker.rlimit(psutil.RLIMIT_FSIZE)
        worker.rlimit(psutil.RLIMIT_FSIZE, (1_000_000, before[1]))  # the process cannot write larger files
        acknowledged = []
        while (
            response := session.post(f"{base_url}/v1/generation", json=body, timeout=10)
        ).status_code == 200:
            acknowledged.append(response.json()["id"])
        assert response.status_code == 503
        assert response.json()["message"].startswith("the fake's store cannot be read or written now: ")
        assert acknowledged
        assert session.get(f"{base_url}/v1/generation/{acknowledged[0]}", timeout=10).status_code == 200
        worker.rlimit(psutil.RLIMIT_FSIZE, before)
        acknowledged.append(session.post(f"{base_url}/v1/generation", json=body, timeout=10).json()["id"])
        listed = session.get(f"{base_url}/v1/generation", timeout=10).json()["generation_list"]
        assert sorted(job["id"] for job in listed) == sorted(acknowledged)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["alone", "workers"])
def test_a_request_in_progress_at_the_end_gets_its_response(tmp_path, how):
    more = {
        "alone": (),
        "workers": ("--workers", "2", "--store", f"sqlite:///{tmp_path}/jobs.db"),
    }[how]
    with (
        running_fake(tmp_path, "--latency", "0.7", *more) as (base_url, process),
        contextlib.closing(
            http.client.HTTPConnection(base_url.removeprefix("http://"), timeout=20)
        ) as connection,
    ):
        connection.request("GET", "/v1/generation", headers={"Authorization": f"Bearer {TOKEN}"})
        while not requests.get(f"{base_url}/__mock/journal", timeout=10).json()["entries"]:
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b'{"generation_list":[]}')
        assert process.wait(20) == 0


@pytest.mark.slow
def test_a_killed_command_leaves_no_worker_on_the_port(tmp_path):
    with running_fake(tmp_path) as (base_url, process):
        process.kill()
        process.wait(10)
        for _ in range(100):
            try:
                requests.get(f"{base_url}/__mock/health", timeout=5)
            except requests.ConnectionError:
                break
            threading.Event().wait(0.1)
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{base_url}/__mock/health", timeout=5)
