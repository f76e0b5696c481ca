"""Responses that a test defines, for clients over requests and over httpx2."""

import json as json_
from typing import NamedTuple

import httpx2
import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse
from urllib3.exceptions import NewConnectionError


class Failure(NamedTuple):
    """The exceptions raised instead of a response, or of the rest of its body."""

    by_requests: Exception
    by_httpx: Exception


REFUSED = Failure(
    requests.ConnectionError(type("MaxRetries", (), {"reason": NewConnectionError(None, "refused")})()),
    httpx2.ConnectError("refused"),
)
CONNECTING_TIMED_OUT = Failure(requests.ConnectTimeout("timed out"), httpx2.ConnectTimeout("timed out"))
CUT = Failure(requests.ConnectionError("gone"), httpx2.ReadError("gone"))
CUT_IN_BODY = Failure(
    requests.exceptions.ChunkedEncodingError("broken"), httpx2.RemoteProtocolError("broken")
)
TIMED_OUT = Failure(requests.ReadTimeout("timed out"), httpx2.ReadTimeout("timed out"))


class ReceivedRequest(NamedTuple):
    method: str
    url: str
    headers: object
    body: bytes
    timeout: float


class Api:
    """The responses for each method and URL, in the order in which they were added. The last one is repeated."""

    def __init__(self):
        self.calls = []
        self._responses = {}

    def get(self, url, **response):
        self.add("GET", url, **response)

    def post(self, url, **response):
        self.add("POST", url, **response)

    def delete(self, url, **response):
        self.add("DELETE", url, **response)

    def add(
        self, method, url, *, status=200, json=None, body=b"", headers=None, content_type=None, length=True
    ):
        """Add a response.

        ``body`` is text, bytes, a Failure, a list of parts of which the last may be a Failure, or a function
        that takes the request and returns the status, headers and body.
        """
        headers = dict(headers or {})
        if json is not None:
            body, content_type = json_.dumps(json), "application/json"
        if content_type:
            headers["Content-Type"] = content_type
        self._responses.setdefault((method, url), []).append((status, headers, body, length))

    def response(self, request):
        self.calls.append(request)
        responses = self._responses.get((request.method, request.url.partition("?")[0]))
        assert responses, f"the test has no response for {request.method} {request.url}"
        status, headers, body, length = responses.pop(0) if len(responses) > 1 else responses[0]
        if callable(body):
            status, headers, body = body(request)
        if isinstance(body, str | bytes):
            body = [body.encode() if isinstance(body, str) else body]
            if length:
                headers = {"Content-Length": str(len(body[0])), **headers}
        return status, headers, body


class OverRequests(BaseAdapter):
    def __init__(self, api):
        super().__init__()
        self._api = api

    def send(self, request, stream=False, timeout=None, **_):  # noqa: ARG002 - as requests calls it
        received = ReceivedRequest(request.method, request.url, request.headers, request.body or b"", timeout)
        status, headers, parts = self._api.response(received)
        if isinstance(parts, Failure):
            raise parts.by_requests
        response = requests.Response()
        response.status_code, response.url, response.request = status, request.url, request
        response.headers = CaseInsensitiveDict(headers)
        response.raw = HTTPResponse(body=b"", headers=headers, status=status, preload_content=False)
        left = _parts(parts, "by_requests")
        response.raw.read1 = lambda _amount, decode_content: next(filter(None, left), b"")  # noqa: ARG005 - as urllib3
        return response

    def close(self):
        pass


class OverHttpx(httpx2.AsyncBaseTransport):
    def __init__(self, api):
        self._api = api

    async def handle_async_request(self, request):
        timeout = request.extensions["timeout"]["read"]
        url, body = str(request.url), await request.aread()
        received = ReceivedRequest(request.method, url, request.headers, body, timeout)
        status, headers, parts = self._api.response(received)
        if isinstance(parts, Failure):
            raise parts.by_httpx
        return httpx2.Response(status, headers=headers, stream=_Stream(parts))


class _Stream(httpx2.AsyncByteStream):
    def __init__(self, parts):
        self._parts = parts

    async def __aiter__(self):
        for part in _parts(self._parts, "by_httpx"):
            yield part


def _parts(parts, library):
    for part in parts:
        if isinstance(part, Failure):
            raise getattr(part, library)
        yield part
