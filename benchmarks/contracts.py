"""Measure the duration of ``verify`` in addition to its job, and of judging a saved run: ``make bench``."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from netmind_contracts.checks import judge
from netmind_contracts.runs.exchange import load

JOB_SECONDS = 2.0
ROUNDS = 5


def timed(*command: str) -> float:
    """Return the seconds that a command takes. It must succeed."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def judging(file: Path) -> float:
    """Return the seconds to read a saved run and judge it."""
    began = time.perf_counter()
    judge(load(file))
    return time.perf_counter() - began


def main() -> None:
    """Measure, and print two lines."""
    binaries = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as folder:
        ready, saved = Path(folder, "ready"), Path(folder, "run.json")
        serve = [binaries / "netmind-mock", "serve", "--port", "0", "--ready-file", ready]
        fake = subprocess.Popen([*serve, "--duration", str(JOB_SECONDS)], stdout=subprocess.DEVNULL)
        try:
            while not ready.exists() or not ready.read_text().strip():
                time.sleep(0.05)
            verify = [str(binaries / "netmind-contracts"), "verify", "--api-key", "any-token"]
            verify += ["--base-url", ready.read_text().strip(), "--save", str(saved)]
            more = median(timed(*verify) for _ in range(ROUNDS)) - JOB_SECONDS
            start = median(timed(verify[0], "--version") for _ in range(ROUNDS))
        finally:
            fake.terminate()
            fake.wait()
        first, *judged = [judging(saved) for _ in range(ROUNDS + 1)]
    print(f"verify over a job of {JOB_SECONDS} s: {more:.2f} s more (aim 1), of which start {start:.2f} s")
    print(f"judging a saved run: {first:.2f} s at first, then {median(judged):.2f} s (aim 0.2)")


if __name__ == "__main__":
    main()
