"""Serve the fake by granian (WSGI), in one worker process, with the lane before the application."""

from __future__ import annotations

import contextlib
import functools
import gc
import logging
import socket
import threading
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import granian.server.mp as granian_worker
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

from netmind_mock.app import create_app
from netmind_mock.clock import SteerableClock
from netmind_mock.lane import THREADS, Lane

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

_READY_WITHIN_SECONDS = 30.0
_MOST_CONNECTIONS = 65_536  # granian accepts no more; idle and waiting ones cost it next to nothing
_THREADS_WITHOUT_LANE = 512
_FINISH_WITHIN_SECONDS = 0.5  # for answers that are being given at the end; granian takes a float as well
# Where granian wraps a WSGI application: the only door to a request's reply, which the lane answers through.
_WSGI_DOOR = "_wsgi_call_wrap"


class CannotListen(OSError):
    """The address cannot be listened on. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a served fake is told; each is an option of ``netmind-mock serve``."""

    profile: str = "documented"
    duration: float = 2.0
    speed: float = 1.0
    seed: int | None = None
    api_keys: tuple[str, ...] = ()
    strict_models: bool = False
    allowed_hosts: tuple[str, ...] = ()


def find_port(host: str, port: int) -> tuple[str, int]:
    """The numeric address and the port to listen on; port 0 picks a free one.

    Raises:
        CannotListen: The host is not one of this machine's, or the port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return str(probe.getsockname()[0]), int(probe.getsockname()[1])
    except OSError as error:
        advice = "choose another --port (0 picks a free one) or --host"
        raise CannotListen(f"cannot listen on {host} port {port}: {error.strerror}; {advice}") from None


def serve(settings: Settings, host: str, port: int, public_url: str, on_ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT. ``on_ready`` is called, on a thread, once the server answers."""
    server = Granian(
        "netmind_mock",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        blocking_threads=THREADS if _lane_fits() else _THREADS_WITHOUT_LANE,
        log_level=LogLevels.error,
        backpressure=_MOST_CONNECTIONS,
        workers_kill_timeout=_FINISH_WITHIN_SECONDS,  # type: ignore[arg-type]
    )
    threading.Thread(target=_tell_when_ready, args=(host, port, on_ready), daemon=True).start()
    load = functools.partial(_load_in_worker, settings, public_url)
    server.serve(target_loader=load, wrap_loader=False)


def _lane_fits() -> bool:
    """Whether this granian calls its WSGI applications in the way that the lane replaces.

    Where it does not, granian's own many threads serve the application: slower, and as right.
    """
    return callable(getattr(granian_worker, _WSGI_DOOR, None))


def build_app(settings: Settings, public_url: str) -> Flask:
    """The application of these settings.

    Raises:
        InvalidFile: The profile does not exist or holds a mistake.
        ValueError: Another setting has a value that it cannot have.
        ApiError: An API key is not a token.
    """
    options = asdict(settings)
    clock = SteerableClock(speed=options.pop("speed"))
    return create_app(**options, clock=clock, public_url=public_url, wire_faults=("delay",))


def _load_in_worker(settings: Settings, public_url: str) -> Callable[..., Any]:
    """Build the application in the worker process, and put the lane in front of it."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    app = build_app(settings, public_url)
    _tune_collector()
    if _lane_fits():
        lane = Lane(app, _slow_path(app))
        vars(granian_worker)[_WSGI_DOOR] = lambda *_: lane
    return app


def _slow_path(app: Flask) -> Callable[[str], bool]:
    """Whether a path is that of a result file, which takes long to render."""
    rule = next(rule for rule in app.url_map.iter_rules() if rule.endpoint == "files.download")
    prefix = rule.rule.partition("<")[0]
    return lambda path: path.startswith(prefix)


def _tune_collector() -> None:
    """Spare the garbage collector what lives as long as the server: its pauses slow create down most."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


def _tell_when_ready(host: str, port: int, on_ready: Callable[[], None]) -> None:
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - translated, not listened on
    deadline = time.monotonic() + _READY_WITHIN_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((target, port), timeout=1):
            on_ready()
            return
        time.sleep(0.005)
    logging.getLogger("netmind_mock").error(
        "the server did not start to listen within %d s", _READY_WITHIN_SECONDS
    )
