"""Convert the fields of a form to the arguments of an operation."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from netmind_mock.validation import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

# Fields with numbers and booleans. All other fields are text.
_VALUES = ("advance", "speed", "times", "freeze")
# A form's field ``operation`` is the operation of the control API, so a fault's operation has another name.
_NAMES = {"fault_of": "operation"}


def arguments_of(fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments of an operation from a form's fields.

    The field ``arguments`` contains further arguments, such as ``code=503 message="no GPU"``.

    Raises:
        InvalidInput: The field ``arguments`` cannot be parsed.
    """
    chosen = {
        _NAMES.get(name, name): _value(value) if name in _VALUES else value
        for name, value in fields.items()
        if name != "arguments"
    }
    return {**_parsed(fields.get("arguments", "")), **chosen}


def _parsed(text: str) -> dict[str, Any]:
    try:
        words = shlex.split(text)
    except ValueError:
        words = ["?"]
    pairs = [word.partition("=") for word in words]
    if not all(name and equals for name, equals, _ in pairs):
        raise InvalidInput(f"arguments: expected name=value, such as code=503, got {text[:60]!r}")
    return {name: _value(value) for name, _, value in pairs}


def _value(text: str) -> Any:
    """Return a number or a boolean if the text is one; otherwise the text."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
