"""Wire faults, as a client on a socket sees them."""

import contextlib
import json
import re
import socket
import struct
import time

import pytest
import requests
from support import AUTHORIZED, PAGE_IMAGE, running_fake

from netmind_mock import LiveServer
from netmind_mock.serving import wire_faults
from netmind_mock.serving.wire_faults import MAX_HEAD_BYTES

pytestmark = pytest.mark.slow

GET = b"GET /v1/generation HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n\r\n"
WITHIN = 10.0


@pytest.fixture(scope="module")
def server():
    with LiveServer(profile="observed", duration=0.2) as server:
        yield server


@pytest.fixture
def mock(server):
    with server.account() as mock:
        yield mock


@pytest.fixture
def connect(server):
    """Return a function that opens a connection and sends bytes."""
    with contextlib.ExitStack() as connections:

        def connect(sent):
            address = server.base_url.removeprefix("http://").split(":")
            opened = connections.enter_context(
                socket.create_connection((address[0], int(address[1])), timeout=WITHIN)
            )
            opened.sendall(sent)
            return opened

        yield connect


def received(connection):
    """Return all bytes until the connection ends, and how it ends."""
    content = b""
    try:
        while part := connection.recv(65_536):
            content += part
    except ConnectionResetError:
        return content, "reset"
    return content, "closed"


def test_the_head_and_the_body_of_a_response_arrive_in_one_packet(connect):
    opened = connect(GET % b"key-of-this-test")
    assert opened.recv(65_536).endswith(b'{"generation_list":[]}')


def body_of(content):
    return content.partition(b"\r\n\r\n")[2]


EMPTY = b'{"generation_list":[]}'


@pytest.mark.parametrize(
    ("kind", "arguments", "body", "end"),
    [
        ("reset", {"when": "request"}, b"", "reset"),
        ("reset", {"when": "before"}, b"", "reset"),
        ("reset", {"when": "during"}, EMPTY[:11], "reset"),
        ("reset", {"when": "after"}, EMPTY, "reset"),
        ("truncate", {"share": 0.5}, EMPTY[:11], "closed"),
        ("truncate", {"share": 0}, b"", "closed"),
        ("hang", {"seconds": 0.05}, b"", "closed"),
    ],
)
def test_a_connection_ends_as_the_fault_says(mock, connect, kind, arguments, body, end):
    mock.fault("list", kind, **arguments)
    content, ended = received(connect(GET % mock.api_key.encode()))
    assert (body_of(content), ended) == (body, end)
    if body:
        assert b"content-length: 22" in content.lower()


def test_a_dribbled_body_arrives_completely_in_parts(mock, connect):
    mock.fault("list", "dribble", seconds=0.3)
    began, parts = time.monotonic(), []
    dribbling = connect(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") % mock.api_key.encode())
    while part := dribbling.recv(65_536):
        parts.append(part)
    assert (body_of(b"".join(parts)), time.monotonic() - began >= 0.25) == (EMPTY, True)
    assert len(parts) > 3


def test_a_delay_comes_before_the_response(mock):
    mock.fault("list", "delay", seconds=0.2)
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{mock.base_url}/v1/generation", headers={"Authorization": mock.api_key}, timeout=0.05)
    mock.fault("list", "delay", seconds=0.05)
    response = requests.get(
        f"{mock.base_url}/v1/generation", headers={"Authorization": mock.api_key}, timeout=WITHIN
    )
    assert response.status_code == 200


def test_a_hang_lasts_until_the_client_disconnects(mock, connect):
    mock.fault("list", "hang")
    hanging = connect(GET % mock.api_key.encode())
    hanging.settimeout(0.2)
    with pytest.raises(TimeoutError):
        hanging.recv(1)
    hanging.settimeout(WITHIN)
    hanging.shutdown(socket.SHUT_WR)
    assert received(hanging) == (b"", "closed")


def test_a_client_that_closes_its_sending_side_gets_its_response(mock, connect):
    half_closed = connect(GET % mock.api_key.encode())
    half_closed.shutdown(socket.SHUT_WR)
    content, ended = received(half_closed)
    assert (body_of(content), ended) == (EMPTY, "closed")


def test_a_connection_without_a_fault_stays_open(mock, connect):
    connection = connect(GET % mock.api_key.encode() * 2)
    content = b""
    while content.count(EMPTY) < 2:
        content += connection.recv(65_536)
    connection.sendall(GET % mock.api_key.encode())
    assert EMPTY in connection.recv(65_536)


def test_a_fault_applies_to_a_head_request_as_to_a_get(mock):
    mock.fault("list", "delay", seconds=0.01)
    response = requests.head(
        f"{mock.base_url}/v1/generation", headers={"Authorization": mock.api_key}, timeout=WITHIN
    )
    assert (response.status_code, response.content) == (200, b"")
    assert [entry.fault_kind for entry in mock.journal] == ["delay"]


def test_a_tag_can_lose_the_response(mock):
    body = {**PAGE_IMAGE, "config": {"prompt": "[[mock:response_lost]]"}}
    headers = {"Authorization": mock.api_key}
    with pytest.raises(requests.ConnectionError):
        requests.post(f"{mock.base_url}/v1/generation", json=body, headers=headers, timeout=WITHIN)
    assert len(mock.jobs) == 1


class TestHeads:
    def test_an_endless_head_is_refused(self, connect):
        endless = connect(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
        with contextlib.suppress(OSError):  # the server closes the connection at its limit
            for _ in range(40):
                endless.sendall(b"x" * (MAX_HEAD_BYTES // 4))
        assert b" 431 " in endless.recv(100)

    def test_endless_headers_are_refused(self, connect):
        endless = connect(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        with contextlib.suppress(OSError):
            for _ in range(40):
                endless.sendall(b"X: y\r\n" * (MAX_HEAD_BYTES // 24))
        assert b" 431 " in endless.recv(100)

    def test_a_connection_whose_head_takes_too_long_is_closed(self, connect, monkeypatch):
        monkeypatch.setattr(wire_faults, "HEAD_SECONDS", 0.05)
        assert received(connect(b"GET / HTTP/1.1\r\nHo")) == (b"", "closed")

    @pytest.mark.parametrize("body", [b"", b'{"model": "m", '])
    @pytest.mark.parametrize("framing", ["Content-Length: 99", "Transfer-Encoding: chunked"])
    def test_a_body_that_stops_arriving_is_given_up_and_creates_nothing(
        self, mock, connect, monkeypatch, body, framing
    ):
        monkeypatch.setattr(wire_faults, "BODY_SECONDS", 0.05)
        head = f"POST /v1/generation HTTP/1.1\r\nHost: localhost\r\nAuthorization: {mock.api_key}\r\n{framing}\r\n\r\n"
        chunk = b"%x\r\n%b\r\n" % (len(body), body) if body and "chunked" in framing else body
        response, end = received(connect(head.encode() + chunk))
        assert response.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        assert end == "closed"
        assert mock.jobs == []

    def test_a_large_body_does_not_count_as_head(self, mock, connect):
        body = json.dumps({"model": "m", "config": {"prompt": "x" * 4 * MAX_HEAD_BYTES}}).encode()
        head = (
            f"POST /v1/generation HTTP/1.1\r\nHost: localhost\r\nAuthorization: {mock.api_key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        created = connect(head.encode())
        for start in range(0, len(body), 10_000):
            created.sendall(body[start : start + 10_000])
        assert b" 200 OK" in created.recv(100)

    def test_the_head_of_each_request_is_counted_separately(self, mock, connect):
        padded = GET.replace(b"\r\n\r\n", b"\r\nX: " + b"x" * (MAX_HEAD_BYTES - 1000) + b"\r\n\r\n")
        connection = connect(b"")
        for _ in range(3):
            connection.sendall(padded % mock.api_key.encode())
            assert b" 200 OK" in connection.recv(100_000)


@pytest.fixture(scope="module")
def base_url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    with running_fake(folder, "--profile", "observed", "--duration", "0.2") as (base_url, _):
        yield base_url


class TestServed:
    """The command serve supports all wire faults."""

    def test_a_large_body_is_refused_before_it_arrived_completely(self, base_url):
        response = requests.post(
            f"{base_url}/v1/generation", data=b"x" * 20_000_000, headers=AUTHORIZED, timeout=WITHIN
        )
        assert response.status_code in (413, 415)

    def test_a_reset_is_applied(self, base_url):
        fault = {"operation": "list", "kind": "reset"}
        requests.post(f"{base_url}/__mock/faults", json=fault, headers=AUTHORIZED, timeout=WITHIN)
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{base_url}/v1/generation", headers=AUTHORIZED, timeout=WITHIN)
        assert (
            requests.get(f"{base_url}/v1/generation", headers=AUTHORIZED, timeout=WITHIN).status_code == 200
        )

    def test_health_lists_the_supported_faults(self, base_url):
        assert "reset" in requests.get(f"{base_url}/__mock/health", timeout=WITHIN).json()["faults"]


def test_the_server_survives_clients_that_reset(mock, connect):
    for _ in range(20):
        client = connect(GET % mock.api_key.encode())
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    response = requests.get(
        f"{mock.base_url}/v1/generation", headers={"Authorization": mock.api_key}, timeout=WITHIN
    )
    assert response.status_code == 200


def test_on_a_non_loopback_address_a_control_key_is_printed_and_required(tmp_path):
    with running_fake(tmp_path, "--host", "0.0.0.0") as (base_url, process):  # noqa: S104 - which requires a control key
        refused = requests.get(f"{base_url}/__mock/jobs", timeout=5)
        printed = ""
        while "X-Mock-Key" not in printed:
            printed = process.stdout.readline()
        key = re.search(r"X-Mock-Key: (\S+)", printed)[1]
        accepted = requests.get(f"{base_url}/__mock/jobs", headers={"X-Mock-Key": key}, timeout=5)
    assert (refused.status_code, accepted.status_code) == (401, 200)
    assert len(key) >= 20
