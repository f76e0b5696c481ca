"""The four operations of the API: create, get, list and delete."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any, Final

import msgspec
from flask import Blueprint, request
from msgspec.structs import replace

from netmind_mock.api import wire
from netmind_mock.api.request import KEY, account_of, origin, read_body
from netmind_mock.errors import ModelUnavailable, UnknownGeneration, UnknownModel
from netmind_mock.jobs import ids
from netmind_mock.jobs.catalogue import catalogue
from netmind_mock.jobs.job import CLOCK_GRAIN, Job, deleted, ends_after, has_ended, polled, settles_at
from netmind_mock.journal.redaction import redactor_of, secrets_of
from netmind_mock.simulation.load import move_up
from netmind_mock.simulation.scenarios import plan_for
from netmind_mock.validation import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from wsgiref.types import WSGIEnvironment

    from netmind_mock.api.request import RequestContext
    from netmind_mock.fake import Fake
    from netmind_mock.jobs.plan import CreateRequest
    from netmind_mock.jobs.profile import Profile

    View = Callable[[RequestContext, str], tuple[dict[str, Any], int]]

_log = logging.getLogger("netmind_mock")
PATHS: Final = {
    "create": ("POST", "/v1/generation"),
    "get": ("GET", "/v1/generation/<generation_id>"),
    "list": ("GET", "/v1/generation"),
    "delete": ("DELETE", "/v1/generation/<generation_id>"),
}
_MAX_LISTED_BYTES: Final = 32 * 1024 * 1024
_SCENARIO = "HTTP_X_MOCK_SCENARIO"


def generation_routes(views: Mapping[str, View]) -> Blueprint:
    """Flask's routes to the four operations."""
    routes = Blueprint("generation", __name__)
    for operation, (method, path) in PATHS.items():
        routes.add_url_rule(path, operation, _of_request(views[operation]), methods=[method])
    return routes


def _of_request(view: View) -> Callable[..., tuple[dict[str, Any], int]]:
    return lambda generation_id="": view(request.environ[KEY], generation_id)


def generation_views(fake: Fake) -> Mapping[str, View]:
    """The four operations over ``fake``, by name: from the request and the id in its path to a response.

    Any of them may raise ``ApiError`` and ``StoreUnavailable``.
    """
    profile, store = fake.profile, fake.store
    listed = _Listed(profile)
    ok = profile.success_status

    def create(context: RequestContext, _: str) -> tuple[dict[str, Any], int]:
        asked, job = _create(fake, context)
        if asked.config.get("sync_mode") is True and asked.model in profile.sync_mode_models:
            done = job.created_at + ends_after(job.plan)
            if done == math.inf:  # a job that no time ends is answered as it is
                return wire.created(job, profile, origin(fake, context)), ok
            context.hold(done, fake.accounts.clock(job.user_id))
            return wire.generation(job, done, profile, origin(fake, context)), ok
        return wire.created(job, profile, origin(fake, context)), ok

    def get(context: RequestContext, generation_id: str) -> tuple[dict[str, Any], int]:
        now = context.now
        job = _find(fake, generation_id, account_of(fake, context), now)
        if now + CLOCK_GRAIN < job.created_at + job.plan.hidden_for:
            raise UnknownGeneration
        if len(job.polled_at) < job.plan.counts_polls:
            store.change(job.id, lambda before: polled(before, now))
            job = store.get(job.id) or job
            if has_ended(job, now):
                move_up(fake.queue, job.user_id, now)
        return wire.generation(job, now, profile, origin(fake, context)), ok

    def list_(context: RequestContext, _: str) -> tuple[dict[str, Any], int]:
        now = context.now
        from_here = origin(fake, context)
        generations = listed.shown(store.page(account_of(fake, context)), now, from_here)
        if profile.list_order == "newest_first":
            generations.reverse()
        return wire.generation_list(generations), ok

    def delete(context: RequestContext, generation_id: str) -> tuple[dict[str, Any], int]:
        now = context.now
        job = _find(fake, generation_id, account_of(fake, context), now)
        before = store.change(job.id, lambda job: deleted(job, now))
        if before is None or not _visible(profile, before, now) or _overtaken(profile, before, now):
            raise UnknownGeneration
        move_up(fake.queue, job.user_id, now)
        return wire.deleted(profile), ok

    return {"create": create, "get": get, "list": list_, "delete": delete}


class _Listed:
    """What lists show of jobs; of those that have settled, as JSON that was made once.

    A list of ten thousand jobs is mostly of such, and asked for again and again.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        # By id: the job, from when on it is seen so, by whoever reaches the fake where, and its JSON.
        self._made: dict[str, tuple[Job, float, str, msgspec.Raw]] = {}
        self._bytes = 0

    def shown(self, jobs: Iterable[Job], now: float, from_here: str) -> list[Any]:
        """Documents, or their JSON, of the jobs that a list has, in their order."""
        made, shown = self._made, []
        for job in jobs:
            known = made.get(job.id)
            if known is not None and known[0] is job and known[1] <= now and known[2] == from_here:
                shown.append(known[3])
            elif _listed(self._profile, job, now):
                shown.append(self._made_anew(job, now, from_here))
        return shown

    def _made_anew(self, job: Job, now: float, from_here: str) -> Any:
        since = settles_at(job) + job.plan.list_behind
        known = self._made.get(job.id)
        if known is not None and known[0] == job and since <= now and known[2] == from_here:
            return known[3]  # a database makes the job anew each time
        document = wire.generation(job, now - job.plan.list_behind, self._profile, from_here)
        if now < since:
            return document
        made = msgspec.json.encode(document)
        if self._bytes > _MAX_LISTED_BYTES:
            self._made.clear()
            self._bytes = 0
        self._bytes += len(made) + len(job.config)
        fragment = msgspec.Raw(made)
        self._made[job.id] = job, since, from_here, fragment
        return fragment


def _create(fake: Fake, context: RequestContext) -> tuple[CreateRequest, Job]:
    """What was asked for, and the job that it made."""
    user_id = account_of(fake, context)
    environ = context.environ
    wire.check_content_type(environ.get("CONTENT_TYPE", ""), environ.get("HTTP_CONTENT_ENCODING", ""))
    asked = wire.read_create(read_body(context))
    _check_model(asked, fake, environ)
    config = wire.pack_config(asked.config)
    scenario = fake.accounts.scenario_for(user_id, asked, environ.get(_SCENARIO))
    plan = plan_for(asked, fake.profile, fake.duration, scenario)
    job = Job(fake.ids.next(), user_id, asked.model, config, context.now, plan)
    if fake.queue is None:
        job = _put(fake, job)
    else:
        with fake.queue.turn:
            job = _put(fake, replace(job, plan=fake.queue.planned(user_id, plan, context.now)))
    context.job_id, context.scenario = job.id, scenario
    return asked, job


def _put(fake: Fake, job: Job) -> Job:
    """The job as it is kept."""
    while not fake.store.put(job):  # the ids of this seed are from an earlier start
        job = replace(job, id=fake.ids.next())
    return job


def _find(fake: Fake, generation_id: str, user_id: str, now: float) -> Job:
    job = fake.store.get(generation_id) if ids.is_job_id(generation_id) else None
    if job is None or job.user_id != user_id or not _visible(fake.profile, job, now):
        raise UnknownGeneration
    return job


def _visible(profile: Profile, job: Job, now: float) -> bool:
    return job.deleted_at is None or profile.delete_leaves == "tombstone" or not job.is_deleted(now)


def _overtaken(profile: Profile, before: Job, now: float) -> bool:
    """Whether somebody else deleted the job since this request came."""
    if before.deleted_at is None or profile.delete_leaves == "tombstone":
        return False
    return before.deleted_at - before.plan.delete_late > now


def _listed(profile: Profile, job: Job, now: float) -> bool:
    """Whether the list has the job, which it may show as it was some time ago."""
    seen = now - job.plan.list_behind + CLOCK_GRAIN >= job.created_at
    return seen and _visible(profile, job, now)


def _check_model(asked: CreateRequest, fake: Fake, environ: WSGIEnvironment) -> None:
    if asked.model in fake.profile.unavailable_models:
        raise ModelUnavailable(model=asked.model)
    if asked.model in catalogue():
        return
    if fake.strict_models:
        raise UnknownModel(model=asked.model)
    _log.warning(
        "model %s is not in the catalogue: taken for an image model (--strict-models refuses such models)",
        shown(redactor_of(secrets_of(environ)).without_token(asked.model)),  # somebody reads the log
    )
