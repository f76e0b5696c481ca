"""HTTP over the operations: everything under ``/__mock/``, behind one guard.

The dashboard is a blueprint inside this one, so the guard and the headers hold for its pages as well. Every
refusal is an ``abort`` or an ``InvalidInput``; here it becomes JSON, on the dashboard a page.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint, Response, abort, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from netmind_mock.api import wire
from netmind_mock.api.request import MAX_BODY_BYTES
from netmind_mock.control.current import current_fake, redacted, refusal_of
from netmind_mock.control.dashboard.routes import WITHOUT_KEY, dashboard, key_page
from netmind_mock.control.guard import KEY_HEADER, METHODS, check_source, has_key
from netmind_mock.control.metrics import exposition
from netmind_mock.control.openapi import openapi_document
from netmind_mock.control.operations import OPERATIONS_BY_NAME, call
from netmind_mock.errors import HINT, RefusedRequest, hint_line
from netmind_mock.jobs import ids
from netmind_mock.validation import MAX_VALUES, InvalidInput, InvalidJson, is_dense, read_json

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers leave out a form's Origin
    "Cache-Control": "no-store",
}
_PATHS: Final = {
    name: re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", one.path))
    for name, one in OPERATIONS_BY_NAME.items()
}

control = Blueprint("control", __name__, url_prefix="/__mock")
control.register_blueprint(dashboard)


@control.before_request
def guard() -> ResponseReturnValue | None:
    """Refuse a request that may not use the control API; ask a person for the key."""
    check_source()
    if request.endpoint in WITHOUT_KEY or has_key():
        return None
    if request.method != "GET" or "text/html" not in request.headers.get("Accept", ""):
        abort(401, f"this server listens beyond loopback: send the key that it printed as {KEY_HEADER}")
    return key_page(request.path), 401


@control.after_request
def secure(response: Response) -> Response:
    """Forbid a browser to run, frame or keep what it was sent; a view may have said otherwise."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


@control.errorhandler(HTTPException)
@control.errorhandler(InvalidInput)
def refuse(error: HTTPException | InvalidInput) -> ResponseReturnValue:
    """Return a refusal as JSON. What is wrong stands in the body, and in the hint as everywhere."""
    message, status = refusal_of(error)
    return {"message": message}, status, {HINT: hint_line(message, "docs/control.md")}


@control.get("/openapi.json")
def openapi() -> ResponseReturnValue:
    """Return the OpenAPI document."""
    return openapi_document()


@control.get("/metrics")
def metrics() -> ResponseReturnValue:
    """Return the metrics."""
    text, content_type = exposition(current_fake())
    return Response(text, content_type=content_type)


# One route for all operations: with one each, a test that makes an application would wait for Flask to
# compile them all. It takes methods that no operation has, so that the guard comes before their refusal.
@control.route("/<path:path>", methods=METHODS)
def operation(path: str) -> ResponseReturnValue:
    """Do the operation that a method and a path stand for."""
    name, named = _operation(request.method, path)
    payload = _body() if request.method == "POST" else request.args.to_dict()
    document: dict[str, Any] = call(current_fake(), _account(), name, {**payload, **named})
    return document


def _operation(method: str, path: str) -> tuple[str, dict[str, str]]:
    """Return the name of an operation, and the arguments in its path."""
    found = {name: match for name, pattern in _PATHS.items() if (match := pattern.fullmatch(path))}
    methods = {OPERATIONS_BY_NAME[name].method: name for name in found}
    if not methods:
        abort(404, "nothing is here; /__mock/openapi.json describes what is")
    if method not in methods:
        abort(405, description=f"this path takes {' and '.join(sorted(methods))}")
    return methods[method], found[methods[method]].groupdict()


def _account() -> str | None:
    """Return the account whose API key the request carries; None without one, which means all accounts."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    try:
        return ids.user_id_of(wire.read_token(header))
    except RefusedRequest:
        wanted = "expected a token, bare or as Bearer TOKEN; leave the header out for all accounts"
        abort(401, f"Authorization: {wanted}")


def _body() -> dict[str, Any]:
    """Return the JSON object that was sent."""
    request.max_content_length = MAX_BODY_BYTES
    if request.mimetype != "application/json":
        wanted = "expected Content-Type: application/json and a body such as {}"
        abort(415, f"{wanted}: no page's form can send that")
    try:
        body = request.get_data() or b"{}"
        document = None if is_dense(body) else read_json(body)
    except RequestEntityTooLarge:
        abort(413, f"expected a body of at most {MAX_BODY_BYTES} bytes")
    except InvalidJson as error:
        abort(400, f"expected a JSON object: {error}")
    if document is None:
        abort(413, f"expected a JSON object of at most {MAX_VALUES} values")
    if not isinstance(document, dict):
        abort(400, f"expected a JSON object, got {type(document).__name__}")
    if isinstance(where := document.get("where"), str):  # shown to people
        document["where"] = redacted(where)
    return document
