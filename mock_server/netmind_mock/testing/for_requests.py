"""Answers what ``requests`` sends to the fake, through ``responses``, whose rules hold for anything else."""

from __future__ import annotations

import http.client
import io
import sys
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import requests
import responses
from requests.adapters import HTTPAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse, Retry
from urllib3.exceptions import ProtocolError

from netmind_mock.testing.transport import ConnectionBroken, TimedOut

if TYPE_CHECKING:
    from netmind_mock.testing.transport import BodyPart, InProcessTransport

_SEND_ARGUMENTS = ("stream", "timeout", "verify", "cert", "proxies")
RESET = (104, "Connection reset by peer")


class Interception(responses.BaseResponse):
    """What ``responses`` is to answer for the fake's URLs. A response of the test's own comes first."""

    def __init__(self, transport: InProcessTransport, registry: responses.RequestsMock) -> None:
        super().__init__("any method", transport.base_url + "/")
        self._transport = transport
        self._registry = registry
        self._last: tuple[requests.PreparedRequest | None, HTTPResponse | None] = (None, None)

    def matches(self, request: requests.PreparedRequest) -> tuple[bool, str]:
        """Whether the request is the fake's, and no other response wants it."""
        if not self._transport.takes(str(request.url)):
            return False, f"is not answered: the fake answers for {self._transport.base_url} only"
        registered = self._registry.registered()
        later = registered[registered.index(self) + 1 :] if self in registered else []
        for other in registered:
            if isinstance(other, Interception):
                if other is not self and any(one is other for one in later) and other.takes(request):
                    return False, "another fake answers"
            elif other.matches(request)[0]:
                return False, "a response of the test's own answers"
        return True, ""

    def is_of(self, mock: responses.RequestsMock) -> bool:
        """Whether it is registered with this mock."""
        return mock is self._registry and self in mock.registered()

    def is_asked_by(self, send: Any) -> bool:
        """Whether what is beneath the guard is ``responses``, which will ask for this."""
        return send.__module__ == responses.__name__ and self in self._registry.registered()

    def takes(self, request: requests.PreparedRequest) -> bool:
        """Whether the request is the fake's."""
        return self._transport.takes(str(request.url))

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
        arrival = self._transport.send(str(request.method), url, request.headers.items(), body, timeout)
        self._transport.let_pass(arrival.wait)
        if isinstance(arrival.failure, TimedOut):
            message = f"{urlsplit(url).netloc}: Read timed out. (read timeout={arrival.failure.seconds:g})"
            raise requests.exceptions.ReadTimeout(message, request=request)
        if isinstance(arrival.failure, ConnectionBroken):
            cause: Exception = ConnectionResetError(*RESET)
            if not arrival.failure.reset:
                cause = http.client.RemoteDisconnected("Remote end closed connection without response")
            raise requests.exceptions.ConnectionError(
                ProtocolError("Connection aborted.", cause), request=request
            )
        parts = _Body(arrival.steps, self._transport)
        response = _response(arrival.status, arrival.headers, parts, request.method)
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
        self._transport.let_pass(asked or asking.get_backoff_time())


class Guard:
    """Sees to it that nothing meant for the API leaves the machine, whatever a test does to ``responses``.

    It would be paid for. So the guard answers beneath ``responses``, for when that has been stopped, and
    before any other mock of it that has no response of its own for the URL.
    """

    def __init__(self, interception: Interception) -> None:
        """Stand guard from now on, until ``undo``."""
        self._interception = interception
        self._is_on_guard = True
        self._adapters = cast("Any", HTTPAdapter)
        self._mocks = cast("Any", responses.RequestsMock)
        self._real_send = self._adapters.send
        self._real_ask = self._mocks._on_request
        guard, send, ask = self, self._real_send, self._real_ask

        def guarded_send(adapter: HTTPAdapter, request: Any, *arguments: Any, **options: Any) -> Any:
            if not guard._is_on_guard or not interception.takes(request) or interception.is_asked_by(send):
                return send(adapter, request, *arguments, **options)
            options = {**dict(zip(_SEND_ARGUMENTS, arguments, strict=False)), **options}
            return guard._answered(adapter, request, options)

        def guarded_ask(mock: responses.RequestsMock, adapter: Any, request: Any, **options: Any) -> Any:
            if not guard._is_on_guard or interception.is_of(mock) or not interception.takes(request):
                return ask(mock, adapter, request, **options)
            request.params = mock._parse_request_params(request.path_url)
            request.req_kwargs = options
            if any(one.matches(request)[0] for one in mock.registered()):
                return ask(mock, adapter, request, **options)
            return guard._answered(adapter, request, options)

        self._send, self._ask = guarded_send, guarded_ask
        self._adapters.send = guarded_send
        self._mocks._on_request = guarded_ask

    @property
    def is_outermost(self) -> bool:
        """Whether nobody has put anything before it since."""
        return bool(self._adapters.send is self._send)

    def undo(self) -> None:
        """Stand guard no longer. What somebody else has put before it stays."""
        self._is_on_guard = False
        if self._adapters.send is self._send:
            self._adapters.send = self._real_send
        if self._mocks._on_request is self._ask:
            self._mocks._on_request = self._real_ask

    def _answered(self, adapter: HTTPAdapter, request: Any, options: dict[str, Any]) -> Any:
        request.req_kwargs = options
        return adapter.build_response(request, self._interception.get_response(request))


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


_MAX_AT_ONCE = 64 * 1024  # bytes


class _Body(io.RawIOBase):
    """A body as a socket would give it; raises what a socket would raise."""

    def __init__(self, steps: tuple[BodyPart, ...], transport: InProcessTransport) -> None:
        self._steps = iter(steps)
        self._transport = transport
        self._left = b""

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1) -> bytes:
        """As ``http.client`` has it, and urllib3 calls it."""
        return self.read(size if size > 0 else _MAX_AT_ONCE) or b""

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            self._left = self._next()
        part = self._left[: len(buffer)]
        self._left = self._left[len(part) :]
        buffer[: len(part)] = part
        return len(part)

    def _next(self) -> bytes:
        step = next(self._steps, None)
        if step is None:
            return b""
        self._transport.let_pass(step.pause)
        if isinstance(step.failure, TimedOut):
            raise TimeoutError("timed out")
        if isinstance(step.failure, ConnectionBroken) and step.failure.reset:
            raise ConnectionResetError(*RESET)
        return step.part
