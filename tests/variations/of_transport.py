"""Failures of the network and of gateways. The kit sends a request again unless it is a create."""

import email.utils

from netmind_contracts.probing.transport import NoResponse
from netmind_contracts.runs.known import UNKNOWN_ID
from variations.proxy import page, response, variation

FREE = ("get", "list", "delete", "file", "other")


def fails_once_with(status):
    def vary(request, proceed):
        if request.operation in FREE and request.nth == 1:
            return response(status, {"message": "try again"})
        return proceed()

    vary.__name__ = f"each_request_is_{status}_at_first"
    variation(says=f"requests got {status} and were sent again.")(vary)


for transient in (408, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529):
    fails_once_with(transient)


def is_dropped_once(operation):
    def vary(request, proceed):
        if request.operation == operation and request.nth == 1:
            raise NoResponse("connection reset by peer")
        return proceed()

    vary.__name__ = f"the_connection_of_each_{operation}_breaks_at_first"
    variation(says="got no response and w")(vary)


for operation_name in ("get", "list", "delete", "file"):
    is_dropped_once(operation_name)


def is_a_page_once(status):
    def vary(request, proceed):
        if request.operation in ("get", "list", "delete") and request.nth == 1:
            return page(status)
        return proceed()

    vary.__name__ = f"each_request_is_a_page_with_{status}_at_first"
    variation(says="and were sent again.")(vary)


for page_status in (200, 403, 502, 503):
    is_a_page_once(page_status)


@variation(says="requests got 429 and w")
def lists_are_limited_with_retry_after(request, proceed):
    if request.operation == "list" and request.now - request.memory.get("last", 0) < 3:
        return response(429, {"message": "Too many requests"}, retry_after="3")
    if request.operation == "list":
        request.memory["last"] = request.now
    return proceed()


@variation(says="got 503 and w")
def retry_after_is_a_date(request, proceed):
    if request.operation == "get" and request.nth == 1:
        return response(503, retry_after=email.utils.formatdate(request.now + 4, usegmt=True))
    return proceed()


@variation(says="got 503 and were sent again.")
def every_fifth_request_is_503(request, proceed):
    if request.operation in FREE:
        request.memory["count"] = request.memory.get("count", 0) + 1
        if request.memory["count"] % 5 == 0:
            return response(503)
    return proceed()


@variation(says="got 503 and was sent again.")
def the_first_request_is_503(request, proceed):
    request.memory["count"] = request.memory.get("count", 0) + 1
    return response(503) if request.memory["count"] == 1 else proceed()


@variation(says="2 of ")
def an_unknown_id_is_503_at_first(request, proceed):
    return response(503, {"message": "busy"}) if request.id == UNKNOWN_ID and request.nth == 1 else proceed()


@variation(says="No response of the API: GET /v1/generation/01234567… → 503.")
def an_unknown_id_is_always_503(request, proceed):
    return response(503, {"message": "busy"}) if request.id == UNKNOWN_ID else proceed()


@variation(says="got 502 and was sent again.")
def an_unknown_route_is_502_at_first(request, proceed):
    return page(502) if "no-such-route" in request.url and request.nth == 1 else proceed()


@variation(says="got 503 and w")
def a_wrong_key_is_503_at_first(request, proceed):
    wrong = "wrong" in request.headers.get("Authorization", "")
    return response(503, {"message": "busy"}) if wrong and request.nth == 1 else proceed()


@variation(says="No response of the API: POST /v1/generation → 503.")
def every_invalid_create_is_503(request, proceed):
    return response(503) if request.operation == "invalid" else proceed()


def performed_but_lost(outcome):
    def vary(request, proceed):
        result = proceed()
        if request.operation == "delete" and request.nth == 1 and request.id != UNKNOWN_ID:
            if outcome == "no response":
                raise NoResponse("connection reset by peer")
            return response(outcome)
        return result

    vary.__name__ = f"each_delete_is_carried_out_but_its_response_is_{outcome}".replace(" ", "_")
    variation(says="sent again.", code=2)(vary)


for lost_outcome in (500, "no response"):
    performed_but_lost(lost_outcome)


@variation(code=2, says="GET /v1/generation → 503")
def lists_are_503_after_the_first(request, proceed):
    late = request.operation == "list" and "created" in request.memory
    if request.operation == "create":
        request.memory["created"] = True
    return response(503) if late else proceed()


@variation(code=2, says="No response of the API: GET /files/")
def every_download_is_503(request, proceed):
    return response(503) if request.operation == "file" else proceed()


@variation(code=2, says="No response of the API: DELETE /v1/generation/")
def every_delete_is_500(request, proceed):
    return response(500) if request.operation == "delete" else proceed()


@variation(code=2, says="No response of the API: GET /v1/generation/", timeout=200)
def every_get_is_504(request, proceed):
    return page(504) if request.operation == "get" else proceed()


@variation(code=2, says="returned 503 several times; try later")
def everything_is_503(*_):
    return response(503)


@variation(code=2, says="Connection refused; check the URL")
def nothing_listens(*_):
    raise NoResponse("Connection refused", sent=False)


@variation(code=2, says="returned HTML (200) instead of JSON")
def everything_is_a_page(*_):
    return page(200, "Maintenance")
