"""The pages under ``/__mock/``, for people with a browser: each page is a route.

The guard of the control API holds. A page's form sends what a form can, so it counts only with the fake's own
Origin, which no page of another site can send.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, NoReturn

from flask import Blueprint, Response, abort, current_app, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException

from netmind_mock.api.request import RequestContext
from netmind_mock.control.current import base_url, current_fake, refusal_of
from netmind_mock.control.dashboard import commands, views
from netmind_mock.control.dashboard.forms import arguments_of
from netmind_mock.control.dashboard.journal import requests_of
from netmind_mock.control.guard import KEY_COOKIE, METHODS, digest_of, is_from_own_page, is_key
from netmind_mock.control.operations import OPERATIONS_BY_NAME, call
from netmind_mock.errors import ExpiredLink, UnknownFile
from netmind_mock.jobs import ids
from netmind_mock.simulation.faults import OPERATIONS
from netmind_mock.validation import InvalidInput

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

# What the page that asks for the key needs itself.
WITHOUT_KEY: Final = frozenset({"control.dashboard.static", "control.dashboard.give_key"})

_FILTERS = ("status", "model", "account", "text", "operation")
_MAX_FORM_BYTES = 64 * 1024

dashboard = Blueprint(
    "dashboard",
    __name__,
    template_folder="templates",
    static_folder="static",
    static_url_path="/pages/static",
)


@dashboard.before_request
def check_form() -> None:
    """Refuse a form that no page of the fake has sent: browsers say in the Origin whose page it was."""
    request.max_content_length = _MAX_FORM_BYTES
    if request.method == "POST" and not is_from_own_page():
        abort(403, "this form was not sent by a page of the fake")


@dashboard.after_request
def tag(response: Response) -> Response:
    """Send a page that has not changed only once."""
    if response.status_code == 200 and response.mimetype == "text/html":
        response.add_etag()
        response.make_conditional(request)
    return response


@dashboard.app_context_processor
def _shared() -> dict[str, Any]:
    """Return what the templates share: functions, since a page of a refusal may show nothing of the fake."""
    return {
        "version": version("netmind-testkit"),
        "base_url": base_url,
        "mode": lambda: views.mode_of(current_fake()),
        "curl": lambda operation, payload: commands.curl_of(base_url(), operation, payload),
        "filters": {name: request.args[name] for name in _FILTERS if request.args.get(name)},
    }


@dashboard.errorhandler(HTTPException)
@dashboard.errorhandler(InvalidInput)
def refuse(error: HTTPException | InvalidInput) -> ResponseReturnValue:
    """Show what could not be done, and why."""
    message, status = refusal_of(error)
    # A form that was refused as such is not looked into.
    back = url_for(".jobs") if isinstance(error, HTTPException) else _back()
    return render_template("message.html", message=message, back=back), status


@dashboard.get("/", strict_slashes=False)
def jobs() -> str:
    """Show the table of jobs."""
    shown = views.jobs_of(current_fake(), request.args)
    return render_template("jobs.html", jobs=shown, statuses=views.ICONS, create=commands.create_of())


@dashboard.get("/pages/jobs/<job_id>")
def job(job_id: str) -> str:
    """Show one job."""
    fake = current_fake()
    found = fake.store.get(job_id) if ids.is_job_id(job_id) else None
    if found is None:
        abort(404, "nothing is here")
    shown = views.shown_job(fake, found, base_url())
    create, test = commands.create_of(shown.request), commands.pytest_of(shown)
    return render_template("job.html", job=shown, create=create, test=test)


@dashboard.get("/pages/journal")
def journal() -> str:
    """Show the requests, and what is wrong with them."""
    shown = requests_of(current_fake(), request.args)
    return render_template("journal.html", requests=shown, operations=(*OPERATIONS, "other"))


@dashboard.get("/pages/steer")
def steer() -> str:
    """Show the clock, the scenarios that are queued, and the faults."""
    fake = current_fake()
    clock = call(fake, None, "clock", {})
    known = call(fake, None, "scenarios", {})
    return render_template(
        "steer.html",
        clock=clock,
        to_next=views.next_event(fake.store.page(None), clock["now"]),
        scenarios=known["scenarios"],
        kinds=[one for one in known["faults"] if fake.accounts.can_apply(one["kind"])],
        operations=OPERATIONS,
        next_jobs=call(fake, None, "next_jobs", {})["next_jobs"],
        faults=call(fake, None, "faults", {})["faults"],
    )


@dashboard.get("/pages/files/<file_id>")
def file(file_id: str) -> Response:
    """Return a result file as its own route does, past the middleware: no client asked for it."""
    fake = current_fake()
    job_id, _ = ids.file_of(file_id) or ("", 0)
    found = fake.store.get(job_id)
    clock = fake.accounts.clock(None if found is None else found.user_id)
    RequestContext.of(request.environ).now = clock.now()
    download: Any = current_app.view_functions["files.download"]
    try:
        response = current_app.make_response(download(file_id=file_id))
    except ExpiredLink:
        abort(403, "this link has expired")
    except UnknownFile:
        abort(404, "no such file")
    response.cache_control.no_cache = True  # a browser may keep it, but asks whether it is still there
    return response


@dashboard.post("/pages/do")
def do() -> ResponseReturnValue:
    """Do what a button asks for, and show its page again."""
    fields = request.form.to_dict()
    operation, account, _ = (fields.pop(name, "") for name in ("operation", "account", "back"))
    if operation not in OPERATIONS_BY_NAME:
        raise InvalidInput("form: there is no such operation")
    if account and not ids.is_job_id(account):  # both are 32 digits
        raise InvalidInput("form: there is no such account")
    call(current_fake(), account or None, operation, arguments_of(fields))
    return redirect(_back(), 303)


@dashboard.post("/pages/key")
def give_key() -> ResponseReturnValue:
    """Take the key from a person, and let the browser keep its digest."""
    given = request.form.get("key", "")
    if not is_key(given):
        return key_page(_back(), "That is not the key."), 401
    response = redirect(_back(), 303)
    response.set_cookie(KEY_COOKIE, digest_of(given), path="/__mock", httponly=True, samesite="Strict")
    return response


def key_page(back: str, message: str = "") -> str:
    """Return the page that asks for the key, on the way to the page at ``back``."""
    return render_template("key.html", back=back, message=message)


# The routes above come first, for what they take.
@dashboard.route("/", methods=METHODS, strict_slashes=False)
@dashboard.route("/pages/<path:_>", methods=METHODS)
def nothing(_: str = "") -> NoReturn:
    """Refuse a path that is no page's, or a method that pages do not take."""
    if request.method in ("GET", "POST"):
        abort(404, "nothing is here")
    abort(405, description=f"a page takes no {request.method}")


def _back() -> str:
    """Return where a form's page was, if that was one of these pages; else the first one."""
    path = request.form.get("back", "")
    is_own = path.startswith("/__mock/") and "\\" not in path and path.isprintable()
    return path if is_own else url_for(".jobs")
