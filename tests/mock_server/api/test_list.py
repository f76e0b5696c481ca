"""Lists use cached JSON for jobs that no longer change, and are never stale."""

import pytest

from netmind_mock import SimulatedClock, create_app
from netmind_mock.stores import open_store

AUTH = {"Authorization": "Bearer key"}
BODY = {"model": "Qwen/Qwen-Image", "config": {"prompt": "A cup"}}
CHANGES = {
    "nothing": lambda _client, _clock, _job: None,
    "time": lambda _client, clock, _job: clock.advance(1000),
    "a delete": lambda client, _clock, job: client.delete(f"/v1/generation/{job}", headers=AUTH),
    "links that expire": lambda client, _clock, job: client.post(f"/__mock/jobs/{job}/expire-links", json={}),
    "another job": lambda client, _clock, _job: client.post("/v1/generation", json=BODY, headers=AUTH),
    "a reset and the same id": lambda client, clock, _job: (
        client.post("/__mock/reset", json={}),
        client.post("/v1/generation", json={**BODY, "model": "another"}, headers=AUTH),
        clock.advance(10),
    ),
}
TOMBSTONE = """
extends = "documented"

[delete.leaves]
value = "tombstone"
level = "assumed"
source = "this test"
"""


def listed(client, **headers):
    return client.get("/v1/generation", headers={**AUTH, **headers}).json["generation_list"]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("profile", ["documented", "observed", "tombstone"])
@pytest.mark.parametrize("store_url", ["memory", "sqlite"], indirect=True)
def test_a_list_agrees_with_get_after_every_change(tmp_path, change, profile, store_url):
    if profile == "tombstone":
        (tmp_path / "tombstone.toml").write_text(TOMBSTONE)
        profile = str(tmp_path / "tombstone.toml")
    clock = SimulatedClock(wall=lambda: 1_800_000_000.0)
    clock.freeze()
    store = open_store(store_url)
    client = create_app(profile=profile, clock=clock, duration=5, seed=1, store=store).test_client()
    jobs = [client.post("/v1/generation", json=BODY, headers=AUTH).json["id"] for _ in range(3)]
    clock.advance(10)
    first = listed(client)
    assert listed(client) == first
    CHANGES[change](client, clock, jobs[0])
    for _ in range(2):
        for shown in listed(client):
            assert shown == client.get(f"/v1/generation/{shown['id']}", headers=AUTH).json
    store.close()


def test_urls_in_a_list_begin_with_the_host_of_the_request():
    client = create_app(duration=0).test_client()
    client.post("/v1/generation", json=BODY, headers=AUTH)
    for host in ("localhost", "127.0.0.1:8000", "localhost"):
        [shown] = listed(client, Host=host)
        assert shown["result"]["data"][0]["url"].startswith(f"http://{host}/")
