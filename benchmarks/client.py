"""The overhead of the client over bare calls of requests and httpx: medians of one run, taking turns.

Prints a Markdown table: the imports, and a create, one poll and a download of 100 kB from a server in another
process. Sleeping takes no time here, and the bare calls save their file without syncing it to the disk.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import requests

from netmind_client import AsyncGenerationClient, GenerationClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODEL, CONFIG = "Qwen/Qwen-Image", {"prompt": "A cup of coffee"}
CONTENT = bytes(100_000)
JOB = "6347623b2fce4998b0e842f7e935ccb0"
SERVE = "--serve"


def main() -> None:
    """Measure and print."""
    if sys.argv[1:] == [SERVE]:
        serve()
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    rows = [
        ("import", *imports("requests", "netmind_client", rounds // 10), "at most 30 ms more"),
        ("import, async", *imports("httpx2", "netmind_client._async_client", rounds // 10), ""),
    ]
    with server() as base_url, tempfile.TemporaryDirectory() as folder:
        rows.append(
            ("create, poll, download", *sync_calls(base_url, Path(folder), rounds), "at most 3 ms more")
        )
        rows.append(
            (
                "the same, async",
                *asyncio.run(async_calls(base_url, Path(folder), rounds)),
                "at most 3 ms more",
            )
        )
    print("| | bare `requests` or `httpx2` | the client | more | aim |\n|---|---|---|---|---|")
    for name, bare, ours, aim in rows:
        cells = [f"{bare * 1000:.1f} ms", f"{ours * 1000:.1f} ms", f"{(ours - bare) * 1000:+.1f} ms", aim]
        print(f"| {' | '.join([name, *cells])} |")


def imports(bare: str, ours: str, rounds: int) -> tuple[float, float]:
    """Return the seconds of the two imports, each in a new process."""
    script = "import time; begun = time.perf_counter(); import {}; print(time.perf_counter() - begun)"
    taken: dict[str, list[float]] = {bare: [], ours: []}
    for _ in range(rounds):
        for name, times in taken.items():
            ended = subprocess.run(
                [sys.executable, "-c", script.format(name)], capture_output=True, check=True
            )
            times.append(float(ended.stdout))
    return statistics.median(taken[bare]), statistics.median(taken[ours])


def sync_calls(base_url: str, folder: Path, rounds: int) -> tuple[float, float]:
    """Return the seconds from create to the saved file: with bare requests, and with the client."""
    session = requests.Session()
    headers = {"Authorization": "Bearer key"}
    url = f"{base_url}/v1/generation"

    def bare() -> None:
        job = session.post(url, json={"model": MODEL, "config": CONFIG}, headers=headers, timeout=5).json()
        done = session.get(f"{url}/{job['id']}", headers=headers, timeout=5).json()
        with session.get(done["result"]["data"][0]["url"], stream=True, timeout=5) as response:
            (folder / "bare.png").write_bytes(b"".join(response.iter_content(65536)))

    with GenerationClient("key", base_url, sleep=lambda _: None) as client:
        taken = turns([bare, lambda: client.generate(MODEL, CONFIG, folder, overwrite=True)], rounds)
    session.close()
    return taken[0], taken[1]


async def async_calls(base_url: str, folder: Path, rounds: int) -> tuple[float, float]:
    """Return the seconds from create to the saved file: with bare httpx2, and with the async client."""
    headers = {"Authorization": "Bearer key"}
    url = f"{base_url}/v1/generation"
    taken: list[list[float]] = [[], []]

    async def no_time(_: float) -> None:
        pass

    async with (
        httpx2.AsyncClient() as http_client,
        AsyncGenerationClient("key", base_url, sleep=no_time) as client,
    ):

        async def bare() -> None:
            body = {"model": MODEL, "config": CONFIG}
            job = (await http_client.post(url, json=body, headers=headers)).json()
            done = (await http_client.get(f"{url}/{job['id']}", headers=headers)).json()
            response = await http_client.get(done["result"]["data"][0]["url"])
            (folder / "bare.png").write_bytes(response.content)

        async def ours() -> None:
            await client.generate(MODEL, CONFIG, folder, overwrite=True)

        for _ in range(rounds):
            for times, run in zip(taken, (bare, ours), strict=True):
                begun = time.perf_counter()
                await run()
                times.append(time.perf_counter() - begun)
    return statistics.median(taken[0]), statistics.median(taken[1])


def turns(runs: list[Callable[[], object]], rounds: int) -> list[float]:
    """Run functions in turns, and return the median seconds of each."""
    taken: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for times, run in zip(taken, runs, strict=True):
            begun = time.perf_counter()
            run()
            times.append(time.perf_counter() - begun)
    return [statistics.median(times) for times in taken]


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Run the server in another process; yield its base URL."""
    with subprocess.Popen([sys.executable, __file__, SERVE], stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None:
                raise AssertionError
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # send the head and the body in one packet

    def do_POST(self) -> None:
        """Respond with a pending job."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self._respond({"id": JOB, "status": "pending", "result": {}})

    def do_GET(self) -> None:
        """Respond with a completed job, or with its file."""
        url = f"http://127.0.0.1:{self.server.server_address[1]}/cup.png"
        done = {"id": JOB, "status": "completed", "result": {"data": [{"url": url}]}}
        self._respond(CONTENT if self.path == "/cup.png" else done)

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def _respond(self, response: Any) -> None:
        content = response if isinstance(response, bytes) else json.dumps(response).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()


def serve() -> None:
    """Run the server."""
    opened = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    print(f"http://127.0.0.1:{opened.server_address[1]}", flush=True)
    opened.serve_forever()


if __name__ == "__main__":
    main()
