"""Tests of the threat model with a served fake: large bodies, half-open connections, slow searches."""

import contextlib
import gzip
import http.client
import json
import select
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psutil
import pytest
import requests
from support import AUTHORIZED, HALVES, PAGE_IMAGE, half_open, running_fake

pytestmark = pytest.mark.slow

MAX_GROWTH = 50 * 1024 * 1024
MEGABYTE = 1024 * 1024
_JSON = {**AUTHORIZED, "Content-Type": "application/json"}


def _endless():
    """Yield sixty megabytes of a body without a Content-Length."""
    yield b'{"model": "Qwen/Qwen-Image", "config": {"prompt": "'
    for _ in range(60):
        yield b"x" * MEGABYTE


def _prompt(value):
    return json.dumps({"model": "Qwen/Qwen-Image", "config": {"prompt": "x", "more": value}}).encode()


def _nested(unit, megabytes):
    """Return megabytes of JSON with hardly any commas."""
    return (
        b'{"model": "m", "config": {"a": ['
        + unit
        + (b"," + unit) * (megabytes * MEGABYTE // len(unit))
        + b"]}}"
    )


class Bomb(NamedTuple):
    make: Callable[[], Any]
    headers: dict[str, str] | None = None
    path: str = "/v1/generation"
    most: int = MAX_GROWTH


BOMBS = {
    "a body that decompresses to 200 MB": Bomb(
        lambda: gzip.compress(b'{"model": "' + b"x" * (200 * MEGABYTE), 9),
        {"Content-Encoding": "gzip"},
    ),
    "an endless body": Bomb(_endless),
    "a body of 100 MB with a Content-Length": Bomb(lambda: b"x" * (100 * MEGABYTE)),
    "JSON nested 100,000 deep": Bomb(lambda: b"[" * 100_000),
    "a config nested 100,000 deep": Bomb(
        lambda: b'{"model": "m", "config": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
    ),
    "half a million keys": Bomb(lambda: _prompt({str(number): 1 for number in range(500_000)})),
    "a number of a million digits": Bomb(
        lambda: b'{"model": "m", "config": {"seed": ' + b"9" * 10**6 + b"}}"
    ),
    "10,000 addresses of images": Bomb(lambda: _prompt([f"http://h/{number}" for number in range(10_000)])),
    "100,000 addresses of images": Bomb(lambda: _prompt([f"http://h/{number}" for number in range(100_000)])),
    "49,990 lists in a list, the most that are accepted": Bomb(lambda: _prompt([[]] * 49_990)),
    "a prompt of nine megabytes": Bomb(lambda: _prompt("x" * (9 * MEGABYTE))),
    # The emoji makes Python use four bytes for each character, and there are copies: twice the limit.
    "a prompt of nine megabytes and an emoji": Bomb(
        lambda: b'{"model": "m", "config": {"prompt": "\xf0\x9f\x98\x80' + b"x" * (9 * MEGABYTE) + b'"}}',
        most=2 * MAX_GROWTH,
    ),
    "a million escapes": Bomb(lambda: b'{"model": "m", "config": {"prompt": "' + b"\\u0000" * 10**6 + b'"}}'),
    "a header of 60 KB": Bomb(lambda: b"{}", {"X-Large": "x" * 60_000}),
    "five million lists in lists": Bomb(lambda: _nested(b"[" * 900 + b"]" * 900, 9)),
    "a million objects in objects": Bomb(lambda: _nested(b'{"":' * 900 + b"1" + b"}" * 900, 9)),
    "a small body of objects": Bomb(lambda: _prompt([{"": 1}] * 90_000)),
    "an endless scenario": Bomb(_endless, path="/__mock/next-job"),
    "a scenario of three million lists": Bomb(
        lambda: b'{"scenario": [' + b"[]," * 3_000_000 + b"1]}", path="/__mock/next-job"
    ),
    "a scenario nested 100,000 deep": Bomb(
        lambda: b'{"scenario": ' + b"[" * 100_000, path="/__mock/next-job"
    ),
    "an endless form": Bomb(
        _endless, {"Content-Type": "application/x-www-form-urlencoded"}, path="/__mock/pages/do"
    ),
    "a body to a path without one": Bomb(_endless, path="/v1/generation/" + "0" * 32),
}


@pytest.fixture(scope="module")
def fake(tmp_path_factory):
    with running_fake(tmp_path_factory.mktemp("fake"), "--duration", "0") as (base_url, process):
        yield base_url, process


def _peak(process):
    """Return the peak memory of a process since the last reset of ``clear_refs``, in bytes."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="peak memory can be measured on Linux only"
)
@pytest.mark.parametrize("bomb", BOMBS)
def test_no_body_makes_the_fake_grow_by_50_megabytes(fake, bomb, record_property):
    base_url, process = fake
    make, headers, path, most = BOMBS[bomb]
    content = make()
    processes = [psutil.Process(process.pid), *psutil.Process(process.pid).children()]
    requests.get(f"{base_url}/v1/generation", headers=AUTHORIZED, timeout=30)
    before = []
    for one in processes:
        Path(f"/proc/{one.pid}/clear_refs").write_text("5")
        before.append(_peak(one))
    with contextlib.suppress(requests.ConnectionError):  # the server need not read a body that it refuses
        sent = {**_JSON, **(headers or {})}
        response = requests.post(f"{base_url}{path}", data=content, headers=sent, timeout=60)
        assert response.status_code < 500 or response.status_code == 503
    grown = sum(_peak(one) - first for one, first in zip(processes, before, strict=True))
    record_property("grown by MB", round(grown / 1e6, 1))
    assert grown <= most
    assert requests.get(f"{base_url}/__mock/health", timeout=30).json()["status"] == "ok"


# Sent on a socket, since HTTP libraries and the test client normalise these.
TARGETS = [
    b"/../../../../etc/passwd",
    b"/v1/generation/../../../../etc/passwd",
    b"/v1/generation/..%2f..%2f..%2fetc%2fpasswd",
    b"/v1/generation/%2e%2e%2f%2e%2e%2fetc/passwd",
    b"/v1/generation/..%252f..%252fetc%252fpasswd",
    b"/v1/generation/..;/..;/etc/passwd",
    b"/v1/generation/..\\..\\etc\\passwd",
    b"/v1/generation/%00",
    b"/v1/generation/%ff%fe",
    b"/v1/generation/%",
    b"/v1/generation/%zz",
    b"/v1/generation/\xc0\xae\xc0\xae/etc/passwd",
    b"/v1/generation/\x00",
    b"/files/../../../../etc/passwd",
    b"/files//etc/passwd",
    b"//etc/passwd",
    b"/__mock/../../../../etc/passwd",
    b"/__mock/pages/../../../../../etc/passwd",
    b"/__mock/pages/..%2f..%2fpyproject.toml",
    b"/__mock/pages/templates/layout.html",
    b"/__mock/pages/jobs/..%2f..%2f..%2fetc%2fpasswd",
    b"file:///etc/passwd",
    b"http://127.0.0.1/etc/passwd",
    b"/v1/generation/" + b"a" * 60_000,
    b"/v1/generation/" + b"../" * 5_000,
    b"*",
    b"",
]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(TARGETS)))
@pytest.mark.parametrize("method", [b"GET", b"DELETE"])
def test_no_request_target_reads_a_file_outside_the_fake(fake, method, number):
    base_url, _ = fake
    address = urlsplit(base_url)
    head = b"Host: 127.0.0.1\r\nAuthorization: Bearer a-token\r\nConnection: close\r\n\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(b"%s %s HTTP/1.1\r\n%s" % (method, TARGETS[number], head))
        with connection.makefile("rb") as reading:
            actual = reading.read()
    status = actual.partition(b"\r\n")[0].split(b" ")
    assert actual == b"" or 400 <= int(status[1]) < 500, actual[:200]
    assert b"root:" not in actual
    assert b"{%" not in actual  # no template
    assert requests.get(f"{base_url}/__mock/health", timeout=30).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("half", HALVES)
def test_half_open_connections_do_not_block_others(fake, half):
    base_url, _ = fake
    host, port = base_url.removeprefix("http://").split(":")
    job = requests.post(f"{base_url}/v1/generation", json=PAGE_IMAGE, headers=AUTHORIZED, timeout=30).json()
    with half_open(base_url, 500, HALVES[half]) as connections:
        client = http.client.HTTPConnection(host, int(port), timeout=30)
        for _ in range(20):
            client.request("GET", "/__mock/health")
            assert json.loads(client.getresponse().read())["status"] == "ok"
            client.request("GET", f"/v1/generation/{job['id']}", headers=AUTHORIZED)
            assert json.loads(client.getresponse().read())["id"] == job["id"]
        client.close()
        if half == "a head":  # an incomplete request gets no response
            assert select.select(connections[:100], [], [], 0)[0] == []
    # Once the fake has noticed that the connections are closed, it accepts creates again.
    for _ in range(1000):
        again = requests.post(f"{base_url}/v1/generation", json=PAGE_IMAGE, headers=AUTHORIZED, timeout=30)
        if again.status_code != 503:
            break
    assert again.status_code == 200


@pytest.mark.slow
def test_half_heads_and_half_bodies_together_do_not_block_others(fake):
    base_url, _ = fake
    with half_open(base_url, 500, HALVES["a head"]), half_open(base_url, 500, HALVES["a body"]):
        for _ in range(5):
            with requests.Session() as session:  # a new connection
                health = session.get(f"{base_url}/__mock/health", timeout=30)
                listed = session.get(f"{base_url}/v1/generation", headers=AUTHORIZED, timeout=30)
            assert (health.status_code, listed.status_code) == (200, 200)


# A backtracking search for these keys in these prompts takes exponential time.
SEARCHED = {
    "backslashes": ("\\" * 60 + "1", "\\" * 120),
    "quotes behind backslashes": ('\\"' * 60 + "1", '\\"' * 60),
    "one letter": ("a" * 2000 + "1", "a" * 60_000),
}


@pytest.mark.slow
@pytest.mark.parametrize("store", ["memory", "sqlite"])
@pytest.mark.parametrize("about", SEARCHED)
def test_no_api_key_and_prompt_make_the_redaction_slow(tmp_path, store, about):
    token, prompt = SEARCHED[about]
    kept = "memory" if store == "memory" else f"sqlite:///{tmp_path}/jobs.db"
    with running_fake(tmp_path, "--duration", "0", "--store", kept) as (base_url, process):
        try:
            body = {"model": "Qwen/Qwen-Image", "config": {"prompt": prompt}}
            headers = {"Authorization": f"Bearer {token}"}
            created = requests.post(f"{base_url}/v1/generation", json=body, headers=headers, timeout=60)
            journal = requests.get(f"{base_url}/__mock/journal", timeout=60)
            health = requests.get(f"{base_url}/__mock/health", timeout=60)
        except requests.Timeout:
            process.kill()  # it would not end on SIGTERM
            raise
    assert [created.status_code, journal.status_code, health.status_code] == [200, 200, 200]
    assert journal.json()["entries"][-1]["operation"] == "create"
