"""Who may use the control API."""

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
    """Who may steer the fake."""

    def test_every_route_below_the_control_planes_path_is_behind_its_guard(self):
        below = [rule for rule in create_app().url_map.iter_rules() if rule.rule.startswith("/__mock")]
        assert {rule.rule for rule in below} >= {"/__mock/", "/__mock/<path:path>"}
        assert [rule.rule for rule in below if not rule.endpoint.startswith("control.")] == []

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    def test_every_operation_is_served(self, api, method, path):
        response = api.open(path, method=method, json={})
        assert response.status_code in (200, 422) or "no such generation" in response.json["message"]

    def test_what_is_not_there_is_guarded_and_not_found(self, api):
        assert api.get("/__mock/nothing").status_code == 404
        assert api.get("/__mock/nothing", headers={"Host": "evil.example"}).status_code == 403

    def test_another_method_is_told_which_ones_there_are(self, api):
        refused = api.delete("/__mock/clock")
        assert (refused.status_code, refused.json["message"]) == (405, "this path takes GET and POST")

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
            "pages of other origins may not steer the fake",
        )

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    def test_the_fakes_own_pages_are_let_in(self, api, method, path):
        headers = {"Origin": "http://127.0.0.1:8000", "Host": "127.0.0.1:8000"}
        assert api.open(path, method=method, json={}, headers=headers).status_code in (200, 404, 422)

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    @pytest.mark.parametrize("key", [None, "", "wrong", "k" * 31])
    def test_without_the_key_nobody_is_let_in_where_there_is_one(self, make, method, path, key):
        headers = {} if key is None else {"X-Mock-Key": key}
        response = make(control_key="k" * 32).open(path, method=method, json={}, headers=headers)
        assert response.status_code == 401

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    def test_with_the_key_one_is_let_in(self, make, method, path):
        headers = {"X-Mock-Key": "k" * 32}
        response = make(control_key="k" * 32).open(path, method=method, json={}, headers=headers)
        assert response.status_code in (200, 404, 422)

    @pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if route[0] == "POST"])
    @pytest.mark.parametrize(
        "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
    )
    def test_what_a_form_can_send_is_refused(self, api, method, path, kind):
        assert api.open(path, method=method, data="{}", headers={"Content-Type": kind}).status_code == 415

    def test_a_body_over_the_limit_is_refused(self, api):
        body = b'{"reason": "' + b"x" * 11_000_000 + b'"}'
        refused = api.post("/__mock/next-job", data=body, content_type="application/json")
        wanted = "expected a body of at most 10485760 bytes"
        assert (refused.status_code, refused.json["message"]) == (413, wanted)

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    def test_no_browser_runs_frames_or_keeps_what_it_is_sent(self, api, method, path):
        headers = api.open(path, method=method, json={}).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'self';")
        assert (headers["X-Content-Type-Options"], headers["Cache-Control"]) == ("nosniff", "no-store")

    @pytest.mark.parametrize("body", ["", "[]", "{", '"x"', "nul", '{"scenario": ' + "[" * 2000])
    def test_a_body_that_is_no_object_is_refused(self, api, body):
        response = api.post("/__mock/next-job", data=body, headers={"Content-Type": "application/json"})
        assert response.status_code == (422 if body == "" else 400)

    def test_a_token_that_is_none_is_refused(self, api):
        assert api.get("/__mock/jobs", headers={"Authorization": "Bearer"}).status_code == 401

    def test_the_imitated_api_takes_any_host_and_origin(self, api):
        headers = {**AUTHORIZED, "Host": "evil.example", "Origin": "http://evil.example"}
        assert api.get("/v1/generation", headers=headers).status_code == 200
