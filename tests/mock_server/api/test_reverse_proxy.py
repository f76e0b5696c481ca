"""Links in responses to requests that come through a reverse proxy, and the hint for a Host that is not known."""

import pytest
from support import AUTHORIZED, PAGE_IMAGE

from netmind_mock import create_app


def link(headers, **options):
    """Return the link to the result of a job, requested with these headers."""
    client = create_app(duration=0, **options).test_client()
    created = client.post("/v1/generation", json=PAGE_IMAGE, headers=AUTHORIZED).json
    got = client.get(f"/v1/generation/{created['id']}", headers={**AUTHORIZED, **headers}).json
    return got["result"]["data"][0]["url"]


FORWARDED = {
    "X-Forwarded-Host": "localhost:81",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Prefix": "/netmind",
}


def test_forwarded_headers_are_used_if_the_proxy_is_trusted():
    assert link(FORWARDED, trust_proxy=1).startswith("https://localhost:81/netmind/files/")


def test_forwarded_headers_of_others_are_ignored():
    assert link(FORWARDED).startswith("http://localhost/files/")


def test_a_forwarded_host_has_to_be_known():
    forwarded = {**FORWARDED, "X-Forwarded-Host": "evil.example"}
    assert link(forwarded, trust_proxy=1).startswith("http://127.0.0.1:8000/files/")


def test_links_of_the_dashboard_begin_with_the_path_of_the_public_url():
    client = create_app(public_url="https://mock.example/netmind").test_client()
    assert 'href="/netmind/__mock/pages/journal"' in client.get("/__mock/").text
    client = create_app(public_url="https://mock.example/netmind", allowed_host=["localhost"]).test_client()
    assert 'href="/__mock/pages/journal"' in client.get("/__mock/").text


def test_a_page_of_the_public_url_may_use_the_control_api():
    client = create_app(public_url="https://mock.example/netmind").test_client()
    for origin, status in [
        ("https://mock.example", 200),
        ("http://mock.example", 403),
        ("https://evil.example", 403),
    ]:
        headers = {"Host": "127.0.0.1:8000", "Origin": origin}
        assert client.post("/__mock/reset", json={}, headers=headers).status_code == status


def test_a_host_that_is_not_known_gets_a_hint_and_one_line_in_the_log(make, create, caplog):
    client, headers = make(), {**AUTHORIZED, "Host": "fake.example"}
    job = create(client)
    for _ in range(2):
        response = client.get(f"/v1/generation/{job['id']}", headers=headers)
        assert "result URLs begin with http://127.0.0.1:8000" in response.headers["X-Mock-Hint"]
        assert "--public-url URL, or with --allowed-host HOST" in response.headers["X-Mock-Hint"]
    assert caplog.text.count("fake.example") == 1


@pytest.mark.parametrize(
    "options", [{"public_url": "https://mock.example"}, {"allowed_host": ["fake.example"]}]
)
def test_a_host_that_is_known_gets_no_hint(make, create, options):
    client = make(**options)
    created = create(client, headers={**AUTHORIZED, "Host": "fake.example"})
    response = client.get(f"/v1/generation/{created['id']}", headers={**AUTHORIZED, "Host": "fake.example"})
    assert "X-Mock-Hint" not in response.headers
