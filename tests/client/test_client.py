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
    DownloadError,
    GenerationClient,
    GenerationFailed,
    InvalidRequestError,
    NotFoundError,
    RateLimitedError,
    ResultMissing,
    ServerError,
    TransportError,
    UnexpectedAnswer,
    WaitTimeout,
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


class TestWait:
    def answer(self, api, *answers):
        for answer in answers:
            if isinstance(answer, int):
                api.get(f"{URL}/{ID}", status=answer, json={"message": "x"})
            elif isinstance(answer, dict):
                api.get(f"{URL}/{ID}", json=answer)
            else:
                api.get(f"{URL}/{ID}", body=answer)

    def test_returns_the_completed_generation(self, api, client, generation, time):
        self.answer(api, generation(), generation("processing"), generation("completed"))
        seen = []
        done = client.wait(ID, on_poll=lambda one: seen.append(one.status))
        assert (done.status, seen) == ("completed", ["pending", "processing", "completed"])
        assert time.pauses == [0.5, 0.625]

    def test_takes_a_generation_as_well(self, api, client, generation):
        self.answer(api, generation("completed"))
        created = client.wait(ID)
        self.answer(api, generation("completed"))
        assert client.wait(created) == created

    @pytest.mark.parametrize("status", ["failed", "error", "cancelled"])
    def test_a_job_that_ends_otherwise_raises_with_its_last_log_line(self, api, client, generation, status):
        self.answer(api, generation(status, logs=[{"text": "one"}, {"text": "out of memory"}]))
        with pytest.raises(
            GenerationFailed, match=f"generation {ID} ended as {status}: out of memory"
        ) as caught:
            client.wait(ID)
        assert caught.value.generation.status == status

    def test_a_job_that_is_marked_as_deleted_ends_the_wait(self, api, client, generation):
        self.answer(api, generation(is_deleted=True, deleted_at="2025-09-18 09:14:21"))
        with pytest.raises(GenerationFailed, match=f"generation {ID} was deleted"):
            client.wait(ID)

    def test_a_failure_without_logs_says_so(self, api, client, generation):
        self.answer(api, generation("failed"))
        with pytest.raises(GenerationFailed, match="the logs give no reason"):
            client.wait(ID)

    def test_an_unknown_status_is_waited_on_and_named_in_the_timeout(self, api, client, generation, time):
        self.answer(api, generation("warming_up"))
        with pytest.raises(
            WaitTimeout, match=r"had not ended after 60 s \(last status: warming_up\)"
        ) as caught:
            client.wait(ID, timeout=60)
        assert (caught.value.last_status, caught.value.generation_id) == ("warming_up", ID)
        assert time.now == 1060.0

    def test_it_never_polls_a_minute_more_than_20_times(self, api, client, generation):
        self.answer(api, generation())
        with pytest.raises(WaitTimeout):
            client.wait(ID, timeout=60)
        assert len(api.calls) <= 20

    def test_a_timeout_deletes_nothing_and_says_how_to_go_on(self, api, client, generation):
        self.answer(api, generation())
        with pytest.raises(WaitTimeout, match=f"netmind-client wait {ID}"):
            client.wait(ID, timeout=1)
        assert {call.request.method for call in api.calls} == {"GET"}

    @pytest.mark.parametrize("passing", [requests.ConnectionError("gone"), 500, 503, 429, "<html>"])
    def test_a_poll_that_fails_in_passing_is_tried_again(self, api, client, generation, passing):
        self.answer(api, passing, generation("completed"))
        assert client.wait(ID).is_completed

    def test_retry_after_is_honoured(self, api, client, generation, time):
        api.get(f"{URL}/{ID}", status=429, headers={"Retry-After": "30"}, json={})
        self.answer(api, generation("completed"))
        client.wait(ID)
        assert time.pauses == [30.0]

    def test_retry_after_cannot_stretch_the_deadline(self, api, client, time):
        api.get(f"{URL}/{ID}", status=429, headers={"Retry-After": "3600"}, json={})
        with pytest.raises(WaitTimeout, match=r"last status: None"):
            client.wait(ID, timeout=10)
        assert time.now == 1010.0

    @pytest.mark.parametrize(
        ("status", "kind"), [(401, AuthenticationError), (404, NotFoundError), (422, InvalidRequestError)]
    )
    def test_a_refusal_ends_the_wait(self, api, client, status, kind):
        self.answer(api, status)
        with pytest.raises(kind):
            client.wait(ID)
        assert len(api.calls) == 1

    def test_an_empty_result_is_asked_for_again(self, api, client, generation):
        self.answer(
            api,
            generation("completed", result={}),
            generation("completed", result={"data": []}),
            generation("completed"),
        )
        assert len(client.wait(ID).results) == 1

    @pytest.mark.parametrize("timeout", [float("nan"), float("inf"), -1])
    def test_a_wait_without_end_is_refused(self, client, timeout):
        with pytest.raises(ConfigurationError, match="expected a timeout in seconds, 0 or more and finite"):
            client.wait(ID, timeout=timeout)

    def test_no_poll_is_given_more_than_what_is_left(self, api, client, generation):
        self.answer(api, generation())
        with pytest.raises(WaitTimeout):
            client.wait(ID, timeout=4)
        given = [call.request.req_kwargs["timeout"] for call in api.calls]
        assert given[0] == 4
        assert given == sorted(given, reverse=True)
        assert given[-1] == 0.1

    def test_a_result_that_stays_empty_raises(self, api, client, generation, time):
        self.answer(api, generation("completed", result={}))
        with pytest.raises(ResultMissing, match="is completed, but its result stayed empty") as caught:
            client.wait(ID)
        assert caught.value.generation.is_completed
        assert 1015 <= time.now < 1030


class TestDownload:
    FILE = "https://files.example/a/cup.png"

    @pytest.fixture
    def done(self, api, client, generation):
        api.get(f"{URL}/{ID}", json=generation("completed"))
        return client.get(ID)

    def test_saves_every_result_under_a_safe_name(self, api, client, done, tmp_path):
        api.get(self.FILE, body=b"picture", content_type="image/png")
        paths = client.download(done, tmp_path / "new")
        assert [(path.name, path.read_bytes()) for path in paths] == [("6347623b-cup.png", b"picture")]

    def test_sends_no_token_to_the_files_host(self, api, client, done, tmp_path):
        api.get(self.FILE, body=b"picture")
        client.download(done, tmp_path)
        assert "Authorization" not in api.calls[-1].request.headers

    def test_a_text_result_is_saved_as_text(self, api, client, generation, tmp_path):
        api.get(f"{URL}/{ID}", json=generation("completed", result={"data": [{"text": "hällo"}]}))
        paths = client.download(client.get(ID), tmp_path)
        assert [(path.name, path.read_text("utf-8")) for path in paths] == [("6347623b-output.txt", "hällo")]

    def test_files_of_one_name_are_numbered(self, api, client, generation, tmp_path):
        files = [{"url": f"https://files.example/{n}", "file_name": "output_image.png"} for n in (1, 2)]
        api.get(f"{URL}/{ID}", json=generation("completed", result={"data": files}))
        for number in (1, 2):
            api.get(f"https://files.example/{number}", body=b"%d" % number)
        paths = client.download(client.get(ID), tmp_path)
        assert [(path.name, path.read_bytes()) for path in paths] == [
            ("6347623b-output_image-1.png", b"1"),
            ("6347623b-output_image-2.png", b"2"),
        ]

    def test_a_file_that_exists_is_left_alone_unless_asked(self, api, client, done, tmp_path):
        api.get(self.FILE, body=b"new")
        (tmp_path / "6347623b-cup.png").write_bytes(b"old")
        with pytest.raises(
            DownloadError, match=r"6347623b-cup\.png exists already; to replace it, pass overwrite=True"
        ):
            client.download(done, tmp_path)
        assert (tmp_path / "6347623b-cup.png").read_bytes() == b"old"
        client.download(done, tmp_path, overwrite=True)
        assert (tmp_path / "6347623b-cup.png").read_bytes() == b"new"

    def test_a_short_file_is_an_error_and_leaves_nothing(self, api, client, done, tmp_path):
        api.get(self.FILE, body=b"half", headers={"Content-Length": "8"}, auto_calculate_content_length=False)
        with pytest.raises(DownloadError):
            client.download(done, tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_an_expired_link_says_what_to_do_and_hides_its_signature(self, api, client, done, tmp_path):
        api.get(self.FILE, status=403)
        with pytest.raises(
            DownloadError, match="answered 403; the link may have expired: get the generation again"
        ) as caught:
            client.download(done, tmp_path)
        assert caught.value.generation_id == ID
        assert "s3cret" not in str(caught.value)

    def test_a_connection_that_breaks_is_told(self, api, client, done, tmp_path):
        api.get(self.FILE, body=requests.ConnectionError("gone"))
        with pytest.raises(DownloadError, match="the download broke off, nothing was saved: gone"):
            client.download(done, tmp_path)

    def test_a_job_without_results_is_told(self, api, client, generation, tmp_path):
        api.get(f"{URL}/{ID}", json=generation())
        with pytest.raises(
            DownloadError, match=rf"generation {ID} has no results \(status: pending\); wait for it first"
        ):
            client.download(client.get(ID), tmp_path)

    @pytest.mark.parametrize("url", ["http://[", "http://a..b/", "http://h:99999/x"])
    def test_a_url_that_no_host_can_have_is_told_with_the_job(self, client, generation, api, tmp_path, url):
        api.get(f"{URL}/{ID}", json=generation("completed", result={"data": [{"url": url}]}))
        done = client.get(ID)
        api.add_passthru("http://")
        with pytest.raises(DownloadError) as caught:
            client.download(done, tmp_path)
        assert caught.value.generation_id == ID

    def test_a_download_that_is_cut_says_so(self, api, client, done, tmp_path, monkeypatch):
        def cut(*_):
            yield b"half"
            raise requests.exceptions.ChunkedEncodingError("cut")

        monkeypatch.setattr(requests.Response, "iter_content", cut)
        api.get(self.FILE, body=b"picture")
        with pytest.raises(DownloadError, match="the download broke off, nothing was saved: "):
            client.download(done, tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_a_netrc_file_adds_no_token_for_the_files_host(self, api, client, done, tmp_path, monkeypatch):
        netrc = tmp_path / "netrc"
        netrc.write_text("machine files.example login somebody password else")
        monkeypatch.setenv("NETRC", str(netrc))
        api.get(self.FILE, body=b"picture")
        client.download(done, tmp_path)
        assert "Authorization" not in api.calls[-1].request.headers

    @pytest.mark.parametrize("url", ["file:///etc/passwd", "/relative", "", None])
    def test_only_http_urls_are_fetched(self, api, client, generation, tmp_path, url):
        api.get(f"{URL}/{ID}", json=generation("completed", result={"data": [{"url": url}]}))
        with pytest.raises(DownloadError, match="result 1 has no URL that can be fetched"):
            client.download(client.get(ID), tmp_path)


class TestGenerate:
    def test_creates_waits_and_saves(self, api, client, generation, tmp_path):
        api.post(URL, json=generation())
        api.get(f"{URL}/{ID}", json=generation("processing"))
        api.get(f"{URL}/{ID}", json=generation("completed"))
        api.get("https://files.example/a/cup.png", body=b"picture")
        seen = []
        made = client.generate("m", CONFIG, tmp_path, on_poll=lambda one: seen.append(one.status))
        assert (made.generation.status, [path.name for path in made.paths]) == (
            "completed",
            ["6347623b-cup.png"],
        )
        assert seen == ["pending", "processing", "completed"]

    def test_a_folder_that_cannot_be_written_to_is_told_before_anything_is_paid(self, api, client, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(DownloadError, match="nothing can be saved there"):
            client.generate("m", CONFIG, tmp_path / "file")
        assert len(api.calls) == 0

    def test_a_create_that_answers_completed_is_not_polled(self, api, client, generation, tmp_path):
        api.post(URL, json=generation("completed"))
        api.get("https://files.example/a/cup.png", body=b"picture")
        client.generate("m", {"sync_mode": True}, tmp_path)
        assert [call.request.method for call in api.calls] == ["POST", "GET"]
