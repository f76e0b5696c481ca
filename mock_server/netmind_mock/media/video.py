"""Videos: of the requested size and duration if PyAV is installed, otherwise a sample of 2 seconds."""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from netmind_mock.media.images import draw_without_foot, with_foot

if TYPE_CHECKING:
    from netmind_mock.jobs.job import Output
    from netmind_mock.media import Caption

FRAMES_PER_SECOND = 4
MAX_FRAMES = 120  # a longer video has fewer frames per second, so that it takes no longer to render
_SHIPPED = "sample.mp4"


def render_mp4(output: Output, words: Caption) -> bytes:
    """Return an MP4 file (H.264). Without PyAV it is the shipped sample of 2 seconds."""
    try:
        import av  # noqa: F401, PLC0415 - of the extra [media], 30 MB that few users need
    except ImportError:
        asset = resources.files("netmind_mock.media").joinpath("assets", _SHIPPED).read_bytes()
        return with_comment(asset, str(words))
    return encode(output, words)


def encode(output: Output, words: Caption) -> bytes:
    """Return an MP4 file of the output's size and duration, with its caption and a running time.

    It needs PyAV.
    """
    import av  # noqa: PLC0415 - of an extra that may not be installed
    import av.container  # noqa: PLC0415

    file = io.BytesIO()
    with av.open(
        file, "w", format="mp4", options={"fflags": "+bitexact", "movflags": "+use_metadata_tags"}
    ) as video:
        video.metadata["comment"] = str(words)
        frames = max(min(round(output.duration * FRAMES_PER_SECOND), MAX_FRAMES), 1)
        each = max(Fraction(1, FRAMES_PER_SECOND), Fraction(output.duration).limit_denominator(1000) / frames)
        stream = video.add_stream("libx264", rate=1 / each, options={"threads": "1", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = output.width, output.height, "yuv420p"
        stream.time_base = each
        picture = draw_without_foot(output.width, output.height, words)
        for number in range(frames):
            frame = with_foot(picture, words, note=f"{float(number * each):5.2f} s")
            video.mux(stream.encode(av.VideoFrame.from_image(frame)))  # type: ignore[no-untyped-call]
        video.mux(stream.encode())
    return file.getvalue()


class Box(NamedTuple):
    """A box of an MP4 file: its four-letter name, where it begins, and its size in bytes."""

    name: bytes
    begins: int
    size: int


def boxes(video: bytes, begin: int = 0, end: int | None = None) -> list[Box]:
    """Return the boxes between two positions, without the boxes inside them."""
    found = []
    end = len(video) if end is None else end
    while begin < end:
        size, name = struct.unpack_from(">I4s", video, begin)
        found.append(Box(name, begin, size))
        begin += size
    return found


def with_comment(video: bytes, comment: str) -> bytes:
    """Return a video with a comment in its metadata (moov/udta/meta/ilst/©cmt), where players look for it.

    The last box has to be ``moov``. Then only the end of the file grows, and no offset in it changes.

    Raises:
        ValueError: The last box is another one.
    """
    last = boxes(video)[-1]
    if last.name != b"moov":
        raise ValueError(f"expected moov as the video's last box, got {last.name.decode('latin-1')}")
    parts = [box for box in boxes(video, last.begins + 8) if box.name != b"udta"]
    moov = b"".join(video[box.begins : box.begins + box.size] for box in parts)
    return video[: last.begins] + _box(b"moov", moov + _box(b"udta", _metadata(comment)))


def _metadata(comment: str) -> bytes:
    data = _box(b"data", struct.pack(">II", 1, 0) + comment.encode())
    handler = _box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    return _box(b"meta", bytes(4) + handler + _box(b"ilst", _box(b"\xa9cmt", data)))


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, name) + content
