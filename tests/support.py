"""Helpers that several test files use."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import requests

ROOT = Path(__file__).resolve().parent.parent
PAGE_IMAGE = json.loads(
    (ROOT / "contracts/netmind_contracts/data/examples/positive/create-request/page-image.json").read_text()
)
TOKEN = "a-token"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}


def wait_for_file(file: Path, process: "subprocess.Popen[str]", seconds: float = 30.0) -> str:
    """What a process writes to a file; fails the test with the process's words if it ends first."""
    deadline = time.monotonic() + seconds
    while not file.exists() or not file.read_text():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"{file.name} was not written within {seconds} s"
        # An Event would need the other process's help; this is the one place that looks again.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
    return file.read_text().strip()


@contextlib.contextmanager
def started(command, **options):
    """A process that is ended with the block, also where that fails."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes, **options) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


@contextlib.contextmanager
def running_fake(folder: Path, *options: str):
    """A served fake as a process; yields its base URL and the process."""
    ready_file = folder / "ready"
    ready_file.unlink(missing_ok=True)  # of one that was killed
    command = [
        sys.executable,
        "-m",
        "netmind_mock",
        "serve",
        "--port",
        "0",
        "--ready-file",
        str(ready_file),
        *options,
    ]
    with started(command) as process:
        yield wait_for_file(ready_file, process), process


def workers_of(process):
    """The workers of a command: its children, but for the one by which multiprocessing cleans up."""
    found = []
    for child in psutil.Process(process.pid).children():
        with contextlib.suppress(psutil.ZombieProcess):
            found += [child] if "spawn_main" in " ".join(child.cmdline()) else []
    return found


# What a connection has sent of a request that it never finishes.
HALVES = {
    "a head": b"POST /v1/generation HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthoriz",
    "a body": b"POST /v1/generation HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: x\r\n"
    b"Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{",
}


@contextlib.contextmanager
def half_open(base_url: str, number: int, sent: bytes = HALVES["a head"]):
    """So many connections to a server that have sent part of a request, for as long as the block."""
    address = urlsplit(base_url)
    with contextlib.ExitStack() as stack:
        lines = []
        for _ in range(number):
            line = stack.enter_context(socket.create_connection((address.hostname, address.port), timeout=30))
            line.sendall(sent)
            lines.append(line)
        yield lines


def run_pytest(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run pytest in a folder that is not ours, in a process of its own.

    It loads this project's plugins by their entry points, and the others that the arguments name with ``-p``. All
    that are installed here would take a second to load.
    """
    plugins = ["-p", "netmind_testkit", "-p", "netmind_contracts", "-p", "no:cacheprovider"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment},
    )


def create_until(stop, base_url, acknowledged):
    """Create, one after the other, and note what was answered."""
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {TOKEN}"
        number = 0
        while not stop.is_set():
            body = {
                "model": "Qwen/Qwen-Image",
                "config": {"prompt": "a cup", "image_size": "square", "seed": number},
            }
            try:
                response = session.post(f"{base_url}/v1/generation", json=body, timeout=5)
            except requests.RequestException:
                continue
            if response.status_code == 200:
                acknowledged.append(response.json()["id"])
                number += 1
