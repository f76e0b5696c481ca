"""Build the fake as a Flask application, which any WSGI server can serve."""

from __future__ import annotations

import math
import random
from functools import cache, partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from flask import Flask, Response, request
from flask.json.provider import JSONProvider
from werkzeug import routing
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.middleware.proxy_fix import ProxyFix

from netmind_mock.api import wire
from netmind_mock.api.cross_origin import CrossOrigin, is_preflight
from netmind_mock.api.files import files_routes
from netmind_mock.api.generation import generation_routes, generation_views
from netmind_mock.api.middleware import CONTROL, Middleware
from netmind_mock.api.request import whole_response
from netmind_mock.api.reverse_proxy import PublicPath
from netmind_mock.clock import Clock, Listeners, SimulatedClock
from netmind_mock.control.routes import control
from netmind_mock.errors import HINT, RefusedRequest, UnknownRoute, WrongMethod, hint_line
from netmind_mock.fake import Fake
from netmind_mock.hosts import HostPolicy, base_url, parse_host
from netmind_mock.jobs.ids import JobIds, user_id_of
from netmind_mock.jobs.profile import Profile, load_profile
from netmind_mock.journal.memory import Journal
from netmind_mock.journal.redaction import redactor_of, secrets_of
from netmind_mock.journal.shared import SharedJournal
from netmind_mock.journal.spend import Prices, prices_from
from netmind_mock.options import APP, options_from
from netmind_mock.simulation.accounts import Accounts
from netmind_mock.simulation.load import Latency, Load, Queue, RateLimit
from netmind_mock.simulation.rules import rules_from
from netmind_mock.stores import Limits, StoreUnavailable, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import WSGIEnvironment

    from flask import Request

    from netmind_mock.api.generation import View
    from netmind_mock.api.middleware import DirectView
    from netmind_mock.api.request import RequestContext, WholeResponse
    from netmind_mock.journal.entries import RawEntry
    from netmind_mock.options import Options
    from netmind_mock.stores import JobStore

# The hint for an error that no profile describes, by its status. Others have Werkzeug's description.
_PREFLIGHT = (
    "a browser asks whether a page of another origin may send this request (CORS); allow it with "
    "--cors-origin ORIGIN, such as --cors-origin http://localhost:5173"
)
_ADVICE = {416: "the range is outside the file; request bytes within the length in Content-Range"}


def create_app(
    *,
    profile: str | Profile | None = None,
    store: str | JobStore | None = None,
    clock: Clock | None = None,
    wire_faults: Iterable[str] = (),
    log: Callable[[RawEntry], None] | None = None,
    **options: Any,
) -> Flask:
    """Return the fake as a WSGI application.

    Args:
        profile: How the API behaves: ``documented``, ``observed``, a TOML file's path, or a Profile.
        store: Where jobs are stored: ``memory``, ``sqlite:///FILE``, ``postgresql://USER@HOST/DATABASE``, or
            an open store.
        clock: The clock of all accounts; by default one that runs in real time.
        wire_faults: The kinds of wire faults that the server of this application can apply.
        log: Called with the journal entry of each request to the API.
        options: Any other option of :class:`netmind_mock.options.Options` that an application can have,
            such as ``duration=5``.

    Raises:
        InvalidFile: The profile does not exist or is not valid, or an option has a value that is not valid.
        ValueError: The store cannot be opened.
        RefusedRequest: An API key is empty or contains white space.
    """
    if isinstance(profile, str):
        options["profile"] = profile
    if isinstance(store, str):
        options["store"] = store
    return app_of(
        options_from(APP, **options),
        profile=profile if isinstance(profile, Profile) else None,
        store=None if isinstance(store, str) else store,
        clock=clock,
        wire_faults=wire_faults,
        log=log,
    )


def app_of(
    options: Options,
    *,
    profile: Profile | None = None,
    store: JobStore | None = None,
    clock: Clock | None = None,
    wire_faults: Iterable[str] = (),
    knows_losses: bool = False,
    log: Callable[[RawEntry], None] | None = None,
) -> Flask:
    """Return the application of these options.

    Args:
        options: The options.
        profile: Used instead of the option ``profile``.
        store: Used instead of the option ``store``.
        clock: The clock of all accounts; by default one that runs in real time.
        wire_faults: The kinds of wire faults that the server of this application can apply.
        knows_losses: Whether the journal knows which responses a client did not receive.
        log: Called with the journal entry of each request to the API.

    Raises:
        InvalidFile: The profile, the rules or the prices are not valid.
        ValueError: The store cannot be opened.
        RefusedRequest: An API key is empty or contains white space.
    """
    load = Load(
        None if options.latency is None else Latency.parsed(options.latency),
        None if options.rate_limit is None else RateLimit.parsed(options.rate_limit),
        random.Random(options.seed),  # noqa: S311 - not a secret
    )
    profile = profile or load_profile(options.profile)
    keys = [wire.read_token(key) for key in options.api_key]
    rules = () if options.rules is None else rules_from(Path(options.rules))
    prices = Prices() if options.prices is None else prices_from(Path(options.prices))
    retain = math.inf if options.retain is None else options.retain
    limits = Limits(options.max_jobs, retain, options.max_bytes)
    store = store or open_store(options.store, limits)
    clock = clock or SimulatedClock()
    accounts = Accounts(clock, store, seed=options.seed or 0, wire=frozenset(wire_faults), rules=rules)
    entries = store.entries
    hosts = map(parse_host, options.allowed_host)
    fake = Fake(
        profile=profile,
        store=store,
        accounts=accounts,
        journal=Journal(options.journal)
        if entries is None
        else SharedJournal(entries, options.journal, after_write=accounts.follow),
        hosts=HostPolicy(
            base_url(options.host, options.port), frozenset(filter(None, hosts)), options.public_url
        ),
        ids=JobIds(options.seed),
        duration=options.duration,
        accepted=frozenset(map(user_id_of, keys)) if keys else None,
        strict_models=options.strict_models or profile.unknown_models == "refuse",
        load=load,
        queue=None if options.capacity is None else Queue(store, options.capacity),
        prices=prices,
        knows_losses=knows_losses,
        listeners=clock.listeners if isinstance(clock, SimulatedClock) else Listeners(),
    )
    app = _flask_app(fake, options.control_key, log)
    _wrap(app, fake, options)
    return app


def _wrap(app: Flask, fake: Fake, options: Options) -> None:
    """Put the middleware that options ask for around an application."""
    if options.cors_origin:
        app.wsgi_app = CrossOrigin(app.wsgi_app, options.cors_origin)  # type: ignore[method-assign]
    if options.public_url is not None and urlsplit(options.public_url).path:
        app.wsgi_app = PublicPath(app.wsgi_app, fake.hosts)  # type: ignore[method-assign]
    if hops := options.trust_proxy:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops, x_port=hops, x_prefix=hops
        )


class _MsgspecProvider(JSONProvider):
    """Flask's JSON provider, by msgspec: most of the work of the fake is JSON."""

    def dumps(self, obj: Any, **_: Any) -> str:
        return msgspec.json.encode(obj).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        return msgspec.json.decode(s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        return Response(
            msgspec.json.encode(self._prepare_response_obj(args, kwargs)), content_type="application/json"
        )


class _RouteRule(routing.Rule):
    """A rule that compiles its URL builder when it is first used.

    Werkzeug compiles the builders of all rules at once. This took most of the time of ``create_app``, 0.2 ms
    per rule, while few applications build a URL and many tests create an application each. The method is
    private to Werkzeug; with a version without it, ``create_app`` is slower and works the same.
    """

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        compiled = cache(partial(super()._compile_builder, append_unknown))

        def build(rule: routing.Rule, **values: Any) -> tuple[str, str]:
            return compiled()(rule, **values)

        return build


class _FakeFlask(Flask):
    """Flask, except that routing ignores the Host header."""

    url_rule_class = _RouteRule
    jinja_options = {"trim_blocks": True, "lstrip_blocks": True}  # noqa: RUF012 - as in Flask

    def create_url_adapter(self, request: Request | None) -> routing.MapAdapter | None:
        """Return an adapter that routes by path and method only."""
        if request is None:
            return None
        environ = request.environ
        path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace")
        prefix = environ.get("SCRIPT_NAME") or "/"  # of a reverse proxy, or of an application around this one
        return routing.MapAdapter(self.url_map, "", prefix, "", "http", path, environ["REQUEST_METHOD"])


def _flask_app(fake: Fake, control_key: str | None, log: Callable[[RawEntry], None] | None) -> Flask:
    app = _FakeFlask("netmind_mock", static_folder=None, template_folder=None)
    app.json = _MsgspecProvider(app)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.url_map.merge_slashes = False
    views = generation_views(fake)
    app.register_blueprint(generation_routes(views))
    app.register_blueprint(files_routes(fake))
    app.config["CONTROL_KEY"] = control_key
    app.register_blueprint(control)
    app.extensions["netmind_mock"] = fake
    app.wsgi_app = Middleware(  # type: ignore[method-assign]
        fake,
        app.wsgi_app,
        {name: _direct(app, view) for name, view in views.items()},
        unavailable=lambda error: lambda environ, start: _failed(app, environ, error)(environ, start),
        log=log,
    )

    def refuse(error: RefusedRequest | HTTPException) -> tuple[Any, int, list[tuple[str, str]]]:
        headers: list[tuple[str, str]] = []
        if request.path == "/" and "text/html" in request.headers.get("Accept", ""):  # a user in a browser
            return (
                {"message": "The dashboard is at /__mock/."},
                302,
                [("Location", f"{request.script_root}{CONTROL}/")],
            )
        if isinstance(error, HTTPException):
            headers = [(name, value) for name, value in error.get_headers() if name.lower() != "content-type"]
            own = _own_refusal(error)
            if own is None:
                advice = _ADVICE.get(error.code or 500, error.description)
                headers.append((HINT, hint_line(f"{error.name}: {advice}")))
                return {"message": error.name}, error.code or 500, headers
            error = own
        status, body = wire.refusal(error, fake.profile)
        redactor = redactor_of(secrets_of(request.environ))  # a refusal may quote the request
        hint = redactor.without_token(error.hint_line())
        if is_preflight(request.environ):
            hint = hint_line(_PREFLIGHT, "docs/serving.md")
        return redactor.document(body), status, [*headers, (HINT, hint)]

    def store_unavailable(error: StoreUnavailable) -> tuple[Any, int, list[tuple[str, str]]]:
        message = f"the fake's store cannot be read or written now: {error}"
        return (
            {"message": message},
            503,
            [(HINT, hint_line(f"{message}; no job was created or changed", "docs/serving.md"))],
        )

    app.register_error_handler(StoreUnavailable, store_unavailable)
    app.register_error_handler(RefusedRequest, refuse)
    app.register_error_handler(HTTPException, refuse)
    return app


def _direct(app: Flask, view: View) -> DirectView:
    """Return a function that calls a view without Flask, which would double the time of a request.

    The function returns None if hooks were added to the application after this call, since only Flask calls
    hooks.
    """
    hooks: tuple[dict[Any, list[Any]], ...] = (
        app.before_request_funcs,
        app.after_request_funcs,
        app.teardown_request_funcs,
        app.url_value_preprocessors,
    )

    own_hooks = sum(map(len, hooks))

    def respond(context: RequestContext, generation_id: str) -> WholeResponse | None:
        if sum(map(len, hooks)) != own_hooks:
            return None
        try:
            body, status = view(context, generation_id)
        except Exception as error:  # noqa: BLE001 - Flask's error handlers get it
            return whole_response(_failed(app, context.environ, error), context.environ)
        content = msgspec.json.encode(body)
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(content)))]
        return f"{status} {HTTPStatus(status).phrase}", headers, content

    return respond


def _failed(app: Flask, environ: WSGIEnvironment, error: Exception) -> Response:
    """Return the response to an exception."""
    with app.request_context(environ):
        try:
            return app.make_response(app.handle_user_exception(error))
        except Exception as unhandled:  # noqa: BLE001 - as Flask does
            return app.handle_exception(unhandled)


def _own_refusal(error: HTTPException) -> RefusedRequest | None:
    """Return the refusal that the profile has for an HTTP error; None if it has none (416, a bad request)."""
    match error:
        case NotFound():
            return UnknownRoute()
        case MethodNotAllowed():
            return WrongMethod(allowed=sorted(error.valid_methods or ()))
        case _:
            return None
