"""Result files: rendered on request, with ranges. They need no API key."""

from __future__ import annotations

import contextlib
import hashlib
import math
import threading
from typing import TYPE_CHECKING, NamedTuple

from cachetools import LRUCache
from flask import Blueprint, Response, request

from netmind_mock import media
from netmind_mock.api import wire
from netmind_mock.api.request import KEY
from netmind_mock.errors import ExpiredLink, UnknownFile
from netmind_mock.jobs import ids
from netmind_mock.jobs.job import MediaKind, Status, status_at

if TYPE_CHECKING:
    from netmind_mock.fake import Fake
    from netmind_mock.jobs.job import Job

# A player requests a video in many ranges, so the last rendered files are cached, up to this many bytes.
_CACHE_BYTES = 64 * 1024 * 1024
_RENDERED_AT_ONCE = 3


class _File(NamedTuple):
    content: bytes
    etag: str  # the MD5 of the content, as most object stores have it (assumed)


class _RenderedFiles:
    """The last rendered files. Safe to use from several threads."""

    def __init__(self) -> None:
        self._cache: LRUCache[tuple[str, int, int], _File] = LRUCache(
            _CACHE_BYTES, getsizeof=lambda file: len(file.content) + 1
        )
        self._cache_lock = threading.Lock()
        # Each file belongs to one of these locks, by its hash, and is rendered under it. So two requests for
        # one file render it once: the second one waits, and finds it in the cache. It also limits how many
        # files are rendered at a time.
        self._rendering = [threading.Lock() for _ in range(_RENDERED_AT_ONCE)]

    def get(self, job: Job, index: int) -> _File:
        """Return a result file of a job, rendered now if it is not cached."""
        # With a seed another job may have the same id after a reset.
        key = job.id, index, hash((job.model, job.config, job.plan.outputs))
        with self._rendering[hash(key) % len(self._rendering)]:
            with self._cache_lock:
                file = self._cache.get(key)
            if file is None:
                content = media.render(job, index)
                file = _File(content, hashlib.md5(content, usedforsecurity=False).hexdigest())
                if len(content) < _CACHE_BYTES:
                    with self._cache_lock:
                        self._cache[key] = file
            return file


def files_routes(fake: Fake) -> Blueprint:
    """Return the route that serves result files, at the path in the profile."""
    routes = Blueprint("files", __name__)
    rule = fake.profile.url_path.replace("{", "<").replace("}", ">")
    rendered = _RenderedFiles()

    @routes.get(rule)
    def download(file_id: str, user_id: str | None = None, file_name: str | None = None) -> Response:
        now = request.environ[KEY].now
        job, index = find(file_id, now)
        output = job.plan.outputs[index]
        if user_id not in (None, job.user_id) or file_name not in (
            None,
            wire.file_name(output, fake.profile),
        ):
            raise UnknownFile
        if not _is_fresh(request.args.get(wire.EXPIRES, ""), job, now):
            raise ExpiredLink
        file = rendered.get(job, index)
        response = Response(file.content, content_type=media.CONTENT_TYPES[output.extension])
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.set_etag(file.etag)
        with contextlib.suppress(OverflowError):  # a date out of range: the condition is ignored
            response.make_conditional(request.environ, accept_ranges=True, complete_length=len(file.content))
        response.headers.pop("Date", None)  # the middleware adds it, by the account's clock
        return response

    def find(file_id: str, now: float) -> tuple[Job, int]:
        job_id, index = ids.file_of(file_id) or ("", 0)
        job = fake.store.get(job_id)
        if (
            job is None
            or job.is_deleted(now)
            or index >= len(job.plan.outputs)
            or status_at(job, now).status is not Status.COMPLETED
            or (job.plan.outputs[index].kind is MediaKind.TEXT and fake.profile.text_inline)
        ):
            raise UnknownFile
        return job, index

    return routes


def _is_fresh(expires: str, job: Job, now: float) -> bool:
    """Return whether a link is valid at ``now``. If a job's links expire, one without a time is not valid."""
    life = job.plan.link_life
    if life == math.inf:
        return True
    if not expires.isdecimal() or len(expires) > 15 or now >= int(expires):
        return False
    return int(expires) - life >= math.floor(job.plan.links_since)
