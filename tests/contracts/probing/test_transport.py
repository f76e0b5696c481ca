"""Endpoints: valid base URLs, budgets, and requests that always end."""

import contextlib
import socket
import threading
import time

import pytest

from netmind_contracts.probing.budget import Budget, EndpointError, allowance, base_url_of, is_loopback
from netmind_contracts.probing.transport import HttpTransport, NoResponse

REAL = "https://api.netmind.ai"


@contextlib.contextmanager
def responding(*parts, pause=0.0):
    """A server that responds to one request with these bytes, and waits after each part; yields its URL."""
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
def test_an_invalid_base_url_is_rejected(text):
    with pytest.raises(EndpointError, match=r"expected a base URL such as http://127\.0\.0\.1:8000, got "):
        base_url_of(text)


def test_a_password_in_the_url_is_not_repeated():
    with pytest.raises(EndpointError) as raised:
        base_url_of("http://me:word@h")
    assert str(raised.value) == "the base URL has a user name or password; use --api-key for the API key"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("[::1]", True), ("localhost", True), ("a.localhost", True),
     ("10.0.0.1", False), ("api.netmind.ai", False), ("localhost.example", False), ("127.0.0.1.example", False)],
)  # fmt: skip
def test_loopback_is_only_this_machine(host, loopback):
    assert is_loopback(f"http://{host}:8000") is loopback


class TestAllowance:
    def test_this_machine_may_create_3(self):
        assert allowance("http://127.0.0.1", live=False, max_creates=None, free_only=False).limit == 3

    def test_free_only_creates_nothing(self):
        assert allowance(REAL, live=True, max_creates=5, free_only=True).limit == 0

    def test_elsewhere_it_is_max_creates(self):
        assert allowance(REAL, live=True, max_creates=2, free_only=False).limit == 2

    def test_elsewhere_live_is_required(self):
        with pytest.raises(
            EndpointError, match="is not on this machine, and may charge for generations: add --live"
        ):
            allowance(REAL, live=False, max_creates=3, free_only=False)

    def test_elsewhere_a_limit_is_required(self):
        with pytest.raises(EndpointError, match="set how many generations may be created"):
            allowance(REAL, live=True, max_creates=None, free_only=False)


def test_a_budget_reserves_no_more_than_its_limit():
    budget = Budget(1)
    assert (budget.reserve(), budget.reserve()) == (True, False)
    budget.release()
    assert budget.reserve()


class TestOneRequest:
    def test_gets_a_response(self):
        with responding(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        ) as url:
            response = get(url)
        assert (response.status, response.headers["content-type"], response.content, response.complete) == (
            200, "application/json", b"{}", True,
        )  # fmt: skip

    def test_does_not_follow_redirects(self):
        with responding(
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
        ) as url:
            assert get(url).status == 302

    def test_reads_no_more_than_it_may(self):
        with responding(b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 65536] * 200) as url:
            response = get(url)
        assert (len(response.content), response.complete) == (1000, False)

    @pytest.mark.parametrize(
        "parts",
        [[b""] * 99, [b"H", b"T", *[b"T"] * 99], [b"HTTP/1.1 200 OK\r\n\r\n", *[b"x"] * 99]],
        ids=["silence", "a head that trickles", "a body that trickles"],
    )
    def test_ends_in_time_with_any_response(self, parts):
        began = time.monotonic()
        with responding(*parts, pause=0.1) as url, pytest.raises(NoResponse) as raised:
            get(url, within=0.4)
        assert raised.value.sent
        assert time.monotonic() - began < 5

    def test_was_not_sent_if_the_connection_is_refused(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        with pytest.raises(NoResponse, match="Connection refused") as raised:
            get(f"http://127.0.0.1:{port}/")
        assert not raised.value.sent

    def test_may_have_been_sent_if_the_connection_is_closed(self):
        with responding() as url, pytest.raises(NoResponse) as raised:
            get(url)
        assert raised.value.sent

    def test_names_a_tls_error(self):
        with responding(b"HTTP/1.1 200 OK\r\n\r\n") as url, pytest.raises(NoResponse, match="TLS error"):
            get(url.replace("http://", "https://"))

    def test_works_after_one_that_timed_out(self):
        transport = HttpTransport()
        with responding(b"", pause=2) as url, pytest.raises(NoResponse):
            transport.send("GET", url, {}, None, within=0.1, max_bytes=9)
        with responding(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as url:
            assert transport.send("GET", url, {}, None, within=5, max_bytes=9).content == b"{}"
