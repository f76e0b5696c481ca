"""What a restart preserves: jobs with their timing, clocks, and the sequence of ids."""

import base64
import contextlib

import pytest

from netmind_mock import SimulatedClock, create_app
from netmind_mock.fake import fake_of
from netmind_mock.stores import StoreUnavailable, open_store

BODY = {"model": "Qwen/Qwen-Image", "config": {"prompt": "A cup"}}
AUTH = {"Authorization": "Bearer key"}


class System:
    """The system clock, which a restart does not change."""

    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def system():
    return System()


@pytest.fixture
def started(tmp_path, system):
    """Return a function that starts the fake on the same store, as another process would."""
    with contextlib.ExitStack() as stack:

        def start(speed=1.0, **options):
            store = stack.enter_context(contextlib.closing(open_store(f"sqlite:///{tmp_path}/jobs.db")))
            clock = SimulatedClock(speed=speed, wall=system, monotonic=system)
            return create_app(store=store, clock=clock, duration=600, **options).test_client()

        yield start


def create(client):
    return client.post("/v1/generation", json=BODY, headers=AUTH).json


def status(client, job):
    return client.get(f"/v1/generation/{job['id']}", headers=AUTH).json["status"]


@pytest.mark.parametrize("speed", [1.0, 60.0])
def test_a_job_continues_after_a_restart(started, system, speed):
    first = started(speed)
    job = create(first)
    system.now += 300 / speed
    second = started(speed)
    system.now += 299 / speed
    assert status(second, job) == "pending"
    system.now += 2 / speed
    assert status(second, job) == "completed"


def test_a_changed_clock_continues_with_its_state(started, system):
    first = started()
    job = create(first)
    first.post("/__mock/clock", json={"freeze": True, "advance": 599})
    system.now += 10_000
    second = started()
    assert status(second, job) == "pending"
    assert second.get("/__mock/clock").json["frozen"] is True
    second.post("/__mock/clock", json={"advance": 1})
    assert status(second, job) == "completed"


def test_an_account_still_has_its_own_clock_after_a_restart(started, system):
    first = started()
    job = create(first)
    first.post("/__mock/clock", json={"advance": 600}, headers=AUTH)
    second = started()
    assert status(second, job) == "completed"
    assert second.get("/__mock/clock").json["now"] == system.now


def test_a_clock_that_a_reset_removed_does_not_return(started, system):
    first = started()
    first.post("/__mock/clock", json={"advance": 600}, headers=AUTH)
    first.post("/__mock/reset", json={}, headers=AUTH)
    assert started().get("/__mock/clock", headers=AUTH).json["now"] == system.now


def test_a_system_clock_that_was_set_back_does_not_set_the_clock_back(started, system):
    first = started()
    create(first)
    system.now -= 1000
    assert started().get("/__mock/clock").json["now"] == 1_800_000_000.0


def test_the_ids_of_a_seed_continue_after_a_restart(started):
    ids = [create(started(seed=7))["id"] for _ in range(3)]
    assert len(set(ids)) == 3
    fresh = create_app(seed=7).test_client()
    assert [create(fresh)["id"] for _ in range(3)] == ids


def test_no_api_key_is_in_the_file(started, tmp_path):
    client = started()
    client.post("/v1/generation", json=BODY, headers={"Authorization": "Bearer canary-s3cret"})
    client.post("/__mock/clock", json={"advance": 1}, headers={"Authorization": "canary-s3cret"})
    files = [path.read_bytes() for path in tmp_path.iterdir() if path.is_file()]
    assert any(b"A cup" in content for content in files)
    for spelled in (b"canary-s3cret", base64.b64encode(b"canary-s3cret"), b"canary-s3cret".hex().encode()):
        assert not any(spelled in content for content in files)


class TestUnavailable:
    @pytest.fixture
    def client(self, monkeypatch):
        app = create_app()
        store = fake_of(app).store
        client = app.test_client()
        done = create(create_app(store=store, duration=0).test_client())
        client.file = client.get(f"/v1/generation/{done['id']}", headers=AUTH).json["result"]["data"][0][
            "url"
        ]

        def unavailable(*_, **__):
            raise StoreUnavailable("disk I/O error")

        for name in ("put", "get", "page", "change", "forget", "facts", "amend"):
            monkeypatch.setattr(store, name, unavailable)
        return client

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("POST", "/v1/generation"),
            ("GET", "/v1/generation"),
            ("GET", "/v1/generation/" + "0" * 32),
            ("DELETE", "/v1/generation/" + "0" * 32),
            ("GET", "FILE"),
            ("POST", "/__mock/reset"),
            ("GET", "/__mock/jobs"),
        ],
    )
    def test_the_response_is_503_with_the_reason(self, client, method, path):
        response = client.open(
            client.file if path == "FILE" else path, method=method, json=BODY, headers=AUTH
        )
        assert (response.status_code, response.json) == (
            503,
            {"message": "the fake's store cannot be read or written now: disk I/O error"},
        )
        assert "no job was created or changed" in response.headers["X-Mock-Hint"]
        assert "Retry-After" not in response.headers


def test_a_clock_that_could_not_be_stored_is_not_changed(monkeypatch):
    app = create_app()
    client, store = app.test_client(), fake_of(app).store

    def unavailable(*_):
        raise StoreUnavailable("disk I/O error")

    before = client.get("/__mock/clock").json["now"]
    with monkeypatch.context() as full:
        full.setattr(store, "amend", unavailable)
        assert client.post("/__mock/clock", json={"advance": 86_400, "freeze": True}).status_code == 503
    after = client.get("/__mock/clock").json
    assert (after["now"] - before < 60, after["frozen"]) == (True, False)


def test_a_failed_reset_removes_nothing(monkeypatch):
    app = create_app()
    client, store = app.test_client(), fake_of(app).store
    client.post("/__mock/rules", json={"scenario": "failed", "model": "*"})

    def unavailable(*_, **__):
        raise StoreUnavailable("disk I/O error")

    monkeypatch.setattr(store, "forget", unavailable)
    assert client.post("/__mock/reset", json={}).status_code == 503
    assert len(client.get("/__mock/rules").json["rules"]) == 1


def test_a_read_only_store_can_be_served(monkeypatch):
    store = open_store("memory")

    def unavailable(*_):
        raise StoreUnavailable("attempt to write a readonly database")

    monkeypatch.setattr(store, "amend", unavailable)
    assert create_app(store=store).test_client().get("/v1/generation", headers=AUTH).status_code == 200


def test_a_clock_that_cannot_be_changed_is_not_stored():
    class FixedClock:
        def now(self):
            return 5.0

    store = open_store("memory")
    create_app(store=store, clock=FixedClock())
    assert store.facts(0) is None
