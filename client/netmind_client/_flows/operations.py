"""The API's four operations, and the search for a job whose create was not answered."""

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
    CreateOutcomeUnknown,
    NetMindError,
    NotFoundError,
    TransportError,
    UnexpectedResponse,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netmind_client._flows.call import Call
    from netmind_client._flows.effects import Flow
    from netmind_client._http import Response

_LOOK_AGAIN_SECONDS = 2.0
_CARRIED_OUT_WITHIN = 300.0  # however long a create was on its way, or waited in a queue
# Between the clocks of a client and a server, where the server's cannot be read off its answer.
_CLOCKS_DIFFER_BY = 120.0
_ROUNDED_BY = 2.0  # created_at has whole seconds, and so has the header Date


def create(call: Call, model: str, config: Mapping[str, Any]) -> Flow[Generation]:
    """Create a generation; send it again only when it is certain that there is no job."""
    request = call.api.request("POST", body=_api.create_body(model, config))
    sent_at, begun = _clock.wall(), call.client.monotonic()
    # Whatever ends it from now on, Ctrl-C too, leaves open whether there is a job, until that is known.
    call.creates = True
    call.resume_by("find-created", "--sent-at", timestamp(sent_at), "--model", model)

    def unknown(why: str) -> CreateOutcomeUnknown:
        return CreateOutcomeUnknown(
            f"POST {request.url}: {why}. A job may have been created and charged: look for it before you "
            "create it again",
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
        except UnexpectedResponse as redirect:  # to the job, to a login page: nobody documents either
            target = _api.without_query(response.headers.get("location", "elsewhere"))
            raise unknown(f"answered {response.status} and redirects to {target}") from redirect
        except (NoResponse, ApiError) as error:
            failure = error
        else:
            created = read_generation(body)
            if created is None:
                raise unknown(f"answered {response.status} with no generation in it ({_api.shown(body)})")
            call.client.created.add(created.id)
            call.about("wait", created.id)
            return created
        pause = retry.pause_before_next(call.attempts, getattr(failure, "retry_after", None))
        is_last = call.attempts >= retry.MAX_ATTEMPTS or pause >= call.left()
        if is_last or not retry.create_may_be_sent_again(failure):
            break
        yield from call.rest(pause)
    if retry.create_may_have_made_a_job(failure):
        why = f"sent, but no answer came ({failure})"
        if isinstance(failure, ApiError):
            why = f"answered {failure.status} ({_api.message_of(failure.body)})"
        raise unknown(why) from failure
    call.resume = None
    if isinstance(failure, ApiError):
        raise failure
    raise TransportError(f"POST {request.url}: not sent: {failure}; nothing was created") from failure


def get(call: Call, generation_id: str) -> Flow[Generation]:
    """Return a generation as it is now."""
    _, body = yield from ask(call, "GET", generation_id)
    return _api.generation(body, generation_id)


def list_(call: Call) -> Flow[Sequence[Generation]]:
    """Return all generations of the account, in the API's order."""
    _, body = yield from ask(call, "GET")
    return _api.generations(body)


def delete(call: Call, generation_id: str) -> Flow[None]:
    """Delete a generation. It may be gone already when a first attempt got no response, and another does."""
    try:
        yield from ask(call, "DELETE", generation_id)
    except NotFoundError:
        if call.attempts == 1:
            raise


def ask(call: Call, method: str, generation_id: str | None = None) -> Flow[tuple[Response, Any]]:
    """Send a request, up to three times; return the response and its JSON."""
    failed = 0
    while True:
        try:
            return (yield from ask_once(call, method, generation_id))
        except NetMindError as error:
            failed += 1
            pause = retry.pause_before_next(failed, getattr(error, "retry_after", None))
            if failed >= retry.MAX_ATTEMPTS or not retry.passes(error) or pause >= call.left():
                raise
        yield from call.rest(pause)


def ask_once(call: Call, method: str, generation_id: str | None = None) -> Flow[tuple[Response, Any]]:
    """Send a request once; return the response and its JSON.

    Raises:
        TransportError: There was no response.
        ApiError: The response is an error.
        UnexpectedResponse: The response is a redirect.
    """
    request = call.api.request(method, generation_id)
    most = MAX_LIST_BYTES if generation_id is None else MAX_BYTES
    try:
        response = yield from call.send(request, max_bytes=most)
    except NoResponse as failure:
        message = f"{request.method} {request.url}: no answer: {failure}"
        raise TransportError(message, generation_id=generation_id) from failure
    return response, _api.document(request, response, generation_id)


def find_created(call: Call, ago: float, model: str | None) -> Flow[Sequence[Generation]]:
    """Return the generations that a create without a response may have made, the nearest in time first.

    Looks until there is one, or the call's time is over. A generation shows neither its model nor its config
    (documented), so what tells is when it was created: the create was sent ``ago`` seconds before the call.
    Where it does show a model, that must agree.
    """
    while True:
        response, body = yield from ask(call, "GET")
        listed = _api.generations(body)
        server_now = _api.date(response.headers.get("date", ""))
        slack = _CLOCKS_DIFFER_BY if server_now is None else _ROUNDED_BY
        sent = (_clock.wall() if server_now is None else server_now) - ago - call.elapsed()
        near = {
            one.id: abs(created - sent)
            for one in listed
            if one.id not in call.client.created and (created := moment(one.created_at)) is not None
            if sent - slack <= created <= sent + slack + _CARRIED_OUT_WITHIN
            and one.raw.get("model", model) in (model, None)
        }
        if near or call.left() <= 0:
            return sorted((one for one in listed if one.id in near), key=lambda one: near[one.id])
        yield from call.rest(_LOOK_AGAIN_SECONDS)


def timestamp(at: float) -> str:
    """Return a moment as the API writes it, in UTC (that it means UTC is assumed)."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))


def moment(text: str | None) -> float | None:
    """Return what the API writes of a time in seconds since the epoch, in UTC (assumed)."""
    import calendar  # noqa: PLC0415 - rarely used

    try:
        return float(calendar.timegm(time.strptime(text or "", "%Y-%m-%d %H:%M:%S")))
    except (ValueError, OverflowError):
        return None
