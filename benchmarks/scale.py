"""Many jobs in memory: what a million weigh, and a list of 10,000 beside their documents' JSON alone.

    python benchmarks/scale.py

In process, in the application that ``netmind-mock serve`` builds, with the collector as it has it there; what
the server adds to a request is left out. Prints JSON.
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
    """What was measured: seconds of a list and of its JSON alone, bytes grown by, seconds of a pause."""

    listing: float
    serialising: float
    grown: int
    longest_pause: float


class Pauses:
    """The longest time that the collector took at once, while it is a callback of the collector."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._begun = 0.0

    def __call__(self, phase: str, _facts: dict[str, int]) -> None:
        """Note when a collection begins, and how long it took when it ends."""
        if phase == "start":
            self._begun = time.perf_counter()
        else:
            self.longest = max(self.longest, time.perf_counter() - self._begun)


def called(app: Application, method: str, body: bytes = b"") -> bytes:
    """The body of a call of the application."""
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
    """Create a job a number, each with a prompt of its own."""
    config: dict[str, Any] = CREATE["config"].copy()  # type: ignore[attr-defined]
    for number in numbers:
        config["prompt"] = f"Generate a cup of coffee, the {number}th"
        called(app, "POST", msgspec.json.encode({**CREATE, "config": config}))


def seconds_of(action: Callable[[], object]) -> float:
    """What an action takes: the median of some rounds."""
    taken = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        action()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def built() -> Application:
    """The application that is served, with the collector as the server has it."""
    app = create_app(duration=0)
    tune_collector()
    return app


def many() -> tuple[int, float]:
    """By how many bytes a million jobs make the process grow, and the longest pause while they are made."""
    app, pauses = built(), Pauses()
    called(app, "GET")
    before = resident_bytes(os.getpid())
    gc.callbacks.append(pauses)
    create(app, range(MANY))
    gc.callbacks.remove(pauses)
    return resident_bytes(os.getpid()) - before, pauses.longest


def listed() -> tuple[float, float]:
    """Seconds that a list of 10,000 jobs takes, and that its documents' JSON takes alone."""
    app = built()
    create(app, range(LISTED))
    documents = msgspec.json.decode(called(app, "GET"))
    return seconds_of(lambda: called(app, "GET")), seconds_of(lambda: msgspec.json.encode(documents))


def measure() -> Scale:
    """Measure, in this process."""
    grown, longest_pause = many()
    listing, serialising = listed()
    return Scale(listing, serialising, grown, longest_pause)


if __name__ == "__main__":
    print(json.dumps(measure()._asdict()))
