"""The routes of the dashboard under ``/__mock/``.

The guard of the control API applies. Forms do not send JSON, so a form must also have the fake's own Origin,
which a page of another site cannot send.
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
from netmind_mock.validation import InvalidInput, nearest

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

# Files of the login form.
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
    """Abort with 403 if a page of another origin sent the form; browsers send the header Origin."""
    request.max_content_length = _MAX_FORM_BYTES
    if request.method == "POST" and not is_from_own_page():
        abort(403, "this form was not sent by the dashboard")


@dashboard.after_request
def tag(response: Response) -> Response:
    """Add an ETag to a page, and return 304 if it has not changed."""
    if response.status_code == 200 and response.mimetype == "text/html":
        response.add_etag()
        response.make_conditional(request)
    return response


@dashboard.app_context_processor
def _shared() -> dict[str, Any]:
    """Return the variables of all templates. Some are functions, since error pages must not show the fake."""
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
    """Show an error as a page."""
    message, status = refusal_of(error)
    # After an HTTPException the form was not accepted, so its field "back" is not read.
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
        abort(404, "no such job")
    shown = views.shown_job(fake, found, base_url())
    if not shown.is_whole:
        return render_template("job.html", job=shown)
    create, test = commands.create_of(shown.request), commands.pytest_of(shown)
    return render_template("job.html", job=shown, create=create, test=test)


@dashboard.get("/pages/journal")
def journal() -> str:
    """Show the requests and the problems with them."""
    shown = requests_of(current_fake(), request.args)
    return render_template("journal.html", requests=shown, operations=(*OPERATIONS, "other"))


@dashboard.get("/pages/simulation")
def simulation() -> str:
    """Show the clock, the queued scenarios, the rules and the faults."""
    fake = current_fake()
    clock = call(fake, None, "clock", {})
    known = call(fake, None, "scenarios", {})
    return render_template(
        "simulation.html",
        clock=clock,
        to_next=views.next_event(fake.store.page(None), clock["now"]),
        scenarios=known["scenarios"],
        kinds=[one for one in known["faults"] if fake.accounts.can_apply(one["kind"])],
        operations=OPERATIONS,
        next_jobs=call(fake, None, "next_jobs", {})["next_jobs"],
        rules=call(fake, None, "rules", {}),
        faults=call(fake, None, "faults", {})["faults"],
    )


@dashboard.get("/pages/files/<file_id>")
def file(file_id: str) -> Response:
    """Return a result file as the API does, but without the middleware, since no client requested it."""
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
    response.cache_control.no_cache = True  # a browser may store it, but must check that it still exists
    return response


@dashboard.post("/pages/do")
def do() -> ResponseReturnValue:
    """Run the operation of a button, and show its page again."""
    fields = request.form.to_dict()
    operation, account, _ = (fields.pop(name, "") for name in ("operation", "account", "back"))
    if operation not in OPERATIONS_BY_NAME:
        raise InvalidInput(
            f"form: no such operation as {operation[:60]!r}; {nearest(operation, OPERATIONS_BY_NAME)}"
        )
    if account and not ids.is_job_id(account):  # an account has the same format as a job id: 32 digits
        raise InvalidInput("form: account: expected 32 hexadecimal digits")
    call(current_fake(), account or None, operation, arguments_of(fields))
    return redirect(_back(), 303)


@dashboard.post("/pages/key")
def give_key() -> ResponseReturnValue:
    """Check the key that a user entered, and store its digest in a cookie."""
    given = request.form.get("key", "")
    if not is_key(given):
        return key_page(_back(), "The key is wrong."), 401
    response = redirect(_back(), 303)
    path = f"{request.script_root}/__mock"
    response.set_cookie(KEY_COOKIE, digest_of(given), path=path, httponly=True, samesite="Strict")
    return response


def key_page(back: str, message: str = "") -> str:
    """Return a page with the form for the key; the form then redirects to ``back``."""
    return render_template("key.html", back=back, message=message)


# The routes above are more specific, so they come first.
@dashboard.route("/", methods=METHODS, strict_slashes=False)
@dashboard.route("/pages/<path:_>", methods=METHODS)
def nothing(_: str = "") -> NoReturn:
    """Abort with 404 for an unknown path, or with 405 for a method that the dashboard does not support."""
    if request.method in ("GET", "POST"):
        abort(404, "no such page")
    abort(405, description=f"the dashboard does not support {request.method}")


def _back() -> str:
    """Return the path of the form's page if it is a path of the dashboard; otherwise that of the jobs."""
    path = request.form.get("back", "")
    is_own = path.startswith(f"{request.script_root}/__mock/") and "\\" not in path and path.isprintable()
    return path if is_own else url_for(".jobs")
