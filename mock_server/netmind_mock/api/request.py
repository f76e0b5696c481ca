"""The context of a request to the API: a typed object under one key of the WSGI environ."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from netmind_mock.api import wire
from netmind_mock.caching import cache_short
from netmind_mock.errors import BadToken, BodyTooLarge, RefusedRequest, hint_line
from netmind_mock.hosts import parse_host
from netmind_mock.jobs import ids
from netmind_mock.journal.redaction import header_lines, header_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import WSGIEnvironment

    from netmind_mock.clock import Clock
    from netmind_mock.fake import Fake
    from netmind_mock.journal.entries import RawEntry
    from netmind_mock.simulation.faults import Delivery
    from netmind_mock.simulation.scenarios import Scenario

    Application = Callable[..., Iterable[bytes]]
    Headers = list[tuple[str, str]]
    WholeResponse = tuple[str, Headers, bytes]  # the status line, the headers and the body

_log = logging.getLogger("netmind_mock")
KEY: Final = "netmind_mock.request"
HEADERS: Final = "netmind_mock.headers"
MAX_BODY_BYTES: Final = 10 * 1024 * 1024


class HeaderFacts(NamedTuple):
    """What the headers of a request say. A client sends the same headers with many requests.

    Attributes:
        user_id: The account; None without a valid API key.
        lines: The headers as the journal stores them.
        secrets: The secrets in them, separated by spaces.
    """

    user_id: str | None
    lines: str
    secrets: str


class Hold(NamedTuple):
    """Until when a response is held.

    Attributes:
        clock: The clock that shows the moments, in seconds since the epoch.
        earliest: When it is sent at the earliest.
        job_ends: When the job ends, for whose end it waits, as it was planned when the response was made.
        done_at: Returns when that job ends as it is planned now; None if the response waits for no job.
    """

    clock: Clock
    earliest: float
    job_ends: float = -math.inf
    done_at: Callable[[], float] | None = None

    def due(self) -> float:
        """Return when the response is sent."""
        return self.earliest if self.done_at is None else max(self.earliest, self.done_at())

    def is_outdated(self) -> bool:
        """Return whether the job was changed since the response was made."""
        return self.done_at is not None and self.done_at() != self.job_ends


@dataclass(slots=True)
class RequestContext:
    """What is known about one request. The middleware creates it, unless the server did.

    Attributes:
        environ: The WSGI environ.
        sends_later: Whether the server reads ``hold`` and ``delivery`` after it has the response. For other
            servers, the middleware waits itself, and returns the bytes that would arrive.
        operation: ``create``, ``get``, ``list``, ``delete``, ``file`` or ``other``.
        now: When it arrived, in seconds since the epoch, by the account's clock.
        user_id: The account; None without an API key.
        body: The part of the body that was read; None if nothing was read.
        job_id: The job that it is about, or that it created; empty without one.
        scenario: The scenario of the job it created; None without one.
        raw: Its entry in the journal; None until the response is recorded.
        hold: Until when the response is held; None if it is sent at once.
        renew: Returns the response as it is now, if the job that it was held for was changed meanwhile;
            otherwise None. It may read a database.
        delivery: How the response arrives, if a fault changes that.
        hint: What the response says in the header ``X-Mock-Hint``; empty for nothing.
    """

    environ: WSGIEnvironment = field(init=False, repr=False)
    sends_later: bool = False
    operation: str = "other"
    now: float = 0.0
    user_id: str | None = None
    body: bytes | None = None
    job_id: str = ""
    scenario: Scenario | None = None
    raw: RawEntry | None = None
    hold: Hold | None = None
    renew: Callable[[], WholeResponse | None] | None = None
    delivery: Delivery | None = None
    hint: str = ""

    @classmethod
    def of(cls, environ: WSGIEnvironment) -> RequestContext:
        """Return the context of a request. Create it if the server did not."""
        context: RequestContext | None = environ.get(KEY)
        if context is None:
            context = environ[KEY] = cls()
        context.environ = environ
        return context

    def hold_until(self, moment: float, clock: Clock) -> None:
        """Hold the response until the clock shows a moment."""
        if self.sends_later:
            self.hold = Hold(clock, moment)
        else:
            clock.wait_until(moment)

    def hold_for_job(self, moment: float, clock: Clock, done_at: Callable[[], float]) -> None:
        """Hold the response until a job is done, and until it would be sent without that.

        Args:
            moment: When the job will be done, in seconds since the epoch.
            clock: The clock that shows it.
            done_at: Returns when the job will be done, as far as that is known now.
        """
        if self.sends_later:
            self.hold = Hold(clock, -math.inf if self.hold is None else self.hold.earliest, moment, done_at)
        else:
            clock.wait_until(moment)


def header_facts(environ: WSGIEnvironment) -> HeaderFacts:
    """Return what the headers of a request say."""
    lines = header_lines(environ)
    return HeaderFacts(_user_id(environ.get("HTTP_AUTHORIZATION")), lines, header_secrets(environ, lines))


@cache_short(1024)
def _user_id(authorization: str | None) -> str | None:
    """Return the account of an Authorization header; None if it has no valid API key."""
    try:
        return ids.user_id_of(wire.read_token(authorization))
    except RefusedRequest:
        return None


def account_of(fake: Fake, context: RequestContext) -> str:
    """Return the account that a request belongs to.

    Raises:
        MissingToken: No API key was sent.
        BadToken: The API key is not accepted.
    """
    user_id = context.user_id
    if user_id is None:
        user_id = ids.user_id_of(wire.read_token(context.environ.get("HTTP_AUTHORIZATION")))
    if fake.accepted is not None and user_id not in fake.accepted:
        raise BadToken
    return user_id


def origin(fake: Fake, context: RequestContext) -> str:
    """Return the base of the result URLs in this request's response; add a hint if the Host is not known."""
    environ = context.environ
    host_header = environ.get("HTTP_HOST", "")
    base = fake.hosts.origin(environ["wsgi.url_scheme"], host_header, environ.get("SCRIPT_NAME", ""))
    if base == fake.hosts.listens_at and not fake.hosts.knows(parse_host(host_header)):
        context.hint = _host_hint(host_header, base)
    return base


@cache_short(64)
def _host_hint(host_header: str, base: str) -> str:
    """Return the hint for a Host that is not known, and log it the first time."""
    hint = (
        f"result URLs begin with {base}, since the Host {host_header[:100]!r} is not known to be this "
        "server; change that with --public-url URL, or with --allowed-host HOST"
    )
    _log.warning("%s", hint)
    return hint_line(hint, "docs/serving.md")


def read_body(context: RequestContext) -> bytes:
    """Read the request's body, and store it in the context for the journal.

    Raises:
        BodyTooLarge: It is over ``MAX_BODY_BYTES``; no more than that is read.
        InvalidBody: It is shorter than its Content-Length.
    """
    environ = context.environ
    content_length = environ.get("CONTENT_LENGTH") or ""
    length = int(content_length) if content_length.isdecimal() else None
    if length is None and not environ.get("wsgi.input_terminated"):
        return b""
    if length is not None and length > MAX_BODY_BYTES:
        raise BodyTooLarge(limit=MAX_BODY_BYTES)
    body = bytes(environ["wsgi.input"].read(MAX_BODY_BYTES + 1 if length is None else length))
    context.body = body
    if len(body) > MAX_BODY_BYTES:
        raise BodyTooLarge(limit=MAX_BODY_BYTES)
    if length is not None and len(body) < length:
        raise wire.body_cut_short(len(body), length)
    return body


def whole_response(application: Application, environ: dict[str, Any]) -> WholeResponse:
    """Call a WSGI application. Return its response with the whole body."""
    head: list[Any] = []
    body = application(environ, lambda status, headers, _exc_info=None: head.extend((status, headers)))
    if type(body) is list and len(body) == 1:  # the most common case; a list needs no close()
        return head[-2], head[-1], body[0]
    try:
        content = b"".join(body)
    finally:
        if close := getattr(body, "close", None):
            close()
    return head[-2], head[-1], content
