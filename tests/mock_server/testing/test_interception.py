"""The fake responds to its URLs and leaves others alone, whatever a test does to other mocks meanwhile."""

import httpx
import pytest
import requests
import responses
from asking import BODY, URL, by_requests

import netmind_mock


class TestOtherRequests:
    """Requests to other URLs are handled by ``responses``, or by httpx as usual."""

    @pytest.mark.usefixtures("mock")
    def test_a_response_that_the_test_registered_takes_precedence(self):
        responses.add("POST", URL, status=418)
        assert by_requests("POST", URL, json=BODY)[0] == 418
        assert by_requests("GET", URL)[0] == 200
        responses.reset()

    @pytest.mark.usefixtures("mock")
    def test_other_hosts_are_handled_by_responses(self):
        responses.add("GET", "https://other.example/", body=b"other")
        assert by_requests("GET", "https://other.example/") == (200, b"other")
        with pytest.raises(requests.ConnectionError, match="Connection refused by Responses"):
            by_requests("GET", "https://unknown.example/")
        responses.reset()

    @pytest.mark.parametrize("url", [
        "http://api.netmind.ai:8080/v1/generation", "https://api.netmind.ai.evil.example/v1/generation",
        "https://api.netmind.ai:444/v1/generation", "https://api.netmind.ai@evil.example/v1/generation",
    ])  # fmt: skip
    @pytest.mark.usefixtures("mock")
    def test_urls_similar_to_the_apis_are_not_intercepted(self, url):
        with pytest.raises(requests.ConnectionError, match="Connection refused by Responses"):
            by_requests("GET", url)

    @responses.activate
    def test_it_works_within_activate(self):
        responses.add("GET", "https://other.example/", body=b"other")
        with netmind_mock.start():
            assert by_requests("GET", URL)[0] == 200
        assert by_requests("GET", "https://other.example/")[1] == b"other"

    @pytest.mark.usefixtures("mock")
    def test_activate_works_within_it(self):
        @responses.activate
        def other():
            responses.add("GET", "https://other.example/", body=b"other")
            return by_requests("GET", "https://other.example/")[1], by_requests("GET", URL)[0]

        assert other() == (b"other", 200)

    def test_another_requests_mock_can_be_used(self):
        with responses.RequestsMock() as registry, netmind_mock.start(requests_mock=registry):
            assert by_requests("GET", URL)[0] == 200

    def test_responses_does_not_complain_about_a_fake_without_requests(self):
        with responses.RequestsMock(assert_all_requests_are_fired=True) as registry:
            netmind_mock.start(requests_mock=registry).start().stop()

    def test_the_inner_of_two_fakes_is_used(self, mock, ask):
        with netmind_mock.start() as inner:
            ask("POST", URL, json=BODY)
            assert (len(inner.jobs), len(mock.jobs)) == (1, 0)
        ask("POST", URL, json=BODY)
        assert (len(inner.jobs), len(mock.jobs)) == (1, 1)

    @pytest.mark.usefixtures("mock")
    def test_httpx_sends_requests_to_other_hosts(self):
        with pytest.raises(httpx.ConnectError):
            httpx.get("http://127.0.0.1:9/")


class TestNothingLeavesTheMachine:
    """While a fake is started, no request to the API's URLs is sent for real: it would be billed."""

    @pytest.mark.usefixtures("mock")
    def test_if_responses_is_stopped_or_reset(self):
        with responses.mock:
            assert by_requests("GET", URL)[0] == 200
        assert by_requests("GET", URL)[0] == 200
        responses.reset()
        assert by_requests("GET", URL)[0] == 200

    @pytest.mark.usefixtures("mock")
    def test_if_another_mock_passes_it_through(self):
        with responses.RequestsMock() as other:
            other.add_passthru("https://api.netmind.ai")
            assert by_requests("GET", URL)[0] == 200

    @responses.activate
    def test_if_responses_is_reset_within_activate(self):
        with netmind_mock.start():
            responses.reset()
            assert by_requests("GET", URL)[0] == 200

    @pytest.mark.usefixtures("mock")
    def test_if_the_client_uses_http_by_mistake(self, ask):
        assert ask("GET", URL.replace("https:", "http:"))[0] == 200

    def test_an_earlier_mock_of_httpx_is_restored(self, monkeypatch):
        with monkeypatch.context() as patched:
            patched.setattr(httpx.HTTPTransport, "handle_request", lambda *_: httpx.Response(299))
            with netmind_mock.start():
                assert httpx.get("https://other.example/").status_code == 299
        with netmind_mock.start():
            pass
        with pytest.raises(httpx.ConnectError):
            httpx.get("http://127.0.0.1:9/")
