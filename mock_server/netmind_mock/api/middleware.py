"""The middleware around the API: it reads the clock, applies faults, and writes the journal.

The operations behind it know nothing of any of that. The control API is passed through as it is.
"""

from __future__ import annotations

import math
import time
from email.utils import formatdate
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from netmind_mock.api import wire
from netmind_mock.api.request import RequestContext, read_body, whole_response
from netmind_mock.clock import SimulatedClock
from netmind_mock.errors import HINT, RefusedRequest, hint_line, phrase_of
from netmind_mock.jobs import ids
from netmind_mock.journal.entries import RawEntry, lines_of
from netmind_mock.journal.redaction import MAX_BODY_BYTES, header_lines, kept, secrets_of
from netmind_mock.simulation.accounts import AppliedFault
from netmind_mock.simulation.faults import Delivery, fault_of
from netmind_mock.simulation.faults import fault as new_fault
from netmind_mock.stores import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from wsgiref.types import StartResponse, WSGIEnvironment

    from netmind_mock.api.request import Application, WholeResponse
    from netmind_mock.clock import Clock
    from netmind_mock.fake import Fake
    from netmind_mock.simulation.faults import Fault
    from netmind_mock.simulation.load import RateLimit

    DirectView = Callable[[RequestContext, str], WholeResponse | None]

CONTROL: Final = "/__mock"

_COLLECTION: Final = "/v1/generation"
_ONE: Final = "/v1/generation/"
_LIMITED: Final = ("create", "get", "list", "delete")
_NOT_CARRIED_OUT: Final[WholeResponse] = ("200 OK", [], b"")
_RATE_LIMIT: Final = -1  # the number of the fault that it is
_LAST_SECOND: Final = 253_402_300_799


class Middleware:
    """WSGI middleware around the application that holds the API."""

    def __init__(
        self,
        fake: Fake,
        application: Application,
        views: Mapping[str, DirectView],
        *,
        unavailable: Callable[[StoreUnavailable], Application],
        log: Callable[[RawEntry], None] | None,
    ) -> None:
        """Put the middleware around an application.

        Args:
            fake: What the application serves.
            application: The application.
            views: The operations that can be called without going through the application, by name.
            unavailable: From the error of a store to the application that responds in its place.
            log: Called with what the journal has of each request.
        """
        self._fake = fake
        self._application = application
        self._views = views
        self._unavailable = unavailable
        self._log = log
        self._files = fake.profile.url_path.partition("{")[0]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Respond to a request; a response that a fault changed is sent as the server is able to."""
        path = environ.get("PATH_INFO", "")
        if path.startswith(CONTROL):
            return self._application(environ, start_response)
        began = time.monotonic()
        context = RequestContext.of(environ)
        context.operation, context.job_id = self._operation(environ["REQUEST_METHOD"], path)
        context.user_id = _user_id(_token(environ.get("HTTP_AUTHORIZATION")))
        application, applied = self._application, None
        try:
            applied = self._admit(context)
        except StoreUnavailable as error:
            application = self._unavailable(error)
            context.now = self._fake.accounts.clock(context.user_id).now()
        self._delay(context)
        fault = None if applied is None else applied.fault
        reached = fault is None or fault.reaches
        status, headers, body = self._carry_out(context, application) if reached else _NOT_CARRIED_OUT
        if fault is None and context.scenario is not None:
            fault = fault_of(context.scenario)
        delivery = Delivery(int(status[:3]), headers, body)
        if fault is not None:
            delivery = fault.apply(
                delivery, self._fake.accounts.seed, 0 if applied is None else applied.number
            )
            if 400 <= delivery.status < 500:
                hint = (HINT, hint_line(f"{_name(fault)}, as ordered", "docs/testing.md"))
                delivery = delivery._replace(headers=[*delivery.headers, hint])
            status = f"{delivery.status} {phrase_of(delivery.status)}"
        delivery.headers.append(_date(int(context.now)))
        self._record(context, fault, delivery, began, reached=reached)
        return _sent(status, delivery, context, start_response)

    def _operation(self, method: str, path: str) -> tuple[str, str]:
        """Return the operation that a request asks for, and the job that it is about."""
        if path.startswith(_ONE):
            operation = {"GET": "get", "HEAD": "get", "DELETE": "delete"}.get(method, "other")
            named = path[len(_ONE) :]
            return operation, named if ids.is_job_id(named) else ""
        if path == _COLLECTION:
            return {"POST": "create", "GET": "list", "HEAD": "list"}.get(method, "other"), ""
        if path.startswith(self._files):
            files = (ids.file_of(part) for part in path.split("/") if part.startswith("file-"))
            return "file", next((found[0] for found in files if found), "")
        return "other", ""

    def _admit(self, context: RequestContext) -> AppliedFault | None:
        """Read the account's clock, and return the fault that the request meets, if there is one.

        Raises:
            StoreUnavailable: The store cannot be read or written now.
        """
        fake = self._fake
        fake.accounts.follow()
        if context.operation == "file":  # which is asked for without a token
            job = fake.store.get(context.job_id)
            context.user_id = None if job is None else job.user_id
        clock = fake.accounts.clock(context.user_id)
        context.now = clock.now()
        applied = fake.accounts.fault_for(context.user_id, context.operation, context.job_id)
        if applied is None and fake.load.rate is not None:
            applied = self._limit(fake.load.rate, context, clock)
        return applied

    def _limit(self, limit: RateLimit, context: RequestContext, clock: Clock) -> AppliedFault | None:
        """Count a request for its account, and return the refusal of one that is over the limit."""
        if context.user_id is None or context.operation not in _LIMITED:
            return None

        def take(kept: bytes | None) -> tuple[bytes, float]:
            unused_at, wait = limit.taken(float(kept or 0), context.now)
            return repr(unused_at).encode(), wait

        wait = self._fake.store.amend("rate", context.user_id, take, told=False)
        if wait == 0:
            return None
        # A client waits in real time.
        speed = clock.speed if isinstance(clock, SimulatedClock) and not clock.frozen else 1.0
        retry_after = max(math.ceil(wait / speed), 1)
        return AppliedFault(
            new_fault(_RATE_LIMIT, context.operation, "status", code=429, retry_after=retry_after), 0
        )

    def _delay(self, context: RequestContext) -> None:
        """Hold the response back by the latency; not on a clock that stands, where it would never be sent."""
        load, clock = self._fake.load, self._fake.accounts.clock(context.user_id)
        if load.latency is None or (isinstance(clock, SimulatedClock) and clock.frozen):
            return
        context.hold(context.now + load.latency.drawn(load.chance), clock)

    def _carry_out(self, context: RequestContext, application: Application) -> WholeResponse:
        """Return the operation's response, by calling its view where that is all that Flask would do."""
        view = self._views.get(context.operation)
        is_usual = application is self._application and context.environ["REQUEST_METHOD"] != "HEAD"
        if view is not None and is_usual and (context.job_id or context.operation in ("create", "list")):
            response = view(context, context.job_id)
            if response is not None:
                return response
        return whole_response(application, context.environ)

    def _record(
        self, context: RequestContext, fault: Fault | None, delivery: Delivery, began: float, *, reached: bool
    ) -> None:
        """Write the request and its response into the journal, and into the log."""
        environ = context.environ
        query = environ.get("QUERY_STRING")
        path = environ["PATH_INFO"]
        headers = header_lines(environ)
        secrets = secrets_of(environ, headers)
        context.raw = raw = RawEntry(
            context.user_id,
            context.now,
            time.monotonic() - began,
            context.operation,
            environ["REQUEST_METHOD"],
            f"{path}?{query}" if query else path,
            headers,
            secrets,
            kept(_sent_body(context), secrets),
            delivery.status,
            lines_of(delivery.headers),
            b"" if context.operation == "file" else delivery.body[:MAX_BODY_BYTES],
            context.job_id,
            "" if context.scenario is None else context.scenario.name,
            "" if fault is None else _name(fault),
            "" if fault is None else fault.kind,
            delivery.arrives,
            reached,
        )
        self._fake.journal.add(raw)
        if self._log is not None:
            self._log(raw)


def _name(fault: Fault) -> str:
    """What a fault is called in the journal: those that nobody asked for as such have no number."""
    return {0: "scenario response_lost", _RATE_LIMIT: "rate limit"}.get(fault.number) or str(fault)


def _sent_body(context: RequestContext) -> bytes:
    """The body that was sent, also of a create that was not carried out."""
    if context.body is None and context.operation == "create":
        try:
            return read_body(context)
        except RefusedRequest:
            pass
    return context.body or b""


@lru_cache(maxsize=1024)  # a client sends the same header with every request
def _token(header: str | None) -> str:
    """The API key that was sent; empty if none was, or something else."""
    try:
        return wire.read_token(header)
    except RefusedRequest:
        return ""


@lru_cache(maxsize=1024)
def _user_id(token: str) -> str | None:
    return ids.user_id_of(token) if token else None


def _sent(
    status: str, delivery: Delivery, context: RequestContext, start_response: StartResponse
) -> Iterable[bytes]:
    body = delivery.body
    if not delivery.is_plain:
        if context.sends_later:
            context.delivery = delivery
        else:
            body = _sent_plainly(delivery)
    start_response(status, delivery.headers)
    return [body]


def _sent_plainly(delivery: Delivery) -> bytes:
    """What arrives where WSGI alone sends the response, which knows no time and no connection.

    Raises:
        ConnectionResetError: Nothing does.
    """
    if not delivery.arrives and (delivery.sent in (None, -1)):
        raise ConnectionResetError("the response never arrives, as the fault says")
    return delivery.body[: delivery.sent]


@lru_cache(maxsize=64)  # most responses of a second are of the same
def _date(second: int) -> tuple[str, str]:
    """The header that says what time it is, by the jobs' clock; 9999 is the last year that it can."""
    return "Date", formatdate(min(second, _LAST_SECOND), usegmt=True)
