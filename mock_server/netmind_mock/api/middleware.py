"""The door to the imitated API: where the clock is read, a fault strikes and a request is noted.

It is WSGI middleware around the imitated routes, which know nothing of it: they find the time and the tenant
in the environ. The control plane goes past it.
"""

from __future__ import annotations

import math
import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from netmind_mock.api import wire
from netmind_mock.api.environ import BODY, DELIVER, HOLD, JOB, NOTE, NOW, ORDER, USER, read_body, whole_answer
from netmind_mock.clock import SteerableClock
from netmind_mock.errors import HINT, ApiError, hint_of_fault
from netmind_mock.jobs import ids
from netmind_mock.journal.entries import Note, lines_of
from netmind_mock.journal.redaction import MOST_BODY_BYTES, header_lines, kept, secrets_of
from netmind_mock.simulation.accounts import Struck
from netmind_mock.simulation.faults import Delivery, fault_of
from netmind_mock.simulation.faults import fault as new_fault
from netmind_mock.stores import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from wsgiref.types import StartResponse, WSGIEnvironment

    from netmind_mock.api.environ import Application, Whole
    from netmind_mock.clock import Clock
    from netmind_mock.jobs.profile import Profile
    from netmind_mock.journal.shared import AnyJournal
    from netmind_mock.simulation.accounts import Tenants
    from netmind_mock.simulation.faults import Fault
    from netmind_mock.simulation.load import Load, RateLimit
    from netmind_mock.stores import JobStore

    Shorter = Callable[[WSGIEnvironment, str], Whole | None]

CONTROL: Final = "/__mock"

_COLLECTION: Final = "/v1/generation"
_ONE: Final = "/v1/generation/"
_LIMITED: Final = ("create", "get", "list", "delete")
_NOTHING: Final[Whole] = ("200 OK", [], b"")
_RATE_LIMIT: Final = -1  # the number of the fault that it is
_LAST_SECOND: Final = 253_402_300_799


class Door:
    """Answers requests with the application behind it, as the tests ordered."""

    def __init__(
        self,
        inner: Application,
        tenants: Tenants,
        journal: AnyJournal,
        store: JobStore,
        profile: Profile,
        *,
        views: Mapping[str, Shorter],
        load: Load,
        unavailable: Callable[[StoreUnavailable], Application],
        log: Callable[[Note], None] | None,
    ) -> None:
        """A door.

        Args:
            inner: The application behind it.
            tenants: What was ordered.
            journal: Where requests are noted.
            store: Where it is looked up whose a file is.
            profile: Where files are.
            views: The operations that need not go through the application, by name.
            load: How late answers are, and how many are given.
            unavailable: What answers instead of the application when the store is not to be had.
            log: Called with each note.
        """
        self._inner = inner
        self._views = views
        self._load = load
        self._unavailable = unavailable
        self._tenants = tenants
        self._journal = journal
        self._store = store
        self._log = log
        self._files = profile.url_path.partition("{")[0]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request; a delivery that is not plain is handed to whatever carries it."""
        path = environ.get("PATH_INFO", "")
        if path.startswith(CONTROL):
            return self._inner(environ, start_response)
        began = time.monotonic()
        operation, job_id = self._operation(environ["REQUEST_METHOD"], path)
        token = _token(environ.get("HTTP_AUTHORIZATION"))
        inner, user_id, struck = self._inner, _user_id(token), None
        try:
            self._tenants.follow()
            if operation == "file":
                user_id = self._user_of_file(job_id)
            clock = self._tenants.clock(user_id)
            now = clock.now()
            struck = self._tenants.strike(user_id, operation, job_id)
            if struck is None and self._load.rate is not None:
                struck = self._limited(self._load.rate, user_id, operation, now, clock)
        except StoreUnavailable as error:
            inner, clock = self._unavailable(error), self._tenants.clock(user_id)
            now = clock.now()
        if self._load.latency is not None:
            _hold_back(environ, clock, now + self._load.latency.drawn(self._load.chance))
        environ[NOW], environ[USER] = now, user_id
        fault = None if struck is None else struck.fault
        reached = fault is None or fault.reaches
        status, headers, body = self._answered(inner, environ, operation, job_id) if reached else _NOTHING
        if fault is None and (order := environ.get(ORDER)) is not None:
            fault = fault_of(order)
        delivery = Delivery(int(status[:3]), headers, body)
        if fault is not None:
            delivery = fault.struck(delivery, self._tenants.seed, 0 if struck is None else struck.number)
            if 400 <= delivery.status < 500:
                hint = (HINT, hint_of_fault(_name(fault)))
                delivery = delivery._replace(headers=[*delivery.headers, hint])
            status = f"{delivery.status} {_phrase(delivery.status)}"
        delivery.headers.append(_date(int(now)))
        self._note(environ, operation, environ.get(JOB, job_id), fault, delivery, began, reached=reached)
        return _sent(status, delivery, environ, start_response)

    def _answered(self, inner: Application, environ: WSGIEnvironment, operation: str, job_id: str) -> Whole:
        """What the operation answers, straight from its view if it is asked for as it usually is."""
        view = self._views.get(operation)
        is_usual = view is not None and inner is self._inner and environ["REQUEST_METHOD"] != "HEAD"
        if view is not None and is_usual and (job_id or operation in ("create", "list")):
            answer = view(environ, job_id)
            if answer is not None:
                return answer
        return whole_answer(inner, environ)

    def _operation(self, method: str, path: str) -> tuple[str, str]:
        """What a request asks for, and the job that it is about."""
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

    def _user_of_file(self, job_id: str) -> str | None:
        job = self._store.get(job_id)
        return None if job is None else job.user_id

    def _limited(
        self, limit: RateLimit, user_id: str | None, operation: str, now: float, clock: Clock
    ) -> Struck | None:
        """What strikes a request that is over its account's limit."""
        if user_id is None or operation not in _LIMITED:
            return None
        waits: list[float] = []

        def take(kept: bytes | None) -> bytes:
            unused_at, wait = limit.taken(float(kept or 0), now)
            waits.append(wait)
            return repr(unused_at).encode()

        self._store.amend("rate", user_id, take, told=False)
        if waits[-1] == 0:
            return None
        # Whoever waits does so in real time.
        speed = clock.speed if isinstance(clock, SteerableClock) and not clock.frozen else 1.0
        retry_after = max(math.ceil(waits[-1] / speed), 1)
        return Struck(new_fault(_RATE_LIMIT, operation, "status", code=429, retry_after=retry_after), 0)

    def _note(
        self,
        environ: WSGIEnvironment,
        operation: str,
        job_id: str,
        fault: Fault | None,
        delivery: Delivery,
        began: float,
        *,
        reached: bool,
    ) -> None:
        order = environ.get(ORDER)
        query = environ.get("QUERY_STRING")
        path = environ["PATH_INFO"]
        headers = header_lines(environ)
        secrets = secrets_of(environ, headers)
        environ[NOTE] = note = Note(
            environ[USER],
            environ[NOW],
            time.monotonic() - began,
            operation,
            environ["REQUEST_METHOD"],
            f"{path}?{query}" if query else path,
            headers,
            secrets,
            kept(_sent_body(environ, operation), secrets),
            delivery.status,
            lines_of(delivery.headers),
            b"" if operation == "file" else delivery.body[:MOST_BODY_BYTES],
            job_id,
            "" if order is None else order.scenario,
            "" if fault is None else _name(fault),
            delivery.arrives,
            reached,
        )
        self._journal.add(note)
        if self._log is not None:
            self._log(note)


def _name(fault: Fault) -> str:
    """What a fault is called in the journal: those that nobody ordered as such have no number."""
    return {0: "scenario answer_lost", _RATE_LIMIT: "rate limit"}.get(fault.number) or str(fault)


def _hold_back(environ: WSGIEnvironment, clock: Clock, moment: float) -> None:
    """Let the answer be sent at this moment; at once if the clock stands, for it would never come."""
    if isinstance(clock, SteerableClock) and clock.frozen:
        return
    hold = environ.get(HOLD)
    hold(moment, clock) if hold else clock.wait_until(moment)


def _sent_body(environ: WSGIEnvironment, operation: str) -> bytes:
    """What was sent; of a request that was not carried out, too."""
    body = environ.get(BODY)
    if body is None and operation == "create":
        try:
            body = read_body(environ)
        except ApiError:
            body = b""
    return body or b""


@lru_cache(maxsize=1024)  # a client sends the same header with every request
def _token(header: str | None) -> str:
    """The token that was sent; empty if none was, or something else."""
    try:
        return wire.read_token(header)
    except ApiError:
        return ""


@lru_cache(maxsize=1024)
def _user_id(token: str) -> str | None:
    return ids.user_id_of(token) if token else None


def _sent(
    status: str, delivery: Delivery, environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    body = delivery.body
    if not delivery.is_plain:
        if carry := environ.get(DELIVER):
            carry(delivery)
        else:
            body = _carried_plainly(delivery)
    start_response(status, delivery.headers)
    return [body]


def _carried_plainly(delivery: Delivery) -> bytes:
    """What arrives where nobody carries answers but WSGI itself, which knows no time and no connection.

    Raises:
        ConnectionResetError: Nothing does.
    """
    if not delivery.arrives and (delivery.sent in (None, -1)):
        raise ConnectionResetError("the answer never arrives, as ordered")
    return delivery.body[: delivery.sent]


@lru_cache(maxsize=64)  # most answers of a second are of the same
def _date(second: int) -> tuple[str, str]:
    """The header that says what time it is, by the jobs' clock; 9999 is the last year that it can."""
    return "Date", formatdate(min(second, _LAST_SECOND), usegmt=True)


@lru_cache(maxsize=256)
def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
