"""A server whose answers are bytes that a test writes, as odd as they may be."""

import contextlib
import json
import socket
import threading
from typing import NamedTuple


class Asked(NamedTuple):
    method: str
    path: str
    headers: dict
    body: bytes
    connection: int  # the client's port


def raw_response(body=b"", status="200 OK", length=None, **headers):
    """An answer; ``body`` is bytes, or a document; ``length`` is what it says that it has."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    told = {"Content-Length": len(body) if length is None else length, **headers}
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in told.items()]
    return f"HTTP/1.1 {status}\r\n{''.join(lines)}\r\n".encode() + body


class RawServer:
    """Sends what ``answering`` makes of each request; a request that gets ``CLOSE`` at its end is the last."""

    CLOSE = b"<close>"

    def __init__(self, answering):
        self.asked = []
        self._answering = answering
        self._listening = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def base_url(self):
        return "http://{}:{}".format(*self._listening.getsockname())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listening.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, client.makefile("rb") as reading, contextlib.suppress(OSError, ValueError):
            while line := reading.readline():
                method, path, _ = line.decode().split(" ")
                headers = {}
                while (header := reading.readline().strip()) != b"":
                    name, _, value = header.decode().partition(":")
                    headers[name.lower()] = value.strip()
                body = reading.read(int(headers.get("content-length", 0)))
                asked = Asked(method, path, headers, body, client.getpeername()[1])
                self.asked.append(asked)
                sent = self._answering(asked)
                client.sendall(sent.removesuffix(self.CLOSE))
                if sent.endswith(self.CLOSE):
                    client.shutdown(socket.SHUT_RDWR)
                    return
