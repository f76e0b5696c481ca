"""A token is known as one wherever a client puts it, and nothing that is told of the request holds it."""

import logging

import pytest

from netmind_mock.journal.access_log import line_of
from netmind_mock.journal.redaction import is_secret_header, redactor_of, secrets_of

TOKEN = "canary-0a1B2c3D"
BODY = {"model": "m", "config": {}}

# How a client may send its token, rightly and wrongly: headers and a query.
SENT = {
    "as Bearer": ({"Authorization": f"Bearer {TOKEN}"}, ""),
    "bare": ({"Authorization": TOKEN}, ""),
    "as Basic": ({"Authorization": f"Basic {TOKEN}"}, ""),
    "as Token": ({"Authorization": f'Token token="{TOKEN}"'}, ""),
    "before something": ({"Authorization": f"Bearer {TOKEN} more"}, ""),
    "of two": ({"Authorization": f"Bearer {TOKEN}, Bearer another"}, ""),
    "as an API key": ({"X-Api-Key": TOKEN}, ""),
    "as a key of Azure's": ({"Api-Key": TOKEN}, ""),
    "as a token of its own": ({"X-Auth-Token": TOKEN}, ""),
    "in the query": ({}, f"?api_key={TOKEN}"),
    "in the query, behind something": ({"Authorization": "Bearer another"}, f"?a=1&access_token={TOKEN}&b=2"),
    "in the query, encoded": ({}, f"?key=%63{TOKEN[1:]}"),
}


@pytest.fixture(params=SENT)
def sent(request):
    return SENT[request.param]


def test_no_place_for_a_token_is_told_by_the_journal(make, sent):
    headers, query = sent
    client = make()
    client.get(f"/v1/generation/{TOKEN}{query}", headers=headers)
    client.post(f"/v1/generation{query}", json={"note": TOKEN, "model": 5}, headers=headers)
    for path in ("journal", "journal.har", "pages/journal"):
        told = client.get(f"/__mock/{path}").text
        assert TOKEN not in told
        assert told.count("[masked]") >= 2


def test_no_place_for_a_token_is_told_by_the_access_log(make, sent):
    headers, query = sent
    lines = []
    client = make(log=lambda raw: lines.extend(line_of(raw, form) for form in ("text", "json")))
    client.get(f"/v1/generation/{TOKEN}{query}", headers=headers)
    assert [TOKEN in line for line in lines] == [False, False]


def test_a_model_that_is_the_token_is_not_named_by_the_log(make, caplog):
    with caplog.at_level(logging.WARNING, "netmind_mock"):
        response = make().post(
            "/v1/generation", json={**BODY, "model": f"my/{TOKEN}"}, headers={"Authorization": TOKEN}
        )
    assert response.status_code == 200
    assert "my/[masked]" in caplog.text
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
def test_no_refusal_quotes_a_token(make, method, path, options, status):
    headers = {"Authorization": f"Bearer {TOKEN}", **options.get("headers", {})}
    response = make(strict_models=True).open(path, method=method, **{**options, "headers": headers})
    assert response.status_code == status
    assert TOKEN.lower() not in f"{response.headers}{response.text}".lower()


def test_whence_an_order_came_is_told_without_the_token(make):
    client, headers = make(), {"Authorization": TOKEN}
    client.post(
        "/__mock/next-job", json={"scenario": "failed", "where": f"test_a.py {TOKEN}"}, headers=headers
    )
    [told] = client.get("/__mock/next-job", headers=headers).json["next_jobs"]
    assert told["where"] == "test_a.py [masked]"


def test_many_secrets_of_one_request_are_masked_but_not_without_end():
    secrets = secrets_of(
        {"HTTP_AUTHORIZATION": " ".join(f"secret-number-{number}" for number in range(1000))}
    )
    assert len(secrets.split()) == 8
    assert redactor_of(secrets).document({"a": ["secret-number-0", 5]}) == {"a": ["[masked]", 5]}


@pytest.mark.parametrize(
    "name", ["content-type", "idempotency-key", "host", "accept", "x-mock-scenario", "author"]
)
def test_other_headers_are_told_as_they_came(name):
    assert not is_secret_header(name)
