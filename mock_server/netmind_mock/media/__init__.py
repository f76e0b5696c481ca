"""Render a result's bytes from the job alone.

The same job gives the same bytes, so that no file is stored.

``images``, ``audio`` and ``video`` render one kind each. Every file shows a person what it is (model and
prompt, or a tune that differs by job), and contains the job's id and the request's hash in its own
metadata.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, NamedTuple

from netmind_mock.jobs.job import MediaKind, prompt_of

if TYPE_CHECKING:
    from netmind_mock.jobs.job import Job

__all__ = ["CONTENT_TYPES", "Caption", "caption", "render"]

CONTENT_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "wav": "audio/wav",
    "mp4": "video/mp4",
    "txt": "text/plain; charset=utf-8",
}


class Caption(NamedTuple):
    """What a file says of its job.

    ``number`` counts a job's files from 1; ``digest`` is the SHA-256 of the request, in hexadecimal.
    """

    job_id: str
    model: str
    prompt: str
    number: int
    of: int
    digest: str

    def __str__(self) -> str:
        """One line for a file's metadata."""
        return (
            f"netmind-mock generation={self.job_id} file={self.number}/{self.of} request-sha256={self.digest}"
        )


def caption(job: Job, index: int) -> Caption:
    """What the job's file number ``index`` (from 0) says of it."""
    config = json.loads(job.config)
    digest = hashlib.sha256(job.model.encode("utf-8", "replace") + b"\0" + job.config).hexdigest()
    return Caption(job.id, job.model, prompt_of(config), index + 1, len(job.plan.outputs), digest)


def render(job: Job, index: int) -> bytes:
    """The bytes of the job's file number ``index`` (from 0).

    Raises:
        IndexError: The job has no such file.
    """
    output = job.plan.outputs[index]
    words = caption(job, index)
    # Pillow and PyAV are imported where a file is rendered: a server has none to render when it starts.
    match output.kind:
        case MediaKind.IMAGE:
            from netmind_mock.media.images import render_image  # noqa: PLC0415

            return render_image(output, words)
        case MediaKind.AUDIO:
            from netmind_mock.media.audio import render_wav  # noqa: PLC0415

            return render_wav(output.duration, words)
        case MediaKind.VIDEO:
            from netmind_mock.media.video import render_mp4  # noqa: PLC0415

            return render_mp4(output, words)
        case MediaKind.TEXT:
            return f"{words}\n".encode()
