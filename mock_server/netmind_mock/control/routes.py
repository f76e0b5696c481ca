"""The HTTP routes of the control API: everything under ``/__mock/``, behind one guard.

The dashboard is a blueprint inside this one, so the guard and the security headers apply to it as well. Every
error is an ``abort`` or an ``InvalidInput``. The handler here returns it as JSON, the dashboard's as a page.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint, Response, abort, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from netmind_contracts.library import describe
from netmind_mock.api import wire
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
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers omit a form's Origin
    "Cache-Control": "no-store",
}
MAX_BODY_BYTES: Final = 1024 * 1024  # an account's scenarios, rules and faults take less

_PATHS: Final = {
    name: re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", one.path))
    for name, one in OPERATIONS_BY_NAME.items()
}

control = Blueprint("control", __name__, url_prefix="/__mock")
control.register_blueprint(dashboard)


@control.before_request
def guard() -> ResponseReturnValue | None:
    """Abort if the request may not use the control API; show a browser the form for the key."""
    if request.endpoint == "control.ready":  # for probes, which know neither the host nor the key
        return None
    check_source()
    if request.endpoint in WITHOUT_KEY or has_key():
        return None
    if request.method != "GET" or "text/html" not in request.headers.get("Accept", ""):
        abort(
            401, f"the control key is missing or wrong: send the key that the server printed as {KEY_HEADER}"
        )
    return key_page(request.script_root + request.path), 401


@control.after_request
def secure(response: Response) -> Response:
    """Add headers that forbid browsers to run, frame or cache a response, unless the view has set them."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


@control.errorhandler(HTTPException)
@control.errorhandler(InvalidInput)
def refuse(error: HTTPException | InvalidInput) -> ResponseReturnValue:
    """Return an error as JSON. The body and the hint header say what is wrong."""
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


@control.get("/ready")
def ready() -> ResponseReturnValue:
    """Return whether the fake can serve: 503 while its store cannot be read. It says nothing else."""
    current_fake().accounts.follow()
    return {"status": "ready"}


# One route for all operations: with one route each, Flask would compile them all for every application, which
# slows down tests. It accepts all methods, so that the guard runs before a 405.
@control.route("/<path:path>", methods=METHODS)
def operation(path: str) -> ResponseReturnValue:
    """Run the operation of a method and a path, and return its JSON."""
    name, named = _operation(request.method, path)
    payload = _body() if request.method == "POST" else request.args.to_dict()
    document: dict[str, Any] = call(current_fake(), _account(), name, {**payload, **named})
    return document


def _operation(method: str, path: str) -> tuple[str, dict[str, str]]:
    """Return the name of an operation, and the arguments in its path."""
    found = {name: match for name, pattern in _PATHS.items() if (match := pattern.fullmatch(path))}
    methods = {OPERATIONS_BY_NAME[name].method: name for name in found}
    if not methods:
        abort(404, "no such path; /__mock/openapi.json lists the paths")
    if method not in methods:
        abort(405, description=f"this path supports {' and '.join(sorted(methods))}")
    return methods[method], found[methods[method]].groupdict()


def _account() -> str | None:
    """Return the account of the request's API key; None without an API key, which means all accounts."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    try:
        return ids.user_id_of(wire.read_token(header))
    except RefusedRequest:
        wanted = "expected an API key, bare or as Bearer API_KEY; omit the header for all accounts"
        abort(401, f"Authorization: {wanted}")


def _body() -> dict[str, Any]:
    """Return the JSON object in the request body; an empty body counts as ``{}``."""
    request.max_content_length = MAX_BODY_BYTES
    if request.mimetype != "application/json":
        wanted = "expected Content-Type: application/json and a body such as {}"
        # A form of any web page can send other content types. This one needs CORS, which is not granted.
        abort(415, wanted)
    try:
        body = request.get_data() or b"{}"
    except RequestEntityTooLarge:
        abort(413, f"expected a body of at most {MAX_BODY_BYTES} bytes")
    if is_dense(body):
        abort(413, f"expected a JSON object of at most {MAX_VALUES} values")
    try:
        document = read_json(body)
    except InvalidJson as error:
        abort(400, f"expected a JSON object: {error}")
    if not isinstance(document, dict):
        abort(400, f"expected a JSON object, got {describe(document)}")
    if isinstance(where := document.get("where"), str):  # it is stored and shown, so no secrets
        document["where"] = redacted(where)
    return document
