"""A list of jobs that no longer change is cached as a whole, and is always what a get of each job returns."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import AUTHORIZED, PAGE_IMAGE

from netmind_mock import SimulatedClock, create_app
from netmind_mock.api.json_cache import JsonCache
from netmind_mock.fake import fake_of

STEPS = [
    "create",
    "create failed",
    "create with late list",
    "advance",
    "delete",
    "complete",
    "expire links",
    "other host",
]


class Fake:
    """A fake, whose list is compared with a get of each job."""

    def __init__(self, profile):
        self.clock = SimulatedClock()
        self.clock.freeze()
        self.app = create_app(profile=profile, clock=self.clock, duration=5)
        self.client, self.host, self.ids = self.app.test_client(), "localhost", []
        self.late = set()  # the ids of jobs that the list shows as they were some seconds ago

    def request(self, method, path, **options):
        headers = {**AUTHORIZED, "Host": self.host}
        return self.client.open(
            path, method=method, headers={**headers, **options.pop("headers", {})}, **options
        )

    def step(self, name):
        match name.split():
            case ["create", *scenario]:
                line = {"failed": "failed", "with": "list_behind seconds=3"}.get("".join(scenario[:1]))
                headers = {"X-Mock-Scenario": line} if line else {}
                self.ids.append(
                    self.request("POST", "/v1/generation", json=PAGE_IMAGE, headers=headers).json["id"]
                )
                if "with" in scenario:
                    self.late.add(self.ids[-1])
            case ["advance"]:
                self.clock.advance(2)
            case ["delete"] if self.ids:
                self.request("DELETE", f"/v1/generation/{self.ids[0]}")
            case ["complete"] if self.ids:
                self.request("POST", f"/__mock/jobs/{self.ids[-1]}/complete", json={})
            case ["expire", "links"] if self.ids:
                self.request("POST", f"/__mock/jobs/{self.ids[-1]}/expire-links", json={})
            case ["other", "host"]:
                self.host = "127.0.0.1" if self.host == "localhost" else "localhost"

    def listed(self):
        return {one["id"]: one for one in self.request("GET", "/v1/generation").json["generation_list"]}


@pytest.mark.parametrize("profile", ["documented", "observed"])
@settings(deadline=None, max_examples=40)
@given(steps=st.lists(st.sampled_from(STEPS), max_size=12))
def test_a_list_has_what_a_get_of_each_job_returns(profile, steps):
    fake = Fake(profile)
    for step in steps:
        fake.step(step)
        for job_id, listed in fake.listed().items():
            got = fake.request("GET", f"/v1/generation/{job_id}")
            assert got.status_code == 200
            assert job_id in fake.late or listed == got.json, step
    fake.clock.advance(60)
    visible = [one for one in fake.ids if fake.request("GET", f"/v1/generation/{one}").status_code == 200]
    assert sorted(fake.listed()) == sorted(visible)


def test_a_list_that_cannot_change_is_encoded_once():
    fake = Fake("documented")
    fake.step("create")
    cache, store = JsonCache(fake_of(fake.app).profile), fake_of(fake.app).store
    [job] = store.page(None)

    def listed():
        return cache.listed(job.user_id, store.page(job.user_id), fake.clock.now(), "http://localhost")

    assert isinstance(listed(), list)
    fake.clock.advance(5)
    encoded = listed()
    assert isinstance(encoded, msgspec.Raw)
    assert listed() is encoded
    fake.step("create")
    assert isinstance(listed(), list)


def test_the_cache_is_limited(monkeypatch):
    monkeypatch.setattr("netmind_mock.api.json_cache._MAX_BYTES", 3000)
    fake = Fake("documented")
    for _ in range(20):
        fake.step("create")
    fake.clock.advance(5)
    cache, store = JsonCache(fake_of(fake.app).profile), fake_of(fake.app).store
    jobs = store.page(None)
    for _ in range(3):
        cache.listed(jobs[0].user_id, jobs, fake.clock.now(), "http://localhost")
    assert len(cache._documents) < 10
