"""The duration of store calls: put, get, and a list of a thousand jobs, for each store.

python benchmarks/stores.py
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from databases import postgresql_server  # noqa: E402 - after the change of sys.path

from netmind_mock.jobs.job import Job, Plan, Stage, Status  # noqa: E402
from netmind_mock.stores import open_store  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

JOBS = 1000
ROUNDS = 5
PLAN = Plan((Stage(Status.PENDING, 0.0), Stage(Status.COMPLETED, 2.0)))


def measured(action: Callable[[], object]) -> float:
    """Return the seconds of an action."""
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def figures(url: str) -> tuple[float, float, float]:
    """Return the microseconds of a put and a get, and the milliseconds of a list: the best of the rounds."""
    jobs = [Job(f"{number:032x}", "u", "m", b"{}", float(number), PLAN) for number in range(JOBS)]
    rounds = []
    with closing(open_store(url)) as store:
        for _ in range(ROUNDS):
            store.forget(None)
            put = measured(lambda: [store.put(job) for job in jobs])
            got = measured(lambda: [store.get(job.id) for job in jobs])
            rounds.append((put / JOBS * 1e6, got / JOBS * 1e6, measured(lambda: store.page("u")) * 1e3))
        store.forget(None)
    best = [min(column) for column in zip(*rounds, strict=True)]
    return best[0], best[1], best[2]


def main() -> None:
    """Measure, and print a table."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        postgresql = stack.enter_context(postgresql_server())
        stores = {"memory": "memory", "sqlite": f"sqlite:///{folder}/jobs.db", "postgresql": postgresql}
        print("| store | put | get | a list of 1,000 |")
        print("|---|---|---|---|")
        for name, url in stores.items():
            put, got, page = figures(url)
            print(f"| {name} | {put:,.1f} µs | {got:,.1f} µs | {page:.1f} ms |")


if __name__ == "__main__":
    main()
