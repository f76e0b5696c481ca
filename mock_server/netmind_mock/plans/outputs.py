"""What a completed job results in: kinds and sizes, from the request alone.

Values that cannot be rendered (a size of 10 metres, 9,999 images) fall back to the nearest that can.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from netmind_mock.jobs import Kind, Output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netmind_mock.catalogue import Model

MAX_SIDE = 4096
MAX_IMAGES = 16
MAX_SECONDS = 600.0

# Words as observed; the sizes follow a common convention of such APIs and are assumed.
IMAGE_SIZES: Mapping[str, tuple[int, int]] = {
    "square_hd": (1024, 1024),
    "square": (512, 512),
    "landscape_4_3": (1024, 768),
    "landscape_16_9": (1024, 576),
    "portrait_4_3": (768, 1024),
    "portrait_16_9": (576, 1024),
    "portrait_3_4": (768, 1024),
    "portrait_9_16": (576, 1024),
}
RESOLUTIONS: Mapping[str, int] = {"1K": 1024, "2K": 2048, "4K": 4096}
VIDEO_SIZE = (640, 360)

_RATIO = re.compile(r"([1-9][0-9]?):([1-9][0-9]?)")
_IMAGE_EXTENSIONS = {"png": "png", "jpeg": "jpg", "jpg": "jpg", "webp": "webp"}


def outputs_of(model: Model, config: dict[str, Any]) -> tuple[Output, ...]:
    """What a completed job of this model results in."""
    options = {**model.defaults, **config}
    match model.kind:
        case Kind.IMAGE:
            extension = _IMAGE_EXTENSIONS.get(_word(options.get("output_format")), "png")
            return (Output(Kind.IMAGE, extension, *image_size(options)),) * image_count(options)
        case Kind.VIDEO:
            return (Output(Kind.VIDEO, "mp4", *VIDEO_SIZE, _seconds(options, model)),)
        case Kind.AUDIO:
            return (Output(Kind.AUDIO, "wav", duration=_seconds(options, model)),)
        case Kind.TEXT:
            return (Output(Kind.TEXT, "txt"),)


def image_size(options: Mapping[str, Any]) -> tuple[int, int]:
    """Width and height in pixels, 16 to 4096: of image_size, or of aspect_ratio and resolution."""
    size = options.get("image_size")
    if isinstance(size, dict):
        width, height = _number(size.get("width")), _number(size.get("height"))
        if width is not None and height is not None:
            return _side(width), _side(height)
    elif _word(size) in IMAGE_SIZES:
        return IMAGE_SIZES[_word(size)]
    if "aspect_ratio" in options or "resolution" in options:
        return _size_of_ratio(_word(options.get("aspect_ratio")), _word(options.get("resolution")))
    return IMAGE_SIZES["landscape_4_3"]


def _size_of_ratio(ratio: str, resolution: str) -> tuple[int, int]:
    """The size with this ratio and the area of a square of this resolution, in steps of 8 pixels."""
    base = RESOLUTIONS.get(resolution, RESOLUTIONS["1K"])
    found = _RATIO.fullmatch(ratio)
    if found is None:
        return base, base
    factor = (int(found[1]) / int(found[2])) ** 0.5
    return _side(round(base * factor / 8) * 8), _side(round(base / factor / 8) * 8)


def image_count(options: Mapping[str, Any]) -> int:
    """How many images, from 1 to 16."""
    count = _number(options.get("num_images"))
    return 1 if count is None else int(min(max(count, 1), MAX_IMAGES))


def _seconds(options: Mapping[str, Any], model: Model) -> float:
    asked = _number(options.get("duration"))
    if asked is None or asked <= 0:
        asked = float(model.defaults["duration"])
    return min(asked, MAX_SECONDS)


def _side(pixels: float) -> int:
    return int(min(max(pixels, 16), MAX_SIDE))


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
