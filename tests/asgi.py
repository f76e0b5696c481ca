"""Requests to an ASGI application, without a server."""

import asyncio
import json
from types import SimpleNamespace

from netmind_mock.serving.wire_faults import CONNECTION

WITHIN = 10.0
ONE = "/v1/generation"
CONNECTED = SimpleNamespace(output=SimpleNamespace(cork=lambda: None, uncork=lambda: None))


def scope(method="GET", path=ONE, headers=(), query=b""):
    sent = {b"authorization": b"Bearer key", b"content-type": b"application/json"}
    return {
        "type": "http", "http_version": "1.1", "method": method, "raw_path": path.encode("latin-1"), "query_string": query,
        "scheme": "http", "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 50_000),
        "headers": [*sent.items(), *headers], "extensions": {CONNECTION: CONNECTED},
    }  # fmt: skip


class Client:
    """A request to a worker: sends its body in parts, and stores the messages of the response."""

    def __init__(self, worker, method="GET", path=ONE, body=b"", *, headers=(), parts=None):
        self.worker, self.sent = worker, []
        length = [] if parts is not None else [(b"content-length", b"%d" % len(body))]
        self.scope = scope(method, path, [*length, *headers])
        self.parts = asyncio.Queue()
        parts = [body] if parts is None else parts
        for number, part in enumerate(parts, 1):
            self.send_part(part, more=number < len(parts))

    def send_part(self, part, *, more):
        self.parts.put_nowait({"type": "http.request", "body": part, "more_body": more})

    def disconnect(self):
        self.parts.put_nowait({"type": "http.disconnect"})

    async def __call__(self):
        async def send(message):
            self.sent.append(message)

        await asyncio.wait_for(self.worker(self.scope, self.parts.get, send), WITHIN)
        return self

    @property
    def status(self):
        return self.sent[0]["status"]

    @property
    def json(self):
        return json.loads(self.sent[1]["body"])
