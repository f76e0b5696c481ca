"""Bad input gets a JSON error in the API's format, and nothing is stored."""

import gzip
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import AUTHORIZED, PAGE_IMAGE

from netmind_contracts import violations
from netmind_mock import create_app
from netmind_mock.api.wire import pack_config, read_create
from netmind_mock.errors import InvalidBody

JSON = {**AUTHORIZED, "Content-Type": "application/json"}
DEEP = 100_000


def nothing_stored(client):
    return client.get("/v1/generation", headers=AUTHORIZED).json == {"generation_list": []}


def is_error(response):
    return violations("error", response.json) == ()


BODIES = {
    "empty": b"",
    "not JSON": b"{",
    "two documents": b"{} {}",
    "a comment": b'{"model": "m", "config": {}} // hi',
    "not UTF-8": b'{"model": "\xff", "config": {}}',
    "a byte order mark": b'\xef\xbb\xbf{"model": "m", "config": {}}',
    "UTF-16": '{"model": "m", "config": {}}'.encode("utf-16"),
    "a list": b"[]",
    "a string": b'"model"',
    "a number": b"7",
    "null": b"null",
    "no model": b'{"config": {}}',
    "no config": b'{"model": "m"}',
    "a model that is a number": b'{"model": 7, "config": {}}',
    "a model that is null": b'{"model": null, "config": {}}',
    "a config that is a list": b'{"model": "m", "config": []}',
    "a config that is a string": b'{"model": "m", "config": "{}"}',
    "NaN": b'{"model": "m", "config": {"n": NaN}}',
    "Infinity": b'{"model": "m", "config": {"n": -Infinity}}',
    "a lone surrogate": b'{"model": "m", "config": {"prompt": "\\ud800"}}',
    "a NUL": b'{"model": "m", "config": {"prompt": "\x00"}}',
    "deep lists": b'{"model": "m", "config": {"a": ' + b"[" * DEEP + b"]" * DEEP + b"}}",
    "deep objects": b'{"model": "m", "config": ' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}",
    "unfinished deep lists": b"[" * DEEP,
    "lists that are nested too deeply": b'{"model": "m", "config": {"a": ' + b"[" * 500 + b"]" * 500 + b"}}",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_body_that_is_not_a_create_request_gets_422(client, body):
    response = client.post("/v1/generation", data=body, headers=JSON)
    assert response.status_code == 422, response.text
    assert is_error(response)
    assert nothing_stored(client)


def test_the_response_names_each_error(documented):
    response = documented.post("/v1/generation", data=b'{"model": 7}', headers=JSON)
    assert response.json == {
        "detail": [
            {"loc": ["body", "config"], "msg": "Field required", "type": "missing"},
            {"loc": ["body", "model"], "msg": "Input should be a valid string", "type": "string_type"},
        ]
    }


def test_the_response_has_the_position_of_invalid_json(documented):
    response = documented.post("/v1/generation", data=b'{"model": }', headers=JSON)
    assert response.json["detail"][0]["loc"] == ["body", 10]
    assert response.json["detail"][0]["type"] == "json_invalid"


def test_a_large_body_with_too_many_values_is_refused_before_it_is_decoded(client):
    body = {"model": "m", "config": {"many": ["twelve bytes"] * 100_001}}
    response = client.post("/v1/generation", json=body, headers=AUTHORIZED)
    assert response.status_code == 422
    assert response.json["detail"][0]["msg"].startswith(
        "Expected at most 100000 values, the limit of this fake"
    )


@pytest.mark.parametrize(
    "value",
    [
        b"[" + b"[" * 900 + b"]" * 900 + (b"," + b"[" * 900 + b"]" * 900) * 120 + b"]",
        b"[1" + b',{"":1}' * 60_000 + b"]",
    ],
    ids=["lists in lists", "small objects"],
)
def test_values_that_need_few_commas_are_counted_as_well(client, value):
    body = b'{"model": "m", "config": {"a": ' + value + b"}}"
    response = client.post("/v1/generation", data=body, headers=JSON)
    assert response.status_code == 422
    assert response.json["detail"][0]["type"] == "too_many_values"
    assert nothing_stored(client)
    refused = client.post("/__mock/next-job", data=b'{"scenario": ' + value + b"}", headers=JSON)
    assert (refused.status_code, refused.json) == (
        413,
        {"message": "expected a JSON object of at most 100000 values"},
    )


@pytest.mark.parametrize("depth", [250, 300, 600, 1000])
def test_a_large_body_that_is_nested_too_deeply_is_refused_and_noted(client, depth):
    body = b'{"model": "m", "config": {"prompt": "' + b"x" * 70_000 + b'", "a": '
    response = client.post("/v1/generation", data=body + b"[" * depth + b"]" * depth + b"}}", headers=JSON)
    assert response.status_code == (200 if depth == 250 else 422)
    [entry] = client.get("/__mock/journal").json["entries"]
    assert entry["status"] == response.status_code
    assert len(entry["body"]) <= 64 * 1024


class TestTooLarge:
    BIG = b'{"model": "m", "config": {"prompt": "' + b"x" * (10 * 1024 * 1024) + b'"}}'

    def refused(self, client, response):
        assert (response.status_code, response.json) == (
            413,
            {"message": "Body over the limit of 10485760 bytes"},
        )
        assert nothing_stored(client)

    def test_a_body_over_10_mb_gets_413(self, client):
        self.refused(client, client.post("/v1/generation", data=self.BIG, headers=JSON))

    def test_a_body_of_unknown_length_gets_413(self, client):
        environ = {"wsgi.input": io.BytesIO(self.BIG), "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
        self.refused(client, client.post("/v1/generation", headers=JSON, environ_overrides=environ))

    def test_an_endless_body_is_read_up_to_the_limit(self, client):
        class Endless:
            def __init__(self):
                self.read_bytes = 0

            def read(self, size):
                self.read_bytes += size
                return b"x" * size

        endless = Endless()
        environ = {"wsgi.input": endless, "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
        self.refused(client, client.post("/v1/generation", headers=JSON, environ_overrides=environ))
        assert endless.read_bytes == 10 * 1024 * 1024 + 1

    def test_a_body_whose_content_length_is_over_the_limit_is_not_read(self, client):
        environ = {"wsgi.input": None, "CONTENT_LENGTH": "99999999999"}
        self.refused(client, client.post("/v1/generation", headers=JSON, environ_overrides=environ))

    def test_a_compressed_body_is_not_decompressed(self, client):
        response = client.post(
            "/v1/generation", data=gzip.compress(self.BIG), headers={**JSON, "Content-Encoding": "gzip"}
        )
        assert (response.status_code, response.json) == (
            415,
            {"message": "Expected an uncompressed body, got gzip"},
        )
        assert nothing_stored(client)


def test_a_truncated_body_gets_422(client):
    environ = {"wsgi.input": io.BytesIO(b'{"model"'), "CONTENT_LENGTH": "500"}
    response = client.post("/v1/generation", headers=JSON, environ_overrides=environ)
    assert (response.status_code, response.json["detail"][0]["msg"]) == (
        422,
        "Expected a body of 500 bytes, got 8",
    )


def test_a_body_of_unknown_length_counts_as_empty_if_the_server_does_not_mark_its_end(client):
    environ = {"wsgi.input": io.BytesIO(b"{}"), "wsgi.input_terminated": False, "CONTENT_LENGTH": ""}
    assert client.post("/v1/generation", headers=JSON, environ_overrides=environ).status_code == 422


@pytest.mark.parametrize(
    ("content_type", "actual"),
    [
        ("text/plain", "text/plain"),
        ("", "no content type"),
        ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
        ("application/jsonp", "application/jsonp"),
    ],
)
def test_another_content_type_gets_415(client, content_type, actual):
    response = client.post(
        "/v1/generation", data=json.dumps(PAGE_IMAGE), headers={**AUTHORIZED, "Content-Type": content_type}
    )
    assert (response.status_code, response.json) == (
        415,
        {"message": f"Expected application/json, got {actual}"},
    )
    assert nothing_stored(client)


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"]
)
def test_every_spelling_of_the_content_type_is_accepted(client, content_type):
    response = client.post(
        "/v1/generation", data=json.dumps(PAGE_IMAGE), headers={**AUTHORIZED, "Content-Type": content_type}
    )
    assert response.status_code == 200


class TestApiKeys:
    @pytest.mark.parametrize("header", [None, "", " ", "Bearer", "bearer ", "Bearer  "])
    @pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", ""), ("GET", "/x"), ("DELETE", "/x")])
    def test_a_missing_api_key_gets_401(self, client, header, method, path):
        headers = {} if header is None else {"Authorization": header}
        response = client.open(f"/v1/generation{path}", method=method, headers=headers, json=PAGE_IMAGE)
        assert (response.status_code, response.json) == (401, {"message": "Missing API key"})

    @pytest.mark.parametrize("header", ["Basic dXNlcjpwYXNz", "Bearer a b", "Bearer a, Bearer b", "a b c"])
    def test_a_malformed_authorization_header_gets_401(self, client, header):
        response = client.get("/v1/generation", headers={"Authorization": header})
        assert (response.status_code, response.json) == (401, {"message": "Invalid API key"})


@pytest.mark.parametrize(
    ("profile", "status", "message"), [("documented", 404, "Not found"), ("observed", 403, "Invalid API key")]
)
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v2/generation",
        "/v1/generations",
        "/v1//generation",
        "/v1/generation/",
        "/v1/generation/a/b",
        "/V1/generation",
        "/v1/generation/x/../y",
    ],
)
def test_an_unknown_route_is_refused_as_the_profile_says(make, profile, status, message, path):
    response = make(profile=profile).open(environ_overrides={"PATH_INFO": path}, headers=AUTHORIZED)
    assert (response.status_code, response.json) == (status, {"message": message})


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "", "POST, GET, HEAD"),
        ("PATCH", "", "POST, GET, HEAD"),
        ("DELETE", "", "POST, GET, HEAD"),
        ("OPTIONS", "", "POST, GET, HEAD"),
        ("POST", "/x", "DELETE, GET, HEAD"),
        ("TRACE", "/x", "DELETE, GET, HEAD"),
    ],
)
def test_a_wrong_method_gets_405_with_the_allowed_methods(client, method, path, allowed):
    response = client.open(f"/v1/generation{path}", method=method, headers=AUTHORIZED)
    assert (response.status_code, response.json) == (405, {"message": "Method not allowed"})
    assert sorted(response.headers["Allow"].split(", ")) == sorted(allowed.split(", "))


IDS = ["x", "..", ".", "%2e%2e", "a%2fb", "%00", "a%00b", "%ff", "é", "0" * 31, "0" * 33, "G" * 32, "0" * 31 + "A", "0" * 32 + "%0a", "' OR 1=1", "\\", "{id}", "*", "x" * 5000]  # fmt: skip


@pytest.mark.parametrize("name", IDS, ids=range(len(IDS)))
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_invalid_id_is_refused(client, create, method, name):
    create(client)
    response = client.open(f"/v1/generation/{name}", method=method, headers=AUTHORIZED)
    assert response.status_code in (403, 404)
    assert is_error(response)
    assert len(client.get("/v1/generation", headers=AUTHORIZED).json["generation_list"]) == 1


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["documented", "observed"]))
def test_no_body_causes_a_server_error(body, profile):
    response = create_app(profile=profile).test_client().post("/v1/generation", data=body, headers=JSON)
    assert response.status_code in (200, 422)


json_documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["model", "config", "x"]), inner),
    max_leaves=10,
)


@given(json_documents)
def test_exactly_the_bodies_that_fit_the_schema_are_accepted(document):
    body = json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")
    try:
        request = read_create(body)
    except InvalidBody:
        assert violations("create-request", document) != () or "\\ud" in json.dumps(document)
    else:
        assert violations("create-request", document) == ()
        assert json.loads(pack_config(request.config)) == document["config"]


def test_a_number_that_is_too_large_for_a_float_is_refused(client):
    response = client.post("/v1/generation", data=b'{"model": "m", "config": {"n": 1e999}}', headers=JSON)
    assert response.status_code == 422


def test_an_internal_error_is_reported_without_details(monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("secret detail")

    app = create_app()
    monkeypatch.setattr("netmind_mock.api.generation.plan_for", fail)
    response = app.test_client().post("/v1/generation", json=PAGE_IMAGE, headers=AUTHORIZED)
    assert (response.status_code, response.json) == (500, {"message": "Internal Server Error"})
    assert "secret detail" in caplog.text
