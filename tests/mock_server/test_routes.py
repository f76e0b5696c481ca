"""The routes of the application: a URL is built from a route as Werkzeug's own rules build it."""

import pytest
from flask import url_for

from netmind_mock import create_app


@pytest.mark.parametrize(
    ("endpoint", "values", "url"),
    [
        ("generation.list", {}, "/v1/generation"),
        ("generation.get", {"generation_id": "a b"}, "/v1/generation/a%20b"),
        ("generation.get", {"generation_id": "x", "page": 2}, "/v1/generation/x?page=2"),
    ],
)
def test_a_url_is_built_from_a_route_and_its_values(endpoint, values, url):
    app = create_app()
    for _ in range(2):  # the second time, the compiled builder is reused
        with app.test_request_context("/"):
            assert url_for(endpoint, **values) == url


def test_two_applications_have_separate_routes():
    apps = [create_app(profile=profile) for profile in ("documented", "observed")]
    urls = []
    for app in apps:
        with app.test_request_context("/"):
            urls.append(url_for("files.download", file_id="1", user_id="2", file_name="3"))
    assert urls[0] != urls[1]
