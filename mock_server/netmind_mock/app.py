"""Puts the parts together into a Flask application, which any WSGI server can serve."""

from __future__ import annotations

import random
from functools import cache, partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from flask import Flask, Response, request
from flask.json.provider import JSONProvider
from werkzeug import routing
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from netmind_mock.api import wire
from netmind_mock.api.files import files_routes
from netmind_mock.api.generation import generation_routes, generation_views
from netmind_mock.api.middleware import Middleware
from netmind_mock.api.request import whole_response
from netmind_mock.clock import Clock, SteerableClock
from netmind_mock.control.routes import control
from netmind_mock.errors import HINT, ApiError, UnknownRoute, WrongMethod, hint, hint_of_status, hint_of_store
from netmind_mock.fake import Fake
from netmind_mock.hosts import HostPolicy, parse_host
from netmind_mock.jobs.ids import JobIds, user_id_of
from netmind_mock.jobs.profile import Profile, load_profile
from netmind_mock.journal.entries import MOST_ENTRIES, Journal
from netmind_mock.journal.redaction import masking_of, secrets_of
from netmind_mock.journal.shared import SharedJournal
from netmind_mock.journal.spend import Prices
from netmind_mock.simulation.accounts import Accounts
from netmind_mock.simulation.load import Latency, Load, Queue, RateLimit
from netmind_mock.stores import StoreUnavailable, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import WSGIEnvironment

    from flask import Request

    from netmind_mock.api.generation import View
    from netmind_mock.api.middleware import DirectView
    from netmind_mock.api.request import RequestContext, WholeResponse
    from netmind_mock.journal.entries import Note
    from netmind_mock.simulation.rules import Rule
    from netmind_mock.stores import JobStore


def create_app(  # noqa: PLR0913 - each has a name and a default
    *,
    profile: str | Profile = "documented",
    duration: float = 2.0,
    clock: Clock | None = None,
    store: JobStore | str = "memory",
    seed: int | None = None,
    api_keys: Iterable[str] = (),
    strict_models: bool = False,
    public_url: str = "http://127.0.0.1:8000",
    allowed_hosts: Iterable[str] = (),
    rules: Iterable[Rule] = (),
    prices: Prices | None = None,
    journal_entries: int = MOST_ENTRIES,
    latency: str | None = None,
    capacity: int | None = None,
    rate_limit: str | None = None,
    wire_faults: Iterable[str] = (),
    control_key: str | None = None,
    log: Callable[[Note], None] | None = None,
) -> Flask:
    """The fake as a WSGI application.

    Args:
        profile: How the API behaves: ``documented``, ``observed``, a TOML file's path, or a Profile.
        duration: How long a job takes, in seconds.
        clock: Where time comes from; by default one that runs in real time.
        store: Where jobs are kept: one that is open, or ``memory``, ``sqlite:///FILE`` or
            ``postgresql://USER@HOST/DATABASE``.
        seed: Gives the same job ids, in the same order, for the same seed.
        api_keys: The tokens that are accepted, each a tenant of its own. None given: every token is.
        strict_models: Refuse models that are not in the catalogue.
        public_url: What result URLs begin with where the request's own host is not allowed.
        allowed_hosts: Hosts beyond loopback that result URLs may be built from: ``name`` or ``name:port``.
        rules: Standing orders, as ``rules_from`` reads them from a file.
        prices: What a create costs, as ``prices_from`` reads it from a file.
        journal_entries: How many requests are remembered at most; 0 for none.
        latency: How late answers come, in seconds of the jobs' clock: ``0.2``, ``0.1-0.5`` or
            ``lognormal:MEDIAN,SIGMA``.
        capacity: How many jobs of an account run at once; the others stay pending.
        rate_limit: How many requests an account may make: ``10/s``, ``60/m`` or ``1000/h``.
        wire_faults: The kinds of faults that whatever carries the answers carries out itself.
        control_key: What ``/__mock/`` wants in the header ``X-Mock-Key``; None if nothing.
        log: Called with what is noted of each request to the imitated API.

    Raises:
        InvalidFile: The profile does not exist or holds a mistake.
        ValueError: ``duration`` is negative, a host is not one, the store cannot be opened, or another
            argument is not as it has to be.
    """
    load = Load(
        None if latency is None else Latency.parsed(latency),
        None if rate_limit is None else RateLimit.parsed(rate_limit),
        random.Random(seed),  # noqa: S311 - not a secret
    )
    if capacity is not None and capacity < 1:
        raise ValueError(f"capacity: expected a number of jobs, 1 or more, got {capacity!r}")
    if not 0 <= duration < float("inf"):
        raise ValueError(f"duration is a number of seconds, 0 or more, not {duration!r}")
    settled = profile if isinstance(profile, Profile) else load_profile(profile)
    keys = [wire.read_token(key) for key in api_keys]
    if isinstance(store, str):
        store = open_store(store)
    accounts = Accounts(
        clock or SteerableClock(), store, seed=seed or 0, wire=frozenset(wire_faults), rules=tuple(rules)
    )
    notes = store.notes
    fake = Fake(
        profile=settled,
        store=store,
        accounts=accounts,
        journal=Journal(journal_entries)
        if notes is None
        else SharedJournal(notes, journal_entries, meanwhile=accounts.follow),
        hosts=host_policy(public_url, allowed_hosts),
        ids=JobIds(seed),
        duration=duration,
        accepted=frozenset(map(user_id_of, keys)) if keys else None,
        strict_models=strict_models or settled.unknown_models == "refuse",
        load=load,
        queue=None if capacity is None else Queue(store, capacity),
        prices=prices or Prices(),
    )
    return _flask_app(fake, control_key, log)


def fake_of(app: Flask) -> Fake:
    """Return the fake that an application serves which ``create_app`` made."""
    fake: Fake = app.extensions["netmind_mock"]
    return fake


def host_policy(public_url: str, allowed_hosts: Iterable[str]) -> HostPolicy:
    """Which hosts may stand in result URLs.

    Raises:
        ValueError: One of ``allowed_hosts`` is not ``name`` or ``name:port``.
    """
    allowed = set()
    for text in allowed_hosts:
        host = parse_host(text)
        if host is None:
            wanted = "a host such as example.org or example.org:8000"
            raise ValueError(f"allowed host: expected {wanted}, got {text!r}")
        allowed.add(host)
    return HostPolicy(public_url.rstrip("/"), frozenset(allowed))


class _OrjsonProvider(JSONProvider):
    """orjson, since a JSON answer is most of what the fake does."""

    def dumps(self, obj: Any, **_: Any) -> str:
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        return orjson.loads(s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        return Response(
            orjson.dumps(self._prepare_response_obj(args, kwargs)), content_type="application/json"
        )


class _RouteRule(routing.Rule):
    """A rule that compiles how to build its URL when a URL is built.

    Werkzeug compiles that for every rule at once, which took most of the time of ``create_app``: 0.2 ms a
    rule. Few applications build a URL, and many tests make an application each. The method is private to
    Werkzeug: a version that has no such method is slower, and works as well.
    """

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        compiled = cache(partial(super()._compile_builder, append_unknown))

        def build(rule: routing.Rule, **values: Any) -> tuple[str, str]:
            return compiled()(rule, **values)

        return build


class _FakeFlask(Flask):
    """Flask, which routes without looking at the Host."""

    url_rule_class = _RouteRule
    jinja_options = {"trim_blocks": True, "lstrip_blocks": True}  # noqa: RUF012 - as in Flask

    def create_url_adapter(self, request: Request | None) -> routing.MapAdapter | None:
        """Routes by path and method alone: what the Host header says is never looked at."""
        if request is None:
            return None
        environ = request.environ
        path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace")
        return routing.MapAdapter(self.url_map, "", "/", "", "http", path, environ["REQUEST_METHOD"])


def _flask_app(fake: Fake, control_key: str | None, log: Callable[[Note], None] | None) -> Flask:
    app = _FakeFlask("netmind_mock", static_folder=None, template_folder=None)
    app.json = _OrjsonProvider(app)
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

    def refuse(error: ApiError | HTTPException) -> tuple[Any, int, list[tuple[str, str]]]:
        headers: list[tuple[str, str]] = []
        if isinstance(error, HTTPException):
            headers = [(name, value) for name, value in error.get_headers() if name.lower() != "content-type"]
            ours = _in_our_words(error)
            if ours is None:
                headers.append((HINT, hint_of_status(error.name)))
                return {"message": f"{error.name}"}, error.code or 500, headers
            error = ours
        status, body = wire.refusal(error, fake.profile)
        masking = masking_of(secrets_of(request.environ))  # a refusal may quote what was sent
        return masking.document(body), status, [*headers, (HINT, masking.without_token(hint(error)))]

    def cannot_keep(error: StoreUnavailable) -> tuple[Any, int, list[tuple[str, str]]]:
        message = f"the fake's store cannot be read or written now: {error}"
        return {"message": message}, 503, [(HINT, hint_of_store(message))]

    app.register_error_handler(StoreUnavailable, cannot_keep)
    app.register_error_handler(ApiError, refuse)
    app.register_error_handler(HTTPException, refuse)
    return app


def _direct(app: Flask, view: View) -> DirectView:
    """A view without Flask around it, which takes as long again; None if somebody hooked into Flask."""
    hooked: tuple[dict[Any, list[Any]], ...] = (
        app.before_request_funcs,
        app.after_request_funcs,
        app.teardown_request_funcs,
        app.url_value_preprocessors,
    )

    of_ours = sum(map(len, hooked))

    def respond(context: RequestContext, generation_id: str) -> WholeResponse | None:
        if sum(map(len, hooked)) != of_ours:
            return None
        try:
            body, status = view(context, generation_id)
        except Exception as error:  # noqa: BLE001 - Flask knows what becomes of it
            return whole_response(_failed(app, context.environ, error), context.environ)
        content = orjson.dumps(body)
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(content)))]
        return f"{status} {HTTPStatus(status).phrase}", headers, content

    return respond


def _failed(app: Flask, environ: WSGIEnvironment, error: Exception) -> Response:
    """What Flask answers where an exception was raised."""
    with app.request_context(environ):
        try:
            return app.make_response(app.handle_user_exception(error))
        except Exception as unhandled:  # noqa: BLE001 - as Flask does
            return app.handle_exception(unhandled)


def _in_our_words(error: HTTPException) -> ApiError | None:
    """Werkzeug's refusal in our words, or None if it has no profile entry (416, a broken request)."""
    match error:
        case NotFound():
            return UnknownRoute()
        case MethodNotAllowed():
            return WrongMethod(allowed=sorted(error.valid_methods or ()))
        case _:
            return None
