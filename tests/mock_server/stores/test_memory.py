"""The store in memory is limited in bytes, too."""

import pytest

from netmind_mock import create_app

AUTHORIZED = {"Authorization": "any"}


def create(client, size, key="any"):
    body = {"model": "m", "config": {"prompt": "x" * size}}
    return client.post("/v1/generation", json=body, headers={"Authorization": key}).json["id"]


@pytest.fixture
def client():
    return create_app(max_bytes=10_000).test_client()


def listed(client, key="any"):
    response = client.get("/v1/generation", headers={"Authorization": key}).json
    return [job["id"] for job in response["generation_list"]]


def test_the_oldest_jobs_are_evicted_beyond_the_limit_on_bytes(client):
    first, second, third = (create(client, 4000) for _ in range(3))
    assert set(listed(client)) == {second, third}
    assert client.get(f"/v1/generation/{first}", headers=AUTHORIZED).status_code == 404


def test_bytes_are_those_of_all_accounts(client):
    create(client, 6000, "one")
    other = create(client, 6000, "other")
    assert (listed(client, "one"), listed(client, "other")) == ([], [other])


def test_the_last_job_is_kept_however_large_it_is(client):
    large = create(client, 50_000)
    assert listed(client) == [large]


def test_bytes_are_free_again_after_a_reset(client):
    create(client, 9000)
    client.post("/__mock/reset", json={}, headers=AUTHORIZED)
    jobs = {create(client, 3000) for _ in range(3)}
    assert set(listed(client)) == jobs
