"""Every 4xx has a hint in a header, which names a document. No text from a request can break the header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import AUTHORIZED, PAGE_IMAGE

from netmind_mock import create_app, errors

POST = "/v1/generation"
ID = "0" * 32


def result_path(client, scenario="at_once"):
    created = client.post(POST, json=PAGE_IMAGE, headers={**AUTHORIZED, "X-Mock-Scenario": scenario}).json
    job = client.get(f"{POST}/{created['id']}", headers=AUTHORIZED).json
    return job["result"]["data"][0]["url"].removeprefix("http://localhost")


def expired(client):
    return result_path(client, "expiring_link after=0").partition("?")[0] + "?Expires=1"


def faulty(client):
    client.post("/__mock/faults", json={"operation": "list", "kind": "status", "code": 429})
    return client.get(POST, headers=AUTHORIZED)


# For each refusal: a request that gets it, its status, and a part of its hint.
REFUSALS = {
    "missing_token": (lambda client: client.get(POST), 401, "no API key was sent"),
    "bad_token": (lambda client: client.get(POST, headers={"Authorization": "Bearer a b"}), 401, "is not accepted"),
    "unknown_generation": (lambda client: client.get(f"{POST}/{ID}", headers=AUTHORIZED), 404, "no such generation in the account of this API key"),
    "unknown_model": (lambda client: client.post(POST, json={"model": "no/such", "config": {}}, headers=AUTHORIZED), 400, "the model no/such is not in the catalogue"),
    "unknown_route": (lambda client: client.get("/v2/generation", headers=AUTHORIZED), 404, "there is no such path"),
    "wrong_method": (lambda client: client.put(POST, headers=AUTHORIZED), 405, "this path allows only GET"),
    "body_too_large": (lambda client: client.post(POST, data=b" " * (10 * 1024 * 1024 + 1), content_type="application/json", headers=AUTHORIZED), 413, "the body is over the limit of 10485760 bytes"),
    "wrong_content_type": (lambda client: client.post(POST, data="x", headers=AUTHORIZED), 415, "expected application/json, got no content type"),
    "invalid_body": (lambda client: client.post(POST, json={"model": 1}, headers=AUTHORIZED), 422, "body.config: Field required"),
    "unknown_file": (lambda client: client.get("/files/file-0000000000000000"), 404, "no such result file"),
    "expired_link": (lambda client: client.get(expired(client)), 403, "this link has expired, as configured"),
    "range": (lambda client: client.get(result_path(client), headers={"Range": "bytes=99999999-"}), 416, "the range is outside the file; request bytes within the length in Content-Range"),
    "fault": (faulty, 429, "fault 1: status of list (code=429"),
    "control API": (lambda client: client.post("/__mock/next-job", json={"scenario": "x"}), 422, "no such scenario as 'x'"),
    "control API's host": (lambda client: client.get("/__mock/health", headers={"Host": "evil.example"}), 403, "this Host is not the fake's"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_every_refusal_has_its_hint(make, name):
    request, status, hint = REFUSALS[name]
    response = request(make(strict_models=True))
    assert response.status_code == status
    assert hint in response.headers["X-Mock-Hint"]
    assert "docs/" in response.headers["X-Mock-Hint"]


def test_all_refusals_of_the_api_are_tested_here():
    assert set(errors.REFUSALS) - set(REFUSALS) == {"model_unavailable"}  # which is a 500


@given(st.text(max_size=600), st.text(max_size=600))
def test_hostile_text_does_not_break_the_header(model, prompt):
    client = create_app(strict_models=True).test_client()
    response = client.post(
        POST, json={"model": model, "config": {"prompt": f"[[mock:{prompt}"}}, headers=AUTHORIZED
    )
    hint = response.headers.get("X-Mock-Hint", "")
    assert hint.isascii()
    assert hint.isprintable()
    assert len(hint) < 400


@pytest.mark.parametrize("message", ["zu spät", "a\r\nX-Injected: 1", "x" * 5000])
def test_the_message_of_a_fault_does_not_break_the_header(make, message):
    client = make()
    fault = {"operation": "list", "kind": "status", "code": 404, "message": message}
    client.post("/__mock/faults", json=fault)
    response = client.get(POST, headers=AUTHORIZED)
    hint = response.headers["X-Mock-Hint"]
    assert (response.status_code, response.json) == (404, {"message": message})
    assert hint.isascii()
    assert hint.isprintable()
    assert len(hint) < 400
    assert "X-Injected" not in response.headers


@pytest.mark.parametrize("kind", errors.REFUSALS.values())
def test_every_hint_has_all_its_facts(kind):
    facts = {"model": "m", "allowed": ["GET"], "limit": 1, "expected": "e", "actual": "c"}
    if kind.key == "invalid_body":
        facts = {"detail": [{"loc": ["a"], "msg": "b"}]}
    assert "{" not in kind(**facts).hint_line()
