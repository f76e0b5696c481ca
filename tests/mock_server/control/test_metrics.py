"""Tests of the metrics, with the parser of prometheus_client."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from netmind_mock import create_app
from netmind_mock.fake import fake_of
from netmind_mock.stores import Limits, StoreUnavailable
from netmind_mock.stores.memory import MemoryStore

BODY = {"model": "Qwen/Qwen-Image", "config": {"prompt": "A cup"}}
AUTH = {"Authorization": "Bearer key"}


@pytest.fixture
def client():
    return create_app(store=MemoryStore(Limits(max_jobs=2)), journal=3).test_client()


def samples(client):
    """Return the value of each sample, by its name and labels."""
    response = client.get("/__mock/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def test_requests_are_counted_by_operation_and_status(client):
    for _ in range(3):
        client.post("/v1/generation", json=BODY, headers=AUTH)
    client.get("/v1/generation/" + "0" * 32, headers=AUTH)
    client.get("/v1/generation")
    read = samples(client)
    assert read["netmind_mock_requests_total", "create", "200"] == 3
    assert read["netmind_mock_requests_total", "get", "404"] == 1
    assert read["netmind_mock_requests_total", "list", "401"] == 1
    assert read["netmind_mock_request_seconds_count", "create"] == 3
    assert 0 < read["netmind_mock_request_seconds_sum", "create"] < 60


def test_stored_and_dropped_jobs_and_entries_are_counted(client):
    for _ in range(5):
        client.post("/v1/generation", json=BODY, headers=AUTH)
    read = samples(client)
    assert read["netmind_mock_jobs",] == 2
    assert read["netmind_mock_jobs_evicted_total",] == 3
    assert read["netmind_mock_journal_entries",] == 3
    assert read["netmind_mock_journal_dropped_total",] == 2
    assert read["netmind_mock_journal_bytes",] > 0


def test_requests_with_a_fault_are_counted(client):
    client.post("/__mock/faults", json={"operation": "create", "kind": "status", "code": 500, "times": 1})
    for _ in range(2):
        client.post("/v1/generation", json=BODY, headers=AUTH)
    assert samples(client)["netmind_mock_requests_with_fault_total", "create"] == 1


def test_a_reset_keeps_the_request_counts(client):
    client.post("/v1/generation", json=BODY, headers=AUTH)
    client.post("/__mock/reset", json={})
    read = samples(client)
    assert (read["netmind_mock_requests_total", "create", "200"], read["netmind_mock_jobs",]) == (1, 0)


def test_api_keys_and_prompts_are_not_in_the_metrics(client):
    client.post("/v1/generation", json=BODY, headers=AUTH)
    text = client.get("/__mock/metrics").text
    assert "key" not in text
    assert "A cup" not in text


def test_profile_store_and_version_are_in_the_metrics(client):
    assert samples(client)["netmind_mock_info", "documented", "memory", version()] == 1


def version():
    return create_app().test_client().get("/__mock/health").json["version"]


def test_an_unavailable_store_is_503(client, monkeypatch):
    def gone():
        raise StoreUnavailable("disk I/O error")

    monkeypatch.setattr(fake_of(client.application).store, "counts", gone)
    assert client.get("/__mock/metrics").status_code == 503
