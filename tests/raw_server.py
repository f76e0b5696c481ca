"""A server whose responses are bytes from a test, which need not be valid HTTP."""

import contextlib
import json
import socket
import threading
from typing import NamedTuple


class ReceivedRequest(NamedTuple):
    method: str
    path: str
    headers: dict
    body: bytes
    connection: int  # the client's port


def raw_response(body=b"", status="200 OK", length=None, **headers):
    """Return the bytes of a response.

    Args:
        body: Bytes, or a JSON document.
        status: The status code and the reason phrase.
        length: The Content-Length; by default that of the body.
        headers: More headers, with underscores for hyphens.
    """
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    headers = {"Content-Length": len(body) if length is None else length, **headers}
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()]
    return f"HTTP/1.1 {status}\r\n{''.join(lines)}\r\n".encode() + body


class RawServer:
    """A server that sends the bytes which ``respond`` returns for each request.

    If they end with ``CLOSE``, the connection is closed after them.
    """

    CLOSE = b"<close>"

    def __init__(self, respond):
        self.requests = []
        self._respond = respond
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
                request = ReceivedRequest(method, path, headers, body, client.getpeername()[1])
                self.requests.append(request)
                sent = self._respond(request)
                client.sendall(sent.removesuffix(self.CLOSE))
                if sent.endswith(self.CLOSE):
                    client.shutdown(socket.SHUT_RDWR)
                    return
