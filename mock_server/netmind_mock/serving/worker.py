"""The worker: the fake's WSGI application as an ASGI application.

Python runs one thread at a time, so threads would not make small requests faster. The worker calls the WSGI
application directly on the event loop. Nothing may block the loop, since all other clients would wait:

* A request body is awaited, so any number of clients may be sending one.
* A response that is sent later (``sync_mode``, latency, a fault) is computed at once. Sending it is awaited.
* Requests that may take long are handled in threads: result files, lists, the control API and the dashboard,
  large bodies, and all requests that write to a database or have to wait for it. A get is tried on the
  event loop first, since SQLite reads a job in microseconds.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import io
import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import unquote_to_bytes

from netmind_mock.api.middleware import CONTROL
from netmind_mock.api.request import HEADERS, KEY, RequestContext, header_facts, whole_response
from netmind_mock.caching import cache_short
from netmind_mock.control.dashboard.views import FILES
from netmind_mock.fake import fake_of
from netmind_mock.serving import wire_faults
from netmind_mock.serving.bodies import RESPONSE, Bodies, Disconnected, TooManyBodies
from netmind_mock.serving.held import Held
from netmind_mock.stores import MEMORY, StoreUnavailable, WouldBlock

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from netmind_mock.api.request import Hold, WholeResponse
    from netmind_mock.serving.wire_faults import Receive, Scope, Send

    Result = TypeVar("Result")

SMALL_BODY_BYTES: Final = 64 * 1024

_LIST: Final = "/v1/generation"
_IN_MEMORY: Final = (f"{CONTROL}/openapi.json", f"{CONTROL}/pages/static/")  # need neither store nor time
_MAX_THREADS: Final = 16  # the number of connections to PostgreSQL
_MAX_SQLITE_THREADS: Final = 4  # only one can write at a time; more threads would slow down the event loop
_MAX_FILE_THREADS: Final = 16
_YOUNG_OBJECTS: Final = 5_000  # new objects before the garbage collector runs
_FAILED: Final[WholeResponse] = (
    "500 Internal Server Error",
    [("Content-Type", "application/json"), ("Content-Length", "42")],
    b'{"message": "Internal error of the fake."}',
)

_log = logging.getLogger("netmind_mock")


class Worker:
    """The fake as an ASGI application, for one event loop."""

    def __init__(self, app: Flask) -> None:
        """Create the worker of an application that ``create_app`` returned."""
        fake = fake_of(app)
        self._app = app
        self._journal = fake.journal
        self._store = fake.store
        self._in_threads = fake.store.name != MEMORY
        self._files = fake.profile.url_path.partition("{")[0], FILES
        self._bodies = Bodies()
        threads = _MAX_SQLITE_THREADS if fake.store.name.startswith("sqlite") else _MAX_THREADS
        self._threads = ThreadPoolExecutor(threads, "netmind-mock")
        self._held = Held(fake.listeners, self._threads if self._in_threads else None)
        self._file_threads = ThreadPoolExecutor(_MAX_FILE_THREADS, "netmind-mock-file")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request, or handle the start and the end of the server (lifespan)."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        environ: dict[str, Any] = {}
        try:
            environ = environ_of(scope)
            if environ["REQUEST_METHOD"] == "POST":
                body = await self._bodies.receive(environ["CONTENT_LENGTH"], receive)
                environ["wsgi.input"] = io.BytesIO(body)
            status, headers, body = await self._response(environ)
            context = environ[KEY]
            if context.hold is not None:
                await self._wait(context, context.hold, receive)
                if context.renew is not None:
                    renewed = await self._in_thread(self._threads, context.renew)
                    status, headers, body = renewed or (status, headers, body)
        except Disconnected:
            return
        except TooManyBodies:
            context, (status, headers, body) = RequestContext(), RESPONSE
        except Exception:  # noqa: BLE001 - the client gets a response in any case
            _log.exception("the application raised")
            context, (status, headers, body) = RequestContext(), _FAILED
        finally:
            # It and what it contains refer to each other, so that the body would stay in memory until the
            # garbage collector runs.
            environ.clear()
        head = {
            "type": "http.response.start",
            "status": int(status[:3]),
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        }
        if context.delivery is None:
            await wire_faults.send_whole(head, body, scope, send)
        else:
            await wire_faults.deliver(context.delivery, head, scope, receive, send)

    async def _wait(self, context: RequestContext, hold: Hold, receive: Receive) -> None:
        """Wait until a held response is due.

        Raises:
            Disconnected: The client disconnected before. The journal says that it got no response.
        """
        due = asyncio.ensure_future(self._held.until_due(hold))
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait((due, gone), return_when=asyncio.FIRST_COMPLETED)
            if not due.done():
                if context.raw is not None:
                    self._journal.replace(context.raw, context.raw._replace(arrives=False))
                raise Disconnected
        finally:
            due.cancel()
            gone.cancel()

    async def _response(self, environ: dict[str, Any]) -> WholeResponse:
        environ[KEY] = RequestContext(sends_later=True)
        path = environ["PATH_INFO"]
        threads = self._threads
        if path.startswith(self._files):
            threads = self._file_threads
        elif path.startswith(_IN_MEMORY):
            return whole_response(self._app, environ)
        elif (environ["REQUEST_METHOD"] == "GET" or not self._in_threads) and not _takes_long(environ, path):
            try:
                with self._store.nonblocking():
                    return whole_response(self._app, environ)
            except WouldBlock:
                environ[KEY] = RequestContext(sends_later=True)  # without what the attempt left in it
        return await self._in_thread(threads, functools.partial(whole_response, self._app, environ))

    async def _in_thread(self, threads: ThreadPoolExecutor, call: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(threads, call)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()  # lifespan.startup
        await send({"type": "lifespan.startup.complete"})
        await receive()  # lifespan.shutdown
        for threads in (self._threads, self._file_threads):
            threads.shutdown(wait=False, cancel_futures=True)
        try:
            self._journal.finish()
        except StoreUnavailable as error:
            _log.warning("the last requests are not in the journal: %s", error)
        await send({"type": "lifespan.shutdown.complete"})


async def _disconnected(receive: Receive) -> None:
    """Return once the client has disconnected. One that only closed its sending side still waits."""
    while (await receive())["type"] != "http.disconnect":
        continue


def _takes_long(environ: dict[str, Any], path: str) -> bool:
    if path.startswith(CONTROL) or (path == _LIST and environ["REQUEST_METHOD"] != "POST"):
        return True
    body = environ["wsgi.input"]
    return body is not _NO_BODY and body.getbuffer().nbytes > SMALL_BODY_BYTES


_NO_BODY: Final = io.BytesIO()  # shared by all requests without a body; it stays empty
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
    environ = _environ_of_headers(tuple(scope["headers"])).copy()
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


@lru_cache(128)  # a client sends the same headers with many requests; a head has 64 KiB at most
def _environ_of_headers(headers: tuple[tuple[bytes, bytes], ...]) -> dict[str, Any]:
    """Return the part of an environ that depends on the headers only. Do not change it."""
    environ = _BASE_ENVIRON.copy()
    for name, value in headers:
        if b"_" in name:  # WSGI could not distinguish it from the name with hyphens, such as X-Mock-Key
            continue
        key, text = _key(name), value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if environ.get(key) else text
    environ[HEADERS] = header_facts(environ)
    return environ


@cache_short(256)
def _key(header: bytes) -> str:
    name = header.decode("latin-1").upper().replace("-", "_")
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"


def tune_collector() -> None:
    """Exclude long-lived objects from garbage collection, whose pauses would slow down create most.

    Most of these objects are jobs. After each collection of an older generation, the objects that survived
    are frozen: the collector does not examine them again. They are still freed by reference counting. Only
    reference cycles among them would stay in memory, and jobs are in no cycles.

    This changes the whole process, so it is only for processes that do nothing but serve.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 2, 1000)
    if _freeze_survivors not in gc.callbacks:
        gc.callbacks.append(_freeze_survivors)


def _freeze_survivors(phase: str, facts: dict[str, int]) -> None:
    if phase == "stop" and facts["generation"] > 0:
        gc.freeze()
