"""The client: what it sends, what it makes of the answers, and that it never pays twice."""

import json

import pytest
import requests
from urllib3.exceptions import NewConnectionError

from netmind_client import (
    DEFAULT_BASE_URL,
    AuthenticationError,
    ConfigurationError,
    CreateOutcomeUnknown,
    GenerationClient,
    InvalidRequestError,
    NotFoundError,
    RateLimitedError,
    ServerError,
    TransportError,
    UnexpectedAnswer,
)

BASE = "https://api.netmind.ai"
URL = f"{BASE}/v1/generation"
ID = "6347623b2fce4998b0e842f7e935ccb0"
CONFIG = {"prompt": "Generate a cup of coffee"}


class TestSetUp:
    def test_key_and_url_come_from_the_environment(self, monkeypatch, api):
        monkeypatch.setenv("NETMIND_API_KEY", "from-env")
        monkeypatch.setenv("NETMIND_BASE_URL", "http://127.0.0.1:8000/v1/")
        api.get("http://127.0.0.1:8000/v1/generation", json={"generation_list": []})
        assert GenerationClient().list() == []
        assert api.calls[0].request.headers["Authorization"] == "Bearer from-env"

    @pytest.mark.parametrize("url", ["http://h", "http://h/", "http://h/v1", "http://h/v1/", " http://h/v1 "])
    def test_a_slash_or_v1_at_the_urls_end_makes_no_difference(self, url):
        assert GenerationClient("k", url).base_url == "http://h"

    def test_a_path_before_v1_is_kept(self):
        assert (
            GenerationClient("k", "https://gateway.example/netmind/v1").base_url
            == "https://gateway.example/netmind"
        )

    def test_without_a_url_the_real_api_is_meant(self):
        assert GenerationClient("k").base_url == DEFAULT_BASE_URL == "https://api.netmind.ai"

    @pytest.mark.parametrize(
        "url",
        [
            "api.netmind.ai",
            "ftp://h",
            "http://",
            "http://h?x=1",
            "file:///etc",
            "http://h#x",
            "http://[",
            "http://h:99999",
            "http://h:x",
        ],
    )
    def test_what_is_no_url_is_refused(self, url):
        with pytest.raises(
            ConfigurationError, match=r"expected a base URL such as https://api\.netmind\.ai, got"
        ):
            GenerationClient("k", url)

    def test_without_a_key_it_says_how_to_give_one(self):
        with pytest.raises(
            ConfigurationError,
            match=r"pass api_key \(--api-key\), or set the environment variable NETMIND_API_KEY",
        ):
            GenerationClient()

    @pytest.mark.parametrize("key", ["a b", "a\nb", "ключ", "a\x00"])
    def test_a_key_that_no_header_may_carry_is_refused(self, key):
        with pytest.raises(ConfigurationError, match="characters that no HTTP header may carry"):
            GenerationClient(key)

    def test_its_repr_does_not_tell_the_key(self):
        assert repr(GenerationClient("s3cret")) == "GenerationClient(base_url='https://api.netmind.ai')"

    def test_a_netrc_file_does_not_replace_the_key(self, api, client, tmp_path, monkeypatch):
        netrc = tmp_path / "netrc"
        netrc.write_text("machine api.netmind.ai login somebody password else")
        monkeypatch.setenv("NETRC", str(netrc))
        api.get(URL, json={"generation_list": []})
        client.list()
        assert api.calls[0].request.headers["Authorization"] == "Bearer k3y"


class TestCreate:
    def test_sends_model_and_config_once(self, api, client, generation):
        api.post(URL, json=generation())
        created = client.create("Qwen/Qwen-Image", CONFIG)
        assert (created.id, created.status) == (ID, "pending")
        assert [json.loads(call.request.body) for call in api.calls] == [
            {"model": "Qwen/Qwen-Image", "config": CONFIG}
        ]

    @pytest.mark.parametrize(
        "failure",
        [
            requests.ConnectionError("Connection aborted."),
            requests.ReadTimeout("read timed out"),
            requests.exceptions.ChunkedEncodingError("broken"),
            requests.exceptions.SSLError("EOF"),
        ],
    )
    def test_no_answer_means_that_a_job_may_exist_and_is_not_tried_again(self, api, client, failure):
        api.post(URL, body=failure)
        with pytest.raises(
            CreateOutcomeUnknown, match="A job may have been created and charged: look for it"
        ) as caught:
            client.create("m", CONFIG)
        assert (caught.value.model, caught.value.config, len(api.calls)) == ("m", CONFIG, 1)

    @pytest.mark.parametrize(
        "body", ["<html>proxy</html>", "{}", "[]", '{"id": 7, "status": "x"}', '{"id": "x"}', ""]
    )
    def test_an_answer_without_a_generation_means_the_same(self, api, client, body):
        api.post(URL, body=body)
        with pytest.raises(CreateOutcomeUnknown, match="answered 200 with no generation in it"):
            client.create("m", CONFIG)
        assert len(api.calls) == 1

    def test_a_refused_connection_is_certain_not_to_have_created_anything(self, api, client):
        refused = NewConnectionError(None, "refused")
        api.post(URL, body=requests.ConnectionError(type("Retry", (), {"reason": refused})()))
        with pytest.raises(TransportError, match="not sent: ") as caught:
            client.create("m", CONFIG)
        assert not isinstance(caught.value, CreateOutcomeUnknown)

    def test_nothing_listens(self):
        with pytest.raises(TransportError, match=r"not sent: .*refused") as caught:
            GenerationClient("k", "http://127.0.0.1:1").create("m", CONFIG)
        assert not isinstance(caught.value, CreateOutcomeUnknown)

    def test_a_connection_that_times_out_is_certain_too(self, api, client):
        api.post(URL, body=requests.ConnectTimeout("timed out"))
        with pytest.raises(TransportError, match="not sent: ") as caught:
            client.create("m", CONFIG)
        assert not isinstance(caught.value, CreateOutcomeUnknown)

    def test_a_config_that_is_no_mapping_is_refused_unsent(self, client):
        with pytest.raises(ConfigurationError, match=r"expected a config such as \{'prompt': .*\}, got 'x'"):
            client.create("m", "x")

    @pytest.mark.parametrize("value", [float("nan"), {1}, b"bytes"])
    def test_a_config_that_is_not_json_is_refused_unsent(self, client, value):
        with pytest.raises(ConfigurationError, match="the config cannot be sent as JSON"):
            client.create("m", {"n": value})


ERRORS = [
    (400, InvalidRequestError),
    (401, AuthenticationError),
    (403, AuthenticationError),
    (404, NotFoundError),
    (413, InvalidRequestError),
    (415, InvalidRequestError),
    (422, InvalidRequestError),
    (429, RateLimitedError),
    (503, ServerError),
]


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

    @pytest.mark.parametrize("status", [500, 502, 504, 599])
    def test_a_server_that_fails_is_a_server_error(self, api, client, status):
        api.get(URL, status=status, json={"message": "No."})
        with pytest.raises(ServerError):
            client.list()

    @pytest.mark.parametrize("status", [408, 500, 502, 504])
    def test_a_create_that_something_gave_up_on_may_have_been_carried_out(self, api, client, status):
        api.post(URL, status=status, body="<html>gateway</html>")
        with pytest.raises(CreateOutcomeUnknown, match=rf"answered {status} \(<html>gateway</html>\)"):
            client.create("m", CONFIG)
        assert len(api.calls) == 1

    def test_a_model_that_is_not_available_is_a_refusal(self, api, client):
        api.post(URL, status=500, json={"message": "Service is unavailable"})
        with pytest.raises(ServerError, match="Service is unavailable"):
            client.create("m", CONFIG)

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
        assert str(caught.value).endswith(f"answered 500: {said}")

    def test_retry_after_is_told(self, api, client):
        api.get(URL, status=429, headers={"Retry-After": "7"}, json={})
        with pytest.raises(RateLimitedError) as caught:
            client.list()
        assert caught.value.retry_after == 7

    def test_a_redirect_is_not_followed_with_the_token(self, api, client):
        api.get(URL, status=302, headers={"Location": "https://elsewhere.example/?sig=s3cret"})
        with pytest.raises(
            UnexpectedAnswer, match=r"redirects to https://elsewhere\.example/, where the token is not sent"
        ):
            client.list()
        assert len(api.calls) == 1

    @pytest.mark.parametrize("call", ["get", "list"])
    @pytest.mark.parametrize("body", ["<html></html>", "[]", "{}", '"x"', '{"generation_list": "x"}'])
    def test_an_answer_that_is_something_else_is_told(self, api, client, call, body):
        api.get(URL, body=body)
        api.get(f"{URL}/{ID}", body=body)
        with pytest.raises(UnexpectedAnswer, match="expected a generation"):
            client.get(ID) if call == "get" else client.list()

    def test_no_answer_is_a_transport_error(self, api, client):
        api.get(URL, body=requests.ConnectionError("gone"))
        with pytest.raises(
            TransportError, match=r"GET https://api\.netmind\.ai/v1/generation: no answer: gone"
        ):
            client.list()

    def test_an_empty_id_is_refused_unsent(self, client):
        with pytest.raises(ConfigurationError, match="expected a generation's id, got an empty string"):
            client.delete("")

    def test_an_id_cannot_lead_elsewhere(self, api, client, generation):
        api.get(f"{URL}/..%2F..%2Fadmin%3Fx", json=generation())
        assert client.get("../../admin?x").id == ID

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
