"""What the fake is measured against, on granian with one thread, which is its fastest."""

import argparse
import functools
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from flask import Flask
from granian.constants import HTTPModes, Interfaces

from netmind_mock.serving.server import _ServerOnSocket, _tell_when_ready, listen


def bare(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The least that a WSGI application can do."""
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", "2")])
    return [b"{}"]


def empty_flask() -> Callable[..., Iterable[bytes]]:
    """The least that a Flask application can do, at the fake's own routes."""
    app = Flask("empty")

    @app.get("/v1/generation/<generation_id>")
    def get(generation_id: str) -> str:  # noqa: ARG001 - Flask hands it over
        return "{}"

    @app.post("/v1/generation")
    def create() -> str:
        return "{}"

    # A list, as granian wants it, spares the view a stream of one piece.
    return lambda environ, start_response: list(app(environ, start_response))


def load(name: str) -> Callable[..., Iterable[bytes]]:
    """One of the applications."""
    return {"bare": lambda: bare, "flask": empty_flask}[name]()


def main() -> None:
    """Serve one of them on a free port."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=["bare", "flask"])
    parser.add_argument("--ready-file", type=Path, required=True)
    options = parser.parse_args()
    listener = listen("127.0.0.1", 0)
    host, port = listener.getsockname()
    server = _ServerOnSocket(
        listener,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        blocking_threads=1,
        log_enabled=False,
    )
    tell = functools.partial(options.ready_file.write_text, f"http://{host}:{port}")
    threading.Thread(target=_tell_when_ready, args=(listener, tell), daemon=True).start()
    server.serve(target_loader=functools.partial(load, options.name), wrap_loader=False)


if __name__ == "__main__":
    main()
