"""Responds to requests on an event loop: the fake's WSGI application as an ASGI application.

Python runs one thread at a time, so a request is handled where it arrives: on the loop, by calling the WSGI
application there. Nothing may wait on the loop, though, or every client would:

* A body is awaited. Any number of clients may be in the middle of sending one.
* A response that is to be sent later (``sync_mode``, latency, a fault) is computed at once, and awaited.
* What takes long runs in threads: result files, lists, the control API and the dashboard, large bodies, and
  everything where the store is a database, which may respond slowly or not at all.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import heapq
import io
import itertools
import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

from netmind_mock.api.middleware import CONTROL
from netmind_mock.api.request import KEY, MAX_BODY_BYTES, RequestContext, whole_response
from netmind_mock.control.dashboard.views import FILES
from netmind_mock.fake import fake_of
from netmind_mock.serving import wire_faults
from netmind_mock.stores import MEMORY, StoreUnavailable

if TYPE_CHECKING:
    from flask import Flask

    from netmind_mock.api.request import WholeResponse
    from netmind_mock.clock import Clock
    from netmind_mock.serving.wire_faults import Receive, Scope, Send

SMALL_BODY_BYTES: Final = 64 * 1024

_LIST: Final = "/v1/generation"
_MAX_THREADS: Final = 16  # as many as there are connections to a PostgreSQL
_MAX_SQLITE_THREADS: Final = 4  # of which one writes at a time; more would only take turns with the loop
_MAX_FILES_AT_ONCE: Final = 16
_HELD_TICK_SECONDS: Final = 0.005
_NEW_OBJECTS: Final = 5_000  # that the garbage collector looks at in one pass
_FAILED: Final[WholeResponse] = (
    "500 Internal Server Error",
    [("Content-Type", "application/json"), ("Content-Length", "42")],
    b'{"message": "Internal error of the fake."}',
)

_log = logging.getLogger("netmind_mock")


class Disconnected(Exception):
    """The client is gone before its request was whole."""


class Worker:
    """The fake as an ASGI application, for one event loop."""

    def __init__(self, app: Flask) -> None:
        """Serve an application that ``create_app`` made."""
        fake = fake_of(app)
        self._app = app
        self._journal = fake.journal
        self._in_threads = fake.store.name != MEMORY
        self._files = fake.profile.url_path.partition("{")[0], FILES
        self._held = Held()
        most = _MAX_SQLITE_THREADS if fake.store.name.startswith("sqlite") else _MAX_THREADS
        self._threads = ThreadPoolExecutor(most, "netmind-mock")
        self._file_threads = ThreadPoolExecutor(_MAX_FILES_AT_ONCE, "netmind-mock-file")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request, or see to the start and the end of serving."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        try:
            environ = environ_of(scope)
            if environ["REQUEST_METHOD"] == "POST":
                environ["wsgi.input"] = io.BytesIO(await _body(environ, receive))
            environ[KEY] = context = RequestContext(sends_later=True)
            status, headers, body = await self._response(environ)
            if context.held_until is not None:
                await self._held.until(*context.held_until)
        except Disconnected:
            return
        except Exception:  # noqa: BLE001 - the last resort: a client is never left without a response
            _log.exception("the application raised")
            context, (status, headers, body) = RequestContext(), _FAILED
        head = {
            "type": "http.response.start",
            "status": int(status[:3]),
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        }
        if context.delivery is None:
            await send(head)
            await send({"type": "http.response.body", "body": body})
        else:
            await wire_faults.deliver(context.delivery, head, scope, receive, send)

    async def _response(self, environ: dict[str, Any]) -> WholeResponse:
        path = environ["PATH_INFO"]
        threads = self._threads
        if path.startswith(self._files):
            threads = self._file_threads
        elif not (self._in_threads or _takes_long(environ, path)):
            return whole_response(self._app, environ)
        call = functools.partial(whole_response, self._app, environ)
        return await asyncio.get_running_loop().run_in_executor(threads, call)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()  # that serving begins
        await send({"type": "lifespan.startup.complete"})
        await receive()  # that it ends
        for threads in (self._threads, self._file_threads):
            threads.shutdown(wait=False, cancel_futures=True)
        try:
            self._journal.finish()
        except StoreUnavailable as error:
            _log.warning("the last requests are not in the journal: %s", error)
        await send({"type": "lifespan.shutdown.complete"})


def _takes_long(environ: dict[str, Any], path: str) -> bool:
    if path.startswith(CONTROL) or (path == _LIST and environ["REQUEST_METHOD"] != "POST"):
        return True
    body = environ["wsgi.input"]
    return body is not _NO_BODY and body.getbuffer().nbytes > SMALL_BODY_BYTES


class _Waiting(NamedTuple):
    """A response that waits for a moment; ``number`` keeps those of the same moment in their order."""

    moment: float
    number: int
    come: asyncio.Future[None]


class Held:
    """Responses that wait for moments of clocks. One task looks at the clocks, and is there while any wait.

    A clock can be changed at any time, also by other threads and processes: no timer of the loop will do.
    """

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._waiting: dict[Clock, list[_Waiting]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def until(self, moment: float, clock: Clock) -> None:
        """Return once the clock shows the moment."""
        come = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting.setdefault(clock, []), _Waiting(moment, next(self._numbers), come))
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        await come

    async def _look(self) -> None:
        while self._waiting:
            for clock, waiting in list(self._waiting.items()):
                now = clock.now()
                while waiting and waiting[0].moment <= now:
                    come = heapq.heappop(waiting).come
                    if not come.done():  # cancelled at the end of serving
                        come.set_result(None)
                if not waiting:
                    del self._waiting[clock]
            await asyncio.sleep(_HELD_TICK_SECONDS)
        self._looking = None


_NO_BODY: Final = io.BytesIO()  # which nothing is ever written to
_BASE_ENVIRON: Final[dict[str, Any]] = {
    "SCRIPT_NAME": "",
    "CONTENT_TYPE": "",
    "CONTENT_LENGTH": "",
    "wsgi.errors": sys.stderr,
    "wsgi.input": _NO_BODY,
    "wsgi.input_terminated": True,
    "wsgi.multiprocess": False,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.version": (1, 0),
}


def environ_of(scope: Scope) -> dict[str, Any]:
    """Return the WSGI environ of an ASGI request, with an empty body."""
    environ = _BASE_ENVIRON.copy()
    for name, value in scope["headers"]:
        key, text = _key(name), value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if environ.get(key) else text
    raw_path: bytes = scope["raw_path"]
    path = unquote_to_bytes(raw_path) if b"%" in raw_path else raw_path
    environ["REQUEST_METHOD"] = scope["method"]
    environ["PATH_INFO"] = path.decode("latin-1")
    environ["QUERY_STRING"] = scope["query_string"].decode("latin-1")
    environ["SERVER_PROTOCOL"] = f"HTTP/{scope['http_version']}"
    environ["SERVER_NAME"], port = scope["server"]
    environ["SERVER_PORT"] = str(port)
    environ["REMOTE_ADDR"] = scope["client"][0] if scope["client"] else ""
    environ["wsgi.url_scheme"] = scope["scheme"]
    return environ


@functools.lru_cache(maxsize=256)
def _key(header: bytes) -> str:
    name = header.decode("latin-1").upper().replace("-", "_")
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"


async def _body(environ: dict[str, Any], receive: Receive) -> bytes:
    """Return a request's body; nothing of one that is over the limit, which the application refuses unread.

    Raises:
        Disconnected: The client is gone.
    """
    announced = environ["CONTENT_LENGTH"]
    if announced.isdecimal() and int(announced) > MAX_BODY_BYTES:
        return b""
    body, more = b"", True
    while more and len(body) <= MAX_BODY_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        body = body + message["body"] if body else message["body"]
        more = message["more_body"]
    return body


def tune_collector() -> None:
    """Spare the garbage collector what lives long, which is jobs: its pauses slow create down most.

    It holds for the whole process, so it is for one that is the server's own. What is left after two
    collections is looked at no more. It is freed as ever when nothing refers to it; only cycles that come
    apart later would stay, and jobs are in none.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 2, 1000)
    if _freeze_what_stays not in gc.callbacks:
        gc.callbacks.append(_freeze_what_stays)


def _freeze_what_stays(phase: str, facts: dict[str, int]) -> None:
    if phase == "stop" and facts["generation"] > 0:
        gc.freeze()
