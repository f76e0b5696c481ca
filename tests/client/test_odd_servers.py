"""Unusual responses: at most one generation per create, no mixed-up files, and limited memory."""

import gzip
import itertools
import os
import time
import tracemalloc

import pytest
from client_kinds import KINDS, real_client
from raw_server import RawServer, raw_response

from netmind_client import GenerationClient, NetMindError
from netmind_client.exceptions import (
    ConfigurationError,
    CreateOutcomeUnknownError,
    DownloadError,
    InvalidRequestError,
    TransportError,
    UnexpectedResponseError,
)

pytestmark = pytest.mark.slow

WHOLE_GZIP = gzip.compress(b"a" * 500)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr("netmind_client._flows.retry.FIRST_PAUSE", 0.01)


@pytest.fixture(params=KINDS)
def serve(request):
    """Return a function that starts a server, and returns it with a client of each kind."""
    opened = []

    def start(respond, **options):
        server = RawServer(respond)
        options = {"base_url": server.base_url, "request_timeout": 10, "poll_interval": 0.1, **options}
        clients = real_client(request.param, **options)
        opened.append((clients, server))
        return server, next(clients)

    yield start
    for clients, server in opened:
        next(clients, None)
        server.__exit__()


def completed(url, file_type="image"):
    return {"id": "a", "status": "completed", "result": {"data": [{"url": url, "file_type": file_type}]}}


class TestCreate:
    @pytest.mark.parametrize("status", ["301 Moved", "303 See Other", "307 Temporary Redirect"])
    @pytest.mark.parametrize(
        "location",
        [
            "mailto:x",
            "/" + "x" * 60_000,
            "http://",
            "//",
            "http://[bad",
            "http://a:b",
            "ftp://x/y",
            "http://ü/",
        ],
    )
    def test_an_invalid_redirect_sends_one_create(self, serve, status, location):
        server, client = serve(lambda _: raw_response(status=status, Location=location))
        with pytest.raises(CreateOutcomeUnknownError, match="may have been created"):
            client.create("m", {})
        assert len(server.requests) == 1

    @pytest.mark.parametrize("hint", ["102 Processing", "103 Early Hints"])
    def test_informational_responses_are_skipped(self, serve, hint):
        ids = map(str, itertools.count())

        def respond(_):
            created = raw_response({"id": next(ids), "status": "pending"})
            return f"HTTP/1.1 {hint}\r\nLink: </a>\r\n\r\n".encode() * 2 + created

        _, client = serve(respond)
        assert [client.create("m", {}).id for _ in range(3)] == ["0", "1", "2"]

    @pytest.mark.parametrize("status", ["101 Switching Protocols", "103 Early Hints"])
    def test_an_informational_response_alone_leaves_the_outcome_unknown(self, serve, status):
        server, client = serve(lambda _: f"HTTP/1.1 {status}\r\n\r\n".encode() + RawServer.CLOSE)
        with pytest.raises(CreateOutcomeUnknownError):
            client.create("m", {})
        assert len(server.requests) == 1

    @pytest.mark.parametrize("surplus", ["another response", "bytes"])
    def test_surplus_bytes_are_not_taken_for_the_next_response(self, serve, surplus):
        ids = map(str, itertools.count())

        def respond(_):
            created = raw_response({"id": next(ids), "status": "pending"})
            return created + (
                raw_response({"id": "stray", "status": "pending"})
                if surplus == "another response"
                else b"stray"
            )

        _, client = serve(respond)
        assert [client.create("m", {}).id for _ in range(3)] == ["0", "1", "2"]

    def test_an_id_that_no_url_can_contain_is_not_accepted(self, serve):
        _, client = serve(lambda _: raw_response(b'{"id": "\\ud800", "status": "pending"}'))
        with pytest.raises(CreateOutcomeUnknownError, match="without a generation"):
            client.create("m", {})

    def test_a_large_response_is_not_kept_in_memory(self, serve):
        body = gzip.compress(b"[" + b"[],\n" * 15_000_000 + b"[]]")
        _, client = serve(lambda _: raw_response(body, Content_Encoding="gzip"))
        tracemalloc.start()
        with pytest.raises(CreateOutcomeUnknownError, match="more than 2097152 bytes"):
            client.create("m", {})
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
        tracemalloc.stop()


def ranged(content, cut_after=None, **headers):
    """Return a function that responds with a file or its rest, and closes after ``cut_after`` bytes."""

    def respond(request):
        start = int(request.headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        left = content[start:]
        part = {"Content_Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        whole = raw_response(left, "206 Partial Content" if start else "200 OK", **part, **headers)
        cut = whole[: len(whole) - len(left) + min(cut_after or len(left), len(left))]
        return cut + RawServer.CLOSE

    return respond


class TestDownload:
    def test_no_byte_is_requested_twice(self, serve, tmp_path):
        content = os.urandom(200_000)
        server, client = serve(ranged(content, 50_000, ETag='"abc"'))
        [path] = client.download(_generation(completed(server.base_url + "/cup.png")), tmp_path)
        assert path.read_bytes() == content
        assert [request.headers.get("range") for request in server.requests] == [
            None, "bytes=50000-", "bytes=100000-", "bytes=150000-"
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ({"Last_Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}, {"Last_Modified": "Tue, 02 Jan 2024 00:00:00 GMT"}),
            ({"ETag": '"a"'}, {"ETag": '"b"'}),
            ({"ETag": '"a"', "total": 90_000}, {"total": 100_000}),
            ({"Last_Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}, {}),
            ({"ETag": '"a"'}, {}),
        ],
    )  # fmt: skip
    def test_the_rest_of_another_file_is_not_appended(self, serve, tmp_path, old, new):
        def respond(request):
            if "range" in request.headers:
                total = new.get("total", 90_000)
                headers = {name: value for name, value in new.items() if name != "total"}
                headers["Content_Range"] = f"bytes 70000-{total - 1}/{total}"
                return raw_response(b"N" * (total - 70_000), "206 Partial Content", **headers)
            headers = {name: value for name, value in old.items() if name != "total"}
            if len(server.requests) == 1:
                return raw_response(b"O" * 70_000, length=90_000, **headers) + RawServer.CLOSE
            return raw_response(b"O" * 90_000, **headers)

        server, client = serve(respond)
        [path] = client.download(_generation(completed(server.base_url + "/cup.png")), tmp_path)
        assert path.read_bytes() == b"O" * 90_000

    def test_a_redirect_is_followed_without_reading_its_body(self, serve, tmp_path):
        def respond(request):
            if request.path == "/elsewhere/cup.png":
                return raw_response(b"picture")
            endless = f"{10**12}"
            return raw_response(b"x" * 100, "302 Found", length=endless, Location="/elsewhere/cup.png?sig=1")

        server, client = serve(lambda request: respond(request._replace(path=request.path.partition("?")[0])))
        [path] = client.download(_generation(completed(server.base_url + "/cup.png")), tmp_path)
        assert (path.name, path.read_bytes()) == ("a-cup.png", b"picture")

    def test_a_redirect_loop_is_not_retried(self, serve, tmp_path):
        server, client = serve(lambda _: raw_response(status="302 Found", Location="/b?sig=s3cret"))
        with pytest.raises(DownloadError, match="stopped after 10 redirects without a file") as caught:
            client.download(_generation(completed(server.base_url + "/a?sig=s3cret")), tmp_path)
        assert len(server.requests) == 10
        assert "s3cret" not in str(caught.value)

    @pytest.mark.parametrize(
        "location", ["mailto:x", "ftp://h/f?sig=s3cret", "http://[", "file:///etc/passwd"]
    )
    def test_a_redirect_to_another_scheme_is_reported(self, serve, tmp_path, location):
        server, client = serve(lambda _: raw_response(status="302 Found", Location=location))
        with pytest.raises(DownloadError) as caught:
            client.download(_generation(completed(server.base_url + "/a")), tmp_path)
        assert "s3cret" not in str(caught.value)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/json"])
    def test_a_web_page_is_not_saved_as_an_image(self, serve, tmp_path, content_type):
        server, client = serve(lambda _: raw_response(b"<html>", Content_Type=content_type))
        with pytest.raises(DownloadError, match=r"expected image, got (text/html|application/json)"):
            client.download(_generation(completed(server.base_url + "/cup.png")), tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_an_unrequested_gzip_encoding_is_decoded(self, serve, tmp_path):
        content = b"RIFF" * 1000
        server, client = serve(lambda _: raw_response(gzip.compress(content), Content_Encoding="gzip"))
        [path] = client.download(_generation(completed(server.base_url + "/cup.wav")), tmp_path)
        assert path.read_bytes() == content

    def test_all_members_of_a_gzip_body_are_decoded(self, serve, tmp_path):
        content = gzip.compress(b"a" * 500) + gzip.compress(b"b" * 500)
        server, client = serve(lambda _: raw_response(content, Content_Encoding="gzip"))
        [path] = client.download(_generation(completed(server.base_url + "/cup.png")), tmp_path)
        assert path.read_bytes() == b"a" * 500 + b"b" * 500

    @pytest.mark.parametrize(
        "content", [WHOLE_GZIP[:-3], WHOLE_GZIP + b"rest", b"none"], ids=["cut", "too long", "none"]
    )
    def test_an_invalid_gzip_body_is_not_saved(self, serve, tmp_path, content):
        server, client = serve(lambda _: raw_response(content, Content_Encoding="gzip"))
        with pytest.raises(DownloadError, match="gzip"):
            client.download(_generation(completed(server.base_url + "/cup.png")), tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_a_download_without_time_left_gets_the_minimum_timeout(self, serve, tmp_path):
        server, client = serve(lambda _: raw_response(b"picture"))
        [path] = client.download(_generation(completed(server.base_url + "/cup.png")), tmp_path, timeout=0)
        assert path.read_bytes() == b"picture"

    def test_a_callback_may_use_the_same_client(self, tmp_path):
        def respond(request):
            return (
                raw_response(b"picture")
                if request.path == "/cup.png"
                else raw_response({"id": "a", "status": "completed"})
            )

        with RawServer(respond) as server, GenerationClient("k", server.base_url) as client:
            seen = []
            generation = _generation(completed(server.base_url + "/cup.png"))
            client.download(generation, tmp_path, on_progress=lambda _: seen.append(client.get("a").status))
        assert seen == ["completed"]

    @pytest.mark.parametrize("error", [OSError("mine"), TimeoutError("mine"), ValueError("mine")])
    def test_an_exception_of_a_callback_is_raised_unchanged(self, serve, tmp_path, error):
        def on_progress(_):
            raise error

        server, client = serve(lambda _: raw_response(b"picture"))
        with pytest.raises(type(error), match="mine") as caught:
            client.download(
                _generation(completed(server.base_url + "/a.png")), tmp_path, on_progress=on_progress
            )
        assert (caught.value is error, len(server.requests), list(tmp_path.iterdir())) == (True, 1, [])


def test_the_causes_of_an_error_do_not_contain_the_api_key(serve):
    server, client = serve(lambda _: RawServer.CLOSE)
    with pytest.raises(TransportError) as caught:
        client.list()
    assert server.requests[0].headers["authorization"] == "Bearer k3y"
    error = caught.value
    while error is not None:
        for kept in ("request", "response", "_request"):
            headers = getattr(error.__dict__.get(kept), "headers", {})
            assert "authorization" not in {name.lower() for name in headers}
        error = error.__cause__ or error.__context__


def test_a_response_about_another_generation_is_rejected(serve):
    _, client = serve(lambda _: raw_response({"id": "other", "status": "completed"}))
    with pytest.raises(
        UnexpectedResponseError, match="generation a: the response is about another generation, other"
    ):
        client.get("a")


@pytest.mark.parametrize("dots", [".", "..", "..."])
def test_dots_are_not_an_id(serve, dots):
    server, client = serve(lambda _: raw_response({"id": dots, "status": "completed"}))
    for call in (client.get, client.delete, client.wait):
        with pytest.raises(ConfigurationError, match="expected a generation or its id"):
            call(dots)
    assert server.requests == []
    with pytest.raises(CreateOutcomeUnknownError):
        client.create("m", {})


@pytest.mark.parametrize("body", [b"/" * 800, b"/?" * 400, b"//@" * 300, b"x" * 2_000_000, b"\\" * 800])
def test_a_long_error_page_is_shortened_quickly(serve, body):
    _, client = serve(lambda _: raw_response(body, "400 Bad Request"))
    begun = time.process_time()
    with pytest.raises(InvalidRequestError):
        client.get("a")
    assert time.process_time() - begun < 1


def test_a_proxy_that_rejects_connect_has_forwarded_nothing(serve, monkeypatch):
    server, _ = serve(lambda _: raw_response(status="502 Bad Gateway"))
    monkeypatch.setenv("HTTPS_PROXY", server.base_url)
    _, client = serve(lambda _: raw_response(), base_url="https://api.example.invalid")
    with pytest.raises(TransportError, match=r"not sent: .*nothing was created") as caught:
        client.create("m", {})
    assert not isinstance(caught.value, CreateOutcomeUnknownError)
    assert [request.method for request in server.requests] == ["CONNECT"] * 3


@pytest.mark.parametrize(
    "proxy", ["socks5://u:s3cret@127.0.0.1:1", "ftp://u:s3cret@h", "http://u:s3cret@[::1"]
)
@pytest.mark.parametrize("library", KINDS)
def test_a_proxy_that_cannot_be_used_has_sent_nothing(library, proxy, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with pytest.raises(NetMindError) as caught:
        _created(library)
    assert not isinstance(caught.value, CreateOutcomeUnknownError)
    assert "s3cret" not in str(caught.value)


def _created(library):
    clients = real_client(library, "http://127.0.0.1:1")
    client = next(clients)
    try:
        client.create("m", {})
    finally:
        next(clients, None)


def test_deeply_nested_json_is_reported(serve):
    _, client = serve(lambda _: raw_response(b"[" * 100_000))
    with pytest.raises(NetMindError):
        client.get("a")


def _generation(document):
    from netmind_client._models import read_generation  # noqa: PLC0415

    return read_generation(document)
