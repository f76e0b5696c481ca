"""From a request to a plan: what will become of a job, decided once, when it is created.

A plan depends on the request, the profile, the duration and what was ordered for the job. A config that its
worker would not take makes the job fail, where the profile says that workers reject bad input.
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
    """What a client asked for."""

    model: str
    config: dict[str, Any]


def default_plan(request: CreateRequest, profile: Profile, duration: float, *, judged: bool) -> Plan:
    """Return the plan of a job for which no scenario was asked.

    Args:
        request: What a client asked for.
        profile: How the imitated API behaves.
        duration: Seconds from creation to the end.
        judged: Whether a config that the model's worker would reject makes the job fail.
    """
    known = catalogue().get(request.model)
    outputs = outputs_of(known or unknown_model(), request.config)
    if judged and known and (detail := rejection(known, request.config)):
        failure = profile.worker_error.replace("{detail}", detail)
        return _plan(profile.stages, duration, profile.empty_for, outputs, failure)
    return _plan(profile.stages, duration, profile.empty_for, outputs, None)


@lru_cache(maxsize=4096)  # plans are shared: a hundred thousand like jobs hold one
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
    """What the model's worker first finds wrong with a config, as JSON in the FastAPI style, or None.

    Workers reject bad input late, and in this style (observed); which values they reject is assumed.
    """
    error = next(_validator(model.name).iter_errors(config), None)
    if error is None:
        return None
    ours = error.schema.get("x-message") if isinstance(error.schema, dict) else None
    detail = {
        "loc": ["body", *error.absolute_path],
        "msg": (ours or error.message)[:_SHOWN_CHARACTERS],
        "type": f"value_error.{error.validator}",
    }
    return json.dumps({"detail": [detail]})


@cache
def _validator(name: str) -> Draft202012Validator:
    # jsonschema takes 100 ms to import, and only some profiles judge a config.
    from jsonschema import Draft202012Validator  # noqa: PLC0415

    schema = dict(catalogue()[name].config_schema)
    return Draft202012Validator({**schema, "properties": dict(schema["properties"])})


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
