"""Send a request to the fake without a socket; the response arrives on a virtual clock.

The exceptions here do not depend on an HTTP library. ``for_requests`` and ``for_httpx`` translate them.
"""

from __future__ import annotations

import io
import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from netmind_mock.api.request import KEY, RequestContext, whole_response
from netmind_mock.simulation.faults import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import responses

    from netmind_mock.api.request import Application
    from netmind_mock.journal.shared import AnyJournal
    from netmind_mock.testing.poll_limit import PollLimit
    from netmind_mock.testing.virtual_time import VirtualClock

    Headers = Iterable[tuple[str, str | bytes]]

_PORTS = {"http": 80, "https": 443}


class ConnectionBroken(Exception):
    """The connection was reset, or closed, before the whole response arrived."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__("reset" if reset else "closed")
        self.reset = reset


class TimedOut(Exception):
    """No byte arrived within the timeout of the request, in seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no response within {seconds:g} s")
        self.seconds = seconds


class WouldHang(BaseException):
    """A request without a timeout never gets a response.

    A BaseException, so that ``except Exception`` in the client does not catch it.
    """

    __module__ = "netmind_mock"  # the public name, which reports show


class BodyPart(NamedTuple):
    """A part of a response's body.

    Attributes:
        pause: Seconds until it arrives, after the part before it.
        part: The bytes.
        failure: Why there are no more parts; None if the body is not broken off here.
    """

    pause: float
    part: bytes
    failure: Exception | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """A response as it arrives.

    Attributes:
        wait: Seconds until its head arrives.
        failure: ``ConnectionBroken`` or ``TimedOut`` if the head does not arrive; otherwise None.
        status: The HTTP status.
        headers: Names and values.
        steps: The parts of its body.
        lost: A function that records in the journal that the client did not receive it.
    """

    wait: float
    failure: Exception | None
    status: int
    headers: tuple[tuple[str, str], ...]
    steps: tuple[BodyPart, ...]
    lost: Callable[[], None]


class InProcessTransport:
    """Sends requests to a WSGI application, on a virtual clock.

    Attributes:
        clock: The clock.
        base_url: The URL of the API.
        other_requests: Handles the other URLs of ``requests``; None if they are sent as usual.
    """

    def __init__(
        self,
        application: Application,
        clock: VirtualClock,
        poll_limit: PollLimit,
        journal: AnyJournal,
        base_url: str,
    ) -> None:
        self._application = application
        self.clock = clock
        self._poll_limit = poll_limit
        self._journal = journal
        self.base_url = base_url
        self.other_requests: responses.RequestsMock | None = None
        parts = urlsplit(base_url)
        self._origin = _origin(parts)
        self._prefix = parts.path.rstrip("/")
        self._usual_start = base_url + "/"  # of almost all URLs, without parsing them
        # A client that uses http: by mistake must not reach the real host, either.
        self._is_default_port = self._origin[2] == _PORTS.get(parts.scheme)

    def handles(self, url: str) -> bool:
        """Return whether a URL belongs to the fake."""
        if url.startswith(self._usual_start):
            return True
        try:
            parts = urlsplit(url)
            origin = _origin(parts)
        except ValueError:
            return False
        same = origin == self._origin or (
            self._is_default_port and origin[1] == self._origin[1] and origin[2] == _PORTS.get(parts.scheme)
        )
        return same and (not self._prefix or parts.path.startswith(self._prefix + "/"))

    def advance(self, seconds: float) -> None:
        """Advance the virtual clock."""
        if seconds:
            self.clock.advance(seconds)

    def send(self, method: str, url: str, headers: Headers, body: bytes, timeout: float | None) -> Arrival:
        """Send a request. The caller advances the clock as the parts of the response arrive.

        Args:
            method: The method, in capitals.
            url: The absolute URL.
            headers: Names and values.
            body: The whole body.
            timeout: Seconds to wait for each part of the response; None without a limit.

        Raises:
            WouldHang: The response never arrives, and the request has no timeout.
        """
        __tracebackhide__ = True
        environ = self._environ(method, url, headers, body)
        environ[KEY] = context = RequestContext(sends_later=True)
        status, response_headers, content = whole_response(self._application, environ)
        delivery = context.delivery or Delivery(int(status[:3]), response_headers, content)
        received = content if delivery.arrives else b""
        self._poll_limit.count(method, environ["PATH_INFO"], received)
        wait = delivery.wait
        if context.hold is not None:
            wait += max(context.hold.due() - context.hold.clock.now(), 0.0)
        failure: Exception | None = ConnectionBroken(reset=delivery.reset) if delivery.sent == -1 else None
        if timeout is not None and wait > timeout:
            wait, failure = timeout, TimedOut(timeout)
        if wait == math.inf:
            raise WouldHang(
                f"{method} {url} has no timeout and never gets a response (because of a fault or scenario): "
                "with the real API, this client would hang forever. Give the request a timeout."
            )
        steps = tuple(_steps(delivery, timeout))

        def lost() -> None:
            if context.raw is not None:
                self._journal.replace(context.raw, context.raw._replace(arrives=False))

        if failure is not None or steps[-1].failure is not None:
            lost()
        return Arrival(wait, failure, delivery.status, tuple(response_headers), steps, lost)

    def _environ(self, method: str, url: str, headers: Headers, body: bytes) -> dict[str, Any]:
        parts = urlsplit(url)
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(parts.path[len(self._prefix) :]).decode("latin-1") or "/",
            "QUERY_STRING": parts.query,
            "SERVER_NAME": parts.hostname or "",
            "SERVER_PORT": str(parts.port or _PORTS[parts.scheme]),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": parts.netloc.rpartition("@")[2],
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.url_scheme": parts.scheme,
            "wsgi.input_terminated": True,
            "wsgi.version": (1, 0),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, raw_value in headers:
            value = raw_value.decode("latin-1") if isinstance(raw_value, bytes) else raw_value
            key = name.upper().replace("-", "_")
            if key == "CONTENT_TYPE":
                environ[key] = value
            elif key not in ("CONTENT_LENGTH", "TRANSFER_ENCODING", "HOST"):
                environ[f"HTTP_{key}"] = value
        return environ


def _origin(parts: SplitResult) -> tuple[str, str, int | None]:
    host = (parts.hostname or "").rstrip(".")
    return parts.scheme, host, parts.port or _PORTS.get(parts.scheme)


def _steps(delivery: Delivery, timeout: float | None) -> Iterator[BodyPart]:
    """Yield the parts of a body: a single one, unless a fault changes how it arrives."""
    pause, parts = delivery.parts()
    for part in parts:
        if timeout is not None and pause > timeout:
            yield BodyPart(timeout, b"", TimedOut(timeout))
            return
        yield BodyPart(pause, part)
    if not delivery.arrives:
        yield BodyPart(0.0, b"", ConnectionBroken(reset=delivery.reset))
