"""Many jobs in memory: the size of a million, and a list of 10,000 compared with serialising its JSON.

    python benchmarks/scale.py

Measures the application and the garbage collector settings of ``netmind-mock serve`` in this process, without
the HTTP server. Prints JSON.
"""

from __future__ import annotations

import gc
import io
import json
import os
import statistics
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from server import CREATE, TOKEN, resident_bytes

from netmind_mock import create_app
from netmind_mock.serving.worker import tune_collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Application = Callable[..., Iterable[bytes]]

LISTED = 10_000
MANY = 1_000_000
ROUNDS = 5


class Scale(NamedTuple):
    """The results.

    Attributes:
        first_listing: Seconds of a list that is requested for the first time.
        listing: Seconds of the same list again.
        serialising: Seconds of serialising its JSON.
        grown: Bytes of growth by a million jobs.
        longest_pause: Seconds of the longest collection meanwhile.
    """

    first_listing: float
    listing: float
    serialising: float
    grown: int
    longest_pause: float


class Pauses:
    """A callback of the garbage collector that records the longest collection."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._begun = 0.0

    def __call__(self, phase: str, _facts: dict[str, int]) -> None:
        """Record the start and the duration of a collection."""
        if phase == "start":
            self._begun = time.perf_counter()
        else:
            self.longest = max(self.longest, time.perf_counter() - self._begun)


def called(app: Application, method: str, body: bytes = b"") -> bytes:
    """Call the application, and return the body of the response."""
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": "/v1/generation",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_AUTHORIZATION": TOKEN,
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
    }
    statuses = []
    response = b"".join(app(environ, lambda status, *_: statuses.append(status)))
    if not statuses[0].startswith("2"):
        raise RuntimeError(f"{method}: {statuses[0]} {response[:200]!r}")
    return response


def create(app: Application, numbers: Iterable[int]) -> None:
    """Create a job for each number, with the number in its prompt."""
    config: dict[str, Any] = CREATE["config"].copy()  # type: ignore[attr-defined]
    for number in numbers:
        config["prompt"] = f"Generate a cup of coffee, the {number}th"
        called(app, "POST", msgspec.json.encode({**CREATE, "config": config}))


def seconds_of(action: Callable[[], object]) -> float:
    """Return the median seconds of an action."""
    taken = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        action()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def built() -> Application:
    """Return the application, with the server's settings of the garbage collector."""
    app = create_app(duration=0)
    tune_collector()
    return app


def many() -> tuple[int, float]:
    """Return the bytes by which a million jobs grow the process, and the longest pause meanwhile."""
    app, pauses = built(), Pauses()
    called(app, "GET")
    before = resident_bytes(os.getpid())
    gc.callbacks.append(pauses)
    create(app, range(MANY))
    gc.callbacks.remove(pauses)
    return resident_bytes(os.getpid()) - before, pauses.longest


def listed() -> tuple[float, float, float]:
    """Return the seconds of a list of 10,000 jobs, of the same again, and of serialising its JSON."""
    app = built()
    create(app, range(LISTED))
    begun = time.perf_counter()
    content = called(app, "GET")
    first = time.perf_counter() - begun
    again = seconds_of(lambda: called(app, "GET"))
    documents = msgspec.json.decode(content)
    return first, again, seconds_of(lambda: msgspec.json.encode(documents))


def measure() -> Scale:
    """Measure, in this process."""
    grown, longest_pause = many()
    return Scale(*listed(), grown, longest_pause)


if __name__ == "__main__":
    print(json.dumps(measure()._asdict()))
