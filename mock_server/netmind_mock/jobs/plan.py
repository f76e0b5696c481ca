"""The plan of a job, which is made once, when the job is created.

It depends on the request, the profile, the duration and the job's scenario. If the profile says that workers
reject bad input, a job with an invalid config fails.
"""

from __future__ import annotations

import json
import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from netmind_mock.jobs.catalogue import Model, catalogue, unknown_model
from netmind_mock.jobs.job import MediaKind, Output, Plan, Stage, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jsonschema import Draft202012Validator

    from netmind_mock.jobs.catalogue import Model
    from netmind_mock.jobs.profile import Profile, Share


_SHOWN_CHARACTERS = 300


class CreateRequest(NamedTuple):
    """The model and config of a create request."""

    model: str
    config: dict[str, Any]


def default_plan(request: CreateRequest, profile: Profile, duration: float, *, judged: bool) -> Plan:
    """Return the plan of a job without a scenario.

    Args:
        request: The create request.
        profile: How the API behaves.
        duration: Seconds from creation to the end.
        judged: Whether the config is checked: if it is not valid, the job fails.
    """
    known = catalogue().get(request.model)
    outputs = outputs_of(known or unknown_model(), request.config)
    if judged and known and (detail := rejection(known, request.config)):
        failure = profile.worker_error.replace("{detail}", detail)
        return _plan(profile.stages, duration, profile.empty_for, outputs, failure)
    return _plan(profile.stages, duration, profile.empty_for, outputs, None)


@lru_cache(maxsize=4096)  # so that similar jobs share one plan, which saves memory
def _plan(
    shares: tuple[Share, ...],
    duration: float,
    empty_for: float,
    outputs: tuple[Output, ...],
    failure: str | None,
) -> Plan:
    stages = []
    begins = 0.0
    for status, share in shares:
        stages.append(Stage(status, begins))
        begins += share * duration
    stages.append(Stage(Status.COMPLETED if failure is None else Status.FAILED, float(duration)))
    return Plan(tuple(stages), outputs, failure, empty_for=empty_for)


def rejection(model: Model, config: dict[str, Any]) -> str | None:
    """Return the first error in a config, as JSON in the FastAPI style; None if it is valid.

    Workers reject bad input late and in this style (observed). Which values they reject is assumed.
    """
    error = next(_validator(model.name).iter_errors(config), None)
    if error is None:
        return None
    message = error.schema.get("x-message") if isinstance(error.schema, dict) else None
    detail = {
        "loc": ["body", *error.absolute_path],
        "msg": (message or error.message)[:_SHOWN_CHARACTERS],
        "type": f"value_error.{error.validator}",
    }
    return json.dumps({"detail": [detail]})


@cache
def _validator(name: str) -> Draft202012Validator:
    # jsonschema takes 100 ms to import, and only some profiles check configs.
    from jsonschema import Draft202012Validator  # noqa: PLC0415

    schema = dict(catalogue()[name].config_schema)
    return Draft202012Validator({**schema, "properties": dict(schema["properties"])})


MAX_SIDE = 4096
MAX_IMAGES = 16
MAX_SECONDS = 600.0
_LARGEST = 1e9

# The words are observed. Their sizes are assumed; they follow a common convention of such APIs.
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
    """Return the results of a completed job of a model."""
    options = {**model.defaults, **config}
    match model.kind:
        case MediaKind.IMAGE:
            extension = _IMAGE_EXTENSIONS.get(_word(options.get("output_format")), "png")
            return (Output(MediaKind.IMAGE, extension, *image_size(options)),) * image_count(options)
        case MediaKind.VIDEO:
            return (Output(MediaKind.VIDEO, "mp4", *VIDEO_SIZE, _seconds(options, model)),)
        case MediaKind.AUDIO:
            return (Output(MediaKind.AUDIO, "wav", duration=_seconds(options, model)),)
        case MediaKind.TEXT:
            return (Output(MediaKind.TEXT, "txt"),)


def image_size(options: Mapping[str, Any]) -> tuple[int, int]:
    """Return width and height in pixels (16 to 4096), from image_size, or aspect_ratio and resolution."""
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
    """Return the size with a ratio and the area of a square of a resolution, in steps of 8 pixels."""
    base = RESOLUTIONS.get(resolution, RESOLUTIONS["1K"])
    found = _RATIO.fullmatch(ratio)
    if found is None:
        return base, base
    factor = (int(found[1]) / int(found[2])) ** 0.5
    return _side(round(base * factor / 8) * 8), _side(round(base / factor / 8) * 8)


def image_count(options: Mapping[str, Any]) -> int:
    """Return the number of images, from 1 to 16."""
    count = _number(options.get("num_images"))
    return 1 if count is None else int(min(max(count, 1), MAX_IMAGES))


def _seconds(options: Mapping[str, Any], model: Model) -> float:
    duration = _number(options.get("duration"))
    if duration is None or duration <= 0:
        duration = float(model.defaults["duration"])
    return min(duration, MAX_SECONDS)


def _side(pixels: float) -> int:
    return int(min(max(pixels, 16), MAX_SIDE))


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    """Return a number, within limits that a float has; None if the value is not a number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(min(max(value, -_LARGEST), _LARGEST))  # an integer may have hundreds of digits
