"""HTTP over ``dashboard``: the pages under ``/__mock/``, for people with a browser.

The guards of the control plane hold. A page's form sends what a form can, so it counts only with an Origin,
which has to be the fake's own: no page of another site can send that. Where ``/__mock/`` wants a key, a
person gives it once, and the browser keeps a digest of it until it is closed.
"""

from __future__ import annotations

import hashlib
import hmac
import shlex
from typing import TYPE_CHECKING, Any, Final

from flask import Response, current_app, request

from netmind_mock.api.request import RequestContext
from netmind_mock.control.dashboard.render import Pages, text_of
from netmind_mock.control.operations import OPERATIONS_BY_NAME, NotThere, call
from netmind_mock.errors import ExpiredLink, UnknownFile
from netmind_mock.jobs import ids
from netmind_mock.validation import InvalidOrder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netmind_mock.fake import Fake

KEY_COOKIE: Final = "netmind_mock_key"

_FILES = {"page.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8"}
_NUMBERS = ("advance", "speed", "times")
_MOST_FORM_BYTES = 64 * 1024
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with none, browsers leave out a form's Origin
    "Cache-Control": "no-store",
}


def is_page(path: str) -> bool:
    """Whether a path below ``/__mock/`` is a page's."""
    return path == "" or path.startswith("pages/")


def answer_page(fake: Fake, path: str, base_url: str, key: str | None) -> Response:
    """The page at a path below ``/__mock/``, or what came of a form."""
    pages = Pages(fake, base_url, request.args)
    if request.method == "POST":
        return _answer_form(fake, pages, path, key)
    if request.method not in ("GET", "HEAD"):
        return _html(pages.message(f"a page takes no {request.method}", "/__mock/"), 405)
    if path.removeprefix("pages/") in _FILES:
        name = path.removeprefix("pages/")
        return Response(text_of(name), content_type=_FILES[name], headers=_HEADERS)
    plain = {"": pages.jobs, "pages/journal": pages.journal, "pages/steer": pages.steer}
    if path in plain:
        return _html(plain[path]())
    if path.startswith("pages/files/"):
        return _file(fake, path.removeprefix("pages/files/"))
    job_id = path.removeprefix("pages/jobs/")
    job = fake.store.get(job_id) if ids.is_job_id(job_id) else None
    if job is None:
        return _html(pages.message("nothing is here", "/__mock/"), 404)
    return _html(pages.job(job))


def _file(fake: Fake, file_id: str) -> Response:
    """A result file, as its own route answers it, past the door: nobody's client asked for it."""
    job_id, _ = ids.file_of(file_id) or ("", 0)
    job = fake.store.get(job_id)
    clock = fake.accounts.clock(None if job is None else job.user_id)
    RequestContext.of(request.environ).now = clock.now()
    try:
        download: Any = current_app.view_functions["files.download"]
        return current_app.make_response(download(file_id=file_id))
    except ExpiredLink:
        return Response("this link has expired", 403, _HEADERS, content_type="text/plain")
    except UnknownFile:
        return Response("no such file", 404, _HEADERS, content_type="text/plain")


def ask_key(fake: Fake, base_url: str) -> Response:
    """The page that asks for the key of ``/__mock/``."""
    message = "This fake listens beyond this machine. It printed a key when it was started."
    page = Pages(fake, base_url, {}).message(message, request.path, asks_key=True)
    return _html(page, 401)


def digest_of(key: str) -> str:
    """What a browser keeps of a key."""
    return hashlib.blake2b(key.encode(), digest_size=16, person=b"netmind-pages").hexdigest()


def is_own(origin: str) -> bool:
    """Whether an Origin is the fake's own, as a browser reaches it, by TLS perhaps.

    Pages of other schemes, such as those of apps (``capacitor://localhost``), are not.
    """
    scheme, _, host = origin.partition("://")
    return scheme in ("http", "https") and host == request.headers.get("Host")


def _answer_form(fake: Fake, pages: Pages, path: str, key: str | None) -> Response:
    request.max_content_length = _MOST_FORM_BYTES
    back = _checked_back(request.form.get("back", ""))
    if not is_own(request.headers.get("Origin", "")):  # browsers say from whose page a form comes
        return _html(pages.message("this form was not sent by a page of the fake", back), 403)
    if path == "pages/key":
        return _answer_key(pages, back, key)
    if path != "pages/do":
        return _html(pages.message("nothing is here", back), 404)
    try:
        fields = {name: value for name, value in request.form.items() if name != "back"}
        _do(fake, fields)
    except NotThere as mistake:
        return _html(pages.message(str(mistake), back), 404)
    except InvalidOrder as mistake:
        return _html(pages.message(str(mistake), back), 422)
    return Response("", 303, {**_HEADERS, "Location": back})


def _answer_key(pages: Pages, back: str, key: str | None) -> Response:
    given = request.form.get("key", "")
    if key is None or not hmac.compare_digest(given.encode(), key.encode()):
        return _html(pages.message("That is not the key.", back, asks_key=key is not None), 401)
    answer = Response("", 303, {**_HEADERS, "Location": back})
    answer.set_cookie(KEY_COOKIE, digest_of(key), path="/__mock", httponly=True, samesite="Strict")
    return answer


def _do(fake: Fake, fields: dict[str, str]) -> None:
    """Do what a form asks for.

    Raises:
        InvalidOrder: It cannot be done.
    """
    operation, account = fields.pop("operation", ""), fields.pop("account", "")
    if operation not in OPERATIONS_BY_NAME:
        raise InvalidOrder("form: there is no such operation")
    if account and not ids.is_job_id(account):  # both are 32 digits
        raise InvalidOrder("form: there is no such account")
    payload: dict[str, Any] = _arguments(fields.pop("arguments", ""))
    if "fault_of" in fields:
        payload["operation"] = fields.pop("fault_of")
    for name, value in fields.items():
        payload[name] = _value(value) if name in (*_NUMBERS, "freeze") else value
    call(fake, account or None, operation, payload)


def _arguments(text: str) -> dict[str, Any]:
    """``code=503 message="no GPU"`` as arguments.

    Raises:
        InvalidOrder: It is not of this form.
    """
    try:
        words = shlex.split(text)
    except ValueError:
        words = ["?"]
    pairs = [word.partition("=") for word in words]
    if not all(name and equals for name, equals, _ in pairs):
        raise InvalidOrder(f"arguments: expected name=value, such as code=503, got {text[:60]!r}")
    return {name: _value(value) for name, _, value in pairs}


def _value(text: str) -> Any:
    """A number or a truth, where the text is one."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _checked_back(path: str) -> str:
    """Where a form's page was, if it was one of these."""
    return path if path.startswith("/__mock/") and "\\" not in path and "\n" not in path else "/__mock/"


def _html(page: str, status: int = 200) -> Response:
    answer = Response(page, status, _HEADERS, content_type="text/html; charset=utf-8")
    answer.set_etag(hashlib.blake2b(page.encode(), digest_size=16).hexdigest())
    if status == 200:
        answer.make_conditional(request)
    return answer


def is_let_in(cookies: Mapping[str, str], key: str) -> bool:
    """Whether a browser was given the key."""
    return hmac.compare_digest(cookies.get(KEY_COOKIE, ""), digest_of(key))
