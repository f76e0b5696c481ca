"""Baselines for the fake: minimal applications on the same server."""

import argparse
from pathlib import Path
from typing import Any

import uvicorn
from flask import Flask

from netmind_mock.api.request import whole_response
from netmind_mock.options import Options
from netmind_mock.serving.server import config_of, listen
from netmind_mock.serving.worker import environ_of


async def bare(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """A minimal ASGI application."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    if scope["method"] == "POST":
        await receive()
    await _respond(send, 200, [("content-type", "application/json"), ("content-length", "2")], b"{}")


def empty_flask() -> Any:
    """Return a minimal Flask application with the fake's routes, called in the same way as the fake."""
    app = Flask("empty")

    @app.get("/v1/generation/<generation_id>")
    def get(generation_id: str) -> str:  # noqa: ARG001 - Flask passes it
        return "{}"

    @app.post("/v1/generation")
    def create() -> str:
        return "{}"

    async def respond(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["method"] == "POST":
            await receive()
        status, headers, body = whole_response(app, environ_of(scope))
        await _respond(send, int(status[:3]), headers, body)

    return respond


async def _live(receive: Any, send: Any) -> None:
    for moment in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{moment}.complete"})


async def _respond(send: Any, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    encoded = [(name.encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Serve one of the applications on a free port."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=["bare", "flask"])
    parser.add_argument("--ready-file", type=Path, required=True)
    given = parser.parse_args()
    listener = listen("127.0.0.1", 0)
    host, port = listener.getsockname()
    given.ready_file.write_text(
        f"http://{host}:{port}"
    )  # the socket already listens, so connections wait in its queue
    app = bare if given.name == "bare" else empty_flask()
    uvicorn.Server(config_of(Options(), app)).run(sockets=[listener])


if __name__ == "__main__":
    main()
