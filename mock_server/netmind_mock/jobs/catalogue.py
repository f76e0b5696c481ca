"""The models that are known: what each makes, and the options that its config is known to take."""

from __future__ import annotations

import types
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from netmind_mock.jobs.job import MediaKind
from netmind_mock.validation import read_toml

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNKNOWN_AS = "Qwen/Qwen-Image"


@dataclass(frozen=True, slots=True)
class Model:
    """A model.

    Attributes:
        name: As requests name it.
        kind: What it makes.
        level: How it is known: ``documented`` or ``observed``.
        source: Who says so.
        defaults: The option values that the fake acts on where a config is silent.
        config_schema: A JSON Schema of the configs that its worker takes.
    """

    name: str
    kind: MediaKind
    level: str
    source: str
    defaults: Mapping[str, Any]
    config_schema: Mapping[str, Any]


@cache
def catalogue() -> Mapping[str, Model]:
    """Every known model by its name."""
    content = read_toml(resources.files("netmind_mock.jobs").joinpath("catalogue.toml"))
    return types.MappingProxyType(
        {name: _model(name, entry, content["$defs"]) for name, entry in content["models"].items()}
    )


def unknown_model() -> Model:
    """What stands in for a model that is not known: an image model with the page's own options."""
    return catalogue()[_UNKNOWN_AS]


def _model(name: str, entry: dict[str, Any], definitions: dict[str, Any]) -> Model:
    options = entry["options"]
    return Model(
        name=name,
        kind=MediaKind(entry["kind"]),
        level=entry["level"],
        source=entry["source"],
        defaults=types.MappingProxyType(
            {option: schema["default"] for option, schema in options.items() if "default" in schema}
        ),
        config_schema=types.MappingProxyType(
            {
                "$defs": definitions,
                "type": "object",
                "properties": options,
                "required": entry.get("required", []),
            }
        ),
    )
