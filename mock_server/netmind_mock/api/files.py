"""Result files: rendered when they are asked for, with ranges, without a token."""

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

# A player asks for a film in many ranges: the last few files are kept, up to this many bytes.
_KEPT_BYTES = 64 * 1024 * 1024
_RENDERED_AT_ONCE = 3


class _File(NamedTuple):
    content: bytes
    etag: str  # the MD5 of the content, as most object stores have it (assumed)


def files_routes(fake: Fake) -> Blueprint:
    """The download of result files, at the path that the profile gives them."""
    routes = Blueprint("files", __name__)
    rule = fake.profile.url_path.replace("{", "<").replace("}", ">")
    kept: LRUCache[tuple[str, int, int], _File] = LRUCache(
        _KEPT_BYTES, getsizeof=lambda file: len(file.content) + 1
    )

    keeping = threading.Lock()
    # Who asks for a file that is being rendered waits for it; no more than this many are, at a time.
    rendering = [threading.Lock() for _ in range(_RENDERED_AT_ONCE)]

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
        file = rendered(job, index)
        response = Response(file.content, content_type=media.CONTENT_TYPES[output.extension])
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.set_etag(file.etag)
        with contextlib.suppress(OverflowError):  # a date that no calendar has: not conditional
            response.make_conditional(request.environ, accept_ranges=True, complete_length=len(file.content))
        response.headers.pop("Date", None)  # the middleware says what time it is
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

    def rendered(job: Job, index: int) -> _File:
        # With a seed another job may have the same id after a reset.
        key = job.id, index, hash((job.model, job.config, job.plan.outputs))
        with rendering[hash(key) % len(rendering)]:
            with keeping:
                file = kept.get(key)
            if file is None:
                content = media.render(job, index)
                file = _File(content, hashlib.md5(content, usedforsecurity=False).hexdigest())
                if len(content) < _KEPT_BYTES:
                    with keeping:
                        kept[key] = file
            return file

    return routes


def _is_fresh(expires: str, job: Job, now: float) -> bool:
    """Whether a link is good at ``now``; one without a time is not, where links expire."""
    life = job.plan.link_life
    if life == math.inf:
        return True
    if not expires.isdecimal() or len(expires) > 15 or now >= int(expires):
        return False
    return int(expires) - life >= math.floor(job.plan.links_since)
