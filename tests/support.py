"""Helpers that several test modules use."""

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
import pytest
import requests

ROOT = Path(__file__).resolve().parent.parent
PAGE_IMAGE = json.loads(
    (ROOT / "contracts/netmind_contracts/data/examples/positive/create-request/page-image.json").read_text()
)
TOKEN = "a-token"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}


def wait_for_file(file: Path, process: "subprocess.Popen[str]", seconds: float = 30.0) -> str:
    """Return what a process writes to a file. Fail the test with the process's output if it ends first."""
    deadline = time.monotonic() + seconds
    while not file.exists() or not file.read_text():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"{file.name} was not written within {seconds} s"
        # The other process cannot set an event here, so this polls.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
    return file.read_text().strip()


@contextlib.contextmanager
def started(command, **options):
    """Start a process, and end it with the block even if the block fails."""
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
    """Run ``netmind-mock serve`` as a process; yield its base URL and the process."""
    ready_file = folder / "ready"
    ready_file.unlink(missing_ok=True)  # left by a process that was killed
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
    """Return the worker processes of a command: its children except multiprocessing's resource tracker."""
    found = []
    for child in psutil.Process(process.pid).children():
        with contextlib.suppress(psutil.ZombieProcess):
            found += [child] if "spawn_main" in " ".join(child.cmdline()) else []
    return found


# The start of requests that are never completed.
HALVES = {
    "a head": b"POST /v1/generation HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthoriz",
    "a body": b"POST /v1/generation HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: x\r\n"
    b"Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{",
}


@contextlib.contextmanager
def half_open(base_url: str, number: int, sent: bytes = HALVES["a head"]):
    """Open connections to a server that have sent part of a request; close them with the block."""
    address = urlsplit(base_url)
    with contextlib.ExitStack() as stack:
        connections = []
        for _ in range(number):
            connection = stack.enter_context(
                socket.create_connection((address.hostname, address.port), timeout=30)
            )
            connection.sendall(sent)
            connections.append(connection)
        yield connections


def run_pytest(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run pytest in a folder outside this project, in a separate process.

    It loads this project's plugins, and those that the arguments name with ``-p``. Loading all installed plugins
    would take a second.
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
    """Create jobs one after the other, and append the ids of those with a response to ``acknowledged``."""
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


def skip_or_fail(reason):
    """Skip the test, or fail it in CI, where everything that the tests need must be installed."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
