"""The imitated API: create, get, list, delete. The clock is read once a request, here at the door."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from flask import Blueprint, request

from netmind_mock import identity, wire
from netmind_mock.catalogue import catalogue
from netmind_mock.errors import ModelUnavailable, UnknownGeneration, UnknownModel
from netmind_mock.jobs import Job
from netmind_mock.plans import plan_for
from netmind_mock.routes import HOLD, Rooms, origin, read_body, tenant
from netmind_mock.toml_files import shown

if TYPE_CHECKING:
    from netmind_mock.plans import Request

_log = logging.getLogger("netmind_mock")


def generation_routes(rooms: Rooms) -> Blueprint:
    """The four operations over ``rooms``."""
    routes = Blueprint("generation", __name__)
    profile, clock, store = rooms.profile, rooms.clock, rooms.store
    ok = profile.success_status

    @routes.post("/v1/generation")
    def create() -> tuple[dict[str, Any], int]:
        now = clock.now()
        environ = request.environ
        user_id = tenant(rooms, environ)
        wire.check_content_type(environ.get("CONTENT_TYPE", ""), environ.get("HTTP_CONTENT_ENCODING", ""))
        asked = wire.read_create(read_body(environ))
        _check_model(asked, rooms)
        plan = plan_for(asked, profile, rooms.duration)
        job = Job(rooms.ids.next(), user_id, asked.model, wire.pack_config(asked.config), now, plan)
        store.put(job)
        if asked.config.get("sync_mode") is True and asked.model in profile.sync_mode_models:
            done = now + plan.duration + profile.empty_for
            (environ.get(HOLD) or clock.wait_until)(done)
            return wire.generation(job, done, profile, origin(rooms, environ)), ok
        return wire.created(job, profile, origin(rooms, environ)), ok

    @routes.get("/v1/generation/<generation_id>")
    def get(generation_id: str) -> tuple[dict[str, Any], int]:
        now = clock.now()
        environ = request.environ
        job = find(generation_id, tenant(rooms, environ))
        return wire.generation(job, now, profile, origin(rooms, environ)), ok

    @routes.get("/v1/generation")
    def list_() -> tuple[dict[str, Any], int]:
        now = clock.now()
        environ = request.environ
        jobs = [job for job in store.page(tenant(rooms, environ)) if visible(job)]
        if profile.list_order == "newest_first":
            jobs.reverse()
        return wire.generation_list(jobs, now, profile, origin(rooms, environ)), ok

    @routes.delete("/v1/generation/<generation_id>")
    def delete(generation_id: str) -> tuple[dict[str, Any], int]:
        now = clock.now()
        before = store.delete(find(generation_id, tenant(rooms, request.environ)).id, now)
        if before is None or not visible(before):  # somebody else deleted it in between
            raise UnknownGeneration
        return wire.deleted(profile), ok

    def find(generation_id: str, user_id: str) -> Job:
        job = store.get(generation_id) if identity.is_job_id(generation_id) else None
        if job is None or job.user_id != user_id or not visible(job):
            raise UnknownGeneration
        return job

    def visible(job: Job) -> bool:
        return job.deleted_at is None or profile.delete_leaves == "tombstone"

    return routes


def _check_model(asked: Request, rooms: Rooms) -> None:
    if asked.model in rooms.profile.unavailable_models:
        raise ModelUnavailable(model=asked.model)
    if asked.model in catalogue():
        return
    if rooms.strict_models:
        raise UnknownModel(model=asked.model)
    _log.warning(
        "model %s is not in the catalogue: taken for an image model (--strict-models refuses such models)",
        shown(asked.model),
    )
