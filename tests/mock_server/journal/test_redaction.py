"""An API key is recognised wherever a client sends it, and is redacted in all output about the request."""

import logging

import pytest

from netmind_mock.journal.access_log import line_of
from netmind_mock.journal.redaction import is_secret_header, redactor_of, secrets_of

TOKEN = "canary-0a1B2c3D"
BODY = {"model": "m", "config": {}}

# How a client may send its API key, correctly or not: headers and a query.
SENT = {
    "as Bearer": ({"Authorization": f"Bearer {TOKEN}"}, ""),
    "bare": ({"Authorization": TOKEN}, ""),
    "as Basic": ({"Authorization": f"Basic {TOKEN}"}, ""),
    "as Token": ({"Authorization": f'Token token="{TOKEN}"'}, ""),
    "before other text": ({"Authorization": f"Bearer {TOKEN} more"}, ""),
    "one of two": ({"Authorization": f"Bearer {TOKEN}, Bearer another"}, ""),
    "as an API key": ({"X-Api-Key": TOKEN}, ""),
    "as a key of Azure": ({"Api-Key": TOKEN}, ""),
    "as an auth token": ({"X-Auth-Token": TOKEN}, ""),
    "in the query": ({}, f"?api_key={TOKEN}"),
    "in the query, after other parameters": (
        {"Authorization": "Bearer another"},
        f"?a=1&access_token={TOKEN}&b=2",
    ),
    "in the query, encoded": ({}, f"?key=%63{TOKEN[1:]}"),
}


@pytest.fixture(params=SENT)
def sent(request):
    return SENT[request.param]


def test_the_journal_shows_no_api_key_wherever_it_was_sent(make, sent):
    headers, query = sent
    client = make()
    client.get(f"/v1/generation/{TOKEN}{query}", headers=headers)
    client.post(f"/v1/generation{query}", json={"note": TOKEN, "model": 5}, headers=headers)
    for path in ("journal", "journal.har", "pages/journal"):
        text = client.get(f"/__mock/{path}").text
        assert TOKEN not in text
        assert text.count("[redacted]") >= 2


def test_the_access_log_contains_no_api_key_wherever_it_was_sent(make, sent):
    headers, query = sent
    lines = []
    client = make(log=lambda raw: lines.extend(line_of(raw, form) for form in ("text", "json")))
    client.get(f"/v1/generation/{TOKEN}{query}", headers=headers)
    assert [TOKEN in line for line in lines] == [False, False]


def test_a_model_name_with_the_api_key_is_redacted_in_the_log(make, caplog):
    with caplog.at_level(logging.WARNING, "netmind_mock"):
        response = make().post(
            "/v1/generation", json={**BODY, "model": f"my/{TOKEN}"}, headers={"Authorization": TOKEN}
        )
    assert response.status_code == 200
    assert "my/[redacted]" in caplog.text
    assert TOKEN not in caplog.text


REFUSALS = [
    ("POST", "/v1/generation", {"data": "{}", "content_type": f"text/{TOKEN}"}, 415),
    ("POST", "/v1/generation", {"json": BODY, "headers": {"Content-Encoding": TOKEN}}, 415),
    ("POST", "/v1/generation", {"json": BODY, "headers": {"X-Mock-Scenario": TOKEN}}, 400),
    ("POST", "/v1/generation", {"json": {**BODY, "model": TOKEN}}, 400),
    ("GET", f"/v1/{TOKEN}", {}, 404),
    ("PUT", f"/v1/generation/{TOKEN}", {}, 405),
    ("POST", f"/__mock/jobs/{TOKEN}/complete", {"json": {}}, 404),
    ("GET", f"/__mock/polling/{TOKEN}", {}, 404),
    ("GET", f"/__mock/journal?operation={TOKEN}", {}, 422),
    ("GET", f"/__mock/journal?limit={TOKEN}", {}, 422),
    ("POST", "/__mock/clock", {"json": {TOKEN: 1}}, 422),
    ("POST", "/__mock/faults", {"json": {"operation": "list", "kind": TOKEN}}, 422),
    ("POST", "/__mock/next-job", {"json": {"scenario": TOKEN}}, 422),
    ("POST", "/__mock/next-job", {"json": {"scenario": "failed", TOKEN: 1}}, 422),
    ("POST", "/__mock/rules", {"json": {"scenario": "failed", "model": [TOKEN]}}, 422),
]


@pytest.mark.parametrize(("method", "path", "options", "status"), REFUSALS)
def test_no_error_response_contains_the_api_key(make, method, path, options, status):
    headers = {"Authorization": f"Bearer {TOKEN}", **options.get("headers", {})}
    response = make(strict_models=True).open(path, method=method, **{**options, "headers": headers})
    assert response.status_code == status
    assert TOKEN.lower() not in f"{response.headers}{response.text}".lower()


def test_the_origin_of_a_queued_scenario_is_redacted(make):
    client, headers = make(), {"Authorization": TOKEN}
    client.post(
        "/__mock/next-job", json={"scenario": "failed", "where": f"test_a.py {TOKEN}"}, headers=headers
    )
    [queued] = client.get("/__mock/next-job", headers=headers).json["next_jobs"]
    assert queued["where"] == "test_a.py [redacted]"


def test_at_most_eight_secrets_of_one_request_are_redacted():
    secrets = secrets_of(
        {"HTTP_AUTHORIZATION": " ".join(f"secret-number-{number}" for number in range(1000))}
    )
    assert len(secrets.split()) == 8
    assert redactor_of(secrets).document({"a": ["secret-number-0", 5]}) == {"a": ["[redacted]", 5]}


@pytest.mark.parametrize(
    "name", ["content-type", "idempotency-key", "host", "accept", "x-mock-scenario", "author"]
)
def test_other_headers_are_not_secret(name):
    assert not is_secret_header(name)


@pytest.mark.parametrize(
    "name", [
        "cf-access-jwt-assertion", "x-apikey-value", "proxy-authorization", "authentication", "x-goog-api-key",
        "ocp-apim-subscription-key", "x-amz-security-token", "x-csrf-token", "set-cookie", "x-session-id",
    ],
)  # fmt: skip
def test_headers_that_carry_credentials_by_convention_are_secret(name):
    assert is_secret_header(name)


SECRET = "nm-0a1b2c3d4e5f6a7b"


@pytest.mark.parametrize(
    "query", [
        "authorization={}", "bearer={}", "pass={}", "pwd={}", "sig={}", "X-Amz-Signature={}", "jwt={}", "session={}",
        "api%5Fkey={}", "k%65y={}", "key[]={}", "key%5B%5D={}", "x[token]={}", "token%20={}", "+token={}", "code={}",
        "userkey={}", "token_v2={}", "tokens={}", "secret_access={}", "a=b&api_key={}", "a=b;api_key={}", "{}",
    ],
)  # fmt: skip
def test_parameters_that_carry_credentials_by_convention_are_secret(query):
    assert SECRET in secrets_of({"QUERY_STRING": query.format(SECRET)}).split()


@pytest.mark.parametrize(
    "header", [
        "HTTP_REFERER: http://x/?api_key={}", "HTTP_X_FORWARDED_URI: /v1/generation?token={}",
        "HTTP_USER_AGENT: client/1 key={}",
    ],
)  # fmt: skip
def test_parameters_in_other_headers_are_secret(header):
    name, _, value = header.partition(": ")
    assert SECRET in secrets_of({name: value.format(SECRET)}).split()


@pytest.mark.parametrize("query", ["page=0a1b2c3d4e5f6a7b", "prompt=0a1b2c3d4e5f6a7b", "t=0a1b2c3d4e5f6a7b"])
def test_other_parameters_are_not_secret(query):
    assert secrets_of({"QUERY_STRING": query}) == ""
