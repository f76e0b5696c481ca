"""Web pages of other origins (CORS): they may call the API if they are allowed, and never the control API."""

import pytest
from support import AUTHORIZED, PAGE_IMAGE

from netmind_mock import create_app

PAGE = "http://localhost:5173"
PREFLIGHT = {
    "Origin": PAGE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


@pytest.fixture(params=[[PAGE], ["*"], ["https://other.example", PAGE]])
def client(request):
    return create_app(cors_origin=request.param, duration=0).test_client()


def test_a_preflight_is_accepted(client):
    response = client.options("/v1/generation", headers=PREFLIGHT)
    assert (response.status_code, response.data) == (204, b"")
    assert response.headers["Access-Control-Allow-Origin"] in (PAGE, "*")
    assert response.headers["Access-Control-Allow-Methods"] == "GET, POST, DELETE"
    assert response.headers["Access-Control-Allow-Headers"] == "authorization,content-type"


def test_a_preflight_is_not_in_the_journal(client):
    client.options("/v1/generation", headers=PREFLIGHT)
    assert client.get("/__mock/journal").json["entries"] == []


def test_a_page_may_read_responses_errors_and_files(client):
    created = client.post("/v1/generation", json=PAGE_IMAGE, headers={**AUTHORIZED, "Origin": PAGE})
    got = client.get(f"/v1/generation/{created.json['id']}", headers={**AUTHORIZED, "Origin": PAGE})
    refused = client.get("/v1/generation", headers={"Origin": PAGE})
    file = client.get(got.json["result"]["data"][0]["url"], headers={"Origin": PAGE})
    assert [one.status_code for one in (created, got, refused, file)] == [200, 200, 401, 200]
    for response in (created, got, refused, file):
        assert response.headers["Access-Control-Allow-Origin"] in (PAGE, "*")
        assert "Retry-After" in response.headers["Access-Control-Expose-Headers"]
        assert response.headers["Vary"] == "Origin"


def test_the_control_api_is_closed_to_a_page_of_another_origin(client):
    for response in (
        client.options("/__mock/clock", headers=PREFLIGHT),
        client.get("/__mock/health", headers={"Origin": PAGE}),
    ):
        assert response.status_code == 403
        assert "Access-Control-Allow-Origin" not in response.headers


def test_a_page_of_an_origin_that_is_not_allowed_gets_no_permission():
    client = create_app(cors_origin=[PAGE]).test_client()
    response = client.get("/v1/generation", headers={**AUTHORIZED, "Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize("options", [{}, {"cors_origin": ["https://other.example"]}])
def test_a_preflight_that_is_not_allowed_says_which_option_allows_it(options):
    response = create_app(**options).test_client().options("/v1/generation", headers=PREFLIGHT)
    assert response.status_code == 405
    assert "--cors-origin http://localhost:5173" in response.headers["X-Mock-Hint"]


def test_requests_of_other_clients_are_not_changed(client):
    response = client.get("/v1/generation", headers=AUTHORIZED)
    assert not any(name.startswith("Access-Control") for name, _ in response.headers)


@pytest.mark.parametrize("origin", ["localhost:5173", "http://localhost:5173/app", "http://", "null"])
def test_an_origin_that_is_not_valid_is_refused_at_the_start(origin):
    with pytest.raises(ValueError, match="expected an origin such as http://localhost:5173"):
        create_app(cors_origin=[origin])
