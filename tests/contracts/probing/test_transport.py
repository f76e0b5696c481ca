"""Endpoints: which are taken, what may be spent there, and that every request ends."""

import contextlib
import socket
import threading
import time

import pytest

from netmind_contracts.probing.budget import Budget, EndpointError, allowance, base_url_of, is_loopback
from netmind_contracts.probing.transport import HttpTransport, NoResponse

REAL = "https://api.netmind.ai"


@contextlib.contextmanager
def answering(*parts, pause=0.0):
    """A server that answers one request with these bytes, waiting before each part; yields its URL."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    connection.recv(65536)
                    for part in parts:
                        connection.sendall(part)
                        if over.wait(pause):
                            return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/v1/generation"
        finally:
            over.set()
            thread.join(5)


def get(url, within=5.0, max_bytes=1000):
    return HttpTransport().send("GET", url, {"Authorization": "t"}, None, within=within, max_bytes=max_bytes)


@pytest.mark.parametrize("text", ["http://h:1", "http://h:1/", " http://h:1/v1", "http://h:1/v1/"])
def test_a_base_url_ends_without_a_slash_or_the_version(text):
    assert base_url_of(text) == "http://h:1"


@pytest.mark.parametrize(
    "text", ["", "h:1", "ftp://h", "http://", "http://h:0", "http://h:x", "http://[::1", "http://h?a=1"]
)
def test_what_is_no_base_url_is_named(text):
    with pytest.raises(EndpointError, match=r"expected a base URL such as http://127\.0\.0\.1:8000, got "):
        base_url_of(text)


def test_a_password_in_the_url_is_not_repeated():
    with pytest.raises(EndpointError) as raised:
        base_url_of("http://me:word@h")
    assert str(raised.value) == "the base URL holds a user or password; give the key as --api-key instead"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("[::1]", True), ("localhost", True), ("a.localhost", True),
     ("10.0.0.1", False), ("api.netmind.ai", False), ("localhost.example", False), ("127.0.0.1.example", False)],
)  # fmt: skip
def test_loopback_is_this_machine_alone(host, loopback):
    assert is_loopback(f"http://{host}:8000") is loopback


class TestAllowance:
    def test_this_machine_may_create_3(self):
        assert allowance("http://127.0.0.1", live=False, max_creates=None, free_only=False).limit == 3

    def test_free_only_creates_nothing(self):
        assert allowance(REAL, live=True, max_creates=5, free_only=True).limit == 0

    def test_elsewhere_it_is_what_was_said(self):
        assert allowance(REAL, live=True, max_creates=2, free_only=False).limit == 2

    def test_elsewhere_somebody_has_to_say_live(self):
        with pytest.raises(
            EndpointError, match="is not on this machine, and may charge for what is created: add --live"
        ):
            allowance(REAL, live=False, max_creates=3, free_only=False)

    def test_elsewhere_somebody_has_to_say_how_many(self):
        with pytest.raises(EndpointError, match="say how many generations may be created"):
            allowance(REAL, live=True, max_creates=None, free_only=False)


def test_a_budget_reserves_no_more_than_its_limit():
    budget = Budget(1)
    assert (budget.reserve(), budget.reserve()) == (True, False)
    budget.release()
    assert budget.reserve()


class TestOneRequest:
    def test_is_answered(self):
        with answering(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        ) as url:
            reply = get(url)
        assert (reply.status, reply.headers["content-type"], reply.content, reply.complete) == (
            200, "application/json", b"{}", True,
        )  # fmt: skip

    def test_follows_no_redirect(self):
        with answering(
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
        ) as url:
            assert get(url).status == 302

    def test_reads_no_more_than_it_may(self):
        with answering(b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 65536] * 200) as url:
            reply = get(url)
        assert (len(reply.content), reply.complete) == (1000, False)

    @pytest.mark.parametrize(
        "parts",
        [[b""] * 99, [b"H", b"T", *[b"T"] * 99], [b"HTTP/1.1 200 OK\r\n\r\n", *[b"x"] * 99]],
        ids=["silence", "a head that trickles", "a body that trickles"],
    )
    def test_ends_in_time_whatever_comes(self, parts):
        began = time.monotonic()
        with answering(*parts, pause=0.1) as url, pytest.raises(NoResponse) as raised:
            get(url, within=0.4)
        assert raised.value.sent
        assert time.monotonic() - began < 5

    def test_was_not_sent_where_nothing_listens(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        with pytest.raises(NoResponse, match="Connection refused") as raised:
            get(f"http://127.0.0.1:{port}/")
        assert not raised.value.sent

    def test_may_have_been_sent_where_the_connection_breaks(self):
        with answering() as url, pytest.raises(NoResponse) as raised:
            get(url)
        assert raised.value.sent

    def test_names_trouble_with_tls(self):
        with answering(b"HTTP/1.1 200 OK\r\n\r\n") as url, pytest.raises(NoResponse, match="TLS trouble"):
            get(url.replace("http://", "https://"))

    def test_after_one_that_hung_goes_on(self):
        transport = HttpTransport()
        with answering(b"", pause=2) as url, pytest.raises(NoResponse):
            transport.send("GET", url, {}, None, within=0.1, max_bytes=9)
        with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as url:
            assert transport.send("GET", url, {}, None, within=5, max_bytes=9).content == b"{}"
