"""HTTP: views of a few lines that return values. What they need, they are handed as ``Rooms``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from netmind_mock import identity, wire
from netmind_mock.errors import BadToken, BodyTooLarge

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

    from netmind_mock.hosts import HostPolicy
    from netmind_mock.profile import Profile
    from netmind_mock.queueing import Queue
    from netmind_mock.stores import JobStore
    from netmind_mock.tenants import Tenants

__all__ = [
    "BODY",
    "DELIVER",
    "HOLD",
    "JOB",
    "MAX_BODY_BYTES",
    "NOTE",
    "NOW",
    "ORDER",
    "USER",
    "Rooms",
    "origin",
    "read_body",
    "tenant",
]

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


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the routes work with.

    Attributes:
        duration: How long a job takes, in seconds.
        accepted: The tenants whose tokens are accepted; None accepts every token.
        strict_models: Refuse models that the catalogue does not have.
        queue: Where jobs wait for a place; None if any number runs at once.
    """

    profile: Profile
    tenants: Tenants
    store: JobStore
    ids: identity.JobIds
    hosts: HostPolicy
    duration: float
    accepted: frozenset[str] | None
    strict_models: bool
    queue: Queue | None


def tenant(rooms: Rooms, environ: WSGIEnvironment) -> str:
    """The user id of whoever sent this request.

    Raises:
        MissingToken: No token was sent.
        BadToken: The token is not accepted.
    """
    user_id: str | None = environ[USER]
    if user_id is None:
        user_id = identity.user_id_of(wire.read_token(environ.get("HTTP_AUTHORIZATION")))
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
