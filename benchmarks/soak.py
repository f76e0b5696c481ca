"""Long tests of a served fake: killed workers, many clients, many requests, hostile inputs, a full disk.

    make soak

Takes less than ten minutes, and writes the results into docs/reliability.md.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import platform
import random
import resource
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

from databases import postgresql_server  # noqa: E402 - after the change of sys.path
from linearizability import Account, history_of, is_linearizable, report  # noqa: E402
from server import Server, new_job, resident_bytes, threads, wrk  # noqa: E402
from soak_inputs import INPUTS, MAX_JOB_BYTES, SPARE, harm_of  # noqa: E402
from support import TOKEN, create_until, running_fake, workers_of  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from soak_inputs import Input

DOCS = ROOT / "docs" / "reliability.md"
CLIENTS = 8
CALLS_EACH = 12
CREATORS = 4


class Figure(NamedTuple):
    """A row of the table: the test, its result, and whether it passes."""

    about: str
    found: str
    passes: bool


def main() -> None:
    """Run the tests, and write the results into the docs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30, help="kills on each persistent store")
    parser.add_argument("--histories", type=int, default=60, help="histories on each store")
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
    figures += [shown(hostile(kind)) for kind in INPUTS]
    figures.append(shown(disk_full()))
    text = page(figures, options.seed)
    DOCS.write_text(text, encoding="utf-8")
    hazards_are_met = text.count(" cases, ") == text.count(" cases, 0 failed")
    sys.exit(not (hazards_are_met and all(figure.passes for figure in figures)))


def shown(figure: Figure) -> Figure:
    """Print a result, and return it."""
    print(f"{'pass' if figure.passes else 'FAIL'}: {figure.about}: {figure.found}", flush=True)
    return figure


@contextlib.contextmanager
def serving(*options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run a served fake in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder, running_fake(Path(folder), *options) as served:
        yield served


def kills(name: str, store: Callable[[], str], number: int, chance: random.Random) -> Figure:
    """Kill workers under load at random moments, and check that every acknowledged job exists."""
    acknowledged = lost = broken = 0
    for _ in range(number):
        ids, listed = one_kill(store(), chance)
        acknowledged += len(ids)
        lost += len(ids - set(listed))
        broken += sum(status != "completed" for status in listed.values())
    found = f"{acknowledged:,} jobs acknowledged, {lost} lost, {broken} incomplete"
    return Figure(f"`kill -9` of a worker under load, {number} times, {name}", found, not lost and not broken)


def one_kill(store: str, chance: random.Random) -> tuple[set[str], dict[str, str]]:
    """Return the jobs that were acknowledged, and the statuses of the jobs that exist after a kill."""
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
    """Let eight clients call concurrently, and check that the histories are linearizable."""
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
                print(report(history))
    found = f"{calls:,} calls, {violations} histories that are not linearizable"
    return Figure(f"{number} histories of {CLIENTS} concurrent clients, {name}", found, not violations)


@contextlib.contextmanager
def account(base_url: str, token: str) -> Iterator[Account]:
    """Yield an account on a served fake, with its own connection."""
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"

        def send(method: str, path: str, body: Any) -> tuple[int, Any]:
            response = session.request(method, base_url + path, json=body, timeout=60)
            return response.status_code, response.json()

        yield Account(send)


def slope(number: int) -> Figure:
    """Send create and get in turn, and measure the growth of memory once all limits are reached."""
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
        f"{per_request:+.2f} bytes per request over the second half; {before / 2**20:.0f} MiB after the "
        f"first {first:,}, {after / 2**20:.0f} MiB at the end"
    )
    return Figure(
        f"{sent:,} requests, create and get in turn, memory, at most 10,000 jobs", found, per_request < 10
    )


def half_open(number: int = 500, requests_sent: int = 1000) -> Figure:
    """Request the health while many connections have sent half a request."""
    half_head = b"GET /v1/generation HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthor"
    times = []
    with serving() as (base_url, _), contextlib.ExitStack() as stack:
        host = base_url.removeprefix("http://")
        for _ in range(number):
            opened = http.client.HTTPConnection(host, timeout=30)
            opened.connect()
            stack.callback(opened.close)
            opened.sock.sendall(half_head)
        client = http.client.HTTPConnection(host, timeout=30)
        for _ in range(requests_sent):
            began = time.perf_counter()
            client.request("GET", "/__mock/health")
            if client.getresponse().read()[:1] != b"{":
                sys.exit("health did not respond")
            times.append((time.perf_counter() - began) * 1000)
        client.close()
    p99 = statistics.quantiles(times, n=100)[98]
    return Figure(
        f"{number} half-open connections", f"health responds within {p99:.1f} ms at p99 (aim 100)", p99 < 100
    )


def hostile(kind: Input) -> Figure:
    """Send a hostile input, and measure the memory that it takes, and how long another client waits."""
    with serving("--max-bytes", str(MAX_JOB_BYTES)) as (base_url, process):
        harm = harm_of(kind, base_url, lambda: resident_bytes(process.pid))
    found = (
        f"{harm.bytes / 1e6:.0f} MB beyond the limits (aim 50); another client waits "
        f"{harm.median * 1e3:.1f} ms, at most {harm.longest * 1e3:.0f} ms (aim 100)"
    )
    return Figure(f"{kind.times:,} {kind.about}", found, harm.bytes <= SPARE and harm.longest <= 0.1)


def disk_full() -> Figure:
    """Let the disk be full for a SQLite file, and check that every acknowledged job is there afterwards."""
    limit = resource.RLIMIT_FSIZE
    unlimited = resource.RLIM_INFINITY, resource.RLIM_INFINITY
    acknowledged: list[str] = []
    refused = 0
    with tempfile.TemporaryDirectory() as folder:
        store = ("--store", f"sqlite:///{folder}/jobs.db", "--duration", "0")
        with serving(*store) as (base_url, process):
            resource.prlimit(process.pid, limit, (3_000_000, resource.RLIM_INFINITY))
            for _ in range(300):
                status, created = create(base_url)
                if status == 200:
                    acknowledged.append(created["id"])
                refused += status == 503
            resource.prlimit(process.pid, limit, unlimited)
            works_again = create(base_url)[0] == 200
        with serving(*store) as (base_url, _):
            headers = {"Authorization": f"Bearer {TOKEN}"}
            listed = requests.get(f"{base_url}/v1/generation", headers=headers, timeout=30).json()
    lost = len(set(acknowledged) - {one["id"] for one in listed["generation_list"]})
    found = f"{len(acknowledged)} jobs acknowledged, {lost} lost; {refused} creates got 503"
    passes = not lost and works_again and refused > 0
    return Figure("a full disk (a limit of 3 MB on files), SQLite", found, passes)


def create(base_url: str) -> tuple[int, Any]:
    """Create a job with a prompt of 20 KB, and return the status and the JSON of the response."""
    body = {"model": "Qwen/Qwen-Image", "config": {"prompt": "x" * 20_000}}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    response = requests.post(f"{base_url}/v1/generation", json=body, headers=headers, timeout=60)
    return response.status_code, response.json()


def page(figures: list[Figure], seed: int) -> str:
    """Return the text of docs/reliability.md."""
    machine = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    lines = [
        "# Reliability",
        "",
        "Generated by `make soak`: long tests of a served fake, and the tests of each hazard of",
        "[the threat model](../SECURITY.md). Times differ from machine to machine.",
        "",
        f"On {machine}, seed {seed}:",
        "",
        "| test | result | |",
        "|---|---|---|",
        *(f"| {one.about} | {one.found} | {'pass' if one.passes else '**fail**'} |" for one in figures),
        "",
        "A history is 97 calls on eight connections; with a database there are two workers. A checker",
        "(`tests/linearizability.py`) verifies that the responses are the same as if the calls had been made",
        "one after the other. The limits are those of the jobs (20 MB here), of the journal and of cached",
        "JSON (32 MiB each). The waits include those for the load generator, which runs on the same cores.",
        "",
    ]
    lines += ["## Hazards", "", "| hazard | tests | result |", "|---|---|---|"]
    for hazard in tomllib.loads((ROOT / "tests" / "hazards.toml").read_text())["hazard"]:
        tests = ", ".join(f"`{test}`" for test in hazard["tests"])
        lines.append(f"| {hazard['about']} | {tests} | {cases_of(hazard['tests'])} |")
    return "\n".join([*lines, ""])


def cases_of(tests: list[str]) -> str:
    """Run tests, and return how many cases there are, how many failed, and the largest recorded values."""
    chosen = [test for test in tests if " " not in test]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        options = ["-q", "--no-cov", "-n", "0", "-o", "junit_family=xunit1", f"--junitxml={report}"]
        command = [sys.executable, "-m", "pytest", *options, *chosen]
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
        cases = list(ElementTree.parse(report).iter("testcase"))  # noqa: S314 - written by pytest
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    recorded: dict[str, float] = {}
    for one in (one for case in cases for one in case.iter("property")):
        name = one.get("name", "")
        recorded[name] = max(recorded.get(name, 0.0), float(one.get("value", "0")))
    found = [f"{len(cases)} cases, {len(failed)} failed"]
    return "; ".join([*found, *(f"{name}: at most {most:g}" for name, most in recorded.items())])


if __name__ == "__main__":
    main()
