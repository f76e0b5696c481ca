"""Serve the fake by uvicorn: in this process, or in several processes on one store."""

from __future__ import annotations

import functools
import http.client
import logging
import os
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from uvicorn.supervisors import Multiprocess

from netmind_mock.app import app_of
from netmind_mock.clock import SimulatedClock
from netmind_mock.fake import fake_of
from netmind_mock.journal import access_log
from netmind_mock.serving.wire_faults import Connection
from netmind_mock.serving.worker import Worker, tune_collector
from netmind_mock.simulation.faults import KINDS
from netmind_mock.simulation.load import Latency
from netmind_mock.stores import MEMORY

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from netmind_mock.options import Options

_READY_WITHIN_SECONDS: Final = 30.0
_BACKLOG: Final = 1024
_KEEP_ALIVE_SECONDS: Final = 3600  # a request on a connection that is just being closed would be lost
_PARENT_CHECK_SECONDS: Final = 0.5
_SHUTDOWN_SECONDS: Final = 0.5  # for pending responses without latency
_MAX_SHUTDOWN_SECONDS: Final = 10.0


class CannotListen(OSError):
    """The server cannot listen on the address. The message says why and what to do."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on a port; port 0 selects a free one.

    Raises:
        CannotListen: The host is not an address of this machine, or the port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        advice = "choose another --port (0 picks a free one) or --host"
        raise CannotListen(f"cannot listen on {host} port {port}: {error.strerror}; {advice}") from None
    return listener


def adopt(descriptor: int) -> socket.socket:
    """Return the listening socket of a file descriptor that this process has inherited.

    Raises:
        CannotListen: It is not a listening socket.
    """
    try:
        listener = socket.socket(fileno=descriptor)
        if not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            listener.detach()
            raise CannotListen(
                f"cannot listen on descriptor {descriptor}: it is not a listening socket; "
                "pass a listening socket to --fd"
            )
    except OSError as error:
        if isinstance(error, CannotListen):
            raise
        advice = "pass a listening socket to --fd"
        raise CannotListen(f"cannot listen on descriptor {descriptor}: {error.strerror}; {advice}") from None
    return listener


def serve(options: Options, app: Flask, listener: socket.socket, on_ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        options: The options.
        app: The application of these options. If there are several processes, each makes its own, and the
            store of this one is closed.
        listener: The listening socket.
        on_ready: Called on a thread once the server responds.
    """
    if options.workers == 1:
        tune_collector()
        server = uvicorn.Server(config_of(options, Worker(app)))
        # uvicorn handles signals only once it runs, and raises them again at its end. These handlers stop it
        # also if a signal arrives before, and ignore the signals at the end.
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, server.handle_exit)
        run: Callable[[], None] = functools.partial(server.run, sockets=[listener])
    else:
        fake_of(app).store.close()
        make_worker = functools.partial(_worker_of, options, os.getpid())
        run = Multiprocess(config_of(options, make_worker, factory=True), sockets=[listener]).run
    if options.end_with_stdin:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    threading.Thread(target=_call_when_ready, args=(listener, on_ready), daemon=True).start()
    run()


def config_of(options: Options, app: Any, *, factory: bool = False) -> uvicorn.Config:
    """Return uvicorn's configuration for a :class:`Worker`, or for a function that returns one."""
    latency = 0.0 if options.latency is None else Latency.parsed(options.latency).most / options.speed
    shutdown: Any = min(_SHUTDOWN_SECONDS + latency, _MAX_SHUTDOWN_SECONDS)
    return uvicorn.Config(
        app,
        factory=factory,
        workers=options.workers,
        http=Connection,
        ws="none",
        interface="asgi3",
        lifespan="on",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=shutdown,
    )


def served_app(options: Options) -> Flask:
    """Return the application of these options for a server.

    Raises:
        InvalidFile: The profile does not exist or is not valid.
        ValueError: The value of another option is not valid, or the store cannot be opened.
        RefusedRequest: An API key is empty or contains white space.
    """
    if options.workers > 1 and options.store == MEMORY:
        raise ValueError(
            f"--workers: {options.workers} processes cannot share --store memory; store the jobs in a file "
            "with --store sqlite:///jobs.db, or in a database with --store postgresql://USER@HOST/DATABASE"
        )
    app = app_of(
        options,
        clock=SimulatedClock(speed=options.speed, start=options.start),
        wire_faults=KINDS,
        log=access_log.logged(options.log, lambda line: print(line, file=sys.stderr, flush=True)),  # noqa: T201
    )
    accounts = fake_of(app).accounts
    clock = accounts.clock(None)
    if isinstance(clock, SimulatedClock) and clock.speed != options.speed:  # an earlier one, from the store
        accounts.change_clock(None, lambda clock: clock.set_speed(options.speed))
    return app


def _worker_of(options: Options, parent: int) -> Worker:
    """Return the worker of one of several processes."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    app = served_app(options)
    tune_collector()
    return Worker(app)


def _end_with_stdin() -> None:
    # sys.stdin would hold its lock while waiting, also while other processes are forked.
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _end_with_parent(parent: int) -> None:
    """End this process once the command has ended, so that it does not keep the port if that was killed."""
    while os.getppid() == parent:
        time.sleep(_PARENT_CHECK_SECONDS)
    os._exit(1)


def _call_when_ready(listener: socket.socket, on_ready: Callable[[], None]) -> None:
    """Call ``on_ready`` once the server has responded to a request.

    A connection alone proves nothing: the listening socket accepts connections before the server runs.
    """
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - translated, not listened on
    connection = http.client.HTTPConnection(host, port, timeout=_READY_WITHIN_SECONDS)
    try:
        # The control API is used because its requests are not in the journal.
        connection.request("GET", "/__mock/health", headers={"Connection": "close"})
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        message = "the server did not respond within %d s"
        # Without the traceback, which does not help the user.
        logging.getLogger("netmind_mock").error(message, _READY_WITHIN_SECONDS)  # noqa: TRY400
    else:
        on_ready()
    finally:
        connection.close()
