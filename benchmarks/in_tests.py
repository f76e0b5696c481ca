"""The overhead of the fixtures in a test: medians of one run.

Prints a Markdown table: a request to the fake compared with a bare callback of ``responses``, or with a bare
transport of the same library; set-up and tear-down; a test that creates, waits for and downloads a 13-minute
job; and the import time of the plugin.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import httpx2
import requests
import responses
from aiohttp.client_proto import ResponseHandler

import netmind_mock
from netmind_client import GenerationClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

URL = "https://api.netmind.ai/v1/generation"
HEADERS = {"Authorization": "Bearer bench"}
BODY: dict[str, Any] = {
    "model": "Qwen/Qwen-Image",
    "config": {"prompt": "A cup of coffee", "image_size": "square"},
}
RESPONSE = '{"generation_list":[]}'


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    rows = []
    for name, what, measure in (
        ("`requests.get`", "a bare callback of `responses`", by_requests),
        ("`httpx.Client.get`", "a bare transport", lambda rounds: by_httpx(httpx, rounds)),
        ("`httpx2.Client.get`", "a bare transport", lambda rounds: by_httpx(httpx2, rounds)),
        ("`aiohttp.ClientSession.get`", "a bare connector", by_aiohttp),
    ):
        bare, ours = measure(rounds)
        took = f"{ours * 1000:.2f} ms; {what} {bare * 1000:.2f} ms: {ours / bare:.2f} times"
        rows.append((f"the fake in process: {name}", took, "at most 1.2 times"))
    rows += [
        ("set-up and tear-down in process", f"{set_up_in_process(rounds) * 1000:.2f} ms", "at most 1.5 ms"),
        ("set-up and tear-down, served", f"{set_up_served(rounds) * 1000:.2f} ms", "at most 1.5 ms"),
    ]
    for name, run in (
        ("with the kit's client", by_the_kits_client),
        ("polled every 30 s", by_bare_requests),
    ):
        polls, taken = whole_test(rounds, run)
        rows.append((f"a 13-minute job, {name} ({polls} polls)", f"{taken * 1000:.1f} ms", "under 25 ms"))
    rows.append(
        ("the plugin's import, in addition to pytest's", f"{plugin_import() * 1000:.1f} ms", "at most 5 ms")
    )
    print("| | median | aim |\n|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def by_requests(rounds: int) -> tuple[float, float]:
    """Return the seconds of a GET with a bare callback, and with the fake."""

    def callback(_request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        return 200, {"Content-Type": "application/json"}, RESPONSE

    def bare() -> Callable[[], object]:
        responses.start()
        responses.add_callback("GET", URL, callback)
        return lambda: (responses.stop(), responses.reset())

    def get() -> None:
        assert requests.get(URL, headers=HEADERS, timeout=5).text == RESPONSE  # noqa: S101 - both get the same response

    return in_turns(get, bare, get, rounds)


def by_httpx(library: Any, rounds: int) -> tuple[float, float]:
    """Return the seconds of a GET with a bare transport, and with the fake."""
    headers = {"Content-Type": "application/json"}
    bare = library.MockTransport(lambda _: library.Response(200, headers=headers, text=RESPONSE))

    def get(client: Any) -> None:
        assert client.get(URL, headers=HEADERS).text == RESPONSE  # noqa: S101 - both get the same response

    with library.Client(transport=bare) as one, library.Client() as other:
        return in_turns(lambda: get(one), lambda: lambda: None, lambda: get(other), rounds)


def by_aiohttp(rounds: int) -> tuple[float, float]:
    """Return the seconds of a GET with a bare connector, and with the fake."""
    with asyncio.Runner() as runner:

        async def sessions() -> tuple[aiohttp.ClientSession, aiohttp.ClientSession]:
            return aiohttp.ClientSession(connector=BareConnector()), aiohttp.ClientSession()

        one, other = runner.run(sessions())

        async def get(session: aiohttp.ClientSession) -> None:
            async with session.get(URL, headers=HEADERS) as response:
                assert await response.text() == RESPONSE  # noqa: S101 - both get the same response

        def once(session: aiohttp.ClientSession) -> Callable[[], None]:
            return lambda: runner.run(get(session))

        measured = in_turns(once(one), lambda: lambda: None, once(other), rounds)
        runner.run(one.close())
        runner.run(other.close())
        return measured


class BareConnector(aiohttp.BaseConnector):
    """A connector whose connections respond with the same bytes to each request."""

    async def _create_connection(self, *_: object) -> Any:
        protocol = ResponseHandler(asyncio.get_running_loop())
        protocol.connection_made(BareConnection(protocol))
        return protocol


class BareConnection(asyncio.Transport):
    """A connection that responds with the same bytes to each request."""

    def __init__(self, protocol: ResponseHandler) -> None:
        super().__init__()
        self._protocol = protocol

    def write(self, _data: object) -> None:
        """Send the response."""
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(RESPONSE)}"
        asyncio.get_running_loop().call_soon(
            self._protocol.data_received, f"{head}\r\n\r\n{RESPONSE}".encode()
        )

    def writelines(self, parts: Iterable[Any]) -> None:
        """Send the response."""
        self.write(parts)

    def is_closing(self) -> bool:
        """Return whether it is closed: never."""
        return False

    def close(self) -> None:
        """End the connection."""
        asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)


def in_turns(
    bare: Callable[[], None], start: Callable[[], Callable[[], object]], ours: Callable[[], None], rounds: int
) -> tuple[float, float]:
    """Return the median seconds of a request without the fake, after ``start``, and with it, in turns."""
    taken: dict[str, list[float]] = {"bare": [], "fake": []}
    for _ in range(5):
        end = start()
        taken["bare"] += timed(bare, rounds)
        end()
        with netmind_mock.start():
            taken["fake"] += timed(ours, rounds)
    return statistics.median(taken["bare"]), statistics.median(taken["fake"])


def set_up_in_process(rounds: int) -> float:
    """Return the seconds of the set-up and tear-down of ``netmind_mock``."""

    def once() -> None:
        netmind_mock.start().start().stop()

    return statistics.median(timed(once, rounds))


def set_up_served(rounds: int) -> float:
    """Return the seconds of the set-up and tear-down of ``netmind_server``, on a running server."""
    with netmind_mock.LiveServer() as server:

        def once() -> None:
            with server.account():
                pass

        return statistics.median(timed(once, rounds))


def whole_test(rounds: int, run: Callable[[netmind_mock.Mock], object]) -> tuple[int, float]:
    """Return the polls and the seconds of a test with one job, from its create to its image."""

    def once() -> netmind_mock.Mock:
        with netmind_mock.start(duration=780) as mock:
            run(mock)
        return mock

    return len(once().requests("get")), statistics.median(timed(once, max(rounds // 4, 5)))


def by_the_kits_client(_mock: netmind_mock.Mock) -> None:
    """Generate with the client, whose poll interval grows to 10 s."""
    with tempfile.TemporaryDirectory() as folder:
        GenerationClient().generate(BODY["model"], BODY["config"], folder)


def by_bare_requests(mock: netmind_mock.Mock) -> None:
    """Create, poll and download with one session of requests."""
    with requests.Session() as session:
        session.headers.update(HEADERS)
        job = session.post(URL, json=BODY, timeout=5).json()
        while job["status"] != "completed":
            mock.clock.sleep(30)
            job = session.get(f"{URL}/{job['id']}", timeout=5).json()
        session.get(job["result"]["data"][0]["url"], timeout=5)


def plugin_import() -> float:
    """Return the seconds that importing the plugin takes after importing pytest, in a new process."""
    script = "import time, pytest; began = time.perf_counter(); {}; print(time.perf_counter() - began)"

    def measured(statement: str) -> float:
        command = [sys.executable, "-c", script.format(statement)]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    return statistics.median(measured("import netmind_mock.pytest_plugin") for _ in range(15))


def timed(once: Callable[[], object], rounds: int) -> list[float]:
    """Return the seconds of each round. A first round is not counted."""
    once()
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        once()
        taken.append(time.perf_counter() - began)
    return taken


if __name__ == "__main__":
    main()
