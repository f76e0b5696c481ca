"""Render result files from their jobs.

The same job gives the same bytes, so files are rendered on request and never stored.

``images``, ``audio`` and ``video`` render one kind each. Images and videos show the model and the prompt; an
audio file is a tune that depends on the request. The metadata of each file contains the job's id and the
request's hash.
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
    """What a file says about its job.

    Attributes:
        job_id: The job's id.
        model: The model's name.
        prompt: The prompt, or the text to be spoken; empty if there is neither.
        number: The number of the file, from 1.
        of: How many files the job has.
        digest: The SHA-256 of the request, in hexadecimal.
    """

    job_id: str
    model: str
    prompt: str
    number: int
    of: int
    digest: str

    def __str__(self) -> str:
        """Return a line for a file's metadata."""
        return (
            f"netmind-mock generation={self.job_id} file={self.number}/{self.of} request-sha256={self.digest}"
        )


def caption(job: Job, index: int) -> Caption:
    """Return the caption of the job's file number ``index`` (from 0)."""
    config = json.loads(job.config)
    digest = hashlib.sha256(job.model.encode("utf-8", "replace") + b"\0" + job.config).hexdigest()
    return Caption(job.id, job.model, prompt_of(config), index + 1, len(job.plan.outputs), digest)


def render(job: Job, index: int) -> bytes:
    """Return the bytes of the job's file number ``index`` (from 0).

    Raises:
        IndexError: The job has no such file.
    """
    output = job.plan.outputs[index]
    words = caption(job, index)
    # Pillow and PyAV are imported only when a file is rendered, so that servers and tests start fast.
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
