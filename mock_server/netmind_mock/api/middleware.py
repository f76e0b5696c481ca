"""The middleware around the API: it reads the clock, applies faults, and writes the journal.

The operations do not depend on any of that. Requests to the control API are passed on unchanged.
"""

from __future__ import annotations

import math
from email.utils import formatdate
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

from netmind_mock.api.request import HEADERS, RequestContext, header_facts, read_body, whole_response
from netmind_mock.clock import SimulatedClock
from netmind_mock.errors import HINT, RefusedRequest, hint_line, phrase_of
from netmind_mock.jobs import ids
from netmind_mock.journal.entries import RawEntry, lines_of
from netmind_mock.journal.redaction import MAX_BODY_BYTES, secrets_of, stored_body
from netmind_mock.simulation.accounts import AppliedFault
from netmind_mock.simulation.faults import Delivery, fault_of
from netmind_mock.simulation.faults import fault as new_fault
from netmind_mock.stores import StoreUnavailable
from netmind_mock.system_time import system_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from wsgiref.types import StartResponse, WSGIEnvironment

    from netmind_mock.api.request import Application, HeaderFacts, Hold, WholeResponse
    from netmind_mock.clock import Clock
    from netmind_mock.fake import Fake
    from netmind_mock.simulation.faults import Fault
    from netmind_mock.simulation.load import RateLimit

    DirectView = Callable[[RequestContext, str], WholeResponse | None]

CONTROL: Final = "/__mock"

_COLLECTION: Final = "/v1/generation"
_ONE: Final = "/v1/generation/"
_LIMITED: Final = ("create", "get", "list", "delete")
_NOT_PROCESSED: Final[WholeResponse] = ("200 OK", [], b"")
_RATE_LIMIT: Final = -1  # the number of the fault by which a rate limit refuses requests


class Middleware:
    """WSGI middleware around the application."""

    def __init__(
        self,
        fake: Fake,
        application: Application,
        views: Mapping[str, DirectView],
        *,
        unavailable: Callable[[StoreUnavailable], Application],
        log: Callable[[RawEntry], None] | None,
    ) -> None:
        """Wrap an application.

        Args:
            fake: The fake that the application serves.
            application: The application.
            views: The operations that can be called directly, without the application, by name.
            unavailable: Returns the application that responds to a request if the store is unavailable.
            log: Called with the journal entry of each request.
        """
        self._fake = fake
        self._application = application
        self._views = views
        self._unavailable = unavailable
        self._log = log
        self._files = fake.profile.url_path.partition("{")[0]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Respond to a request.

        A server that knows ``RequestContext`` sends a response as its ``delivery`` says. Other servers send
        the bytes that would arrive.
        """
        path = environ.get("PATH_INFO", "")
        if path.startswith(CONTROL):
            return self._application(environ, start_response)
        began = system_time.monotonic()
        context = RequestContext.of(environ)
        context.operation, context.job_id = self._operation(environ["REQUEST_METHOD"], path)
        facts: HeaderFacts = environ.get(HEADERS) or header_facts(environ)
        context.user_id = facts.user_id
        application, applied = self._application, None
        try:
            applied = self._admit(context)
        except StoreUnavailable as error:
            application = self._unavailable(error)
            context.now = self._fake.accounts.clock(context.user_id).now()
        self._delay(context)
        fault = None if applied is None else applied.fault
        reached = fault is None or fault.reaches
        status, headers, body = self._process(context, application) if reached else _NOT_PROCESSED
        if fault is None and context.scenario is not None:
            fault = fault_of(context.scenario)
        delivery = Delivery(int(status[:3]), headers, body)
        if fault is not None:
            delivery = fault.apply(
                delivery, self._fake.accounts.seed, 0 if applied is None else applied.number
            )
            if 400 <= delivery.status < 500:
                hint = (HINT, hint_line(f"{_name(fault)}, as configured", "docs/testing.md"))
                delivery = delivery._replace(headers=[*delivery.headers, hint])
            status = f"{delivery.status} {phrase_of(delivery.status)}"
        delivery.headers.append(_date(int(context.now)))
        if context.hint:
            delivery.headers.append((HINT, context.hint))
        self._record(context, facts, fault, delivery, began, reached=reached)
        if context.hold is not None and context.hold.done_at is not None and delivery.is_plain:
            context.renew = partial(self._renewed, context, context.hold)
        return _sent(status, delivery, context, start_response)

    def _operation(self, method: str, path: str) -> tuple[str, str]:
        """Return the operation of a request, and the id of its job (empty without one)."""
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
        """Read the account's clock. Return the fault for this request; None without one.

        Raises:
            StoreUnavailable: The store cannot be read or written now.
        """
        fake = self._fake
        fake.accounts.follow()
        if context.operation == "file":  # files need no API key: the account is the job's
            job = fake.store.get(context.job_id)
            context.user_id = None if job is None else job.user_id
        clock = fake.accounts.clock(context.user_id)
        context.now = clock.now()
        applied = fake.accounts.fault_for(context.user_id, context.operation, context.job_id)
        if applied is None and fake.load.rate is not None:
            applied = self._limit(fake.load.rate, context, clock)
        return applied

    def _limit(self, limit: RateLimit, context: RequestContext, clock: Clock) -> AppliedFault | None:
        """Count a request for its account. Return the fault that refuses it if it is over the limit."""
        if context.user_id is None or context.operation not in _LIMITED:
            return None

        def take(stored: bytes | None) -> tuple[bytes, float]:
            full_at, wait = limit.taken(float(stored or 0), context.now)
            return repr(full_at).encode(), wait

        wait = self._fake.store.amend("rate", context.user_id, take, followed=False)
        if wait == 0:
            return None
        # Retry-After is in real seconds, since clients wait in real time.
        speed = clock.speed if isinstance(clock, SimulatedClock) and not clock.frozen else 1.0
        retry_after = max(math.ceil(wait / speed), 1)
        return AppliedFault(
            new_fault(_RATE_LIMIT, context.operation, "status", code=429, retry_after=retry_after), 0
        )

    def _delay(self, context: RequestContext) -> None:
        """Hold the response for the latency, unless the clock is frozen: then it would never be sent."""
        load, clock = self._fake.load, self._fake.accounts.clock(context.user_id)
        if load.latency is None or (isinstance(clock, SimulatedClock) and clock.frozen):
            return
        context.hold_until(context.now + load.latency.drawn(load.chance), clock)

    def _process(self, context: RequestContext, application: Application) -> WholeResponse:
        """Return the response of the operation.

        Usual requests call the view directly, since routing by Flask takes as long as the rest together.
        """
        view = self._views.get(context.operation)
        is_usual = application is self._application and context.environ["REQUEST_METHOD"] != "HEAD"
        if view is not None and is_usual and (context.job_id or context.operation in ("create", "list")):
            response = view(context, context.job_id)
            if response is not None:
                return response
        return whole_response(application, context.environ)

    def _renewed(self, context: RequestContext, hold: Hold) -> WholeResponse | None:
        """Return the response to a create whose job was changed while it was held: that of a get.

        Return None if the job was not changed.
        """
        if not hold.is_outdated():
            return None
        context.now = hold.clock.now()
        environ = {**context.environ, "REQUEST_METHOD": "GET", "PATH_INFO": _ONE + context.job_id}
        status, headers, body = whole_response(self._application, environ)
        headers.append(_date(int(context.now)))
        if context.raw is not None:
            sent = context.raw._replace(
                status=int(status[:3]), response_headers=lines_of(headers), response=body
            )
            self._fake.journal.replace(context.raw, sent)
        return status, headers, body

    def _record(
        self,
        context: RequestContext,
        facts: HeaderFacts,
        fault: Fault | None,
        delivery: Delivery,
        began: float,
        *,
        reached: bool,
    ) -> None:
        """Add the request and its response to the journal and the log."""
        environ = context.environ
        query = environ.get("QUERY_STRING")
        path = environ["PATH_INFO"]
        secrets = secrets_of(environ, facts.secrets)
        context.raw = raw = RawEntry(
            context.user_id,
            context.now,
            system_time.monotonic() - began,
            context.operation,
            environ["REQUEST_METHOD"],
            f"{path}?{query}" if query else path,
            facts.lines,
            secrets,
            stored_body(_sent_body(context), secrets),
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
    """Return a fault's name in the journal. A fault that belongs to a scenario has no number."""
    return {0: "scenario response_lost", _RATE_LIMIT: "rate limit"}.get(fault.number) or str(fault)


def _sent_body(context: RequestContext) -> bytes:
    """Return the request's body, also of a create that was not processed."""
    if context.body is None and context.operation == "create":
        try:
            return read_body(context)
        except RefusedRequest:
            pass
    return context.body or b""


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
    """Return the bytes of a response that arrive, for a server that cannot delay or break off responses.

    Raises:
        ConnectionResetError: No byte arrives.
    """
    if not delivery.arrives and (delivery.sent in (None, -1)):
        raise ConnectionResetError("the response never arrives, as the fault says")
    return delivery.body[: delivery.sent]


@lru_cache(maxsize=64)  # most requests arrive in the same second as others
def _date(second: int) -> tuple[str, str]:
    """Return the Date header, by the account's clock."""
    return "Date", formatdate(second, usegmt=True)
