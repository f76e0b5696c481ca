"""Compare the fake with other mock servers, on the same work in one run, all taking turns.

    make bench-peers

Each creates and returns jobs. Servers that cannot be installed are listed as absent, with the reason. The
tables are in docs/performance.md. Only figures of the same run can be compared.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from documents import write_section
from peers_installed import Absent, Installed, install, install_fake
from peers_served import ROOT, Call, Served, fake, peers
from peers_told import Figures, tables
from processes import awake, send, started, tree
from scale import Scale
from server import FAKE, HERE, Server, baseline, free_port, resident_bytes, serving, threads, wrk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server import Load

DOCS = ROOT / "docs" / "performance.md"
STARTS_WITHIN_SECONDS = 30.0
IDLE_AFTER_SECONDS = 0.5
BARE = "bare ASGI function"
SQLITE = ("--store", "sqlite:///{folder}/jobs.db")


class Subject(NamedTuple):
    """A server to measure, and its installation; None for further configurations of the fake."""

    served: Served
    installed: Installed | None


class Running(NamedTuple):
    """A running server: its port, its process, and the response to its first create."""

    port: int
    process: int
    seconds: float
    created: dict[str, Any]


def main() -> None:
    """Measure, print the tables, and write them into the docs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=2, help="length of a round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that started processes are ended, too
    load = wrk if shutil.which("wrk") else threads
    subjects, absent = found()
    starts, memory = begin(subjects, absent, options.rounds)
    subjects = [subject for subject in subjects if subject.served.name in starts]
    rates = compare(subjects, load, options.rounds, options.seconds)
    figures = [
        Figures(
            subject.served.name,
            subject.served.does,
            subject.installed.version if subject.installed else "",
            rates[subject.served.name, "create"],
            rates[subject.served.name, "get"],
            starts[subject.served.name],
            memory[subject.served.name],
            subject.installed.size if subject.installed else 0,
        )
        for subject in subjects
    ]
    bare = Figures(BARE, "responds with `{}`", "", rates[BARE, "create"], rates[BARE, "get"], 0.0, 0, 0)
    text = "\n".join([*_conditions(load, options), *tables(figures, bare, absent, at_scale())])
    print(text)
    write_section(DOCS, "peers", text)


def _conditions(load: Load, options: argparse.Namespace) -> list[str]:
    node = shutil.which("node")
    printed = subprocess.run([node, "--version"], stdout=subprocess.PIPE, check=True).stdout if node else b"-"
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    rounds = f"the median of {options.rounds} rounds of {options.seconds} s and of as many starts"
    return [
        f"On {machine}, Node.js {printed.decode().strip().removeprefix('v')}, load by {load.__name__}.",
        f"Each figure is {rounds}.",
        "",
    ]


def found() -> tuple[list[Subject], list[str]]:
    """Return the servers to measure, and the reasons why others are absent."""
    helped = subprocess.run([*FAKE, "--help"], capture_output=True, text=True, check=True).stdout
    absent: list[str] = []
    subjects = [
        Subject(fake("the fake"), install_fake()),
        Subject(fake("the fake, SQLite", *SQLITE), None),
    ]
    if "--workers" in helped:
        subjects.append(Subject(fake("the fake, SQLite, 2 workers", *SQLITE, "--workers", "2"), None))
    else:
        absent.append("the fake, SQLite, 2 workers: `netmind-mock serve` has no `--workers`")
    for peer in peers():
        try:
            subjects.append(Subject(peer, install(peer)))
        except Absent as reason:
            absent.append(f"{peer.name}: {reason}")
    return subjects, absent


@contextlib.contextmanager
def running(subject: Subject) -> Iterator[Running]:
    """Start a server; yield it once it has responded to a create.

    Raises:
        Absent: It does not respond in time.
    """
    installed = subject.installed.folder if subject.installed else ROOT
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        command = subject.served.command(installed, Path(folder), port)
        begun = time.perf_counter()
        with started(command, Path(folder)) as process:
            while (response := called(port, subject.served.create)) is None:
                if process.poll() is not None or time.perf_counter() - begun > STARTS_WITHIN_SECONDS:
                    raise Absent(f"it did not respond within {STARTS_WITHIN_SECONDS:.0f} s")
                time.sleep(0.002)
            yield Running(port, process.pid, time.perf_counter() - begun, response)


def called(port: int, call: Call) -> dict[str, Any] | None:
    """Send a request, and return the JSON of the response; None if there is no response.

    Raises:
        Absent: The response is an error.
    """
    opened = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        content = None if call.body is None else json.dumps(call.body)
        opened.request(call.method, call.path, content, call.headers)
        response = opened.getresponse()
        content_of = response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        opened.close()
    if not 200 <= response.status < 300:
        raise Absent(f"{call.method} {call.path} returned {response.status}")
    document: dict[str, Any] = json.loads(content_of)
    return document


def begin(
    subjects: list[Subject], absent: list[str], rounds: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the seconds from start to the first response, and the memory when idle, of each server.

    Servers that fail are added to ``absent``.
    """
    seconds: dict[str, list[float]] = {}
    memory: dict[str, list[int]] = {}
    failed: set[str] = set()
    for turn in range(rounds + 1):
        for subject in subjects:
            name = subject.served.name
            if name in failed:
                continue
            try:
                with running(subject) as one:
                    called(one.port, subject.served.get(one.created))
                    time.sleep(IDLE_AFTER_SECONDS)
                    if turn:  # the first round fills caches
                        seconds.setdefault(name, []).append(one.seconds)
                        memory.setdefault(name, []).append(sum(map(resident_bytes, tree(one.process))))
            except Absent as reason:
                failed.add(name)
                absent.append(f"{name}: {reason}")
    return _medians(seconds), _medians(memory)


def compare(subjects: list[Subject], load: Load, rounds: int, seconds: float) -> dict[tuple[str, str], float]:
    """Return the requests per second of create and get, of each server and of the bare function."""
    rates: dict[tuple[str, str], list[float]] = {}

    def under(server: Server, what: str, call: Call) -> None:
        measured = load(server, call.method, call.path, seconds, call.headers, call.body)
        rates.setdefault((server.name, what), []).append(measured.rate)

    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        bare = stack.enter_context(serving(BARE, baseline("bare"), Path(folder, "ready")))
        all_ = [(subject.served, stack.enter_context(running(subject))) for subject in subjects]
        for _, one in all_:
            send(tree(one.process), signal.SIGSTOP)
        for _ in range(rounds + 1):
            under(bare, "create", subjects[0].served.create)
            under(bare, "get", Call("GET", "/"))
            for served, one in all_:
                server = Server(served.name, f"http://127.0.0.1:{one.port}", one.process)
                with awake(one.process):
                    under(server, "create", served.create)
                    created = called(one.port, served.create) or one.created  # the first job may be evicted
                    under(server, "get", served.get(created))
    return _medians({key: measured[1:] for key, measured in rates.items()})  # the first round warms up


def at_scale() -> Scale:
    """Run ``scale.py`` in a new process."""
    command = [sys.executable, str(HERE / "scale.py")]
    return Scale(**json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))


def _medians(measured: dict[Any, list[Any]]) -> dict[Any, float]:
    return {key: statistics.median(values) for key, values in measured.items()}


if __name__ == "__main__":
    main()
