"""The fake as a process: it starts, responds, never blocks other clients, and ends."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import requests
from support import AUTHORIZED, PAGE_IMAGE, running_fake

from netmind_mock.serving import server

pytestmark = pytest.mark.slow

SYNC = {"model": "google/nano-banana-pro", "config": {"prompt": "x", "sync_mode": True}}


@pytest.fixture
def fake(tmp_path):
    with running_fake(tmp_path, "--profile", "observed", "--duration", "0.2") as (base_url, _):
        yield f"{base_url}/v1/generation"


@pytest.fixture
def raw():
    """Return a function that opens a connection and sends raw text. All connections are closed at the end."""
    with contextlib.ExitStack() as connections:

        def raw(url, text):
            host, port = url.split("/")[2].split(":")
            connection = connections.enter_context(socket.create_connection((host, int(port)), timeout=10))
            connection.sendall(text.encode("latin-1"))
            return connection

        yield raw


def head_of_a_create(length=100):
    return (
        "POST /v1/generation HTTP/1.1\r\nHost: localhost\r\nAuthorization: a-token\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )


def test_a_job_is_created_completed_and_downloaded(fake):
    job = requests.post(fake, json=PAGE_IMAGE, headers=AUTHORIZED, timeout=10).json()
    deadline = time.monotonic() + 10
    while job["status"] != "completed":
        assert time.monotonic() < deadline
        job = requests.get(f"{fake}/{job['id']}", headers=AUTHORIZED, timeout=10).json()
    response = requests.get(job["result"]["data"][0]["url"], timeout=10)
    assert (response.status_code, response.content[:4]) == (200, b"\x89PNG")


def test_a_create_that_waits_does_not_block_other_clients(tmp_path, raw):
    with running_fake(tmp_path, "--profile", "observed", "--duration", "3600") as (base_url, _):
        url = f"{base_url}/v1/generation"
        body = json.dumps(SYNC)
        for _ in range(20):
            raw(url, head_of_a_create(len(body)) + body)
        for _ in range(20):
            assert requests.get(url, headers=AUTHORIZED, timeout=5).status_code == 200


def test_incomplete_bodies_do_not_block_other_clients(fake, raw):
    waiting = [raw(fake, head_of_a_create()) for _ in range(40)]
    for _ in range(5):
        assert requests.post(fake, json=PAGE_IMAGE, headers=AUTHORIZED, timeout=5).status_code == 200
        assert requests.get(fake, headers=AUTHORIZED, timeout=5).status_code == 200
    for connection in waiting:
        connection.sendall(b"x" * 100)
        assert b" 422 " in connection.recv(100)


def test_an_endless_body_is_refused(fake, raw):
    connection = raw(fake, head_of_a_create().replace("Content-Length: 100", "Transfer-Encoding: chunked"))
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    with contextlib.suppress(OSError):  # the server closes the connection at its limit
        for _ in range(11):
            connection.sendall(chunk)
    assert b" 413 " in connection.recv(4096)
    assert requests.get(fake, headers=AUTHORIZED, timeout=5).json() == {"generation_list": []}


def test_a_gzip_bomb_is_not_decompressed(fake):
    headers = {**AUTHORIZED, "Content-Type": "application/json", "Content-Encoding": "gzip"}
    response = requests.post(fake, data=b"\x1f\x8b" + b"\x00" * 1000, headers=headers, timeout=10)
    assert (response.status_code, response.json()) == (
        415,
        {"message": "Expected an uncompressed body, got gzip"},
    )


@pytest.mark.parametrize("path", ["/v1/generation/%2e%2e%2fx", "/v1/generation/a%00b", "/v1/generation/..", "/%ff", "/v1/generation/a%2fb", "/files/..%2f..%2fetc%2fpasswd", "*"])  # fmt: skip
def test_malicious_paths_are_refused(fake, raw, path):
    connection = raw(
        fake, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: t\r\nConnection: close\r\n\r\n"
    )
    status = int(connection.recv(4096).split()[1])
    assert 400 <= status < 500


@pytest.mark.parametrize("header", ["X: \xff", "Authorization: \xe9", "Host: \xe9", "Host: evil.example"])
def test_malformed_headers_cause_no_server_error(fake, raw, header):
    connection = raw(fake, f"GET /v1/generation HTTP/1.1\r\n{header}\r\nConnection: close\r\n\r\n")
    assert 200 <= int(connection.recv(4096).split()[1]) < 500


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "with held responses"])
def test_it_ends_within_a_second_with_exit_code_0(tmp_path, raw, name, busy):
    with running_fake(tmp_path, "--profile", "observed", "--duration", "3600") as (base_url, process):
        if busy:
            body = json.dumps(SYNC)
            raw(base_url, head_of_a_create(len(body)) + body)
            raw(base_url, head_of_a_create())
            requests.get(f"{base_url}/v1/generation", headers=AUTHORIZED, timeout=5)
        began = time.monotonic()
        process.send_signal(getattr(signal, name))
        assert process.wait(timeout=10) == 0
        # A second on an idle machine. The limit is higher, so that a busy machine does not fail the test.
        assert time.monotonic() - began < 5
    assert not (tmp_path / "ready").exists()


def test_a_server_whose_standard_input_is_closed_ends():
    command = [sys.executable, "-m", "netmind_mock", "serve", "--port", "0", "--end-with-stdin"]
    assert subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=15).returncode == 0


def test_the_journal_is_empty_when_the_server_is_ready(tmp_path):
    with running_fake(tmp_path) as (base_url, _):
        journal = requests.get(f"{base_url}/__mock/journal", timeout=10).json()
        assert journal == {"dropped": 0, "entries": []}


def test_the_ready_file_holds_the_base_url(tmp_path):
    with running_fake(tmp_path) as (base_url, _):
        assert requests.get(f"{base_url}/v1/generation", headers=AUTHORIZED, timeout=5).status_code == 200


def test_the_banner_has_lines_to_copy_and_at_most_eight_lines(tmp_path):
    with running_fake(tmp_path, "--duration", "10", "--speed", "4") as (base_url, process):
        requests.get(base_url, timeout=5)
        process.terminate()
        banner = process.communicate(timeout=10)[0].splitlines()
    assert len(banner) <= 8
    assert f"  export NETMIND_BASE_URL={base_url} NETMIND_API_KEY='any-token'" in banner
    assert (
        banner[1]
        == f"profile documented, a job takes 2.5 s. Dashboard: {base_url}/__mock/ (press Ctrl-C to stop)"
    )


def test_the_curl_command_in_the_banner_works(tmp_path):
    with running_fake(tmp_path) as (_, process):
        process.terminate()
        banner = process.communicate(timeout=10)[0]
    with running_fake(tmp_path) as (base_url, _):
        export, curl = banner.split("export ")[1].split("\n", 1)
        url = export.split("=")[1].split()[0]
        script = f"export {export}\n{curl}".replace(url, base_url)
        ended = subprocess.run(["bash", "-ec", script], capture_output=True, text=True, timeout=30)
    assert json.loads(ended.stdout)["status"] == "pending"


def test_api_keys_are_not_printed(tmp_path):
    with running_fake(tmp_path, "--api-key", "s3cret-key") as (base_url, process):
        accepted = requests.get(
            f"{base_url}/v1/generation", headers={"Authorization": "s3cret-key"}, timeout=5
        )
        process.terminate()
        output = "".join(process.communicate(timeout=10))
    assert accepted.status_code == 200
    assert "s3cret-key" not in output


def test_the_error_names_a_port_that_is_taken(tmp_path):
    with running_fake(tmp_path) as (base_url, _):
        port = base_url.rsplit(":", 1)[1]
        command = [sys.executable, "-m", "netmind_mock", "serve", "--port", port]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 2
    assert ended.stderr == (
        f"Error: cannot listen on 127.0.0.1 port {port}: Address already in use; "
        "choose another --port (0 picks a free one) or --host\n"
    )


class TestListening:
    def test_port_0_selects_a_free_one(self):
        with server.listen("127.0.0.1", 0) as listener:
            host, port = listener.getsockname()
        assert host == "127.0.0.1"
        assert 1024 < port < 65536

    def test_a_host_name_is_resolved(self):
        with server.listen("localhost", 0) as listener:
            assert listener.getsockname()[0] in ("127.0.0.1", "::1")

    def test_the_port_is_taken_as_long_as_the_socket_listens(self):
        with server.listen("127.0.0.1", 0) as listener:
            port = listener.getsockname()[1]
            with pytest.raises(server.CannotListen, match="Address already in use"):
                server.listen("127.0.0.1", port)

    def test_an_address_of_another_machine_is_refused(self):
        with pytest.raises(server.CannotListen, match=r"cannot listen on 192\.0\.2\.1 port 8000: "):
            server.listen("192.0.2.1", 8000)

    def test_a_listening_socket_is_adopted(self):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
            with server.adopt(os.dup(listening.fileno())) as adopted:
                assert adopted.getsockname()[1] == port

    def test_other_descriptors_are_refused(self, tmp_path):
        with (
            socket.socket() as idle,
            pytest.raises(server.CannotListen, match="it is not a listening socket"),
        ):
            server.adopt(idle.fileno())
        with (tmp_path / "file").open("w") as file, pytest.raises(server.CannotListen, match="to --fd"):
            server.adopt(file.fileno())


def test_hundreds_of_creates_that_wait_do_not_block_other_clients(tmp_path, raw):
    with running_fake(tmp_path, "--profile", "observed", "--duration", "3600") as (base_url, _):
        body = json.dumps(SYNC)
        for _ in range(300):
            raw(base_url, head_of_a_create(len(body)) + body)
        assert requests.get(f"{base_url}/v1/generation", headers=AUTHORIZED, timeout=5).status_code == 200


def test_a_server_that_never_responds_is_logged(caplog, monkeypatch):
    monkeypatch.setattr(server, "_READY_WITHIN_SECONDS", 0.01)
    with server.listen("127.0.0.1", 0) as silent:
        server._call_when_ready(silent, lambda: pytest.fail("no server responds there"))
    assert "the server did not respond within 0 s" in caplog.text
