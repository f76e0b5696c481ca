"""Carries a request to the fake without a socket, and its answer back as a virtual clock has it arrive.

What HTTP libraries raise is theirs to say; here it is said in our words, which the interceptors translate.
"""

from __future__ import annotations

import io
import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urlsplit

from netmind_mock.routes import DELIVER, HOLD
from netmind_mock.wsgi import whole_answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netmind_mock.clock import Clock
    from netmind_mock.faults import Delivery
    from netmind_mock.testing.patience import Patience
    from netmind_mock.testing.virtual_time import VirtualClock
    from netmind_mock.wsgi import Application

    Headers = Iterable[tuple[str, str]]

_PORTS = {"http": 80, "https": 443}
_CHUNKS = 20  # in which a body arrives that dribbles


class Broken(Exception):
    """The connection ended before the answer did: by a reset, or in order."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__("reset" if reset else "closed")
        self.reset = reset


class TimedOut(Exception):
    """No byte came within the request's own timeout, in seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"nothing came within {seconds:g} s")
        self.seconds = seconds


class WouldHang(BaseException):
    """A request without a timeout met an answer that never comes. No ``except Exception`` swallows it."""

    __module__ = "netmind_mock"  # where it is public, and short in a report


@dataclass(frozen=True, slots=True)
class Arrival:
    """An answer whose head has arrived; its body arrives as it is read.

    Attributes:
        status: The HTTP status.
        headers: Names and values.
        chunks: The body's parts; raises ``Broken`` or ``TimedOut`` where it breaks off.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    chunks: Iterator[bytes]


class Carrier:
    """Carries requests to a WSGI application, on a virtual clock."""

    def __init__(
        self, application: Application, clock: VirtualClock, patience: Patience, base_url: str
    ) -> None:
        self._application = application
        self._clock = clock
        self._patience = patience
        self.base_url = base_url
        parts = urlsplit(base_url)
        self._origin = (parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme))
        self._prefix = parts.path.rstrip("/")

    def takes(self, url: str) -> bool:
        """Whether a URL is the fake's."""
        try:
            parts = urlsplit(url)
            origin = (parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme))
        except ValueError:
            return False
        return origin == self._origin and (not self._prefix or parts.path.startswith(self._prefix + "/"))

    def let_pass(self, seconds: float) -> None:
        """Let time pass on the virtual clock."""
        self._clock.advance(seconds)

    def carry(self, method: str, url: str, headers: Headers, body: bytes, timeout: float | None) -> Arrival:
        """Send a request and wait for the head of its answer, in no time.

        Args:
            method: In capitals.
            url: Absolute.
            headers: Names and values.
            body: All of it.
            timeout: Seconds to wait for each part of the answer; None for ever.

        Raises:
            TimedOut: The answer's head does not come in time.
            Broken: The connection ends before.
            WouldHang: Nothing would ever come, and nothing would end the wait.
        """
        __tracebackhide__ = True
        moments: list[float] = []
        deliveries: list[Delivery] = []

        def hold(moment: float, clock: Clock) -> None:
            moments.append(moment - clock.now())

        environ = self._environ(method, url, headers, body)
        environ[HOLD], environ[DELIVER] = hold, deliveries.append
        status, answer_headers, content = whole_answer(self._application, environ)
        delivery = deliveries[0] if deliveries else None
        seen = content if delivery is None or delivery.arrives else b""
        self._patience.saw(method, environ["PATH_INFO"], self._clock.now(), seen)
        self._wait(sum(moments) + (delivery.wait if delivery else 0.0), timeout, method, url)
        if delivery is not None and delivery.sent == -1:
            raise Broken(reset=delivery.reset)
        return Arrival(
            int(status[:3]), tuple(answer_headers), self._chunks(content, delivery, timeout, method, url)
        )

    def _wait(self, seconds: float, timeout: float | None, method: str, url: str) -> None:
        if timeout is not None and seconds > timeout:
            self._clock.advance(timeout)
            raise TimedOut(timeout)
        if seconds == math.inf:
            raise WouldHang(
                f"{method} {url} has no timeout, and its answer never comes, as ordered: against the real "
                "API this client would hang for ever. Give the request a timeout."
            )
        if seconds > 0:
            self._clock.advance(seconds)

    def _chunks(
        self, content: bytes, delivery: Delivery | None, timeout: float | None, method: str, url: str
    ) -> Iterator[bytes]:
        if delivery is None or (delivery.over == 0 and delivery.sent is None):
            yield content
            return
        sent = content if delivery.sent is None else content[: delivery.sent]
        size = max(math.ceil(len(content) / _CHUNKS), 1)
        pause = delivery.over * size / max(len(content), 1)
        for start in range(0, len(sent), size):
            self._wait(pause, timeout, method, url)
            yield sent[start : start + size]
        if len(sent) < len(content):
            raise Broken(reset=delivery.reset)

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
        for name, value in headers:
            key = name.upper().replace("-", "_")
            if key == "CONTENT_TYPE":
                environ[key] = value
            elif key not in ("CONTENT_LENGTH", "TRANSFER_ENCODING", "HOST"):
                environ[f"HTTP_{key}"] = value
        return environ
