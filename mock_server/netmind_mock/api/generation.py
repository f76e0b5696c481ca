"""The imitated API: create, get, list, delete. What time it is, and whose request, the door says."""

from __future__ import annotations

import contextlib
import logging
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import orjson
from flask import Blueprint, request

from netmind_mock.api import wire
from netmind_mock.api.environ import HOLD, JOB, NOW, ORDER, origin, read_body, tenant
from netmind_mock.errors import ModelUnavailable, UnknownGeneration, UnknownModel
from netmind_mock.jobs import ids
from netmind_mock.jobs.catalogue import catalogue
from netmind_mock.jobs.job import CLOCK_GRAIN, Job, deleted, ends_after, has_ended, polled, settles_at
from netmind_mock.journal.redaction import masking_of, secrets_of
from netmind_mock.simulation.scenarios import plan_for
from netmind_mock.stores import StoreUnavailable
from netmind_mock.validation import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from wsgiref.types import WSGIEnvironment

    from netmind_mock.fake import Rooms
    from netmind_mock.jobs.plan import Request
    from netmind_mock.jobs.profile import Profile

    View = Callable[[WSGIEnvironment, str], tuple[dict[str, Any], int]]

_log = logging.getLogger("netmind_mock")
PATHS: Final = {
    "create": ("POST", "/v1/generation"),
    "get": ("GET", "/v1/generation/<generation_id>"),
    "list": ("GET", "/v1/generation"),
    "delete": ("DELETE", "/v1/generation/<generation_id>"),
}
_MOST_LISTED_BYTES: Final = 32 * 1024 * 1024
_SCENARIO = "HTTP_X_MOCK_SCENARIO"


def generation_routes(views: Mapping[str, View]) -> Blueprint:
    """Flask's routes to the four operations."""
    routes = Blueprint("generation", __name__)
    for operation, (method, path) in PATHS.items():
        routes.add_url_rule(path, operation, _of_request(views[operation]), methods=[method])
    return routes


def _of_request(view: View) -> Callable[..., tuple[dict[str, Any], int]]:
    return lambda generation_id="": view(request.environ, generation_id)


def generation_views(rooms: Rooms) -> Mapping[str, View]:
    """The four operations over ``rooms``, by name: from the environ, and the id in the path, to an answer.

    Any of them may raise ``ApiError`` and ``StoreUnavailable``.
    """
    profile, store = rooms.profile, rooms.store
    listed = _Listed(profile)
    ok = profile.success_status

    def create(environ: WSGIEnvironment, _: str) -> tuple[dict[str, Any], int]:
        asked, job = _create(rooms, environ)
        if asked.config.get("sync_mode") is True and asked.model in profile.sync_mode_models:
            done = job.created_at + ends_after(job.plan)
            if done == math.inf:  # a job that no time ends is answered as it is
                return wire.created(job, profile, origin(rooms, environ)), ok
            clock = rooms.tenants.clock(job.user_id)
            hold = environ.get(HOLD)
            hold(done, clock) if hold else clock.wait_until(done)
            return wire.generation(job, done, profile, origin(rooms, environ)), ok
        return wire.created(job, profile, origin(rooms, environ)), ok

    def get(environ: WSGIEnvironment, generation_id: str) -> tuple[dict[str, Any], int]:
        now = environ[NOW]
        job = _find(rooms, generation_id, tenant(rooms, environ), now)
        if now + CLOCK_GRAIN < job.created_at + job.plan.hidden_for:
            raise UnknownGeneration
        if len(job.polled_at) < job.plan.counts_polls:
            store.change(job.id, lambda before: polled(before, now))
            job = store.get(job.id) or job
            if has_ended(job, now):
                _move_up(rooms, job.user_id, now)
        return wire.generation(job, now, profile, origin(rooms, environ)), ok

    def list_(environ: WSGIEnvironment, _: str) -> tuple[dict[str, Any], int]:
        now = environ[NOW]
        from_here = origin(rooms, environ)
        generations = listed.shown(store.page(tenant(rooms, environ)), now, from_here)
        if profile.list_order == "newest_first":
            generations.reverse()
        return wire.generation_list(generations), ok

    def delete(environ: WSGIEnvironment, generation_id: str) -> tuple[dict[str, Any], int]:
        now = environ[NOW]
        job = _find(rooms, generation_id, tenant(rooms, environ), now)
        before = store.change(job.id, lambda job: deleted(job, now))
        if before is None or not _visible(profile, before, now) or _overtaken(profile, before, now):
            raise UnknownGeneration
        _move_up(rooms, job.user_id, now)
        return wire.deleted(profile), ok

    return {"create": create, "get": get, "list": list_, "delete": delete}


class _Listed:
    """What lists show of jobs; of those that have settled, as JSON that was made once.

    A list of ten thousand jobs is mostly of such, and asked for again and again.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        # By id: the job, from when on it is seen so, by whoever reaches the fake where, and its JSON.
        self._made: dict[str, tuple[Job, float, str, orjson.Fragment]] = {}
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
        made = orjson.dumps(document)
        if self._bytes > _MOST_LISTED_BYTES:
            self._made.clear()
            self._bytes = 0
        self._bytes += len(made) + len(job.config)
        fragment = orjson.Fragment(made)
        self._made[job.id] = job, since, from_here, fragment
        return fragment


def _create(rooms: Rooms, environ: WSGIEnvironment) -> tuple[Request, Job]:
    """What was asked for, and the job that it made."""
    user_id = tenant(rooms, environ)
    wire.check_content_type(environ.get("CONTENT_TYPE", ""), environ.get("HTTP_CONTENT_ENCODING", ""))
    asked = wire.read_create(read_body(environ))
    _check_model(asked, rooms, environ)
    config = wire.pack_config(asked.config)
    order = rooms.tenants.order_for(user_id, asked, environ.get(_SCENARIO))
    plan = plan_for(asked, rooms.profile, rooms.duration, order)
    job = Job(rooms.ids.next(), user_id, asked.model, config, environ[NOW], plan)
    if rooms.queue is None:
        job = _put(rooms, job)
    else:
        with rooms.queue.turn:
            job = _put(rooms, replace(job, plan=rooms.queue.planned(user_id, plan, environ[NOW])))
    environ[JOB], environ[ORDER] = job.id, order
    return asked, job


def _put(rooms: Rooms, job: Job) -> Job:
    """The job as it is kept."""
    while not rooms.store.put(job):  # the ids of this seed are from an earlier start
        job = replace(job, id=rooms.ids.next())
    return job


def _move_up(rooms: Rooms, user_id: str, now: float) -> None:
    """Let those who wait move up; what was asked for is done, also if that cannot be done now."""
    if rooms.queue is not None:
        with contextlib.suppress(StoreUnavailable):  # the next create that has to wait tries again
            rooms.queue.move_up(user_id, now)


def _find(rooms: Rooms, generation_id: str, user_id: str, now: float) -> Job:
    job = rooms.store.get(generation_id) if ids.is_job_id(generation_id) else None
    if job is None or job.user_id != user_id or not _visible(rooms.profile, job, now):
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


def _check_model(asked: Request, rooms: Rooms, environ: WSGIEnvironment) -> None:
    if asked.model in rooms.profile.unavailable_models:
        raise ModelUnavailable(model=asked.model)
    if asked.model in catalogue():
        return
    if rooms.strict_models:
        raise UnknownModel(model=asked.model)
    _log.warning(
        "model %s is not in the catalogue: taken for an image model (--strict-models refuses such models)",
        shown(masking_of(secrets_of(environ)).without_token(asked.model)),  # somebody reads the log
    )
