"""Intercept the requests of ``requests`` to the fake with ``responses``, which handles all other URLs."""

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
    """A response registered with ``responses`` for all URLs of the fake.

    Responses that the test registered for these URLs take precedence.
    """

    def __init__(self, transport: InProcessTransport, registry: responses.RequestsMock) -> None:
        super().__init__("any method", transport.base_url + "/")
        self._transport = transport
        self._registry = registry
        self._last: tuple[requests.PreparedRequest | None, HTTPResponse | None] = (None, None)

    def matches(self, request: requests.PreparedRequest) -> tuple[bool, str]:
        """Return whether this response is used for the request, and if not, why."""
        if not self._transport.handles(str(request.url)):
            return False, f"the fake only handles URLs below {self._transport.base_url}"
        registered = self._registry.registered()
        later = registered[registered.index(self) + 1 :] if self in registered else []
        for other in registered:
            if isinstance(other, Interception):
                if other is not self and any(one is other for one in later) and other.handles(request):
                    return False, "a fake that was started later handles this URL"
            elif other.matches(request)[0]:
                return False, "the test registered a response for this URL"
        return True, ""

    def is_registered_with(self, mock: responses.RequestsMock) -> bool:
        """Return whether it is registered with this mock."""
        return mock is self._registry and self in mock.registered()

    def is_reached_by(self, send: Any) -> bool:
        """Return whether ``send`` is the one of ``responses``, which then uses this response."""
        return send.__module__ == responses.__name__ and self in self._registry.registered()

    def handles(self, request: requests.PreparedRequest) -> bool:
        """Return whether the request is for a URL of the fake."""
        return self._transport.handles(str(request.url))

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    @property
    def call_count(self) -> int:
        """Return at least 1, so that ``assert_all_requests_are_fired`` ignores a fake without requests."""
        return max(super().call_count, 1)

    def get_response(self, request: requests.PreparedRequest) -> HTTPResponse:
        """Return the fake's response, or raise the exception of ``requests`` for a lost one."""
        self._wait_as_urllib3_would(request)
        timeout = _read_timeout(getattr(request, "req_kwargs", {}).get("timeout"))
        body, url = _whole(request.body), str(request.url)
        arrival = self._transport.send(str(request.method), url, request.headers.items(), body, timeout)
        self._transport.advance(arrival.wait)
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
        """Advance the clock by the time that urllib3's ``Retry`` would wait before this request.

        ``responses`` retries at once, with the same request object, and does not pass the ``Retry`` to us. So
        it is read from the local variables of its ``_on_request``.
        """
        before, response = self._last
        retries: Any = sys._getframe(2).f_locals.get("retries")
        if before is not request or response is None or not isinstance(retries, Retry):
            return
        seconds = retries.get_retry_after(response) if retries.respect_retry_after_header else None
        self._transport.advance(seconds or retries.get_backoff_time())


class Guard:
    """Keeps requests to the fake's URLs from reaching the real API, where they would be billed.

    A test may stop or reset ``responses``, or start a second ``RequestsMock``. So the guard replaces two
    methods: ``HTTPAdapter.send``, which is called if ``responses`` is stopped, and
    ``RequestsMock._on_request``, for a mock that has no response for the URL and may pass it through.
    """

    def __init__(self, interception: Interception) -> None:
        """Replace the two methods until ``undo`` is called."""
        self._interception = interception
        self._is_active = True
        self._adapters = cast("Any", HTTPAdapter)
        self._mocks = cast("Any", responses.RequestsMock)
        self._real_send = self._adapters.send
        self._real_on_request = self._mocks._on_request
        guard, send, on_request = self, self._real_send, self._real_on_request

        def guarded_send(adapter: HTTPAdapter, request: Any, *arguments: Any, **options: Any) -> Any:
            if not guard._is_active or not interception.handles(request) or interception.is_reached_by(send):
                return send(adapter, request, *arguments, **options)
            options = {**dict(zip(_SEND_ARGUMENTS, arguments, strict=False)), **options}
            return guard._respond(adapter, request, options)

        def guarded_on_request(
            mock: responses.RequestsMock, adapter: Any, request: Any, **options: Any
        ) -> Any:
            if (
                not guard._is_active
                or interception.is_registered_with(mock)
                or not interception.handles(request)
            ):
                return on_request(mock, adapter, request, **options)
            request.params = mock._parse_request_params(request.path_url)
            request.req_kwargs = options
            if any(one.matches(request)[0] for one in mock.registered()):
                return on_request(mock, adapter, request, **options)
            return guard._respond(adapter, request, options)

        self._send, self._on_request = guarded_send, guarded_on_request
        self._adapters.send = guarded_send
        self._mocks._on_request = guarded_on_request

    @property
    def is_outermost(self) -> bool:
        """Return whether ``HTTPAdapter.send`` is still the guard's, not a replacement made after it."""
        return bool(self._adapters.send is self._send)

    def undo(self) -> None:
        """Restore the two methods. A replacement that other code made later is kept."""
        self._is_active = False
        if self._adapters.send is self._send:
            self._adapters.send = self._real_send
        if self._mocks._on_request is self._on_request:
            self._mocks._on_request = self._real_on_request

    def _respond(self, adapter: HTTPAdapter, request: Any, options: dict[str, Any]) -> Any:
        request.req_kwargs = options
        return adapter.build_response(request, self._interception.get_response(request))


def _whole(body: Any) -> bytes:
    """Return the body of a prepared request as bytes. It is text, bytes, None, a file or a generator."""
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
    """Return the headers as a message of ``http.client``, in which requests looks for cookies."""
    message = http.client.HTTPMessage()
    for name, value in headers:
        message[name] = value
    return message


_MAX_READ_BYTES = 64 * 1024


class _Body(io.RawIOBase):
    """The body of a response, read part by part as from a socket. It raises the exceptions of a socket."""

    def __init__(self, steps: tuple[BodyPart, ...], transport: InProcessTransport) -> None:
        self._steps = iter(steps)
        self._transport = transport
        self._left = b""

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes. urllib3 calls this method of ``http.client.HTTPResponse``."""
        return self.read(size if size > 0 else _MAX_READ_BYTES) or b""

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
        self._transport.advance(step.pause)
        if isinstance(step.failure, TimedOut):
            raise TimeoutError("timed out")
        if isinstance(step.failure, ConnectionBroken) and step.failure.reset:
            raise ConnectionResetError(*RESET)
        return step.part
