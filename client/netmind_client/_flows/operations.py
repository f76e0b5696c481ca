"""Create, get, list and delete, and the search for the generation of a create that got no response."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from netmind_client import _api, _clock
from netmind_client._flows import retry
from netmind_client._flows.call import MAX_BYTES, MAX_LIST_BYTES
from netmind_client._http import NoResponse
from netmind_client._models import Generation, read_generation
from netmind_client.exceptions import (
    ApiError,
    CreateOutcomeUnknownError,
    NetMindError,
    NotFoundError,
    TransportError,
    UnexpectedResponseError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netmind_client._flows.call import Call
    from netmind_client._flows.effects import Flow
    from netmind_client._http import Response

_SEARCH_INTERVAL = 2.0  # seconds
# A create may be delayed on its way, or wait in a queue, for at most this many seconds (assumed).
_PROCESSED_WITHIN = 300.0
# The clocks of client and server differ by at most this many seconds (assumed). Used without a Date header.
_CLOCKS_DIFFER_BY = 120.0
_ROUNDED_BY = 2.0  # created_at and the header Date have whole seconds


def create(call: Call, model: str, config: Mapping[str, Any]) -> Flow[Generation]:
    """Create a generation. Send the request again only if it certainly created nothing."""
    request = call.api.request("POST", body=_api.create_body(model, config))
    sent_at, begun = _clock.wall(), call.client.monotonic()
    # From now on, an interruption (such as Ctrl-C) may leave a generation behind. The command finds it.
    call.creates = True
    call.set_resume("find-created", "--sent-at", timestamp(sent_at), "--model", model)

    def unknown(why: str) -> CreateOutcomeUnknownError:
        return CreateOutcomeUnknownError(
            f"POST {request.url}: {why}. A generation may have been created and charged: look for it before "
            "you create it again",
            model=model,
            config=dict(config),
            sent_at=sent_at,
            find=lambda timeout: call.client.find(call.client.monotonic() - begun, model, timeout),
        )

    failure: NoResponse | ApiError
    while True:
        try:
            response = yield from call.send(request, math.inf if config.get("sync_mode") is True else None)
            body = _api.document(request, response, None)
        except UnexpectedResponseError as redirect:  # redirects are undocumented; a generation may exist
            target = _api.without_query(response.headers.get("location", "an unnamed location"))
            raise unknown(f"returned {response.status} and redirects to {target}") from redirect
        except (NoResponse, ApiError) as error:
            failure = error
        else:
            created = read_generation(body)
            if created is None:
                raise unknown(f"returned {response.status} without a generation ({_api.shown(body)})")
            call.set_generation("wait", created.id)
            call.client.created.add(created.id)  # last: find_created leaves it out from now on
            return created
        pause = retry.pause_before_next(call.attempts, getattr(failure, "retry_after", None))
        is_last = call.attempts >= retry.MAX_ATTEMPTS or pause >= call.left()
        if is_last or not retry.create_may_be_sent_again(failure):
            break
        yield from call.pause(pause)
    if retry.generation_may_exist(failure):
        why = f"sent, but there was no response ({failure})"
        if isinstance(failure, ApiError):
            why = f"returned {failure.status} ({_api.message_of(failure.body)})"
        raise unknown(why) from failure
    call.resume = None
    if isinstance(failure, ApiError):
        raise failure
    raise TransportError(f"POST {request.url}: not sent: {failure}; nothing was created") from failure


def get(call: Call, generation_id: str) -> Flow[Generation]:
    """Return the current state of a generation."""
    _, body = yield from send_with_retries(call, "GET", generation_id)
    return _api.generation(body, generation_id)


def list_(call: Call) -> Flow[Sequence[Generation]]:
    """Return all generations of the account, in the API's order."""
    _, body = yield from send_with_retries(call, "GET")
    return _api.generations(body)


def delete(call: Call, generation_id: str) -> Flow[None]:
    """Delete a generation."""
    try:
        yield from send_with_retries(call, "DELETE", generation_id)
    except NotFoundError:
        # After a retry, an earlier attempt without a usable response may have deleted it. That is a success.
        if call.attempts == 1:
            raise


def send_with_retries(
    call: Call, method: str, generation_id: str | None = None
) -> Flow[tuple[Response, Any]]:
    """Send a request up to three times, and return the response and its JSON."""
    failed = 0
    while True:
        try:
            return (yield from send_once(call, method, generation_id))
        except NetMindError as error:
            failed += 1
            pause = retry.pause_before_next(failed, getattr(error, "retry_after", None))
            if failed >= retry.MAX_ATTEMPTS or not retry.is_temporary(error) or pause >= call.left():
                raise
        yield from call.pause(pause)


def send_once(call: Call, method: str, generation_id: str | None = None) -> Flow[tuple[Response, Any]]:
    """Send a request once, and return the response and its JSON.

    Raises:
        TransportError: There was no response.
        ApiError: The response is an error.
        UnexpectedResponseError: The response is a redirect.
    """
    request = call.api.request(method, generation_id)
    most = MAX_LIST_BYTES if generation_id is None else MAX_BYTES
    try:
        response = yield from call.send(request, max_bytes=most)
    except NoResponse as failure:
        message = f"{request.method} {request.url}: no response: {failure}"
        raise TransportError(message, generation_id=generation_id) from failure
    return response, _api.document(request, response, generation_id)


def find_created(call: Call, ago: float, model: str | None) -> Flow[Sequence[Generation]]:
    """Return the generations that a create without a response may have created, the closest in time first.

    Repeats the search until there is one, or the call's timeout expires. A generation includes neither its
    model nor its config (documented), so its creation time is compared. If it does include a model, that must
    match.

    Args:
        call: The call that this belongs to.
        ago: When the create was sent, in seconds before the call.
        model: The model of the create, if it is known.
    """
    has_looked = False
    while True:
        try:
            response, body = yield from send_with_retries(call, "GET")
        except NetMindError as error:
            if has_looked and retry.is_temporary(error):  # the time is over, and there was nothing until then
                return []
            raise
        has_looked = True
        listed = _api.generations(body)
        # Compare on the server's clock if the response has a Date header, because the client's may be wrong.
        server_now = _api.date(response.headers.get("date", ""))
        slack = _CLOCKS_DIFFER_BY if server_now is None else _ROUNDED_BY
        sent = (_clock.wall() if server_now is None else server_now) - ago - call.elapsed()
        near = {
            one.id: abs(created - sent)
            for one in listed
            if one.id not in call.client.created and (created := moment(one.created_at)) is not None
            if sent - slack <= created <= sent + slack + _PROCESSED_WITHIN
            and one.raw.get("model", model) in (model, None)
        }
        if near or call.left() <= 0:
            return sorted((one for one in listed if one.id in near), key=lambda one: near[one.id])
        yield from call.pause(_SEARCH_INTERVAL)


def timestamp(at: float) -> str:
    """Return a time in the API's format, in UTC (that the API uses UTC is assumed)."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))


def moment(text: str | None) -> float | None:
    """Return a time in the API's format, taken as UTC (assumed), in seconds since the epoch."""
    import calendar  # noqa: PLC0415 - rarely used

    try:
        return float(calendar.timegm(time.strptime(text or "", "%Y-%m-%d %H:%M:%S")))
    except (ValueError, OverflowError):
        return None
