"""The hostile inputs of ``make soak``: how much memory each takes, and how long others wait meanwhile."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import statistics
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_JOB_BYTES = 20_000_000
# What a fake may keep by its stated limits: jobs, the journal (32 MiB), and the JSON of jobs (32 MiB).
LIMITS = MAX_JOB_BYTES + 64 * 1024 * 1024
SPARE = 50_000_000  # what it may take beyond that
_JSON = "Content-Type: application/json"


class Input(NamedTuple):
    """A kind of hostile input.

    Attributes:
        about: What it is.
        times: How often it is sent.
        request: Returns the bytes of the request of a number.
    """

    about: str
    times: int
    request: Callable[[int], bytes]


def request(line: str, *headers: str, body: bytes = b"") -> bytes:
    """Return a request in HTTP/1.1."""
    length = f"Content-Length: {len(body)}"
    return "\r\n".join([f"{line} HTTP/1.1", "Host: localhost", *headers, length, "", ""]).encode() + body


def create(prompt: str, *headers: str) -> bytes:
    """Return a create with a prompt."""
    body = json.dumps({"model": "Qwen/Qwen-Image", "config": {"prompt": prompt}}).encode()
    return request("POST /v1/generation", "Authorization: Bearer hostile", _JSON, *headers, body=body)


def _secrets(number: int) -> list[str]:
    return [f"X-Api-Key-{one}: {number:08d}{one}{'s' * 2000}" for one in range(8)]


INPUTS = [
    Input("methods of 390 KB", 300, lambda n: request(f"{n:08d}{'M' * 390_000} /v1/generation")),
    Input(
        "API keys of 60 KB",
        2000,
        lambda n: request("GET /v1/generation", f"Authorization: Bearer {n:08d}{'k' * 60_000}"),
    ),
    Input(
        "headers of 60 KB",
        2000,
        lambda n: request("GET /v1/generation", "Authorization: x", f"X-Large: {n:08d}{'x' * 60_000}"),
    ),
    Input(
        "ids of 60 KB",
        2000,
        lambda n: request(f"GET /v1/generation/{n:08d}{'i' * 60_000}", "Authorization: x"),
    ),
    Input(
        "queries of 60 KB",
        2000,
        lambda n: request(f"GET /v1/generation?{n:08d}={'q' * 60_000}", "Authorization: x"),
    ),
    Input("creates of 9.9 MB", 60, lambda n: create(f"{n:08d}{'p' * 9_900_000}")),
    Input("creates with eight secrets of 2 KB", 300, lambda n: create("x" * 1000, *_secrets(n))),
    Input("prompts of backslashes", 300, lambda n: create(f"{n:08d}" + "\\" * 17_000)),
    Input(
        "names of 900 KB in the control API",
        60,
        lambda n: request(
            "POST /__mock/next-job", _JSON, body=json.dumps({f"{n:08d}{'n' * 900_000}": 1}).encode()
        ),
    ),
]


class Harm(NamedTuple):
    """What an input did.

    Attributes:
        bytes: The memory that it took beyond the limits.
        median: How long a request of another client took meanwhile, in seconds.
        longest: How long the slowest one took.
    """

    bytes: int
    median: float
    longest: float


def harm_of(kind: Input, base_url: str, resident: Callable[[], int]) -> Harm:
    """Send an input to a served fake, while another client requests its list."""
    host, _, port = base_url.removeprefix("http://").partition(":")
    before = peak = resident()
    with waits_of_another_client(host, int(port)) as waits:
        for number in range(kind.times):
            send(host, int(port), kind.request(number))
            peak = max(peak, resident())
        read_journal(host, int(port))
        peak = max(peak, resident())
    return Harm(max(peak - before - LIMITS, 0), statistics.median(waits), max(waits))


def send(host: str, port: int, content: bytes) -> bytes:
    """Send bytes, and return the beginning of the response; nothing if the connection was closed."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=60) as connection:
        connection.sendall(content)
        return connection.recv(65_536)
    return b""


def read_journal(host: str, port: int) -> None:
    """Read the journal of all accounts, in which secrets are redacted."""
    connection = http.client.HTTPConnection(host, port, timeout=120)
    connection.request("GET", "/__mock/journal?limit=1000")
    connection.getresponse().read()
    connection.close()


@contextlib.contextmanager
def waits_of_another_client(host: str, port: int) -> Iterator[list[float]]:
    """Yield a list, to which the seconds of each request of another client are added meanwhile."""
    waits: list[float] = []
    stop = threading.Event()

    def ask() -> None:
        connection = http.client.HTTPConnection(host, port, timeout=120)
        while not stop.is_set() or not waits:
            began = time.perf_counter()
            connection.request("GET", f"/v1/generation/{'0' * 32}", headers={"Authorization": "Bearer other"})
            connection.getresponse().read()
            waits.append(time.perf_counter() - began)
            stop.wait(0.005)
        connection.close()

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield waits
    finally:
        stop.set()
        asking.join()
