"""Reading what people write by hand: mistakes name the file, the key, what was expected and what came."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.resources.abc import Traversable
    from pathlib import Path

Check = Callable[[Any], Any]

_SHOWN_CHARACTERS = 60
_MOST = 1e15  # more than that a float does not count exactly


class InvalidFile(ValueError):
    """A file holds something that it should not. The message is one sentence for its author."""


class Expected(ValueError):
    """A value is not what a check wants; the message says what that is: ``true or false``."""


def read_toml(file: Path | Traversable) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        InvalidFile: It cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise InvalidFile(
            f"{file}: expected a TOML file in UTF-8 ({error.reason} at byte {error.start})"
        ) from None
    except OSError as error:
        raise InvalidFile(f"{file}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # not TOML, or a number of thousands of digits
        raise InvalidFile(f"{file}: not valid TOML: {error}") from None


def unknown_key(file: object, key: str, known: Iterable[str]) -> InvalidFile:
    """The mistake of a key that does not exist, with the nearest ones that do."""
    names = sorted(known)
    near = difflib.get_close_matches(key, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}"
    return InvalidFile(f"{file}: {key}: no such key; {hint}")


def checked(file: object, key: str, value: Any, check: Check) -> Any:
    """``check(value)``.

    Raises:
        InvalidFile: The check says what it expected instead.
    """
    try:
        return check(value)
    except Expected as error:
        raise InvalidFile(f"{file}: {key}: expected {error}, got {shown(value)}") from None


def shown(value: object) -> str:
    """A value as it may stand in a message: cut short, control characters escaped."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def boolean(value: Any) -> bool:
    """True or false, and nothing that resembles them."""
    if not isinstance(value, bool):
        raise Expected("true or false")
    return value


def text(value: Any) -> str:
    """A string."""
    if not isinstance(value, str):
        raise Expected("a string")
    return value


def texts(value: Any) -> tuple[str, ...]:
    """A list of strings."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Expected("a list of strings")
    return tuple(value)


def integer(lowest: int, highest: int) -> Check:
    """A check for a whole number from ``lowest`` to ``highest``."""

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise Expected(f"a whole number from {lowest} to {highest}")
        return value

    return check


def seconds(value: Any) -> float:
    """A number of seconds, 0 or more."""
    try:
        return amount(value)
    except Expected:
        raise Expected("a number of seconds, 0 or more") from None


def amount(value: Any) -> float:
    """A number, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST:
        raise Expected("a number, 0 or more")
    return float(value)


def choice(*choices: str) -> Check:
    """A check for one of some words."""

    def check(value: Any) -> str:
        if value not in choices:
            raise Expected("one of " + ", ".join(f'"{word}"' for word in choices))
        return str(value)

    return check


def optional(check: Check) -> Check:
    """A check that also lets None pass."""

    def either(value: Any) -> Any:
        return None if value is None else check(value)

    return either
