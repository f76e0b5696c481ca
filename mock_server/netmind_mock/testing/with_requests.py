"""Answers what ``requests`` sends to the fake, through ``responses``, whose rules hold for anything else."""

from __future__ import annotations

import http.client
import io
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
import responses
from urllib3 import HTTPHeaderDict, HTTPResponse, Retry
from urllib3.exceptions import ProtocolError

from netmind_mock.testing.carrying import Broken, TimedOut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netmind_mock.testing.carrying import Carrier

RESET = (104, "Connection reset by peer")


class Interception(responses.BaseResponse):
    """What ``responses`` is to answer for the fake's URLs. A response of the test's own comes first."""

    def __init__(self, carrier: Carrier, registry: responses.RequestsMock) -> None:
        super().__init__("any method", carrier.base_url + "/")
        self._carrier = carrier
        self._registry = registry
        self._last: tuple[requests.PreparedRequest | None, HTTPResponse | None] = (None, None)

    def matches(self, request: requests.PreparedRequest) -> tuple[bool, str]:
        """Whether the request is the fake's, and no other response wants it."""
        if not self._carrier.takes(str(request.url)):
            return False, f"is not answered: the fake answers for {self._carrier.base_url} only"
        registered = self._registry.registered()
        later = registered[registered.index(self) + 1 :] if self in registered else []
        for other in registered:
            if isinstance(other, Interception):
                if other is not self and any(one is other for one in later) and other.takes(request):
                    return False, "another fake answers"
            elif other.matches(request)[0]:
                return False, "a response of the test's own answers"
        return True, ""

    def takes(self, request: requests.PreparedRequest) -> bool:
        """Whether the request is the fake's."""
        return self._carrier.takes(str(request.url))

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    @property
    def call_count(self) -> int:
        """At least 1: a fake that nobody called is no mistake."""
        return max(super().call_count, 1)

    def get_response(self, request: requests.PreparedRequest) -> HTTPResponse:
        """The fake's answer, or what ``requests`` raises where none comes."""
        self._wait_as_urllib3_would(request)
        timeout = _read_timeout(getattr(request, "req_kwargs", {}).get("timeout"))
        body, url = _whole(request.body), str(request.url)
        try:
            arrival = self._carrier.carry(str(request.method), url, request.headers.items(), body, timeout)
        except TimedOut as late:
            message = f"{urlsplit(url).netloc}: Read timed out. (read timeout={late.seconds:g})"
            raise requests.exceptions.ReadTimeout(message, request=request) from None
        except Broken as broken:
            cause: Exception = ConnectionResetError(*RESET)
            if not broken.reset:
                cause = http.client.RemoteDisconnected("Remote end closed connection without response")
            aborted = ProtocolError("Connection aborted.", cause)
            raise requests.exceptions.ConnectionError(aborted, request=request) from None
        response = _response(arrival.status, arrival.headers, _Body(arrival.chunks), request.method)
        self._last = request, response
        return response

    def _wait_as_urllib3_would(self, request: requests.PreparedRequest) -> None:
        """Let the time pass that a ``Retry`` waits: ``responses`` asks again at once with the same request.

        Its ``Retry`` is only to be had from whoever asks.
        """
        before, answered = self._last
        asking: Any = sys._getframe(2).f_locals.get("retries")
        if before is not request or answered is None or not isinstance(asking, Retry):
            return
        asked = asking.get_retry_after(answered) if asking.respect_retry_after_header else None
        self._carrier.let_pass(asked or asking.get_backoff_time())


def _whole(body: Any) -> bytes:
    """A body as requests has it: text, bytes, none, or parts that a generator gives."""
    if isinstance(body, str):
        return body.encode()
    return bytes(body) if isinstance(body, bytes | bytearray) else b"".join(body or ())


def _read_timeout(timeout: Any) -> float | None:
    if isinstance(timeout, tuple):
        timeout = timeout[1]
    read = getattr(timeout, "read_timeout", timeout)
    return float(read) if isinstance(read, int | float) else None


def _response(
    status: int, headers: tuple[tuple[str, str], ...], body: io.RawIOBase, method: str | None
) -> HTTPResponse:
    closed = io.BytesIO()
    closed.close()
    original: Any = HTTPResponse(body=closed, msg=_message(headers), preload_content=False)
    return HTTPResponse(
        body=body,
        headers=HTTPHeaderDict(headers),
        status=status,
        reason=http.client.responses.get(status),
        original_response=original,
        preload_content=False,
        request_method=method,
    )


def _message(headers: tuple[tuple[str, str], ...]) -> Any:
    """The headers, as requests looks for cookies in them."""
    message = http.client.HTTPMessage()
    for name, value in headers:
        message[name] = value
    return message


class _Body(io.RawIOBase):
    """A body as a socket would give it; raises what a socket would raise."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            self._left = self._next()
        part = self._left[: len(buffer)]
        self._left = self._left[len(part) :]
        buffer[: len(part)] = part
        return len(part)

    def _next(self) -> bytes:
        try:
            return next(self._chunks, b"")
        except Broken as broken:
            if broken.reset:
                raise ConnectionResetError(*RESET) from None
            return b""
        except TimedOut:
            raise TimeoutError("timed out") from None
