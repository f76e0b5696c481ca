"""The middleware calls operations directly; the responses are the same as through Flask."""

import pytest

from netmind_mock import SimulatedClock, create_app
from netmind_mock.fake import fake_of
from netmind_mock.stores import StoreUnavailable

AUTH = {"Authorization": "Bearer key"}
BODY = {"model": "Qwen/Qwen-Image", "config": {"prompt": "A cup"}}
ONE = "/v1/generation/"


def fake(*, through_flask, **options):
    clock = SimulatedClock(wall=lambda: 1_800_000_000.0)
    clock.freeze()
    app = create_app(seed=1, clock=clock, **options)
    if through_flask:
        app.before_request(lambda: None)
    return app


def responses_of(client):
    """Send requests of every kind. Return the responses."""
    job = client.post("/v1/generation", json=BODY, headers=AUTH)
    one = ONE + job.json["id"]
    return [job] + [
        client.open(path, method=method, **{"headers": AUTH, **more})
        for method, path, more in [
            ("GET", one, {}),
            ("HEAD", one, {}),
            ("GET", "/v1/generation", {}),
            ("HEAD", "/v1/generation", {}),
            ("GET", one, {"headers": {}}),
            ("GET", one, {"headers": {"Authorization": "Basic x"}}),
            ("GET", one, {"headers": {"Authorization": "Bearer other"}}),
            ("GET", ONE + "0" * 32, {}),
            ("GET", ONE + "not-an-id", {}),
            ("GET", ONE + "%C3%A4", {}),
            ("GET", one + "/more", {}),
            ("GET", ONE, {}),
            ("PUT", one, {}),
            ("OPTIONS", "/v1/generation", {}),
            ("POST", "/v1/generation", {"data": "{", "content_type": "application/json"}),
            ("POST", "/v1/generation", {"data": "a=b", "content_type": "text/plain"}),
            ("POST", "/v1/generation", {"json": {"model": 5}}),
            ("POST", "/v1/generation", {"json": BODY, "headers": {**AUTH, "X-Mock-Scenario": "nonsense"}}),
            ("DELETE", one, {}),
            ("DELETE", one, {}),
            ("DELETE", ONE + "x", {}),
            ("GET", one, {}),
        ]
    ]


@pytest.mark.parametrize("profile", ["documented", "observed"])
def test_every_response_is_the_same_as_through_flask(profile):
    direct, through_flask = (
        responses_of(fake(through_flask=flask, profile=profile).test_client()) for flask in (False, True)
    )
    for one, other in zip(direct, through_flask, strict=True):
        assert (one.status, one.data) == (other.status, other.data)
        assert sorted(one.headers) == sorted(other.headers)
    assert {200, 401, 404, 405} <= {response.status_code for response in direct}


def test_a_hook_of_the_user_is_called():
    app = fake(through_flask=False)
    seen = []

    @app.after_request
    def add(response):
        seen.append(response.status_code)
        response.headers["X-Hooked"] = "yes"
        return response

    response = app.test_client().get("/v1/generation", headers=AUTH)
    assert (response.headers["X-Hooked"], seen) == ("yes", [200])


def test_an_unavailable_store_gets_503_as_through_flask(monkeypatch):
    def unavailable(*_):
        raise StoreUnavailable("disk full")

    responses = []
    for flask in (False, True):
        app = fake(through_flask=flask)
        monkeypatch.setattr(fake_of(app).store, "page", unavailable)
        responses.append(app.test_client().get("/v1/generation", headers=AUTH))
    assert [(response.status_code, response.json) for response in responses] == [
        (503, {"message": "the fake's store cannot be read or written now: disk full"})
    ] * 2


def test_an_internal_error_is_a_500_and_is_logged_as_through_flask(monkeypatch, caplog):
    def broken(*_):
        raise LookupError("ours")

    responses = []
    for flask in (False, True):
        app = fake(through_flask=flask)
        monkeypatch.setattr(fake_of(app).store, "page", broken)
        responses.append(app.test_client().get("/v1/generation", headers=AUTH))
    assert [(response.status_code, response.json) for response in responses] == [
        (500, {"message": "Internal Server Error"})
    ] * 2
    assert [record.exc_info[1].args for record in caplog.records] == [("ours",)] * 2


def test_in_testing_mode_an_internal_error_is_raised(monkeypatch):
    def broken(*_):
        raise LookupError("ours")

    app = fake(through_flask=False)
    app.testing = True
    monkeypatch.setattr(fake_of(app).store, "page", broken)
    with pytest.raises(LookupError, match="ours"):
        app.test_client().get("/v1/generation", headers=AUTH)
