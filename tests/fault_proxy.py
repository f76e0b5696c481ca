"""A proxy that breaks an exchange at a given byte: it closes, resets, hangs, or trickles from there on."""

import contextlib
import socket
import struct
import threading
from typing import NamedTuple

CUT, RESET, HANG, TRICKLE = "cut", "reset", "hang", "trickle"
HINT, NOWHERE = "hint", "nowhere"  # odd responses, after the request has reached the upstream
TRICKLE_SECONDS = 0.05  # between two bytes


class Fault(NamedTuple):
    """What goes wrong.

    Attributes:
        what: CUT, RESET, HANG or TRICKLE. For a response also HINT (a 103 is sent before it) or NOWHERE (a
            redirect to something that is not an HTTP URL is sent instead).
        side: ``request`` or ``response``: the message that breaks.
        share: How much of the message passes first: 0 to 1 for a share of the head, 1 to 2 for the head and a
            share of the body.
        method: Apply the fault to requests with this method; None for all methods.
        times: How many times to apply the fault; None for no limit.
        path: Apply the fault to requests whose path contains this text.
    """

    what: str
    side: str
    share: float
    method: str | None = "POST"
    times: int | None = None
    path: str = ""


# How far an exchange gets before it breaks, in the order of time.
PHASES = {
    "when the connection is accepted": ("request", 0.0),
    "in the request's head": ("request", 0.5),
    "after the request's head": ("request", 1.0),
    "in the request's body": ("request", 1.5),
    "after the request, before any response": ("response", 0.0),
    "in the response's head": ("response", 0.5),
    "after the response's head": ("response", 1.0),
    "in the response's body": ("response", 1.5),
}


_ODD = {
    HINT: lambda response: b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + response,
    NOWHERE: lambda _: b"HTTP/1.1 307 Moved\r\nLocation: mailto:x\r\nContent-Length: 0\r\n\r\n",
}


class FaultProxy:
    """A proxy for ``upstream`` (host and port) that listens on its own port. Each connection has a thread."""

    def __init__(self, upstream, fault=None):
        self.fault = fault
        self.applied = 0
        self._upstream = upstream
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._stop = threading.Event()
        self._changing = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self):
        return self._listening.getsockname()[1]

    @property
    def base_url(self):
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._listening.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, contextlib.suppress(OSError):
            fault = self.fault
            if fault is not None and (fault.side, fault.share) == ("request", 0) and self._use(fault):
                self._break(client, fault, b"")
                return
            while not self._stop.is_set() and self._exchange(client):
                pass

    def _exchange(self, client):
        """Forward one request and its response. Return whether another request may follow."""
        method, _, rest = client.recv(1024, socket.MSG_PEEK).decode("latin-1").partition(" ")
        fault = self.fault  # read once, when a request arrives
        applies = (
            fault is not None and fault.method in (None, method) and fault.path in rest.partition(" ")[0]
        )
        if applies and fault.side == "request" and self._use(fault):
            _read_part(client, fault.share)
            return self._break(client, fault, b"")
        head, body = _read_message(client)
        if not head:
            return False
        with socket.create_connection(self._upstream, timeout=30) as server:
            server.sendall(head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) + body)
            head, body = _read_message(server)
        if applies and fault.what in _ODD and self._use(fault):
            client.sendall(_ODD[fault.what](head + body))
            return False
        if applies and fault.side == "response" and self._use(fault):
            sent = round(len(head) * min(fault.share, 1)) + round(len(body) * max(fault.share - 1, 0))
            client.sendall((head + body)[:sent])
            return self._break(client, fault, (head + body)[sent:])
        client.sendall(head + body)
        return b"connection: close" not in head.lower()

    def _use(self, fault):
        """Count a use of the fault. Return whether it may still be used."""
        with self._changing:
            if fault.times is not None and self.applied >= fault.times:
                return False
            self.applied += 1
            return True

    def _break(self, client, fault, rest):
        if fault.what == RESET:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif fault.what == HANG:
            self._stop.wait()
        elif fault.what == TRICKLE:
            for byte in rest or b"H" * 10_000:
                client.sendall(bytes([byte]))
                self._stop.wait(TRICKLE_SECONDS)
        return False


def _read_part(sock, share):
    """Read this share of a request: of the head, from 0 to 1, and of the body, from 1 to 2."""
    if share < 1:
        sock.recv(20)
        return
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte:
            return
        head += byte
    if share == 1:
        return
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length:" in line
    )
    sock.recv(round(length * (share - 1)), socket.MSG_WAITALL)


def _read_message(sock):
    """Read a head, and a body of its Content-Length, or of a response without one until the connection ends."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = sock.recv(65536)
        if not part:
            return b"", b""
        received += part
    head, separator, body = received.partition(b"\r\n\r\n")
    head += separator
    lengths = [
        int(line.split(b":")[1])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    ]
    if not lengths and head.startswith(b"HTTP/"):
        while part := sock.recv(65536):
            body += part
    while lengths and len(body) < lengths[0]:
        part = sock.recv(65536)
        if not part:
            break
        body += part
    return head, body
