"""Several processes on one store are one fake: a scenario or fault of one of them applies to all."""

import signal
import threading
from collections import Counter

import pytest
import requests
from support import TOKEN, create_until, running_fake, workers_of

from netmind_client import GenerationClient

BODY = {"model": "Qwen/Qwen-Image", "config": {"prompt": "a cup", "image_size": "square"}}
AUTH = {"Authorization": f"Bearer {TOKEN}"}


def create(base_url):
    """Create a job on a new connection, which any process may accept."""
    return requests.post(f"{base_url}/v1/generation", json=BODY, headers=AUTH, timeout=10)


def post(base_url, path, **arguments):
    response = requests.post(f"{base_url}/__mock/{path}", json=arguments, headers=AUTH, timeout=10)
    assert response.status_code == 200, response.text
    return response.json()


def get(base_url, path):
    return requests.get(f"{base_url}/__mock/{path}", headers=AUTH, timeout=10).json()


@pytest.mark.slow
@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_two_servers_on_one_postgresql_behave_as_one(tmp_path, store_url):
    options = ("--store", store_url, "--duration", "600")
    (tmp_path / "other").mkdir()
    with (
        running_fake(tmp_path, *options) as (one, _),
        running_fake(tmp_path / "other", *options) as (other, _),
        GenerationClient(TOKEN, one) as client,
        GenerationClient(TOKEN, other) as client_of_other,
    ):
        job = client.create("Qwen/Qwen-Image", BODY["config"])
        assert client_of_other.get(job.id).status == "pending"
        post(one, "clock", advance=600)
        assert client_of_other.get(job.id).status == "completed"
        post(other, "next-job", scenario="failed", after=0)
        failed = client.create("Qwen/Qwen-Image", BODY["config"])
        assert client_of_other.get(failed.id).status == "failed"
        post(one, "faults", operation="create", kind="status", code=503, times=2)
        assert [create(url).status_code for url in (other, one, other)] == [503, 503, 200]
        client.delete(job.id)
        assert {job.id for job in client_of_other.list()} == {job.id for job in client.list()}
        journals = [get(url, "journal")["entries"] for url in (one, other)]
        assert journals[0] == journals[1]
        assert Counter(entry["operation"] for entry in journals[0]) == Counter(
            create=5, get=3, delete=1, list=2
        )
        assert [get(url, "spend")["creates"] for url in (one, other)] == [3, 3]
        post(other, "reset")
        assert client.list() == []
        assert get(one, "faults")["faults"] == []


@pytest.mark.slow
def test_scenarios_and_faults_are_used_once_with_several_workers(tmp_path):
    store = f"sqlite:///{tmp_path}/jobs.db"
    with running_fake(tmp_path, "--workers", "3", "--store", store) as (base_url, process):
        assert len(workers_of(process)) == 3
        post(base_url, "faults", operation="create", kind="status", code=429, times=7)
        post(base_url, "next-job", scenario="failed", after=0, times=5)
        responses = []

        def create_some():
            responses.extend(create(base_url) for _ in range(10))

        threads = [threading.Thread(target=create_some) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert Counter(response.status_code for response in responses) == {429: 7, 200: 33}
        jobs = get(base_url, "jobs")["jobs"]
        assert Counter(job["status"] == "failed" for job in jobs) == {True: 5, False: 28}
        assert len(get(base_url, "journal")["entries"]) == 40


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced_and_no_job_is_lost(tmp_path):
    store = f"sqlite:///{tmp_path}/jobs.db"
    options = ("--workers", "2", "--store", store, "--duration", "0")
    acknowledged, stop = [], threading.Event()
    with running_fake(tmp_path, *options) as (base_url, process), GenerationClient(TOKEN, base_url) as client:
        before = workers_of(process)
        creating = [
            threading.Thread(target=create_until, args=(stop, base_url, acknowledged)) for _ in range(4)
        ]
        for thread in creating:
            thread.start()
        while len(acknowledged) < 20:
            stop.wait(0.01)
        before[0].kill()
        killed_at = len(acknowledged)
        while len(acknowledged) < killed_at + 20:
            assert process.poll() is None
            stop.wait(0.01)
        stop.set()
        for thread in creating:
            thread.join()
        while len(alive := [worker for worker in workers_of(process) if worker.is_running()]) < 2:
            threading.Event().wait(0.05)
        assert before[1] in alive
        listed = client.list()
        assert set(acknowledged) <= {job.id for job in listed}
        assert all(job.is_completed for job in listed)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
