"""Several servers on one PostgreSQL: creates and gets a second of all together, for 1, 2 and 4 servers.

    python benchmarks/servers.py

Everything runs on this machine: the servers, PostgreSQL and the load share its processors.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from databases import postgresql_server  # noqa: E402 - after the change of sys.path
from server import FAKE, Server, new_job, serving, wrk  # noqa: E402

NUMBERS = (1, 2, 4)
ROUNDS = 3
SECONDS = 3


def main() -> None:
    """Measure, and print a table."""
    print("| servers | creates a second | gets a second | CPU of the servers, of PostgreSQL, of the load |")
    print("|---|---|---|---|")
    with postgresql_server() as url, tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(
                serving(
                    f"the fake {number}",
                    [*FAKE, "--port", "0", "--duration", "0", "--store", url],
                    Path(folder, str(number)),
                )
            )
            for number in range(max(NUMBERS))
        ]
        for number in NUMBERS:
            print(row(servers[:number]), flush=True)


def row(servers: list[Server]) -> str:
    """Measure some of the servers, all at the same time, and return a row of the table."""
    path = f"/v1/generation/{new_job(servers[0])}"
    before = cpu_seconds()
    creates = statistics.median(rate(servers, "POST", "/v1/generation") for _ in range(ROUNDS))
    gets = statistics.median(rate(servers, "GET", path) for _ in range(ROUNDS))
    spent = {name: seconds - before[name] for name, seconds in cpu_seconds().items()}
    whole = sum(spent.values())
    shares = ", ".join(f"{spent[name] / whole:.0%}" for name in ("servers", "postgres", "load"))
    return f"| {len(servers)} | {creates:,.0f} | {gets:,.0f} | {shares} |"


def rate(servers: list[Server], method: str, path: str) -> float:
    """Return the requests a second of all servers together."""
    with ThreadPoolExecutor(len(servers)) as load:
        return sum(load.map(lambda one: wrk(one, method, path, SECONDS).rate, servers))


def cpu_seconds() -> dict[str, float]:
    """Return the CPU time so far, of the servers, of PostgreSQL and of this process and its load."""
    spent = {"servers": 0.0, "postgres": 0.0, "load": sum(psutil.Process().cpu_times()[:4])}
    for process in psutil.process_iter(["name", "cmdline"]):
        with contextlib.suppress(psutil.Error):
            times = sum(process.cpu_times()[:2])
            if "postgres" in (process.info["name"] or ""):
                spent["postgres"] += times
            elif "netmind_mock" in " ".join(process.info["cmdline"] or ()):
                spent["servers"] += times
    return spent


if __name__ == "__main__":
    main()
