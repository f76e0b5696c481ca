"""Error responses and missing responses: exceptions and retries."""

import pytest
from scripted import CUT, REFUSED

from netmind_client.exceptions import (
    AuthenticationError,
    ConfigurationError,
    InvalidRequestError,
    NotFoundError,
    RateLimitedError,
    ServerError,
    TransportError,
    UnexpectedResponseError,
)

BASE = "https://api.netmind.ai"
URL = f"{BASE}/v1/generation"
ID = "6347623b2fce4998b0e842f7e935ccb0"

ERRORS = [
    (400, InvalidRequestError),
    (401, AuthenticationError),
    (403, AuthenticationError),
    (404, NotFoundError),
    (413, InvalidRequestError),
    (415, InvalidRequestError),
    (422, InvalidRequestError),
]
TEMPORARY = [(408, InvalidRequestError), (429, RateLimitedError), (500, ServerError), (502, ServerError),
           (503, ServerError), (504, ServerError), (599, ServerError)]  # fmt: skip


class TestErrors:
    @pytest.mark.parametrize(("status", "kind"), ERRORS)
    @pytest.mark.parametrize("call", ["create", "get", "list", "delete"])
    def test_each_error_status_has_its_exception(self, api, client, status, kind, call):
        for method in ("POST", "GET", "DELETE"):
            for url in (URL, f"{URL}/{ID}"):
                api.add(method, url, status=status, json={"message": "No."})
        arguments = {"create": ("m", {}), "get": (ID,), "list": (), "delete": (ID,)}[call]
        with pytest.raises(kind, match=rf"returned {status}: No\.") as caught:
            getattr(client, call)(*arguments)
        assert (caught.value.status, caught.value.body) == (status, {"message": "No."})
        assert len(api.calls) == 1

    @pytest.mark.parametrize(("status", "kind"), TEMPORARY)
    @pytest.mark.parametrize("call", ["get", "list", "delete"])
    def test_a_temporary_error_is_retried_twice(self, api, client, time, status, kind, call):
        for method, url in (("GET", URL), ("GET", f"{URL}/{ID}"), ("DELETE", f"{URL}/{ID}")):
            api.add(method, url, status=status, json={"message": "No."})
        with pytest.raises(kind, match=rf"returned {status}: No\. \(after 3 attempts\)") as caught:
            getattr(client, call)(*() if call == "list" else (ID,))
        assert (caught.value.attempts, len(api.calls), time.pauses) == (3, 3, [0.5, 1.0])

    @pytest.mark.parametrize("failure", [503, REFUSED, CUT])
    @pytest.mark.parametrize("call", ["get", "list", "delete"])
    def test_a_request_succeeds_after_a_temporary_error(self, api, client, generation, failure, call):
        method, url = {
            "get": ("GET", f"{URL}/{ID}"),
            "list": ("GET", URL),
            "delete": ("DELETE", f"{URL}/{ID}"),
        }[call]
        api.add(method, url, **({"status": failure} if isinstance(failure, int) else {"body": failure}))
        api.add(method, url, json={"generation_list": []} if call == "list" else generation())
        getattr(client, call)(*() if call == "list" else (ID,))
        assert len(api.calls) == 2

    def test_retry_after_is_waited_for_within_the_timeout(self, api, client, time):
        api.get(URL, status=503, headers={"Retry-After": "7"})
        api.get(URL, json={"generation_list": []})
        client.list()
        assert time.pauses == [7.0]

    def test_a_retry_after_of_an_hour_raises_at_once(self, api, client, time):
        api.get(URL, status=429, headers={"Retry-After": "3600"})
        with pytest.raises(RateLimitedError) as caught:
            client.list()
        assert (caught.value.retry_after, time.pauses) == (3600.0, [])

    def test_retry_after_may_be_a_date(self, api, client):
        dates = {"Date": "Wed, 25 Nov 2026 04:00:00 GMT", "Retry-After": "Wed, 25 Nov 2026 05:00:00 GMT"}
        api.get(URL, status=429, headers=dates)
        with pytest.raises(RateLimitedError) as caught:
            client.list()
        assert caught.value.retry_after == 3600.0

    @pytest.mark.parametrize("text", ["soon", "-1", "1e9", "inf", "Wed, 99 Nov 2026 05:00:00 GMT", ""])
    def test_an_invalid_retry_after_is_ignored(self, api, client, text):
        api.get(URL, status=429, headers={"Retry-After": text})
        with pytest.raises(RateLimitedError) as caught:
            client.list()
        assert caught.value.retry_after is None

    def test_the_error_has_the_id_of_the_generation(self, api, client):
        api.get(f"{URL}/{ID}", status=404, json={"message": "Generation not found"})
        with pytest.raises(NotFoundError) as caught:
            client.get(ID)
        assert caught.value.generation_id == ID

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            ('{"detail": "Not Found"}', "Not Found"),
            ('{"error": {"message": "no credit", "type": "billing"}}', "no credit"),
            ('{"error": "no credit"}', "no credit"),
            ('{"message": null, "detail": "no credit"}', "no credit"),
            ('{"error": {"error": {"error": {"error": 1}}}}', '{"error": 1}'),
            ('{"code": 7}', '{"code": 7}'),
            ('{"title": "Bad Gateway", "status": 502}', "Bad Gateway"),
            ("<html>x</html>", "<html>x</html>"),
            ("[1]", "[1]"),
            ("x" * 500, "x" * 200 + "…"),
        ],
    )
    def test_the_message_of_the_response_is_quoted_and_shortened(self, api, client, body, said):
        api.get(URL, status=500, body=body)
        with pytest.raises(ServerError) as caught:
            client.list()
        assert f"returned 500: {said} (after" in str(caught.value)

    def test_a_redirect_is_not_followed_with_the_api_key(self, api, client):
        api.get(URL, status=302, headers={"Location": "https://elsewhere.example/?sig=s3cret"})
        with pytest.raises(
            UnexpectedResponseError,
            match=r"redirects to https://elsewhere\.example/\. The API key is not sent there",
        ):
            client.list()
        assert len(api.calls) == 1

    @pytest.mark.parametrize("call", ["get", "list"])
    @pytest.mark.parametrize("body", ["<html></html>", "[]", "{}", '"x"', '{"generation_list": "x"}'])
    def test_a_response_that_is_something_else_is_reported(self, api, client, call, body):
        api.get(URL, body=body)
        api.get(f"{URL}/{ID}", body=body)
        with pytest.raises(UnexpectedResponseError, match="expected a generation"):
            client.get(ID) if call == "get" else client.list()

    def test_a_missing_response_is_a_transport_error(self, api, client):
        api.get(URL, body=CUT)
        with pytest.raises(
            TransportError, match=r"GET https://api\.netmind\.ai/v1/generation: no response: gone"
        ):
            client.list()

    @pytest.mark.parametrize("call", ["get", "delete", "wait", "download", "states"])
    @pytest.mark.parametrize("what", ["", None, 7, {"id": ID}])
    def test_an_invalid_generation_is_rejected_before_sending(self, api, client, call, what):
        with pytest.raises(ConfigurationError, match="expected a generation or its id, got "):
            getattr(client, call)(what)
        assert api.calls == []

    def test_a_generation_is_accepted_instead_of_its_id(self, api, client, generation, tmp_path):
        api.get(f"{URL}/{ID}", json=generation("completed"))
        api.get("https://files.example/a/cup.png", body=b"picture")
        api.delete(f"{URL}/{ID}", json={})
        assert client.get(client.get(ID)).id == ID
        assert client.download(ID, tmp_path) == client.download(client.get(ID), tmp_path)
        client.delete(client.get(ID))

    def test_an_id_cannot_change_the_path(self, api, client, generation):
        api.get(f"{URL}/..%2F..%2Fadmin%3Fx", json=generation(id="../../admin?x"))
        assert client.get("../../admin?x").id == "../../admin?x"

    @pytest.mark.parametrize("status", [400, 500])
    def test_no_error_contains_the_key(self, api, client, status):
        api.get(URL, status=status, json={"message": "x"})
        with pytest.raises(Exception, match="returned") as caught:
            client.list()
        assert "k3y" not in f"{caught.value!r} {vars(caught.value)}"


class TestList:
    def test_returns_the_generations_in_the_apis_order(self, api, client, generation):
        api.get(URL, json={"generation_list": [generation("completed"), generation(id="b"), "junk"]})
        assert [(one.id, one.status) for one in client.list()] == [(ID, "completed"), ("b", "pending")]


class TestDelete:
    def test_sends_one_delete(self, api, client):
        api.delete(f"{URL}/{ID}", json={"message": "Generation deleted"})
        client.delete(ID)
        assert len(api.calls) == 1

    def test_not_found_after_an_attempt_without_a_response_is_a_success(self, api, client):
        api.delete(f"{URL}/{ID}", body=CUT)
        api.delete(f"{URL}/{ID}", status=404)
        client.delete(ID)
        assert len(api.calls) == 2
