"""What the client makes of answers that are errors, and of those that do not come."""

import pytest
from scripted import CUT, REFUSED

from netmind_client import (
    AuthenticationError,
    ConfigurationError,
    InvalidRequestError,
    NotFoundError,
    RateLimitedError,
    ServerError,
    TransportError,
    UnexpectedResponse,
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
PASSING = [(408, InvalidRequestError), (429, RateLimitedError), (500, ServerError), (502, ServerError),
           (503, ServerError), (504, ServerError), (599, ServerError)]  # fmt: skip


class TestErrors:
    @pytest.mark.parametrize(("status", "kind"), ERRORS)
    @pytest.mark.parametrize("call", ["create", "get", "list", "delete"])
    def test_every_refusal_is_an_error_of_its_kind(self, api, client, status, kind, call):
        for method in ("POST", "GET", "DELETE"):
            for url in (URL, f"{URL}/{ID}"):
                api.add(method, url, status=status, json={"message": "No."})
        arguments = {"create": ("m", {}), "get": (ID,), "list": (), "delete": (ID,)}[call]
        with pytest.raises(kind, match=rf"answered {status}: No\.") as caught:
            getattr(client, call)(*arguments)
        assert (caught.value.status, caught.value.body) == (status, {"message": "No."})
        assert len(api.calls) == 1

    @pytest.mark.parametrize(("status", "kind"), PASSING)
    @pytest.mark.parametrize("call", ["get", "list", "delete"])
    def test_what_may_pass_is_asked_again_twice(self, api, client, time, status, kind, call):
        for method, url in (("GET", URL), ("GET", f"{URL}/{ID}"), ("DELETE", f"{URL}/{ID}")):
            api.add(method, url, status=status, json={"message": "No."})
        with pytest.raises(kind, match=rf"answered {status}: No\. \(after 3 requests\)") as caught:
            getattr(client, call)(*() if call == "list" else (ID,))
        assert (caught.value.attempts, len(api.calls), time.pauses) == (3, 3, [0.5, 1.0])

    @pytest.mark.parametrize("failure", [503, REFUSED, CUT])
    @pytest.mark.parametrize("call", ["get", "list", "delete"])
    def test_what_passes_is_not_noticed(self, api, client, generation, failure, call):
        method, url = {
            "get": ("GET", f"{URL}/{ID}"),
            "list": ("GET", URL),
            "delete": ("DELETE", f"{URL}/{ID}"),
        }[call]
        api.add(method, url, **({"status": failure} if isinstance(failure, int) else {"body": failure}))
        api.add(method, url, json={"generation_list": []} if call == "list" else generation())
        getattr(client, call)(*() if call == "list" else (ID,))
        assert len(api.calls) == 2

    def test_what_a_server_asks_for_is_waited_if_there_is_time(self, api, client, time):
        api.get(URL, status=503, headers={"Retry-After": "7"})
        api.get(URL, json={"generation_list": []})
        client.list()
        assert time.pauses == [7.0]

    def test_a_server_that_asks_for_an_hour_is_told_at_once(self, api, client, time):
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
    def test_retry_after_that_says_nothing_is_passed_over(self, api, client, text):
        api.get(URL, status=429, headers={"Retry-After": text})
        with pytest.raises(RateLimitedError) as caught:
            client.list()
        assert caught.value.retry_after is None

    def test_the_job_is_named(self, api, client):
        api.get(f"{URL}/{ID}", status=404, json={"message": "Generation not found"})
        with pytest.raises(NotFoundError) as caught:
            client.get(ID)
        assert caught.value.generation_id == ID

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            ('{"detail": "Not Found"}', "Not Found"),
            ("<html>x</html>", "<html>x</html>"),
            ("[1]", "[1]"),
            ("x" * 500, "x" * 200 + "…"),
        ],
    )
    def test_what_the_answer_says_is_quoted_cut_short(self, api, client, body, said):
        api.get(URL, status=500, body=body)
        with pytest.raises(ServerError) as caught:
            client.list()
        assert f"answered 500: {said} (after" in str(caught.value)

    def test_a_redirect_is_not_followed_with_the_token(self, api, client):
        api.get(URL, status=302, headers={"Location": "https://elsewhere.example/?sig=s3cret"})
        with pytest.raises(
            UnexpectedResponse, match=r"redirects to https://elsewhere\.example/, where the token is not sent"
        ):
            client.list()
        assert len(api.calls) == 1

    @pytest.mark.parametrize("call", ["get", "list"])
    @pytest.mark.parametrize("body", ["<html></html>", "[]", "{}", '"x"', '{"generation_list": "x"}'])
    def test_an_answer_that_is_something_else_is_told(self, api, client, call, body):
        api.get(URL, body=body)
        api.get(f"{URL}/{ID}", body=body)
        with pytest.raises(UnexpectedResponse, match="expected a generation"):
            client.get(ID) if call == "get" else client.list()

    def test_no_answer_is_a_transport_error(self, api, client):
        api.get(URL, body=CUT)
        with pytest.raises(
            TransportError, match=r"GET https://api\.netmind\.ai/v1/generation: no answer: gone"
        ):
            client.list()

    @pytest.mark.parametrize("call", ["get", "delete", "wait", "download", "states"])
    @pytest.mark.parametrize("what", ["", None, 7, {"id": ID}])
    def test_what_is_no_generation_is_refused_unsent(self, api, client, call, what):
        with pytest.raises(ConfigurationError, match="expected a generation or its id, got "):
            getattr(client, call)(what)
        assert api.calls == []

    def test_a_generation_serves_as_its_id(self, api, client, generation, tmp_path):
        api.get(f"{URL}/{ID}", json=generation("completed"))
        api.get("https://files.example/a/cup.png", body=b"picture")
        api.delete(f"{URL}/{ID}", json={})
        assert client.get(client.get(ID)).id == ID
        assert client.download(ID, tmp_path) == client.download(client.get(ID), tmp_path)
        client.delete(client.get(ID))

    def test_an_id_cannot_lead_elsewhere(self, api, client, generation):
        api.get(f"{URL}/..%2F..%2Fadmin%3Fx", json=generation(id="../../admin?x"))
        assert client.get("../../admin?x").id == "../../admin?x"

    @pytest.mark.parametrize("status", [400, 500])
    def test_no_error_tells_the_key(self, api, client, status):
        api.get(URL, status=status, json={"message": "x"})
        with pytest.raises(Exception, match="answered") as caught:
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

    def test_that_it_is_gone_after_an_attempt_without_an_answer_is_success(self, api, client):
        api.delete(f"{URL}/{ID}", body=CUT)
        api.delete(f"{URL}/{ID}", status=404)
        client.delete(ID)
        assert len(api.calls) == 2
