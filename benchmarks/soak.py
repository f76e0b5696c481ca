"""What a fake that is left running has to stand: kills, many clients at once, a million requests.

    make soak

Takes some twenty minutes, and writes what it found into docs/reliability.md.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree

import requests

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from databases import postgresql_server  # noqa: E402 - from where it is found now
from linearizability import Account, history_of, is_linearizable, told  # noqa: E402
from server import Server, new_job, resident_bytes, threads, wrk  # noqa: E402
from support import TOKEN, create_until, running_fake, workers_of  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DOCS = ROOT / "docs" / "reliability.md"
CLIENTS = 8
CALLS_EACH = 12
CREATORS = 4


class Figure(NamedTuple):
    """A line of the table: what was done, what came of it, and whether that is well."""

    about: str
    found: str
    is_well: bool


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="on each store that outlives a process")
    parser.add_argument("--histories", type=int, default=200, help="on each store")
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    chance = random.Random(options.seed)  # noqa: S311 - not a secret
    figures = []
    with postgresql_server() as postgresql, tempfile.TemporaryDirectory() as folder:
        files = (f"sqlite:///{folder}/{number}.db" for number in range(10**6))
        stores = {"SQLite": lambda: next(files), "PostgreSQL": lambda: postgresql}
        for name, store in stores.items():
            figures.append(shown(kills(name, store, options.kills, chance)))
        for name, store in {"memory": lambda: "memory", **stores}.items():
            figures.append(shown(histories(name, store(), options.histories, options.seed)))
    figures.append(shown(slope(options.requests)))
    figures.append(shown(half_open()))
    text = page(figures, options.seed)
    DOCS.write_text(text, encoding="utf-8")
    hazards_are_met = text.count(" cases, ") == text.count(" cases, 0 failed")
    sys.exit(not (hazards_are_met and all(figure.is_well for figure in figures)))


def shown(figure: Figure) -> Figure:
    """Print a figure as soon as it is there."""
    print(f"{'well' if figure.is_well else 'NOT WELL'}: {figure.about}: {figure.found}", flush=True)
    return figure


@contextlib.contextmanager
def serving(*options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A fake as a process, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder, running_fake(Path(folder), *options) as served:
        yield served


def kills(name: str, store: Callable[[], str], number: int, chance: random.Random) -> Figure:
    """Kill workers under load, at random moments; then look for every job that was acknowledged."""
    acknowledged = lost = broken = 0
    for _ in range(number):
        ids, listed = one_kill(store(), chance)
        acknowledged += len(ids)
        lost += len(ids - set(listed))
        broken += sum(status != "completed" for status in listed.values())
    found = f"{acknowledged:,} jobs acknowledged, {lost} lost, {broken} not whole"
    return Figure(f"`kill -9` of a worker under load, {number} times, {name}", found, not lost and not broken)


def one_kill(store: str, chance: random.Random) -> tuple[set[str], dict[str, str]]:
    """The jobs that were acknowledged around a kill, and the statuses of those that are there afterwards."""
    acknowledged: list[str] = []
    stop = threading.Event()
    with serving("--store", store, "--workers", "2", "--duration", "0") as (base_url, process):
        headers = {"Authorization": f"Bearer {TOKEN}"}
        requests.post(f"{base_url}/__mock/reset", json={}, timeout=30).raise_for_status()
        creating = [
            threading.Thread(target=create_until, args=(stop, base_url, acknowledged))
            for _ in range(CREATORS)
        ]
        for thread in creating:
            thread.start()
        while len(acknowledged) < CREATORS:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.3))
        workers = workers_of(process)
        for worker in chance.sample(workers, chance.choice((1, 1, 2))):
            worker.kill()
        time.sleep(chance.uniform(0, 0.1))
        stop.set()
        for thread in creating:
            thread.join()
        response = requests.get(f"{base_url}/v1/generation", headers=headers, timeout=30).json()
    return set(acknowledged), {job["id"]: job["status"] for job in response["generation_list"]}


def histories(name: str, store: str, number: int, seed: int) -> Figure:
    """Let eight clients call at once, and see whether that could have happened one call after the other."""
    workers = "1" if store == "memory" else "2"
    violations = calls = 0
    with serving("--store", store, "--workers", workers, "--duration", "600") as (base_url, _):
        for turn in range(number):
            token = f"of-eight-clients-{turn}"
            with contextlib.ExitStack() as stack:
                accounts = [stack.enter_context(account(base_url, token)) for _ in range(CLIENTS)]
                history = history_of(accounts, CALLS_EACH, f"{seed} {turn}")
            calls += len(history)
            if not is_linearizable(history):
                violations += 1
                print(told(history))
    found = f"{calls:,} calls, {violations} histories that could not have happened one call after the other"
    return Figure(f"{number} histories of {CLIENTS} clients at once, {name}", found, not violations)


@contextlib.contextmanager
def account(base_url: str, token: str) -> Iterator[Account]:
    """An account on a served fake, called on a connection of its own."""
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"

        def send(method: str, path: str, body: Any) -> tuple[int, Any]:
            response = session.request(method, base_url + path, json=body, timeout=60)
            return response.status_code, response.json()

        yield Account(send)


def slope(number: int) -> Figure:
    """Create and get in turn, and see how the worker's memory grows, once all its caps are reached."""
    load = wrk if os.access("/usr/bin/wrk", os.X_OK) else threads
    sizes: list[tuple[int, int]] = []
    with serving("--max-jobs", "10000", "--duration", "0") as (base_url, process):
        server = Server("the fake", base_url, process.pid)
        sent = 0
        while sent < number:
            sent += load(server, "POST", "/v1/generation", 1).count
            sent += load(server, "GET", f"/v1/generation/{new_job(server)}", 1).count
            sizes.append((sent, resident_bytes(server.worker)))
    settled = [one for one in sizes if one[0] > number / 2]
    per_request = statistics.linear_regression(*zip(*settled, strict=True)).slope
    (first, before), (_, after) = sizes[0], sizes[-1]
    found = (
        f"{per_request:+.2f} bytes a request over the second half; {before / 2**20:.0f} MiB after the first "
        f"{first:,}, {after / 2**20:.0f} MiB at the end"
    )
    return Figure(
        f"{sent:,} requests, create and get in turn, memory, 10,000 jobs kept", found, per_request < 10
    )


def half_open(number: int = 500, asked: int = 1000) -> Figure:
    """Ask for the health while many connections have sent half a request."""
    half_head = b"GET /v1/generation HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthor"
    times = []
    with serving() as (base_url, _), contextlib.ExitStack() as stack:
        host = base_url.removeprefix("http://")
        for _ in range(number):
            opened = http.client.HTTPConnection(host, timeout=30)
            opened.connect()
            stack.callback(opened.close)
            opened.sock.sendall(half_head)
        asking = http.client.HTTPConnection(host, timeout=30)
        for _ in range(asked):
            began = time.perf_counter()
            asking.request("GET", "/__mock/health")
            if asking.getresponse().read()[:1] != b"{":
                sys.exit("health did not answer")
            times.append((time.perf_counter() - began) * 1000)
        asking.close()
    p99 = statistics.quantiles(times, n=100)[98]
    return Figure(
        f"{number} half-open connections", f"health answers within {p99:.1f} ms at p99 (aim 100)", p99 < 100
    )


def page(figures: list[Figure], seed: int) -> str:
    """docs/reliability.md."""
    machine = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    lines = [
        "# Reliability",
        "",
        "Made by `make soak`: what a fake that is left running has stood, and where each hazard of",
        "[the threat model](../SECURITY.md) is tested. Times differ from machine to machine.",
        "",
        f"On {machine}, seed {seed}:",
        "",
        "| what was done | what came of it | |",
        "|---|---|---|",
        *(f"| {one.about} | {one.found} | {'well' if one.is_well else '**not well**'} |" for one in figures),
        "",
        "A history is 97 calls on eight connections; a database has two workers. A checker of our own",
        "(`tests/linearizability.py`) judges it: the jobs of an account, and its faults, have to be as if",
        "they had been asked by one client after the other.",
        "",
    ]
    lines += ["## Hazards", "", "| hazard | shown by | figure |", "|---|---|---|"]
    for hazard in tomllib.loads((ROOT / "tests" / "hazards.toml").read_text())["hazard"]:
        tests = ", ".join(f"`{test}`" for test in hazard["tests"])
        lines.append(f"| {hazard['about']} | {tests} | {cases_of(hazard['tests'])} |")
    return "\n".join([*lines, ""])


def cases_of(tests: list[str]) -> str:
    """How many cases these tests have, how many fail, and the most of what they noted."""
    chosen = [test for test in tests if " " not in test]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        options = ["-q", "--no-cov", "-n", "0", "-o", "junit_family=xunit1", f"--junitxml={report}"]
        command = [sys.executable, "-m", "pytest", *options, *chosen]
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
        cases = list(ElementTree.parse(report).iter("testcase"))  # noqa: S314 - pytest's own
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    noted: dict[str, float] = {}
    for one in (one for case in cases for one in case.iter("property")):
        name = one.get("name", "")
        noted[name] = max(noted.get(name, 0.0), float(one.get("value", "0")))
    found = [f"{len(cases)} cases, {len(failed)} failed"]
    return "; ".join([*found, *(f"{name}: {most:g} at most" for name, most in noted.items())])


if __name__ == "__main__":
    main()
