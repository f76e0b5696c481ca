"""The known models: the kind of results of each, and the known options of its config."""

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
        name: Its name in requests.
        kind: The kind of its results.
        level: How certain it is: ``documented`` or ``observed``.
        source: Where it is documented or was observed.
        defaults: The values of options that a config does not set.
        config_schema: A JSON Schema of valid configs.
    """

    name: str
    kind: MediaKind
    level: str
    source: str
    defaults: Mapping[str, Any]
    config_schema: Mapping[str, Any]


@cache
def catalogue() -> Mapping[str, Model]:
    """Return all known models by name."""
    content = read_toml(resources.files("netmind_mock.jobs").joinpath("catalogue.toml"))
    return types.MappingProxyType(
        {name: _model(name, entry, content["$defs"]) for name, entry in content["models"].items()}
    )


def unknown_model() -> Model:
    """Return the substitute for an unknown model: an image model with the documented options."""
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
