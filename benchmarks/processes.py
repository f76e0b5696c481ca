"""Start and end processes with all of their descendants (Linux)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

END_WITHIN_SECONDS = 5.0


@contextlib.contextmanager
def started(
    command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command in a new session and in a folder; end it and its descendants with the block."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            _end(process)


def tree(process: int) -> list[int]:
    """Return a process and its running descendants."""
    found = [process]
    for one in found:  # the list grows during the loop
        with contextlib.suppress(OSError):
            for children in Path(f"/proc/{one}/task").glob("*/children"):
                found += map(int, children.read_text().split())
    return found


@contextlib.contextmanager
def awake(process: int) -> Iterator[None]:
    """Let a stopped process tree run in the block. Idle work of stopped trees does not affect the others."""
    send(tree(process), signal.SIGCONT)
    try:
        yield
    finally:
        send(tree(process), signal.SIGSTOP)


def send(processes: Sequence[int], number: signal.Signals) -> None:
    """Send a signal to each process that still exists."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Send SIGTERM to the tree, and SIGKILL to what is left after a timeout."""
    members = tree(process.pid)
    for number in (signal.SIGTERM, signal.SIGKILL):
        send(members, number)
        send(members, signal.SIGCONT)
        deadline = time.monotonic() + END_WITHIN_SECONDS
        while process.poll() is None or any(_runs(member) for member in members):
            if time.monotonic() > deadline:
                break
            time.sleep(0.01)
        else:
            return


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
