"""Compare this client with those of openai and fal on broken connections, timeouts and failed jobs.

    make compare-clients

Each client makes one call through a proxy that breaks the connection at a given byte, to a server that counts
the creates that it receives. Clients that cannot be installed are listed as absent. The tables are in
docs/client.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from documents import write_section  # noqa: E402 - after the change of sys.path
from fault_proxy import CUT, HANG, HINT, NOWHERE, PHASES, TRICKLE, Fault, FaultProxy  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PEERS = ROOT / ".venv-peers"
DRIVER = ROOT / "benchmarks" / "client_driver.py"
DOCS = ROOT / "docs" / "client.md"

TIMEOUT = 2  # seconds, the timeout of a call
TIMEOUT_FOR_STATUSES = 20  # longer than a result may stay empty
KILL_AFTER = 30  # seconds after which the process is killed
CONCURRENCY = 6
CONTENT = b"picture!" * 64

JOB = "6347623b2fce4998b0e842f7e935ccb0"


class Server(ThreadingHTTPServer):
    """A server with the API of each client, as far as these calls need it. It counts creates."""

    daemon_threads = True

    def __init__(self, wire: str, status: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.wire = wire
        self.status = status
        self.base_url = ""
        self.creates = 0
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        """Count the create, and respond."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.creates += 1
        self._respond()

    def do_GET(self) -> None:
        """Respond."""
        self._respond()

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def _respond(self) -> None:
        wires: dict[str, Callable[[Server, str, str], Any]] = {
            "netmind": _netmind,
            "openai": _openai,
            "fal-client": _fal,
        }
        response = wires[self.server.wire](self.server, self.command, self.path.partition("?")[0])
        status = 404 if response is None else 200
        if (self.server.wire, self.server.status, self.command) == ("fal-client", "failed", "GET"):
            status = (
                200 if self.path.partition("?")[0].endswith("/status") else 422
            )  # how fal reports a failure
        content = response if isinstance(response, bytes) else json.dumps(response).encode()
        self.send_response(status)
        self.send_header(
            "Content-Type", "application/octet-stream" if isinstance(response, bytes) else "application/json"
        )
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _netmind(server: Server, method: str, path: str) -> Any:
    if path == "/content.png":
        return CONTENT
    if server.status == "deleted" and method == "GET":
        return None
    status = "pending" if method == "POST" else server.status.removesuffix(", no result")
    data = [{"url": f"{server.base_url}/content.png"}] if server.status == "completed" else []
    logs = [{"text": "out of memory"}] if status == "failed" else []
    return {"id": JOB, "status": status, "result": {"data": data}, "logs": logs}


def _openai(server: Server, method: str, path: str) -> Any:
    if path.endswith("/content"):
        return CONTENT
    if server.status == "deleted" and method == "GET":
        return None
    status = "queued" if method == "POST" else {"pending": "in_progress"}.get(server.status, server.status)
    error = {"code": "failed", "message": "out of memory"} if status == "failed" else None
    return {"id": "video_1", "object": "video", "status": status, "created_at": 0, "model": "sora-2",
            "progress": 0, "seconds": "4", "size": "720x1280", "error": error}  # fmt: skip


def _fal(server: Server, method: str, path: str) -> Any:
    if method == "GET" and server.status == "deleted":
        return None
    if path.endswith("/status"):
        ended = {"pending": "IN_PROGRESS", "completed": "COMPLETED", "failed": "COMPLETED"}
        status = ended.get(server.status, server.status.upper())
        return {"status": status, "metrics": {}, "logs": None, "request_id": "r1"}
    base = f"{server.base_url}/fal-ai/flux/requests/r1"
    urls = {"response_url": base, "status_url": f"{base}/status", "cancel_url": f"{base}/cancel"}
    return {"request_id": "r1", "images": [], **urls}


class Client(NamedTuple):
    """A column of the tables. ``python`` is None if it is absent; its API lacks the statuses in ``lacks``."""

    name: str
    title: str
    wire: str
    python: Path | None
    lacks: frozenset[str] = frozenset()


# The other APIs have fewer statuses, according to their documentation.
LACKS = {
    "openai": frozenset({"cancelled", "error", "completed, no result"}),
    "fal-client": frozenset({"cancelled", "error", "completed, no result"}),
}


class Result(NamedTuple):
    """The result of a call."""

    outcome: str
    seconds: float
    creates: int
    left: Sequence[str]


def call(client: Client, row: Row) -> str:
    """Let a client make one call, and return the cell of the table."""
    if client.python is None:
        return "absent"
    if row.status in client.lacks:
        return "(its API has no such status)"
    return row.describe(measured(client, client.python, row))


def measured(client: Client, python: Path, row: Row) -> Result:
    """Let a client make one call in a new process."""
    server = Server(client.wire, row.status)
    with FaultProxy(server.server_address, row.fault) as proxy, tempfile.TemporaryDirectory() as folder:
        server.base_url = proxy.base_url
        command = [
            str(python),
            str(DRIVER),
            client.name,
            row.action,
            proxy.base_url,
            str(row.timeout),
            folder,
        ]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=KILL_AFTER, check=True)
            printed = json.loads(ended.stdout.splitlines()[-1])
            outcome, seconds = printed["outcome"], printed["seconds"]
        except subprocess.TimeoutExpired:
            outcome, seconds = f"**still running after {KILL_AFTER} s**", float(KILL_AFTER)
        except subprocess.CalledProcessError as error:
            raise SystemExit(f"{' '.join(command)}\n{error.stderr}") from error
        left = sorted(f"{path.name} ({path.stat().st_size} bytes)" for path in Path(folder).iterdir())
    server.shutdown()
    server.server_close()
    return Result(outcome, seconds, server.creates, left)


def found_clients() -> list[Client]:
    """Return the clients with their environments. Create the environment of the other clients if needed."""
    python = PEERS / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
    here = Path(sys.executable)
    clients = [
        Client("sync", "`GenerationClient`", "netmind", here),
        Client("async", "`AsyncGenerationClient`", "netmind", here),
    ]
    for name in ("openai", "fal-client"):
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", name]
        installed = subprocess.run(command, capture_output=True, check=False).returncode == 0
        title = _titled(python, name) if installed else f"{name} (absent)"
        clients.append(Client(name, title, name, python if installed else None, LACKS[name]))
    return clients


def _titled(python: Path, name: str) -> str:
    script = f"import importlib.metadata; print(importlib.metadata.version({name!r}))"
    found = subprocess.run([str(python), "-c", script], capture_output=True, text=True, check=True)
    return f"{name} {found.stdout.strip()}"


class Row(NamedTuple):
    """A row of a table: the situation, and the function that describes the results."""

    title: str
    action: str
    fault: Fault | None
    status: str
    describe: Callable[[Result], str]
    timeout: int = TIMEOUT


def _creates(result: Result) -> str:
    jobs = f"{result.creates} job" if result.creates == 1 else f"{result.creates} jobs"
    return f"{'**' if result.creates > 1 else ''}{jobs}{'**' if result.creates > 1 else ''}, {result.outcome}"


def _timed(result: Result) -> str:
    late = result.seconds > TIMEOUT + 0.25 and "still" not in result.outcome
    seconds = f"{'**' if late else ''}{result.seconds:.2f} s{'**' if late else ''}"
    jobs = f", **{result.creates} jobs**" if result.creates > 1 else ""
    return result.outcome + jobs if "still" in result.outcome else f"{seconds}, {result.outcome}{jobs}"


def _ended(result: Result) -> str:
    return result.outcome


def _left(result: Result) -> str:
    return f"{result.outcome.partition(' [')[0]}; left: {', '.join(result.left) or 'nothing'}"


def _cut_creates() -> list[Row]:
    return [
        *(
            Row(f"cut {name}", "create", Fault(CUT, *at), "completed", _creates)
            for name, at in PHASES.items()
        ),
        Row("a 103 before the response", "create", Fault(HINT, "response", 0.0), "completed", _creates),
        Row(
            "a redirect to nowhere as the response",
            "create",
            Fault(NOWHERE, "response", 0.0),
            "completed",
            _creates,
        ),
    ]


def _late_creates() -> list[Row]:
    return [
        Row(f"{what} {name}", "create", Fault(what, *PHASES[name]), "completed", _timed)
        for name in ("when the connection is accepted", "after the request, before any response",
                     "in the response's head", "in the response's body")
        for what in ((HANG,) if name == "when the connection is accepted" else (HANG, TRICKLE))
    ]  # fmt: skip


def _waits() -> list[Row]:
    return [
        Row(
            f"{what} of each poll {name}",
            "wait",
            Fault(what, *PHASES[name], method="GET"),
            "completed",
            _timed,
        )
        for name, what in (
            ("after the request, before any response", HANG),
            ("in the response's body", TRICKLE),
        )
    ] + [Row("a job that does not end", "wait", None, "pending", _timed)]


def _statuses() -> list[Row]:
    return [
        Row(f"`{status}`", "wait", None, status, _ended, TIMEOUT_FOR_STATUSES)
        for status in (
            "completed",
            "failed",
            "cancelled",
            "error",
            "completed, no result",
            "deleted",
            "warming_up",
        )
    ]


def _downloads() -> list[Row]:
    return [
        Row(
            "cut in the file, once",
            "download",
            Fault(CUT, "response", 1.5, method="GET", times=1, path="/content"),
            "completed",
            _left,
        ),
        Row(
            "cut in the file, each time",
            "download",
            Fault(CUT, "response", 1.5, method="GET", path="/content"),
            "completed",
            _left,
        ),
    ]


def tables() -> list[tuple[str, list[Row]]]:
    """Return the tables: their titles and rows."""
    return [
        ("A create whose connection is cut, or whose response is odd", _cut_creates()),
        (f"A create, given {TIMEOUT} s, whose response does not arrive", _late_creates()),
        (f"A wait, given {TIMEOUT} s", _waits()),
        (f"A wait, given {TIMEOUT_FOR_STATUSES} s, for a job that is, and stays, in a status", _statuses()),
        ("A download", _downloads()),
    ]


def main() -> None:
    """Measure, print the tables, and write them into the docs."""
    clients = found_clients()
    text = [f"Measured with `make compare-clients`: netmind-testkit {version('netmind-testkit')}."]
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        for title, rows in tables():
            text += ["", f"**{title}**", "", f"| | {' | '.join(client.title for client in clients)} |"]
            text.append("|---" * (len(clients) + 1) + "|")
            results = [[pool.submit(call, client, row) for client in clients] for row in rows]
            for row, cells in zip(rows, results, strict=True):
                text.append(f"| {row.title} | {' | '.join(cell.result() for cell in cells)} |")
    table = "\n".join(text)
    print(table)
    write_section(DOCS, "compared", table)


if __name__ == "__main__":
    main()
