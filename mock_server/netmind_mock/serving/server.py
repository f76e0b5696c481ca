"""Serve the fake by granian (WSGI), in worker processes, each with the lane before the application."""

from __future__ import annotations

import contextlib
import functools
import gc
import http.client
import logging
import math
import multiprocessing.util
import os
import secrets
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import granian.server.mp as granian_worker
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.net import SocketHolder  # type: ignore[attr-defined]

from netmind_mock.app import create_app, fake_of
from netmind_mock.clock import SteerableClock
from netmind_mock.control.dashboard.views import FILES
from netmind_mock.journal import access_log
from netmind_mock.journal.entries import MOST_ENTRIES
from netmind_mock.journal.spend import prices_from
from netmind_mock.serving.wire_faults import Relay
from netmind_mock.serving.worker import THREADS, Lane
from netmind_mock.simulation.faults import KINDS
from netmind_mock.simulation.load import Latency
from netmind_mock.simulation.rules import rules_from
from netmind_mock.stores import MEMORY, Limits, StoreUnavailable, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flask import Flask

_READY_WITHIN_SECONDS = 30.0
_MOST_CONNECTIONS = 65_536  # granian accepts no more; idle and waiting ones cost it next to nothing
_THREADS_WITHOUT_LANE = 512
_BACKLOG = 1024
_NEW_OBJECTS = 5_000  # that the collector looks at at once
_PARENT_LOOK_SECONDS = 0.5
_FINISH_WITHIN_SECONDS = 0.5  # for answers that are being given at the end, if they are not late
_FINISH_AT_LAST_SECONDS = 10.0
# Where granian wraps a WSGI application: the only door to a request's reply, which the lane answers through.
_WSGI_DOOR = "_wsgi_call_wrap"


class CannotListen(OSError):
    """The address cannot be listened on. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a served fake is told; each is an option of ``netmind-mock serve``."""

    store: str = MEMORY
    workers: int = 1
    max_jobs: int = Limits().max_jobs
    retain: float | None = None
    profile: str = "documented"
    duration: float = 2.0
    speed: float = 1.0
    seed: int | None = None
    api_keys: tuple[str, ...] = ()
    strict_models: bool = False
    allowed_hosts: tuple[str, ...] = ()
    rules: str | None = None
    prices: str | None = None
    journal: int = MOST_ENTRIES
    latency: str | None = None
    capacity: int | None = None
    rate_limit: str | None = None
    control_key: str | None = None
    log: str = access_log.NONE
    wire_faults: bool = False
    end_with_stdin: bool = False
    relay_secret: str = field(default="", repr=False)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 picks a free one. From now on the port is taken.

    Raises:
        CannotListen: The host is not one of this machine's, or the port is taken.
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
    """The listening socket of a file descriptor that this process has inherited.

    Raises:
        CannotListen: It is none.
    """
    try:
        listener = socket.socket(fileno=descriptor)
        if not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            listener.detach()
            raise CannotListen(f"cannot listen on descriptor {descriptor}: it is no listening socket")
    except OSError as error:
        if isinstance(error, CannotListen):
            raise
        advice = "pass a listening socket to --fd"
        raise CannotListen(f"cannot listen on descriptor {descriptor}: {error.strerror}; {advice}") from None
    return listener


class _ServerOnSocket(Granian):  # type: ignore[misc, valid-type]
    """granian on a socket that is listening already, so that nobody else can take the port meanwhile."""

    def __init__(self, listener: socket.socket, **options: Any) -> None:
        host, port = listener.getsockname()[:2]
        super().__init__("netmind_mock", address=host, port=port, **options)
        self._listener = listener

    def _init_shared_socket(self) -> None:
        self._listener.set_inheritable(True)
        self._ssp = None
        self._shd = SocketHolder(self._listener.fileno(), False, _BACKLOG)  # type: ignore[call-arg]
        self._sfd = self._shd.get_fd()
        self._sso = self._listener

    def _drop_shared_socket(self) -> None:
        self._listener.close()

    def _respawn_workers(self, *arguments: Any, **options: Any) -> None:
        super()._respawn_workers(*arguments, **options)
        if self.interrupt_signal:  # it came just before, when granian took it for the worker's end
            self.main_loop_interrupt.set()


def serve(settings: Settings, listener: socket.socket, public_url: str, on_ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT. ``on_ready`` is called, on a thread, once the server answers."""
    if settings.end_with_stdin:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    behind = listener
    relay = None
    if settings.wire_faults:
        secret = secrets.token_hex(16)
        behind = listen("127.0.0.1", 0)
        relay = Relay(listener, behind.getsockname()[:2], secret)
        settings = replace(settings, relay_secret=secret)
    server = _ServerOnSocket(
        behind,
        interface=Interfaces.WSGI,
        workers=settings.workers,
        # A worker that dies takes a memory's jobs with it, and where the relay's threads are no process is to
        # be forked any more: then the command ends as well, and says so by its exit code.
        respawn_failed_workers=settings.store != MEMORY and relay is None,
        http=HTTPModes.http1,
        blocking_threads=THREADS if _lane_fits() else _THREADS_WITHOUT_LANE,
        log_level=LogLevels.error,
        backpressure=_MOST_CONNECTIONS,
        workers_kill_timeout=_finish_within(settings),
    )

    def ready() -> None:
        if relay is not None:  # only now, since a process with threads is not to be forked
            relay.start()
        on_ready()

    threading.Thread(target=_tell_when_ready, args=(behind, ready), daemon=True).start()
    load = functools.partial(_load_in_worker, settings, public_url)
    server.serve(target_loader=load, wrap_loader=False)


def _finish_within(settings: Settings) -> float:
    """Seconds for answers that are being given at the end; granian takes a float as well."""
    latency = 0.0 if settings.latency is None else Latency.parsed(settings.latency).most / settings.speed
    return min(_FINISH_WITHIN_SECONDS + latency, _FINISH_AT_LAST_SECONDS)


def _end_with_stdin() -> None:
    # Not by sys.stdin: its lock would be held while the worker is forked, which closes it.
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _end_with_parent(parent: int) -> None:
    """Leave no worker behind on the port when the command is killed."""
    while os.getppid() == parent:
        time.sleep(_PARENT_LOOK_SECONDS)
    os._exit(1)


def _lane_fits() -> bool:
    """Whether this granian calls its WSGI applications in the way that the lane replaces.

    Where it does not, granian's own many threads serve the application: slower, and as right.
    """
    return callable(getattr(granian_worker, _WSGI_DOOR, None))


def build_app(settings: Settings, public_url: str) -> Flask:
    """The application of these settings.

    Raises:
        InvalidFile: The profile does not exist or holds a mistake.
        ValueError: Another setting has a value that it cannot have, or the store cannot be opened.
        ApiError: An API key is not a token.
    """
    return create_app(
        store=open_store(
            settings.store,
            Limits(settings.max_jobs, math.inf if settings.retain is None else settings.retain),
        ),
        profile=settings.profile,
        duration=settings.duration,
        clock=SteerableClock(speed=settings.speed),
        seed=settings.seed,
        api_keys=settings.api_keys,
        strict_models=settings.strict_models,
        public_url=public_url,
        allowed_hosts=settings.allowed_hosts,
        rules=() if settings.rules is None else rules_from(Path(settings.rules)),
        prices=None if settings.prices is None else prices_from(Path(settings.prices)),
        journal_entries=settings.journal,
        latency=settings.latency,
        capacity=settings.capacity,
        rate_limit=settings.rate_limit,
        wire_faults=_carried(settings),
        control_key=settings.control_key,
        log=access_log.logged(settings.log, lambda line: print(line, file=sys.stderr, flush=True)),  # noqa: T201
    )


def check(settings: Settings, public_url: str) -> None:
    """See that there is an application of these settings, and leave nothing open. Raises as ``build_app``.

    Everybody's clock, which may be one that the store has from before, runs as fast as it is told to now.
    """
    if settings.workers > 1 and settings.store == MEMORY:
        raise ValueError(
            f"--workers: {settings.workers} processes cannot share a memory; keep the jobs in a file with "
            "--store sqlite:///jobs.db, or in a database with --store postgresql://USER@HOST/DATABASE"
        )
    fake = fake_of(build_app(settings, public_url))
    clock = fake.accounts.clock(None)
    if isinstance(clock, SteerableClock) and clock.speed != settings.speed:
        fake.accounts.steer(None, lambda clock: clock.set_speed(settings.speed))
    fake.store.close()


def _carried(settings: Settings) -> Iterable[str]:
    """The kinds of faults that whatever carries the answers carries out."""
    if not _lane_fits():
        return ()
    return KINDS if settings.wire_faults else ("delay",)


def _load_in_worker(settings: Settings, public_url: str) -> Callable[..., Any]:
    """Build the application in the worker process, and put the lane in front of it."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    app = build_app(settings, public_url)
    # What was noted last is written when the worker ends; it runs no atexit.
    multiprocessing.util.Finalize(None, _write_journal, (app,), exitpriority=10)
    _tune_collector()
    if _lane_fits():
        lane = Lane(app, _slow_path(app), relay_secret=settings.relay_secret)
        vars(granian_worker)[_WSGI_DOOR] = lambda *_: lane
    return app


def _write_journal(app: Flask) -> None:
    with contextlib.suppress(StoreUnavailable):
        fake_of(app).journal.finish()


def _slow_path(app: Flask) -> Callable[[str], bool]:
    """Whether a path is that of a result file, which takes long to render."""
    rule = next(rule for rule in app.url_map.iter_rules() if rule.endpoint == "files.download")
    prefixes = rule.rule.partition("<")[0], FILES
    return lambda path: path.startswith(prefixes)


def _tune_collector() -> None:
    """Spare the garbage collector what lives long, which is jobs: its pauses slow create down most.

    What is left of two collections is looked at no more. It is freed as ever when nobody refers to it; only
    cycles that come apart later would stay, and jobs are in none.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 2, 1000)
    gc.callbacks.append(_freeze_what_stays)


def _freeze_what_stays(phase: str, facts: dict[str, int]) -> None:
    if phase == "stop" and facts["generation"] > 0:
        gc.freeze()


def _tell_when_ready(listener: socket.socket, on_ready: Callable[[], None]) -> None:
    """Call ``on_ready`` once the server has answered: a socket that listens accepts long before."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - translated, not listened on
    connection = http.client.HTTPConnection(host, port, timeout=_READY_WITHIN_SECONDS)
    try:
        connection.request("GET", "/", headers={"Connection": "close"})
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        message = "the server did not answer within %d s"
        logging.getLogger("netmind_mock").error(message, _READY_WITHIN_SECONDS)  # noqa: TRY400 - for a person
    else:
        on_ready()
    finally:
        connection.close()
