"""HTTP: views of a few lines that return values. What they need, they are handed as ``Rooms``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from netmind_mock.api import wire
from netmind_mock.errors import BadToken, BodyTooLarge
from netmind_mock.jobs import ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import WSGIEnvironment

    from netmind_mock.fake import Rooms

    Application = Callable[..., Iterable[bytes]]
    Headers = list[tuple[str, str]]
    Whole = tuple[str, Headers, bytes]  # the status line, headers and body


MAX_BODY_BYTES: Final = 10 * 1024 * 1024

# Keys of the WSGI environ. What the door has found out:
NOW: Final = "netmind_mock.now"  # when the request came, in seconds since the epoch, on the tenant's clock
NOTE: Final = "netmind_mock.note"  # what the journal has of this request
USER: Final = "netmind_mock.user"  # the tenant; None if there is no token
# What a route leaves for it:
BODY: Final = "netmind_mock.body"  # what was read of the request
JOB: Final = "netmind_mock.job"  # the id of a job that was created
ORDER: Final = "netmind_mock.order"  # what was ordered for that job
# What whatever carries the answers may offer:
# ``hold(moment, clock)`` sends the answer that is about to be given once the clock has reached ``moment``,
# without keeping a thread waiting; ``deliver(delivery)`` carries out how it is to arrive.
HOLD: Final = "netmind_mock.hold"
DELIVER: Final = "netmind_mock.deliver"


def tenant(rooms: Rooms, environ: WSGIEnvironment) -> str:
    """The user id of whoever sent this request.

    Raises:
        MissingToken: No token was sent.
        BadToken: The token is not accepted.
    """
    user_id: str | None = environ[USER]
    if user_id is None:
        user_id = ids.user_id_of(wire.read_token(environ.get("HTTP_AUTHORIZATION")))
    if rooms.accepted is not None and user_id not in rooms.accepted:
        raise BadToken
    return user_id


def origin(rooms: Rooms, environ: WSGIEnvironment) -> str:
    """What this request's result URLs begin with."""
    return rooms.hosts.origin(environ["wsgi.url_scheme"], environ.get("HTTP_HOST", ""))


def read_body(environ: WSGIEnvironment) -> bytes:
    """The request's body.

    Raises:
        BodyTooLarge: It is over ``MAX_BODY_BYTES``; no more than that is read.
        InvalidBody: It ended before the length that was announced.
    """
    announced = environ.get("CONTENT_LENGTH") or ""
    length = int(announced) if announced.isdecimal() else None
    if length is None and not environ.get("wsgi.input_terminated"):
        return b""
    if length is not None and length > MAX_BODY_BYTES:
        raise BodyTooLarge(limit=MAX_BODY_BYTES)
    body = bytes(environ["wsgi.input"].read(MAX_BODY_BYTES + 1 if length is None else length))
    environ[BODY] = body
    if len(body) > MAX_BODY_BYTES:
        raise BodyTooLarge(limit=MAX_BODY_BYTES)
    if length is not None and len(body) < length:
        raise wire.body_cut_short(len(body), length)
    return body


def whole_answer(application: Application, environ: dict[str, Any]) -> Whole:
    """The status line, headers and body of an application's answer."""
    head: list[Any] = []
    answer = application(environ, lambda status, headers, _exc_info=None: head.extend((status, headers)))
    if type(answer) is list and len(answer) == 1:  # as nearly all are; a list has nothing to close
        return head[-2], head[-1], answer[0]
    try:
        body = b"".join(answer)
    finally:
        if close := getattr(answer, "close", None):
            close()
    return head[-2], head[-1], body
