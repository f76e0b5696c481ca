"""The fake compared with a bare ASGI function and an empty Flask view, on the same server, in one run.

Prints a Markdown table: requests per second with 8 keep-alive connections (median of several rounds, the
servers taking turns), the 99th percentile of the latency, the time from start to the first 200, and the
memory per job.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Load = Callable[..., "Measured"]  # the signature of wrk and threads

CONNECTIONS = 8
TOKEN = "Bearer bench"  # noqa: S105 - not a secret
HEADERS = {"Authorization": TOKEN}
CREATE = {
    "model": "Qwen/Qwen-Image",
    "config": {
        "prompt": "Generate a cup of coffee",
        "image_size": "landscape_4_3",
        "num_inference_steps": 30,
        "guidance_scale": 2.5,
        "num_images": 1,
        "enable_safety_checker": True,
        "output_format": "png",
        "acceleration": "none",
    },
}
HERE = Path(__file__).resolve().parent
FAKE = [sys.executable, "-m", "netmind_mock", "serve"]


class Measured(NamedTuple):
    """The result of a round: requests per second, their number, and the latency's 99th percentile in ms."""

    rate: float
    count: int
    p99: float


class Server(NamedTuple):
    """A served application: its name in the table, its base URL, and the process that responds."""

    name: str
    base_url: str
    worker: int


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=3, help="length of a round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    load = wrk if shutil.which("wrk") else threads
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{machine}, load by {load.__name__}\n")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        fake = [*FAKE, "--port", "0", "--duration", "0"]
        servers = [
            stack.enter_context(serving("bare ASGI function", baseline("bare"), Path(folder, "1"))),
            stack.enter_context(serving("empty Flask view", baseline("flask"), Path(folder, "2"))),
            stack.enter_context(serving("the fake", fake, Path(folder, "3"))),
            stack.enter_context(
                serving("the fake, `--journal 0`", [*fake, "--journal", "0"], Path(folder, "4"))
            ),
        ]
        compare(servers, load, options.rounds, options.seconds)
        memory(servers[2], load, options.seconds)
    start()


def compare(servers: list[Server], load: Load, rounds: int, seconds: float) -> None:
    """Let the servers take turns; print their medians, and the ratios to the empty view."""
    paths = {server: f"/v1/generation/{new_job(server)}" for server in servers}
    results: dict[tuple[Server, str], list[Measured]] = {}
    for turn in range(rounds + 1):
        for server in servers:
            for method, path in (("GET", paths[server]), ("POST", "/v1/generation")):
                measured = load(server, method, path, seconds)
                if turn:  # the first round warms up
                    results.setdefault((server, method), []).append(measured)
    rates = {key: statistics.median(one.rate for one in all_) for key, all_ in results.items()}
    p99s = {key: statistics.median(one.p99 for one in all_) for key, all_ in results.items()}
    view = servers[1]
    print("| | get a second | of the empty view | p99 | create a second | of the empty view | p99 |")
    print("|---|---|---|---|---|---|---|")
    for server in servers:
        cells = [
            f"{rates[server, method]:,.0f} | {rates[server, method] / rates[view, method]:.2f} "
            f"| {p99s[server, method]:.1f} ms"
            for method in ("GET", "POST")
        ]
        print(f"| {server.name} | {' | '.join(cells)} |")


def memory(fake: Server, load: Load, seconds: float) -> None:
    """Create 100,000 jobs, and print the growth of the worker."""
    before, created = resident_bytes(fake.worker), 0
    while created < 100_000:
        created += load(fake, "POST", "/v1/generation", seconds).count
    grown = resident_bytes(fake.worker) - before
    print(f"\nmemory: {grown / created:,.0f} bytes a job ({created:,} jobs, {grown / 2**20:,.1f} MiB)")


def start() -> None:
    """Print the time from process start to the first 200."""
    times = []
    for _ in range(7):
        with tempfile.TemporaryDirectory() as folder:
            port = free_port()
            began = time.perf_counter()
            with serving("the fake", [*FAKE, "--port", str(port)], Path(folder, "ready"), wait=False):
                while not is_up(port):
                    time.sleep(0.001)
                times.append(time.perf_counter() - began)
    span = f"median of {len(times)}; {min(times):.2f} to {max(times):.2f}"
    print(f"start to first 200: {statistics.median(times):.2f} s ({span})")


def baseline(name: str) -> list[str]:
    """Return the command that serves an application of ``baselines.py``."""
    return [sys.executable, str(HERE / "baselines.py"), name]


@contextlib.contextmanager
def serving(name: str, command: list[str], ready_file: Path, *, wait: bool = True) -> Iterator[Server]:
    """Start a server as a process; yield it once it accepts connections."""
    arguments = [*command, "--ready-file", str(ready_file)]
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL) as process:
        try:
            while wait and not ready_file.exists():
                time.sleep(0.01)
            base_url = ready_file.read_text().strip() if wait else ""
            yield Server(name, base_url, process.pid if wait else 0)
        finally:
            process.terminate()


def wrk(
    server: Server,
    method: str,
    path: str,
    seconds: float,
    headers: Mapping[str, str] = HEADERS,
    body: object = CREATE,
) -> Measured:
    """Run a round of load with wrk. The body is sent with POST only."""
    script = HERE / "create.lua"
    arguments = [
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{round(seconds)}s",
        "--latency",
    ]
    for name, value in headers.items():
        arguments += ["-H", f"{name}: {value}"]
    arguments += ["-s", str(script)] if method == "POST" else []
    environment = {**os.environ, "BODY": json.dumps(body)}
    printed = subprocess.run(
        [*arguments, server.base_url + path], capture_output=True, text=True, check=True, env=environment
    ).stdout
    if "Non-2xx" in printed:
        sys.exit(f"{server.name} refused requests:\n{printed}")
    rate = re.search(r"Requests/sec: +([0-9.]+)", printed)
    count = re.search(r"(\d+) requests in", printed)
    p99 = re.search(r"99% +([0-9.]+)(us|ms|s)", printed)
    if not (rate and count and p99):
        sys.exit(f"unexpected output of wrk:\n{printed}")
    return Measured(float(rate[1]), int(count[1]), float(p99[1]) * {"us": 0.001, "ms": 1, "s": 1000}[p99[2]])


def threads(
    server: Server,
    method: str,
    path: str,
    seconds: float,
    headers: Mapping[str, str] = HEADERS,
    body: object = CREATE,
) -> Measured:
    """Run a round of load with threads, if wrk is not installed. They are slower than the servers."""
    latencies: list[float] = []
    end = time.perf_counter() + seconds
    content = json.dumps(body) if method == "POST" else None
    sent = {"Content-Type": "application/json", **headers}

    def connection() -> None:
        opened = http.client.HTTPConnection(server.base_url.removeprefix("http://"))
        while (began := time.perf_counter()) < end:
            opened.request(method, path, content, sent)
            opened.getresponse().read()
            latencies.append(time.perf_counter() - began)
        opened.close()

    workers = [threading.Thread(target=connection) for _ in range(CONNECTIONS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return Measured(
        len(latencies) / seconds, len(latencies), statistics.quantiles(latencies, n=100)[98] * 1000
    )


def new_job(server: Server) -> str:
    """Create a job and return its id; return zeros for a baseline, which has no jobs."""
    opened = http.client.HTTPConnection(server.base_url.removeprefix("http://"))
    headers = {"Authorization": TOKEN, "Content-Type": "application/json"}
    opened.request("POST", "/v1/generation", json.dumps(CREATE), headers)
    response = opened.getresponse().read()
    opened.close()
    return str(json.loads(response)["id"]) if server.name.startswith("the fake") else "0" * 32


def is_up(port: int) -> bool:
    """Return whether a fake on this port responds to a list with 200."""
    opened = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        opened.request("GET", "/v1/generation", headers={"Authorization": TOKEN})
        return opened.getresponse().status == 200
    except OSError:
        return False
    finally:
        opened.close()


def free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def resident_bytes(process: int) -> int:
    """Return the resident memory of a process (Linux)."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
