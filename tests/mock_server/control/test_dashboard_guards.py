"""What protects the dashboard: headers, origins, the control key, and its caches."""

import re

import pytest
from dashboards import OWN, Fake

from netmind_mock import create_app


@pytest.fixture
def fake():
    return Fake()


class TestGuards:
    def test_every_page_has_security_headers(self, fake):
        for path in (
            "",
            "pages/journal",
            "pages/simulation",
            "pages/static/page.css",
            "pages/static/page.js",
        ):
            with fake.client.get(f"/__mock/{path}") as response:
                headers = response.headers
            assert response.status_code == 200
            assert headers["Content-Security-Policy"].startswith("default-src 'self';")
            assert "unsafe" not in headers["Content-Security-Policy"]
            assert headers["X-Content-Type-Options"] == "nosniff"

    @pytest.mark.parametrize("origin", [None, "http://evil.example", "null", "http://localhost:81"])
    def test_a_form_of_another_origin_is_refused(self, fake, origin):
        fake.create()
        headers = {} if origin is None else {"Origin": origin}
        response = fake.client.post("/__mock/pages/do", data={"operation": "reset"}, headers=headers)
        assert response.status_code == 403
        assert len(fake.client.get("/__mock/jobs").json["jobs"]) == 1

    @pytest.mark.parametrize(
        "back",
        ["http://evil.example", "//evil.example", "/__mock/\\evil", "/__mock/\rX: y", "javascript:1", ""],
    )
    def test_a_form_redirects_only_to_the_dashboard(self, fake, back):
        assert fake.press(operation="reset", back=back).location == "/__mock/"

    def test_a_form_that_is_too_large_is_refused(self, fake):
        response = fake.client.post("/__mock/pages/do", data={"operation": "x" * 100_000}, headers=OWN)
        assert response.status_code == 413

    def test_with_a_control_key_a_browser_asks_for_it_once(self):
        fake = Fake(control_key="the-key")
        form = fake.page(status=401, headers={"Accept": "text/html"})
        assert 'name="key" type="password"' in form
        assert fake.client.get("/__mock/jobs").status_code == 401
        assert "--ink" in fake.page("pages/static/page.css")
        wrong = fake.client.post("/__mock/pages/key", data={"key": "other", "back": "/__mock/"}, headers=OWN)
        assert (wrong.status_code, "The key is wrong." in wrong.text) == (401, True)
        assert (
            fake.client.post("/__mock/pages/do", data={"operation": "reset"}, headers=OWN).status_code == 401
        )
        right = fake.client.post(
            "/__mock/pages/key", data={"key": "the-key", "back": "/__mock/"}, headers=OWN
        )
        assert right.status_code == 303
        cookie = right.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert "the-key" not in cookie
        assert fake.client.get("/__mock/").status_code == 200

    @pytest.mark.parametrize("sent", ["\xe9", "\xc3\xa9", '"\\303\\251"', "\xed\xa0\x80", ""])
    def test_a_cookie_with_a_wrong_key_is_refused(self, sent):
        client = create_app(control_key="the-key").test_client(use_cookies=False)
        cookie = {"HTTP_COOKIE": f"netmind_mock_key={sent}"}
        assert client.get("/__mock/jobs", environ_overrides=cookie).status_code == 401

    def test_without_the_key_a_page_shows_nothing_of_the_fake(self):
        fake = Fake(control_key="the-key", profile="observed")
        for path in ("", "jobs", "pages/x"):
            page = fake.page(path, status=401, headers={"Accept": "text/html"})
            assert 'name="key" type="password"' in page
            assert not re.search("observed|Clock</dt>|Store|NETMIND_BASE_URL|<script", page), path

    @pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
    def test_to_a_foreign_host_or_origin_a_page_shows_nothing_of_the_fake(self, headers):
        fake = Fake(profile="observed")
        for path in ("", "pages/journal", "pages/x"):
            page = fake.page(path, status=403, headers=headers)
            assert not re.search("observed|Clock</dt>|Store|NETMIND_BASE_URL|<script", page), path

    @pytest.mark.parametrize("path", ["", "pages/journal", "pages/simulation", "pages/do", "pages/nothing"])
    def test_a_method_that_browsers_do_not_send_is_refused(self, fake, path):
        response = fake.client.put(f"/__mock/{path}")
        assert (response.status_code, "the dashboard does not support PUT" in response.text) == (405, True)

    def test_no_query_argument_changes_the_target_of_links(self, fake):
        for number in range(60):
            fake.create(prompt=f"gate {number}")
        page = fake.page("?text=gate&_scheme=javascript&_external=1&_anchor=x&_method=POST")
        assert re.search(r'rel="next" href="([^"]+)"', page)[1].startswith("/__mock/?text=gate&amp;before=")
        assert "javascript:" not in page

    def test_an_unchanged_image_is_not_sent_again(self, fake):
        fake.create()
        fake.clock.advance(10)
        [picture] = re.findall(r'<img src="([^"]+)"', fake.page())
        headers = fake.client.get(picture).headers
        assert headers["Cache-Control"] == "no-cache"
        again = fake.client.get(picture, headers={"If-None-Match": headers["ETag"]})
        assert again.status_code == 304

    def test_an_unchanged_page_is_not_sent_again(self, fake):
        tag = fake.client.get("/__mock/").headers["ETag"]
        assert fake.client.get("/__mock/", headers={"If-None-Match": tag}).status_code == 304
        fake.create()
        assert fake.client.get("/__mock/", headers={"If-None-Match": tag}).status_code == 200

    @pytest.mark.parametrize("name", ["page.css", "page.js"])
    def test_static_files_are_small(self, fake, name):
        assert 1_000 < len(fake.page(f"pages/static/{name}").encode()) <= 10_000


def test_a_browser_at_the_root_is_led_to_the_dashboard(fake):
    led = fake.client.get("/", headers={"Accept": "text/html,*/*"})
    assert (led.status_code, led.headers["Location"]) == (302, "/__mock/")
    assert fake.client.get("/").status_code == 404
