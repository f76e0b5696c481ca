"""A proxy that lets an exchange go wrong at a given byte: it cuts, resets, hangs, or trickles from there on."""

import contextlib
import socket
import struct
import threading
from typing import NamedTuple

CUT, RESET, HANG, TRICKLE = "cut", "reset", "hang", "trickle"
HINT, NOWHERE = "hint", "nowhere"  # odd answers, after the request has reached the upstream
TRICKLE_SECONDS = 0.05  # between two bytes


class Fault(NamedTuple):
    """What goes wrong.

    Attributes:
        what: CUT, RESET, HANG or TRICKLE; or, of the answer, HINT (a 103 comes before it) or NOWHERE (a
            redirect comes instead, to what is no HTTP URL).
        side: ``request`` or ``answer``: of which this many parts pass first.
        share: 0 to 1 of the head, 1 to 2 of the body after it; 2 is all.
        method: Of which requests; None of all.
        times: How often; None always.
        path: What the request's path has in it.
    """

    what: str
    side: str
    share: float
    method: str | None = "POST"
    times: int | None = None
    path: str = ""


# How far an exchange comes before it is cut, in the order of time.
PHASES = {
    "when the connection is accepted": ("request", 0.0),
    "in the request's head": ("request", 0.5),
    "after the request's head": ("request", 1.0),
    "in the request's body": ("request", 1.5),
    "after the request, before any answer": ("response", 0.0),
    "in the answer's head": ("response", 0.5),
    "after the answer's head": ("response", 1.0),
    "in the answer's body": ("response", 1.5),
}


_ODD = {
    HINT: lambda response: b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + response,
    NOWHERE: lambda _: b"HTTP/1.1 307 Moved\r\nLocation: mailto:x\r\nContent-Length: 0\r\n\r\n",
}


class FaultProxy:
    """Stands before ``upstream`` (host and port) on a port of its own; one thread a connection."""

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
            if fault is not None and (fault.side, fault.share) == ("request", 0) and self._strikes(fault):
                self._go_wrong(client, fault, b"")
                return
            while not self._stop.is_set() and self._exchange(client):
                pass

    def _exchange(self, client):
        """Carry one request and its answer; whether there may be another."""
        method, _, rest = client.recv(1024, socket.MSG_PEEK).decode("latin-1").partition(" ")
        fault = self.fault  # as it is when a request comes
        strikes = (
            fault is not None and fault.method in (None, method) and fault.path in rest.partition(" ")[0]
        )
        if strikes and fault.side == "request" and self._strikes(fault):
            _read_part(client, fault.share)
            return self._go_wrong(client, fault, b"")
        head, body = _read_message(client)
        if not head:
            return False
        with socket.create_connection(self._upstream, timeout=30) as server:
            server.sendall(head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) + body)
            head, body = _read_message(server)
        if strikes and fault.what in _ODD and self._strikes(fault):
            client.sendall(_ODD[fault.what](head + body))
            return False
        if strikes and fault.side == "response" and self._strikes(fault):
            sent = round(len(head) * min(fault.share, 1)) + round(len(body) * max(fault.share - 1, 0))
            client.sendall((head + body)[:sent])
            return self._go_wrong(client, fault, (head + body)[sent:])
        client.sendall(head + body)
        return b"connection: close" not in head.lower()

    def _strikes(self, fault):
        with self._changing:
            if fault.times is not None and self.applied >= fault.times:
                return False
            self.applied += 1
            return True

    def _go_wrong(self, client, fault, rest):
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
    """A head, and the body that its Content-Length tells, or all until the end."""
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
