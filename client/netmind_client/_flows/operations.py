"""The API's four operations, and the search for a job whose create was not answered."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from netmind_client import _api
from netmind_client._flows import retry
from netmind_client._flows.call import MOST_BYTES, MOST_LIST_BYTES
from netmind_client._http import NoAnswer
from netmind_client._models import Generation, read_generation
from netmind_client.exceptions import ApiError, NetMindError, NotFoundError, TransportError, UnexpectedAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from netmind_client._api import Api
    from netmind_client._flows.call import Call
    from netmind_client._flows.effects import Flow
    from netmind_client._http import Answer, Request

_LOOK_AGAIN_SECONDS = 2.0
_CARRIED_OUT_WITHIN = 300.0  # however long a create was on its way, or waited in a queue
# Between the clocks of a client and a server, where the server's cannot be read off its answer.
_CLOCKS_DIFFER_BY = 120.0
_ROUNDED_BY = 2.0  # created_at has whole seconds, and so has the header Date


def create(call: Call, api: Api, model: str, config: Mapping[str, Any], known: set[str]) -> Flow[Generation]:
    """Create a generation. Sent again only when it is certain that there is no job.

    Args:
        call: Its time.
        api: Where to.
        model: Such as ``Qwen/Qwen-Image``.
        config: The model's options.
        known: The ids that are known; the new one is added.
    """
    request = api.request("POST", body=_api.create_body(model, config))
    sent_at = call.wall()
    # Whatever ends it from now on, Ctrl-C too, leaves open whether there is a job, until that is known.
    call.creates = True
    call.resume_by("find-created", "--sent-at", timestamp(sent_at), "--model", model)

    def unknown(why: str) -> NetMindError:
        return _api.unknown_outcome(request, why, model, dict(config), sent_at)

    while True:
        again: NoAnswer | ApiError
        try:
            answer = yield from call.send(request, math.inf if config.get("sync_mode") is True else None)
            body = _api.document(request, answer, None)
        except (NoAnswer, ApiError) as failure:
            again = failure
        except UnexpectedAnswer as redirect:  # to the job, to a login page: nobody documents either
            target = _api.without_query(answer.headers.get("location", "elsewhere"))
            raise unknown(f"answered {answer.status} and redirects to {target}") from redirect
        else:
            created = read_generation(body)
            if created is None:
                raise unknown(f"answered {answer.status} with no generation in it ({_api.shown(body)})")
            known.add(created.id)
            call.about("wait", created.id)
            return created
        if retry.create_may_be_sent_again(again):
            pause = retry.pause_before_next(call.attempts, getattr(again, "retry_after", None))
            if call.attempts < retry.MOST_ATTEMPTS and pause < call.left():
                yield from call.rest(pause)
                continue
        if retry.create_may_have_made_a_job(again):
            raise unknown(_api.create_failed(again)) from again
        call.resume = None
        if isinstance(again, ApiError):
            raise again
        raise TransportError(f"POST {request.url}: not sent: {again}; nothing was created") from again


def get(call: Call, api: Api, generation_id: str) -> Flow[Generation]:
    """A generation as it is now."""
    body = yield from ask(call, api, "GET", generation_id)
    return _api.generation(body, generation_id)


def list_(call: Call, api: Api) -> Flow[Sequence[Generation]]:
    """All generations of the account, in the API's order."""
    return _api.generations((yield from ask(call, api, "GET")))


def delete(call: Call, api: Api, generation_id: str) -> Flow[None]:
    """Delete a generation. It may be gone already when a first attempt was not answered, and another is."""
    try:
        yield from ask(call, api, "DELETE", generation_id)
    except NotFoundError:
        if call.attempts == 1:
            raise


def ask(call: Call, api: Api, method: str, generation_id: str | None = None) -> Flow[Any]:
    """Send a request that may be sent again; the answer's JSON."""
    _, body = yield from _answered(call, api, method, generation_id)
    return body


def _answered(
    call: Call, api: Api, method: str, generation_id: str | None = None
) -> Flow[tuple[Answer, Any]]:
    request = api.request(method, generation_id)
    failed = 0
    while True:
        try:
            answer = yield from once(call, request, generation_id)
            return answer, _api.document(request, answer, generation_id)
        except NetMindError as error:
            failed += 1
            pause = retry.pause_before_next(failed, getattr(error, "retry_after", None))
            if failed >= retry.MOST_ATTEMPTS or not retry.passes(error) or pause >= call.left():
                raise
        yield from call.rest(pause)


def once(call: Call, request: Request, generation_id: str | None) -> Flow[Answer]:
    """Send a request once.

    Raises:
        TransportError: No answer came.
    """
    most = MOST_LIST_BYTES if generation_id is None else MOST_BYTES
    try:
        return (yield from call.send(request, most_bytes=most))
    except NoAnswer as failure:
        message = f"{request.method} {request.url}: no answer: {failure}"
        raise TransportError(message, generation_id=generation_id) from failure


def find_created(
    call: Call, api: Api, ago: Callable[[], float], model: str | None, known: Collection[str]
) -> Flow[Sequence[Generation]]:
    """The generations that a create which was not answered may have made, the nearest in time first.

    Looks until there is one, or the call's time is over. A generation shows neither its model nor its config
    (documented), so what tells is when it was created; where it does show a model, that must agree.

    Args:
        call: Its time.
        api: Where to look.
        ago: How many seconds ago the create was sent.
        model: What it was sent for; None to take any.
        known: Ids of generations that others have made.
    """
    while True:
        answer, body = yield from _answered(call, api, "GET")
        listed = _api.generations(body)
        server_now = _api.date(answer.headers.get("date", ""))
        slack = _CLOCKS_DIFFER_BY if server_now is None else _ROUNDED_BY
        sent = (call.wall() if server_now is None else server_now) - ago()
        near = {
            one.id: abs(created - sent)
            for one in listed
            if one.id not in known and (created := seconds(one.created_at)) is not None
            if sent - slack <= created <= sent + slack + _CARRIED_OUT_WITHIN
            and one.raw.get("model", model) in (model, None)
        }
        if near or call.left() <= 0:
            return sorted((one for one in listed if one.id in near), key=lambda one: near[one.id])
        yield from call.rest(_LOOK_AGAIN_SECONDS)


def timestamp(moment: float) -> str:
    """A moment as the API writes it, in UTC (that it means UTC is assumed)."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment))


def seconds(text: str | None) -> float | None:
    """Seconds since the epoch of what the API writes, in UTC (assumed)."""
    import calendar  # noqa: PLC0415 - rarely used

    try:
        return float(calendar.timegm(time.strptime(text or "", "%Y-%m-%d %H:%M:%S")))
    except (ValueError, OverflowError):
        return None
