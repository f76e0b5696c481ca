"""Respond to the requests of ``requests`` to the fake. Its other requests are handled by ``responses``."""

from __future__ import annotations

import contextlib
import http.client
import io
import sys
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPHeaderDict, HTTPResponse, HTTPSConnectionPool, Timeout
from urllib3.exceptions import (
    MaxRetryError,
    ProtocolError,
    ReadTimeoutError,
    ResponseError,
    TimeoutStateError,
)

from netmind_mock.hosts import is_loopback
from netmind_mock.testing import active
from netmind_mock.testing.patching import wrap
from netmind_mock.testing.transport import ConnectionBroken, TimedOut

try:
    _responses: Any = import_module("responses")
except ImportError:  # then requests to other URLs are sent as usual
    _responses = None

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    import responses
    from urllib3 import Retry

    from netmind_mock.testing.transport import BodyPart, InProcessTransport

_SEND_ARGUMENTS = ("stream", "timeout", "verify", "cert", "proxies")
RESET = (104, "Connection reset by peer")


def install() -> None:
    """Replace ``HTTPAdapter.send``, which sends each request, and a method of each mock that replaces it."""
    wrap(HTTPAdapter, "send", _send)
    if _responses is not None:
        wrap(_responses.RequestsMock, "_on_request", _send_by_responses)


def install_for_requests_mock(library: ModuleType) -> None:
    """Replace the method by which ``requests_mock`` responds."""
    wrap(library.Adapter, "send", _send_by_requests_mock)


@contextlib.contextmanager
def other_requests(mock: responses.RequestsMock | None) -> Iterator[responses.RequestsMock | None]:
    """Yield the mock that handles all other URLs of ``requests``, and remove what a test registers with it.

    Args:
        mock: The mock; by default ``responses.mock``. If ``responses`` is not installed, or a mock is active
            already, None is yielded: the active one handles all other URLs.
    """
    # An active mock has replaced our replacement of HTTPAdapter.send.
    if _responses is None or getattr(HTTPAdapter.send, "__module__", "") == _responses.__name__:
        yield None
        return
    registry: responses.RequestsMock = mock or _responses.mock
    with _changing:
        use = _uses.setdefault(id(registry), _Use(registry))
        use.fakes += 1
    try:
        yield registry
    finally:
        with _changing:
            use.fakes -= 1
            if not use.fakes:
                _uses.pop(id(registry)).restore()


class _Use:
    """The use of a registry by fakes, and what was registered with it before the first of them."""

    def __init__(self, registry: responses.RequestsMock) -> None:
        self.fakes = 0
        self._registry = registry
        self._registered, self._passthru = list(registry.registered()), registry.passthru_prefixes

    def restore(self) -> None:
        for one in list(self._registry.registered()):
            self._registry.remove(one)
        for one in self._registered:
            self._registry.add(one)
        self._registry.passthru_prefixes = self._passthru
        self._registry.calls.reset()


_changing = threading.Lock()
_uses: dict[int, _Use] = {}  # by the id of the registry


def _send(send: Callable[..., Any], adapter: HTTPAdapter, request: Any, *given: Any, **options: Any) -> Any:
    fake = active.last_started()
    mock = None if fake is None or active.has_outlived_its_test() else fake.other_requests
    options = {**dict(zip(_SEND_ARGUMENTS, given, strict=False)), **options}
    url = str(request.url)
    transport = active.transport_for(url)
    if mock is not None:
        is_elsewhere = transport is None and not is_loopback(urlsplit(url).hostname or "")
        if is_elsewhere or _has_response(mock, request, options):
            return mock._on_request(adapter, request, **options)
    if transport is not None:
        return _respond(transport, adapter, request, options)
    return send(adapter, request, **options)


def _send_by_responses(
    send: Callable[..., Any],
    mock: responses.RequestsMock,
    adapter: HTTPAdapter,
    request: Any,
    **options: Any,
) -> Any:
    transport = active.transport_for(str(request.url))
    if transport is None or _has_response(mock, request, options):
        return send(mock, adapter, request, **options)
    return _respond(transport, adapter, request, options)


def _send_by_requests_mock(send: Callable[..., Any], adapter: Any, request: Any, **options: Any) -> Any:
    transport = active.transport_for(str(request.url))
    if transport is None:
        return send(adapter, request, **options)
    try:
        return send(adapter, request, **options)
    except sys.modules["requests_mock"].NoMockAddress:
        return _respond(transport, HTTPAdapter(), request, options)


def _has_response(mock: responses.RequestsMock, request: Any, options: dict[str, Any]) -> bool:
    """Return whether the test registered a response for this request."""
    registered = mock.registered()
    if registered:  # with the attributes that its matchers read
        request.params = mock._parse_request_params(request.path_url)
        request.req_kwargs = options
    return any(one.matches(request)[0] for one in registered)


def _respond(
    transport: InProcessTransport, adapter: HTTPAdapter, request: Any, options: dict[str, Any]
) -> requests.Response:
    """Return the fake's response as ``HTTPAdapter.send`` does, with its retries and exceptions."""
    try:
        response = _with_retries(transport, adapter, request, _read_seconds(options.get("timeout")))
    except ProtocolError as error:
        raise requests.ConnectionError(error, request=request) from error
    except ReadTimeoutError as error:
        raise requests.ReadTimeout(error, request=request) from error
    except MaxRetryError as error:
        if isinstance(error.reason, ResponseError):
            raise requests.exceptions.RetryError(error, request=request) from error
        raise requests.ConnectionError(error, request=request) from error
    return adapter.build_response(request, response)


def _with_retries(
    transport: InProcessTransport, adapter: HTTPAdapter, request: Any, timeout: float | None
) -> HTTPResponse:
    """Send a request, and again as the adapter's ``Retry`` decides. Its pauses advance the virtual clock."""
    method, url, retries, body = request.method, request.url, adapter.max_retries, _whole(request.body)
    while True:
        try:
            response = _sent_once(transport, request, body, timeout)
        except (ProtocolError, ReadTimeoutError) as error:
            pool, trace = _pool(url), error.__traceback__
            retries = retries.increment(method, url, error=error, _pool=pool, _stacktrace=trace)
            transport.advance(retries.get_backoff_time())
            continue
        if not retries.is_retry(method, response.status, "Retry-After" in response.headers):
            return response
        try:
            retries = retries.increment(method, url, response=response, _pool=_pool(url))
        except MaxRetryError:
            if retries.raise_on_status:
                raise
            return response
        transport.advance(_pause(retries, response))


def _sent_once(
    transport: InProcessTransport, request: Any, body: bytes, timeout: float | None
) -> HTTPResponse:
    """Send a request once, and return the response or raise the exception of urllib3."""
    arrival = transport.send(str(request.method), str(request.url), request.headers.items(), body, timeout)
    transport.advance(arrival.wait)
    if isinstance(arrival.failure, TimedOut):
        message = f"Read timed out. (read timeout={arrival.failure.seconds:g})"
        raise ReadTimeoutError(_pool(request.url), request.url, message)
    if isinstance(arrival.failure, ConnectionBroken):
        cause: Exception = ConnectionResetError(*RESET)
        if not arrival.failure.reset:
            cause = http.client.RemoteDisconnected("Remote end closed connection without response")
        raise ProtocolError("Connection aborted.", cause)
    length = next((value for name, value in arrival.headers if name.lower() == "content-length"), "0")
    received = _Body(arrival.steps, int(length), transport)
    return _response(arrival.status, arrival.headers, received, request.method)


def _pause(retries: Retry, response: HTTPResponse) -> float:
    seconds = retries.get_retry_after(response) if retries.respect_retry_after_header else None
    return seconds or retries.get_backoff_time()


def _pool(url: str) -> HTTPConnectionPool:
    """Return a pool without connections, which exceptions of urllib3 show."""
    parts = urlsplit(url)
    kind = HTTPSConnectionPool if parts.scheme == "https" else HTTPConnectionPool
    return kind(str(parts.hostname), parts.port)


def _whole(body: Any) -> bytes:
    """Return the body of a prepared request as bytes. It is text, bytes, None, a file or a generator."""
    if isinstance(body, str):
        return body.encode()
    return bytes(body) if isinstance(body, bytes | bytearray) else b"".join(body or ())


def _read_seconds(timeout: Any) -> float | None:
    """Return the seconds to wait for each part of a response; None without a limit.

    Args:
        timeout: As for ``requests``: a number, a tuple, an ``urllib3.Timeout`` or None.

    Raises:
        ValueError: It is a tuple of another length.
    """
    if isinstance(timeout, tuple):
        if len(timeout) != 2:
            raise ValueError(
                f"Invalid timeout {timeout}. Pass a (connect, read) timeout tuple, or a single number."
            )
        timeout = timeout[1]
    if not isinstance(timeout, Timeout):
        timeout = Timeout(read=timeout)  # checks the value, as requests does
    try:
        read = timeout.read_timeout
    except TimeoutStateError:  # it is what the connection leaves of the total, and connecting takes no time
        read = None
    limits = [one for one in (read, timeout.total) if isinstance(one, int | float)]
    return float(min(limits)) if limits else None


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

    def __init__(self, steps: tuple[BodyPart, ...], length: int, transport: InProcessTransport) -> None:
        self._steps = list(reversed(steps))
        self._length = length
        self._is_cut = False
        self._transport = transport
        self._left = b""

    def readable(self) -> bool:
        return True

    def isclosed(self) -> bool:
        """Return whether there is no more to read. urllib3 calls this method of http.client's responses."""
        return self.closed or not (self._steps or self._left)

    def read1(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes. urllib3 calls this method of ``http.client.HTTPResponse``."""
        return self.read(size if size > 0 else _MAX_READ_BYTES) or b""

    def readall(self) -> bytes:
        """Return the rest of the body, or raise as ``http.client`` does if the connection ends before it."""
        part = super().readall() or b""
        if self._is_cut:
            raise http.client.IncompleteRead(part, self._length - len(part))
        return part

    def readinto(self, buffer: Any) -> int:
        while not self._left and self._steps:
            self._left = self._next(self._steps.pop())
        part = self._left[: len(buffer)]
        self._left = self._left[len(part) :]
        buffer[: len(part)] = part
        return len(part)

    def _next(self, step: BodyPart) -> bytes:
        self._transport.advance(step.pause)
        if isinstance(step.failure, TimedOut):
            raise TimeoutError("timed out")
        if isinstance(step.failure, ConnectionBroken) and step.failure.reset:
            raise ConnectionResetError(*RESET)
        self._is_cut = step.failure is not None
        return step.part
