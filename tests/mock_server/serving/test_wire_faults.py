"""The relay before the server: what it passes on is as it came, and a struck answer arrives as it is told to."""

import asyncio.selector_events
import contextlib
import json
import re
import socket
import threading
import time

import pytest
import requests
from support import AUTHORIZED, PAGE_IMAGE, running_fake

from netmind_mock import LiveServer
from netmind_mock.serving.wire_faults import HEADER, Relay, told
from netmind_mock.simulation.faults import Delivery

SECRET = "5" * 32

pytestmark = pytest.mark.slow


class Upstream:
    """A server that answers each request with what a test gave it, and keeps what it was sent."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.answers = []
        self.asked = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        with connection, contextlib.suppress(OSError):
            while asked := connection.recv(65536):
                self.asked.append(asked)
                for part in self.answers.pop(0):
                    connection.sendall(part)
                    time.sleep(0.005)  # so that the parts arrive apart


@pytest.fixture
def upstream():
    upstream = Upstream()
    yield upstream
    upstream.listener.close()


@pytest.fixture
def client(upstream):
    """A connection to the relay before the upstream."""
    listener = socket.create_server(("127.0.0.1", 0))
    Relay(listener, upstream.address, SECRET).start()
    with socket.create_connection(listener.getsockname(), timeout=5) as connection:
        yield connection


def answer(body=b"0123456789", *lines, status="200 OK"):
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def struck(secret=SECRET, body=b"0123456789", **course):
    return answer(body, ": ".join(told(Delivery(200, [], body, **course), secret)))


def read_all(connection):
    """All that comes, and how it ended."""
    came = b""
    try:
        while part := connection.recv(65536):
            came += part
    except ConnectionResetError:
        return came, "reset"
    return came, "closed"


def test_bytes_are_passed_on_both_ways_as_they_come(upstream, client):
    upstream.answers = [[b"anything", b" at all"]]
    client.sendall(b"\x00what\xff")
    assert client.recv(100) + client.recv(100) == b"anything at all"
    assert upstream.asked == [b"\x00what\xff"]


def test_the_header_is_taken_off_and_the_connection_goes_on(upstream, client):
    upstream.answers = [[struck(over=0.05)], [answer(b"next")]]
    client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    came = b""
    while not came.endswith(b"0123456789"):
        came += client.recv(1000)
    assert came == answer()
    client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert client.recv(1000) == answer(b"next")


def test_a_struck_answer_may_arrive_in_parts(upstream, client):
    whole = struck(sent=4)
    head = whole.index(b"\r\n\r\n") + 4
    upstream.answers = [[whole[:head], whole[head : head + 3], whole[head + 3 :]]]
    client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert read_all(client) == (answer()[:-6], "closed")


@pytest.mark.parametrize(
    ("course", "came", "end"),
    [
        ({"sent": -1}, b"", "closed"),
        ({"sent": -1, "reset": True}, b"", "reset"),
        ({"sent": 4, "reset": True}, answer()[:-6], "reset"),
        ({"sent": 0}, answer()[:-10], "closed"),
        ({"sent": 10, "reset": True}, answer(), "reset"),
    ],
)
def test_a_connection_ends_where_it_is_told_to(upstream, client, course, came, end):
    upstream.answers = [[struck(**course)]]
    client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert read_all(client) == (came, end)


def test_a_header_without_the_secret_is_passed_on_unread(upstream, client):
    forged = struck(secret="6" * 32, sent=-1)
    upstream.answers = [[forged]]
    client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert client.recv(1000) == forged


def test_a_body_that_looks_like_a_struck_head_is_passed_on(upstream, client):
    hostile = struck(sent=-1)
    upstream.answers = [[answer(hostile)]]
    client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert client.recv(1000) == answer(hostile)


def test_a_server_that_is_gone_is_a_connection_that_is_gone():
    listener = socket.create_server(("127.0.0.1", 0))
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = gone.getsockname()
    Relay(listener, address, SECRET).start()
    with socket.create_connection(listener.getsockname(), timeout=5) as connection:
        assert read_all(connection)[0] == b""


def test_the_delivery_is_told_in_one_line_without_infinities():
    name, value = told(Delivery(200, [], b"abc", wait=float("inf"), over=2.0, sent=5, reset=True), SECRET)
    secret, _, course = value.partition(" ")
    expected = {"length": 3, "wait": None, "over": 2.0, "sent": 5, "reset": True}
    assert (name, secret, json.loads(course)) == (HEADER, SECRET, expected)


@pytest.fixture(scope="module")
def base_url(tmp_path_factory):
    options = ("--wire-faults", "--profile", "observed", "--duration", "0.2")
    with running_fake(tmp_path_factory.mktemp("fake"), *options) as (base_url, _):
        yield base_url


def test_a_client_that_sends_no_more_is_answered(upstream, client):
    upstream.answers = [[answer()]]
    client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    client.shutdown(socket.SHUT_WR)
    assert read_all(client) == (answer(), "closed")


def test_a_machine_without_room_is_waited_for(upstream, monkeypatch):
    upstream.answers = [[answer()]]
    listener = socket.create_server(("127.0.0.1", 0))
    failures = [OSError(24, "Too many open files")] * 3
    accept = asyncio.selector_events.BaseSelectorEventLoop.sock_accept

    async def full(loop, sock):
        if failures:
            raise failures.pop()
        return await accept(loop, sock)

    monkeypatch.setattr(asyncio.selector_events.BaseSelectorEventLoop, "sock_accept", full)
    Relay(listener, upstream.address, SECRET).start()
    with socket.create_connection(listener.getsockname(), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert connection.recv(1000) == answer()


class TestServed:
    """The real server behind the relay."""

    def test_jobs_and_files_go_through_it(self, base_url):
        with requests.Session() as session:
            session.headers.update(AUTHORIZED)
            job = session.post(f"{base_url}/v1/generation", json=PAGE_IMAGE, timeout=5).json()
            deadline = time.monotonic() + 10
            while job["status"] != "completed":
                assert time.monotonic() < deadline
                job = session.get(f"{base_url}/v1/generation/{job['id']}", timeout=5).json()
            picture = session.get(job["result"]["data"][0]["url"], timeout=5).content
        assert picture[:4] == b"\x89PNG"

    def test_a_large_body_is_answered_before_it_has_all_come(self, base_url):
        answered = requests.post(
            f"{base_url}/v1/generation", data=b"x" * 20_000_000, headers=AUTHORIZED, timeout=10
        )
        assert answered.status_code in (413, 415)

    def test_a_hang_lasts_until_the_client_goes(self, base_url):
        order = {"operation": "list", "kind": "hang"}
        requests.post(f"{base_url}/__mock/faults", json=order, headers=AUTHORIZED, timeout=5)
        with pytest.raises(requests.ReadTimeout):
            requests.get(f"{base_url}/v1/generation", headers=AUTHORIZED, timeout=0.3)
        assert requests.get(f"{base_url}/v1/generation", headers=AUTHORIZED, timeout=5).status_code == 200

    def test_a_tag_can_lose_the_answer(self, base_url):
        body = {**PAGE_IMAGE, "config": {"prompt": "[[mock:answer_lost]]"}}
        headers = {"Authorization": "loser"}
        with pytest.raises(requests.ConnectionError):
            requests.post(f"{base_url}/v1/generation", json=body, headers=headers, timeout=5)
        listed = requests.get(f"{base_url}/v1/generation", headers=headers, timeout=5).json()
        assert len(listed["generation_list"]) == 1

    def test_a_head_request_is_struck_like_a_get(self, base_url):
        order = {"operation": "list", "kind": "delay", "seconds": 0.01}
        requests.post(f"{base_url}/__mock/faults", json=order, headers=AUTHORIZED, timeout=5)
        assert requests.head(f"{base_url}/v1/generation", headers=AUTHORIZED, timeout=5).status_code == 200

    def test_no_answer_tells_of_the_relay(self, base_url):
        order = {"operation": "list", "kind": "delay", "seconds": 0.01}
        requests.post(f"{base_url}/__mock/faults", json=order, headers=AUTHORIZED, timeout=5)
        answered = requests.get(f"{base_url}/v1/generation", headers=AUTHORIZED, timeout=5)
        assert HEADER not in {name.lower() for name in answered.headers}

    def test_health_says_what_it_can_do(self, base_url, tmp_path):
        assert "reset" in requests.get(f"{base_url}/__mock/health", timeout=5).json()["faults"]
        with running_fake(tmp_path) as (direct, _):
            faults = requests.get(f"{direct}/__mock/health", timeout=5).json()["faults"]
        assert "delay" in faults
        assert "reset" not in faults


def test_beyond_loopback_a_key_is_printed_and_wanted(tmp_path):
    with running_fake(tmp_path, "--host", "0.0.0.0") as (base_url, process):  # noqa: S104 - so it is asked
        refused = requests.get(f"{base_url}/__mock/jobs", timeout=5)
        printed = ""
        while "X-Mock-Key" not in printed:
            printed = process.stdout.readline()
        key = re.search(r"X-Mock-Key: (\S+)", printed)[1]
        accepted = requests.get(f"{base_url}/__mock/jobs", headers={"X-Mock-Key": key}, timeout=5)
    assert (refused.status_code, accepted.status_code) == (401, 200)
    assert len(key) >= 20


def test_the_server_ends_with_its_block():
    with LiveServer({"duration": 0}) as server:
        assert requests.get(f"{server.base_url}/__mock/health", timeout=5).status_code == 200
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{server.base_url}/__mock/health", timeout=5)
