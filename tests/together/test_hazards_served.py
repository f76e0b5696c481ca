"""What the threat model promises of a served fake: bombs, connections that stay half open."""

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

MAX_GROWTH = 50 * 1024 * 1024
MEGABYTE = 1024 * 1024
_JSON = {**AUTHORIZED, "Content-Type": "application/json"}


def _endless():
    """Sixty megabytes of a body that never says how long it is."""
    yield b'{"model": "Qwen/Qwen-Image", "config": {"prompt": "'
    for _ in range(60):
        yield b"x" * MEGABYTE


def _prompt(value):
    return json.dumps({"model": "Qwen/Qwen-Image", "config": {"prompt": "x", "more": value}}).encode()


def _nested(unit, megabytes):
    """So many megabytes of a value that hardly needs commas."""
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
    "a body that unpacks to a gigabyte": Bomb(
        lambda: gzip.compress(b'{"model": "' + b"x" * (200 * MEGABYTE), 9),
        {"Content-Encoding": "gzip"},
    ),
    "a body without an end": Bomb(_endless),
    "a body of 100 MB that says so": Bomb(lambda: b"x" * (100 * MEGABYTE)),
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
    "49,990 lists in a list, as many as are read": Bomb(lambda: _prompt([[]] * 49_990)),
    "a prompt of nine megabytes": Bomb(lambda: _prompt("x" * (9 * MEGABYTE))),
    # Four bytes a character in memory, for one of them needs it, and copies: twice what the others may take.
    "a prompt of nine megabytes and an emoji": Bomb(
        lambda: b'{"model": "m", "config": {"prompt": "\xf0\x9f\x98\x80' + b"x" * (9 * MEGABYTE) + b'"}}',
        most=2 * MAX_GROWTH,
    ),
    "a million escapes": Bomb(lambda: b'{"model": "m", "config": {"prompt": "' + b"\\u0000" * 10**6 + b'"}}'),
    "a header of 60 KB": Bomb(lambda: b"{}", {"X-Large": "x" * 60_000}),
    "five million lists in lists": Bomb(lambda: _nested(b"[" * 900 + b"]" * 900, 9)),
    "a million objects in objects": Bomb(lambda: _nested(b'{"":' * 900 + b"1" + b"}" * 900, 9)),
    "a small body of objects": Bomb(lambda: _prompt([{"": 1}] * 90_000)),
    "an order without an end": Bomb(_endless, path="/__mock/next-job"),
    "an order of three million lists": Bomb(
        lambda: b'{"scenario": [' + b"[]," * 3_000_000 + b"1]}", path="/__mock/next-job"
    ),
    "an order nested 100,000 deep": Bomb(lambda: b'{"scenario": ' + b"[" * 100_000, path="/__mock/next-job"),
    "a form without an end": Bomb(
        _endless, {"Content-Type": "application/x-www-form-urlencoded"}, path="/__mock/pages/do"
    ),
    "a body to a path that takes none": Bomb(_endless, path="/v1/generation/" + "0" * 32),
}


@pytest.fixture(scope="module")
def fake(tmp_path_factory):
    with running_fake(tmp_path_factory.mktemp("fake"), "--duration", "0") as (base_url, process):
        yield base_url, process


def _peak(process):
    """The most memory that a process has had since its mark was set back, in bytes."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks of memory are Linux's to tell")
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
    with contextlib.suppress(requests.ConnectionError):  # it need not read what it refuses
        sent = {**_JSON, **(headers or {})}
        response = requests.post(f"{base_url}{path}", data=content, headers=sent, timeout=60)
        assert response.status_code < 500 or response.status_code == 503
    grown = sum(_peak(one) - first for one, first in zip(processes, before, strict=True))
    record_property("grown by MB", round(grown / 1e6, 1))
    assert grown <= most
    assert requests.get(f"{base_url}/__mock/health", timeout=30).json()["status"] == "ok"


# As they come over the wire: no library that asks, and no test client, leaves these as they are.
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
def test_no_target_of_a_request_leads_out_of_the_fake(fake, method, number):
    base_url, _ = fake
    address = urlsplit(base_url)
    head = b"Host: 127.0.0.1\r\nAuthorization: Bearer a-token\r\nConnection: close\r\n\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=30) as line:
        line.sendall(b"%s %s HTTP/1.1\r\n%s" % (method, TARGETS[number], head))
        with line.makefile("rb") as reading:
            actual = reading.read()
    status = actual.partition(b"\r\n")[0].split(b" ")
    assert actual == b"" or 400 <= int(status[1]) < 500, actual[:200]
    assert b"root:" not in actual
    assert b"{%" not in actual  # no template
    assert requests.get(f"{base_url}/__mock/health", timeout=30).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("half", HALVES)
def test_half_open_connections_hold_up_nobody(fake, half):
    base_url, _ = fake
    host, port = base_url.removeprefix("http://").split(":")
    job = requests.post(f"{base_url}/v1/generation", json=PAGE_IMAGE, headers=AUTHORIZED, timeout=30).json()
    with half_open(base_url, 500, HALVES[half]) as lines:
        asking = http.client.HTTPConnection(host, int(port), timeout=30)
        for _ in range(20):
            asking.request("GET", "/__mock/health")
            assert json.loads(asking.getresponse().read())["status"] == "ok"
            asking.request("GET", f"/v1/generation/{job['id']}", headers=AUTHORIZED)
            assert json.loads(asking.getresponse().read())["id"] == job["id"]
        asking.close()
        if half == "a head":  # nothing was answered to what is not asked yet
            assert select.select(lines[:100], [], [], 0)[0] == []
    # Once the fake has noticed that they are gone, creates are answered as before.
    for _ in range(1000):
        again = requests.post(f"{base_url}/v1/generation", json=PAGE_IMAGE, headers=AUTHORIZED, timeout=30)
        if again.status_code != 503:
            break
    assert again.status_code == 200


@pytest.mark.slow
def test_half_a_head_and_half_a_body_at_once_hold_up_nobody(fake):
    base_url, _ = fake
    with half_open(base_url, 500, HALVES["a head"]), half_open(base_url, 500, HALVES["a body"]):
        for _ in range(5):
            with requests.Session() as session:  # a connection of its own
                health = session.get(f"{base_url}/__mock/health", timeout=30)
                listed = session.get(f"{base_url}/v1/generation", headers=AUTHORIZED, timeout=30)
            assert (health.status_code, listed.status_code) == (200, 200)


# Each of these was tried in every way in which it can be read in the text, which takes longer than a life.
SEARCHED = {
    "backslashes": ("\\" * 60 + "1", "\\" * 120),
    "quotes behind backslashes": ('\\"' * 60 + "1", '\\"' * 60),
    "one letter": ("a" * 2000 + "1", "a" * 60_000),
}


@pytest.mark.slow
@pytest.mark.parametrize("store", ["memory", "sqlite"])
@pytest.mark.parametrize("about", SEARCHED)
def test_no_token_and_prompt_make_the_fake_search_without_an_end(tmp_path, store, about):
    token, prompt = SEARCHED[about]
    kept = "memory" if store == "memory" else f"sqlite:///{tmp_path}/jobs.db"
    with running_fake(tmp_path, "--duration", "0", "--store", kept) as (base_url, process):
        try:
            body = {"model": "Qwen/Qwen-Image", "config": {"prompt": prompt}}
            headers = {"Authorization": f"Bearer {token}"}
            asked = requests.post(f"{base_url}/v1/generation", json=body, headers=headers, timeout=60)
            journal = requests.get(f"{base_url}/__mock/journal", timeout=60)
            health = requests.get(f"{base_url}/__mock/health", timeout=60)
        except requests.Timeout:
            process.kill()  # it would not end by itself
            raise
    assert [asked.status_code, journal.status_code, health.status_code] == [200, 200, 200]
    assert journal.json()["entries"][-1]["operation"] == "create"
