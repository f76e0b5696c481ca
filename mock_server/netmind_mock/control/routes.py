"""HTTP over the operations: everything under ``/__mock/``, and who may use it.

A page in a browser must not steer the fake of whoever is looking at it: a Host that is not ours, and an
Origin that is not the fake itself, are refused; bodies are JSON, which no form can send. A server that
listens beyond loopback wants its key, too.
"""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING, Any, Final

import orjson
from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException

from netmind_mock.api import wire
from netmind_mock.api.request import MAX_BODY_BYTES
from netmind_mock.control.dashboard import routes as dashboard
from netmind_mock.control.metrics import exposition
from netmind_mock.control.openapi import openapi_document
from netmind_mock.control.operations import OPERATIONS_BY_NAME, NotThere, call
from netmind_mock.errors import HINT, ApiError, BadToken, hint_of_control
from netmind_mock.hosts import parse_host
from netmind_mock.jobs import ids
from netmind_mock.journal.redaction import masking_of, secrets_of
from netmind_mock.validation import MOST_VALUES, InvalidOrder, is_dense

if TYPE_CHECKING:
    from netmind_mock.fake import Fake
    from netmind_mock.journal.redaction import Masking

    Answer = tuple[dict[str, Any], int]
    Refusal = tuple[dict[str, Any], int, list[tuple[str, str]]]

KEY_HEADER: Final = "X-Mock-Key"

# What a page needs that asks for the key.
_WITHOUT_KEY = ("pages/key", "pages/page.css", "pages/page.js")
_METHODS = ("GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS", "TRACE")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


class Refused(Exception):
    """A request that may not steer the fake: an HTTP status, and what to do instead."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def control_routes(fake: Fake, key: str | None) -> Blueprint:
    """The control plane.

    Args:
        fake: What is steered.
        key: What the header ``X-Mock-Key`` has to hold; None if nothing has to.
    """
    routes = Blueprint("control", __name__, url_prefix="/__mock")

    @routes.before_request
    def guard() -> Response | None:
        _check_source(fake)
        sent = request.headers.get(KEY_HEADER, "")
        if key is None or hmac.compare_digest(sent.encode(), key.encode()):
            return None
        return _without_key(fake, key)

    # One rule for all: a rule of its own for each operation takes Flask longer to compile than a test to run.
    # It takes methods that no operation has, so that the guard comes before the refusal of those.
    @routes.route("/", defaults={"path": ""}, methods=_METHODS, strict_slashes=False)
    @routes.route("/<path:path>", methods=_METHODS)
    def steer(path: str) -> Answer | Response:
        if dashboard.is_page(path):
            return dashboard.answer_page(fake, path, _base_url(), key)
        if (request.method, path) == ("GET", "openapi.json"):
            return openapi_document(), 200
        if (request.method, path) == ("GET", "metrics"):
            text, content_type = exposition(fake)
            return Response(text, content_type=content_type)
        name, named = _operation(request.method, path)
        payload = _body() if request.method == "POST" else _query()
        return call(fake, _tenant(), name, {**payload, **named}), 200

    @routes.errorhandler(Refused)
    def refuse(refusal: Refused) -> Refusal:
        return refused(str(refusal), refusal.status)

    @routes.errorhandler(InvalidOrder)
    def mistaken(mistake: InvalidOrder) -> Refusal:
        return refused(str(mistake), 404 if isinstance(mistake, NotThere) else 422)

    @routes.errorhandler(ApiError)
    def no_token(_error: ApiError) -> Refusal:
        wanted = "expected a token, bare or as Bearer TOKEN; leave the header out for all accounts"
        return refused(f"Authorization: {wanted}", 401)

    return routes


def _check_source(fake: Fake) -> None:
    """Do nothing if the request is for the fake, and not of a page elsewhere.

    Raises:
        Refused: It is not.
    """
    host = parse_host(request.headers.get("Host", ""))
    if host is None or not fake.hosts.allows(host):
        raise Refused(403, "this Host is not the fake's; use a loopback name, or serve with --allowed-host")
    origin = request.headers.get("Origin")
    if origin is not None and not dashboard.is_own(origin):
        raise Refused(403, "pages of other origins may not steer the fake")


def _without_key(fake: Fake, key: str) -> Response | None:
    """What is answered to a request without the key; None if it is answered as with it.

    Raises:
        Refused: It is not answered.
    """
    path = request.path.removeprefix("/__mock/")
    if path in _WITHOUT_KEY or dashboard.is_let_in(request.cookies, key):
        return None
    if request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
        return dashboard.ask_key(fake, _base_url())
    raise Refused(401, f"this server listens beyond loopback: send the key that it printed as {KEY_HEADER}")


def _base_url() -> str:
    """Where this request reached the fake."""
    return request.host_url.removesuffix("/")


def refused(message: str, status: int) -> Refusal:
    """A refusal; what is wrong stands in the body, and as everywhere in the hint. A token is not quoted."""
    message = _masking().without_token(message)
    return {"message": message}, status, [(HINT, hint_of_control(message))]


def _masking() -> Masking:
    return masking_of(secrets_of(request.environ))


_ROUTES: Final = {
    name: (operation.method, re.compile(_PLACEHOLDER.sub(r"(?P<\1>[^/]+)", operation.path)))
    for name, operation in OPERATIONS_BY_NAME.items()
}


def _operation(method: str, path: str) -> tuple[str, dict[str, str]]:
    """The operation that a method and a path below ``/__mock/`` stand for, and what the path names."""
    allowed = set()
    for name, (wanted, pattern) in _ROUTES.items():
        found = pattern.fullmatch(path)
        if found and wanted == method:
            return name, found.groupdict()
        if found:
            allowed.add(wanted)
    if allowed:
        raise Refused(405, f"this path takes {' and '.join(sorted(allowed))}")
    raise Refused(404, "nothing is here; /__mock/openapi.json describes what is")


def _tenant() -> str | None:
    """Whose token the request carries; without one it is about everybody."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    token = wire.read_token(header)
    if not token:
        raise BadToken
    return ids.user_id_of(token)


def _query() -> dict[str, Any]:
    return request.args.to_dict()


def _body() -> dict[str, Any]:
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise Refused(413, f"expected a body of at most {MAX_BODY_BYTES} bytes")
    if request.mimetype != "application/json":
        raise Refused(
            415,
            "expected Content-Type: application/json and a body such as {}: no page's form can send that",
        )
    try:
        body = request.get_data() or b"{}"
        if is_dense(body):
            raise Refused(413, f"expected a JSON object of at most {MOST_VALUES} values")
        document = orjson.loads(body)
    except (orjson.JSONDecodeError, HTTPException) as error:
        raise Refused(400, f"expected a JSON object: {error}") from None
    if not isinstance(document, dict):
        raise Refused(400, f"expected a JSON object, got {type(document).__name__}")
    if isinstance(where := document.get("where"), str):  # whence an order came, for people to read
        document["where"] = _masking().without_token(where)
    return document
