"""The four operations of the API: create, get, list and delete."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any, Final

import msgspec
from flask import Blueprint, Response, request
from msgspec.structs import replace

from netmind_mock.api import wire
from netmind_mock.api.json_cache import JsonCache, is_visible
from netmind_mock.api.request import KEY, account_of, origin, read_body
from netmind_mock.errors import ModelUnavailable, UnknownGeneration, UnknownModel
from netmind_mock.jobs import ids
from netmind_mock.jobs.catalogue import catalogue
from netmind_mock.jobs.job import CLOCK_GRAIN, Job, deleted, ends_after, has_ended, polled
from netmind_mock.journal.redaction import redactor_of, secrets_of
from netmind_mock.simulation.scenarios import plan_for
from netmind_mock.validation import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from wsgiref.types import WSGIEnvironment

    from netmind_mock.api.request import RequestContext
    from netmind_mock.fake import Fake
    from netmind_mock.jobs.plan import CreateRequest
    from netmind_mock.jobs.profile import Profile

    View = Callable[[RequestContext, str], tuple[dict[str, Any] | msgspec.Raw, int]]

_log = logging.getLogger("netmind_mock")
PATHS: Final = {
    "create": ("POST", "/v1/generation"),
    "get": ("GET", "/v1/generation/<generation_id>"),
    "list": ("GET", "/v1/generation"),
    "delete": ("DELETE", "/v1/generation/<generation_id>"),
}
_SCENARIO = "HTTP_X_MOCK_SCENARIO"


def generation_routes(views: Mapping[str, View]) -> Blueprint:
    """Return Flask's routes to the four operations."""
    routes = Blueprint("generation", __name__)
    for operation, (method, path) in PATHS.items():
        routes.add_url_rule(path, operation, _of_request(views[operation]), methods=[method])
    return routes


def _of_request(view: View) -> Callable[..., tuple[dict[str, Any] | Response, int]]:
    def respond(generation_id: str = "") -> tuple[dict[str, Any] | Response, int]:
        body, status = view(request.environ[KEY], generation_id)
        if isinstance(body, msgspec.Raw):
            return Response(bytes(body), content_type="application/json"), status
        return body, status

    return respond


def generation_views(fake: Fake) -> Mapping[str, View]:
    """Return the four operations of a fake, by name.

    Each takes the request and the id in its path, and returns the body and the status of the response. Each
    may raise ``RefusedRequest`` and ``StoreUnavailable``.
    """
    profile, store = fake.profile, fake.store
    cache = JsonCache(profile)
    ok = profile.success_status

    def create(context: RequestContext, _: str) -> tuple[dict[str, Any], int]:
        request, job = _create(fake, context)
        done = job.created_at + ends_after(job.plan)
        if done == math.inf or not _is_sync(request, profile):  # a job that never ends is returned as it is
            return wire.created(job, profile, origin(fake, context)), ok
        context.hold_for_job(done, fake.accounts.clock(job.user_id), lambda: _done_at(fake, job.id))
        if not context.sends_later and _done_at(fake, job.id) != done:  # it was changed meanwhile
            context.now = done
            return get(context, job.id)
        return wire.generation(job, done, profile, origin(fake, context)), ok

    def get(context: RequestContext, generation_id: str) -> tuple[dict[str, Any], int]:
        now = context.now
        job = _find(fake, generation_id, account_of(fake, context), now)
        if now + CLOCK_GRAIN < job.created_at + job.plan.hidden_for:
            raise UnknownGeneration
        if len(job.polled_at) < job.plan.counts_polls:
            store.change(job.id, lambda before: polled(before, now))
            job = store.get(job.id) or job
            if has_ended(job, now):
                fake.after_end(job.user_id, now)
        return cache.document(job, now, origin(fake, context)), ok

    def list_(context: RequestContext, _: str) -> tuple[dict[str, Any], int]:
        now = context.now
        user_id = account_of(fake, context)
        generations = cache.listed(user_id, store.page(user_id), now, origin(fake, context))
        return wire.generation_list(generations), ok

    def delete(context: RequestContext, generation_id: str) -> tuple[dict[str, Any], int]:
        now = context.now
        job = _find(fake, generation_id, account_of(fake, context), now)
        before = store.change(job.id, lambda job: deleted(job, now))
        if before is None or not is_visible(profile, before, now) or _overtaken(profile, before, now):
            raise UnknownGeneration
        fake.after_end(job.user_id, now)
        return wire.deleted(profile), ok

    return {"create": create, "get": get, "list": list_, "delete": delete}


def _create(fake: Fake, context: RequestContext) -> tuple[CreateRequest, Job]:
    """Create a job. Return the create request and the job."""
    user_id = account_of(fake, context)
    environ = context.environ
    wire.check_content_type(environ.get("CONTENT_TYPE", ""), environ.get("HTTP_CONTENT_ENCODING", ""))
    request = wire.read_create(read_body(context))
    _check_model(request, fake, environ)
    config = wire.pack_config(request.config)
    scenario = fake.accounts.scenario_for(user_id, request, environ.get(_SCENARIO))
    plan = plan_for(request, fake.profile, fake.duration, scenario)
    job = Job(fake.ids.next(), user_id, request.model, config, context.now, plan)
    if fake.queue is None:
        job = _put(fake, job)
    else:
        with fake.queue.lock:
            job = _put(fake, replace(job, plan=fake.queue.planned(user_id, plan, context.now)))
    context.job_id, context.scenario = job.id, scenario
    return request, job


def _put(fake: Fake, job: Job) -> Job:
    """Store a new job, with another id if its id is taken. Return the stored job."""
    while not fake.store.put(job):  # after a restart, a seed gives the same ids again
        job = replace(job, id=fake.ids.next())
    return job


def _is_sync(request: CreateRequest, profile: Profile) -> bool:
    return request.config.get("sync_mode") is True and request.model in profile.sync_mode_models


def _done_at(fake: Fake, job_id: str) -> float:
    """Return when a job ends, as it is planned now; minus infinity if it is deleted or no longer exists."""
    job = fake.store.get(job_id)
    return -math.inf if job is None or job.deleted_at is not None else job.created_at + ends_after(job.plan)


def _find(fake: Fake, generation_id: str, user_id: str, now: float) -> Job:
    job = fake.store.get(generation_id) if ids.is_job_id(generation_id) else None
    if job is None or job.user_id != user_id or not is_visible(fake.profile, job, now):
        raise UnknownGeneration
    return job


def _overtaken(profile: Profile, before: Job, now: float) -> bool:
    """Return whether another request deleted the job since this request arrived."""
    if before.deleted_at is None or profile.delete_leaves == "tombstone":
        return False
    return before.deleted_at - before.plan.delete_late > now


def _check_model(request: CreateRequest, fake: Fake, environ: WSGIEnvironment) -> None:
    if request.model in fake.profile.unavailable_models:
        raise ModelUnavailable(model=request.model)
    if request.model in catalogue():
        return
    if fake.strict_models:
        raise UnknownModel(model=request.model)
    _log.warning(
        "model %s is not in the catalogue: treated as an image model (--strict-models refuses such models)",
        shown(redactor_of(secrets_of(environ)).without_token(request.model)),  # logs must not show API keys
    )
