"""Tests of the access control of the control API."""

import sqlite3
from contextlib import closing

import pytest
from support import AUTHORIZED

from netmind_mock import create_app
from netmind_mock.control.operations import OPERATIONS_BY_NAME

ALL_WIRE = ("delay", "hang", "dribble", "reset", "truncate")


@pytest.fixture
def api(make):
    return make(profile="observed", wire_faults=ALL_WIRE)


ROUTES = [
    *((one.method, "/__mock/" + one.path.replace("{id}", "0" * 32)) for one in OPERATIONS_BY_NAME.values()),
    ("GET", "/__mock/openapi.json"),
    ("GET", "/__mock/metrics"),
]


class TestGuard:
    """Requests that may use the control API, and requests that may not."""

    def test_every_route_below_the_control_apis_path_is_behind_its_guard(self):
        below = [rule for rule in create_app().url_map.iter_rules() if rule.rule.startswith("/__mock")]
        assert {rule.rule for rule in below} >= {"/__mock/", "/__mock/<path:path>"}
        assert [rule.rule for rule in below if not rule.endpoint.startswith("control.")] == []

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    def test_every_operation_is_served(self, api, method, path):
        response = api.open(path, method=method, json={})
        assert response.status_code in (200, 422) or "no such job" in response.json["message"]

    def test_an_unknown_path_is_guarded_and_not_found(self, api):
        assert api.get("/__mock/nothing").status_code == 404
        assert api.get("/__mock/nothing", headers={"Host": "evil.example"}).status_code == 403

    def test_a_wrong_method_gets_the_supported_ones(self, api):
        refused = api.delete("/__mock/clock")
        assert (refused.status_code, refused.json["message"]) == (405, "this path supports GET and POST")

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    @pytest.mark.parametrize(
        "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "localhost@evil.example"]
    )
    def test_a_foreign_host_is_refused(self, api, method, path, host):
        response = api.open(path, method=method, json={}, headers={"Host": host})
        assert (response.status_code, "X" if "Host" in response.json["message"] else "") == (403, "X")

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    @pytest.mark.parametrize(
        "origin",
        ["http://evil.example", "null", "http://localhost:3000", "https://localhost.evil.example", "file://"],
    )
    def test_a_foreign_origin_is_refused(self, api, method, path, origin):
        response = api.open(path, method=method, json={}, headers={"Origin": origin})
        assert (response.status_code, response.json["message"]) == (
            403,
            "pages of other origins may not use the control API",
        )

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    def test_the_fakes_own_origin_is_accepted(self, api, method, path):
        headers = {"Origin": "http://127.0.0.1:8000", "Host": "127.0.0.1:8000"}
        assert api.open(path, method=method, json={}, headers=headers).status_code in (200, 404, 422)

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    @pytest.mark.parametrize("key", [None, "", "wrong", "k" * 31])
    def test_without_the_control_key_a_request_is_refused(self, make, method, path, key):
        headers = {} if key is None else {"X-Mock-Key": key}
        response = make(control_key="k" * 32).open(path, method=method, json={}, headers=headers)
        assert response.status_code == 401

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    def test_with_the_control_key_a_request_is_accepted(self, make, method, path):
        headers = {"X-Mock-Key": "k" * 32}
        response = make(control_key="k" * 32).open(path, method=method, json={}, headers=headers)
        assert response.status_code in (200, 404, 422)

    @pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if route[0] == "POST"])
    @pytest.mark.parametrize(
        "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
    )
    def test_a_content_type_that_forms_can_send_is_refused(self, api, method, path, kind):
        assert api.open(path, method=method, data="{}", headers={"Content-Type": kind}).status_code == 415

    def test_a_body_over_the_limit_is_refused(self, api):
        body = b'{"reason": "' + b"x" * 1_100_000 + b'"}'
        refused = api.post("/__mock/next-job", data=body, content_type="application/json")
        wanted = "expected a body of at most 1048576 bytes"
        assert (refused.status_code, refused.json["message"]) == (413, wanted)

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    def test_every_response_has_security_headers(self, api, method, path):
        headers = api.open(path, method=method, json={}).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'self';")
        assert (headers["X-Content-Type-Options"], headers["Cache-Control"]) == ("nosniff", "no-store")

    @pytest.mark.parametrize("body", ["", "[]", "{", '"x"', "nul", '{"scenario": ' + "[" * 2000])
    def test_a_body_that_is_not_an_object_is_refused(self, api, body):
        response = api.post("/__mock/next-job", data=body, headers={"Content-Type": "application/json"})
        assert response.status_code == (422 if body == "" else 400)

    @pytest.mark.parametrize(
        ("body", "actual"), [("null", "null"), ("[1]", "an array of 1 item"), ("5", "the integer 5")]
    )
    def test_the_message_names_the_json_value_and_no_python_type(self, api, body, actual):
        response = api.post("/__mock/next-job", data=body, content_type="application/json")
        assert response.json["message"] == f"expected a JSON object, got {actual}"

    def test_an_authorization_header_without_an_api_key_is_refused(self, api):
        assert api.get("/__mock/jobs", headers={"Authorization": "Bearer"}).status_code == 401

    def test_the_imitated_api_accepts_any_host_and_origin(self, api):
        headers = {**AUTHORIZED, "Host": "evil.example", "Origin": "http://evil.example"}
        assert api.get("/v1/generation", headers=headers).status_code == 200


def test_whether_it_can_serve_needs_no_key_and_no_host_and_tells_nothing_else(make):
    response = make(control_key="k" * 32).get("/__mock/ready", headers={"Host": "10.0.0.7:8000"})
    assert (response.status_code, response.json) == (200, {"status": "ready"})


def test_it_cannot_serve_while_its_store_cannot_be_read(make, tmp_path):
    client = make(store=f"sqlite:///{tmp_path}/jobs.db")
    with closing(sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)) as other:
        other.execute("DROP TABLE netmind_facts")
    assert client.get("/__mock/ready").status_code == 503
