"""Reading what people write by hand: mistakes name the file, the key, what was expected and what came."""

from __future__ import annotations

import difflib
import tomllib
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
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


def checked(file: object, key: str, value: Any, check: Check, *, is_secret: bool = False) -> Any:
    """Return ``check(value)``.

    Raises:
        InvalidFile: The check says what it expected instead. A secret value is not shown.
    """
    try:
        return check(value)
    except Expected as error:
        got = type(value).__name__ if is_secret else shown(value)
        raise InvalidFile(f"{file}: {key}: expected {error}, got {got}") from None


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


# What people call things otherwise.
_MEANT = {
    "poll": "get",
    "wait": "get",
    "post": "create",
    "download": "file",
    "files": "file",
    "timeout": "hang",
    "slow": "dribble",
    "error": "status",
    "disconnect": "reset",
    "success": "completed",
    "pending": "stuck",
    "wedged": "stuck",
    "instant": "at_once",
    "manual": "by_hand",
}


class InvalidOrder(ValueError):
    """Something was ordered that cannot be had. The message is one sentence for whoever ordered it."""

    __module__ = "netmind_mock"  # where it is public, and short in a report


class Parameter(NamedTuple):
    """An argument of a scenario or a fault: what it may be, and what it is if nobody says."""

    check: Check
    default: Any
    about: str


def complete(
    label: str, arguments: Mapping[str, Any], parameters: Mapping[str, Parameter]
) -> Mapping[str, Any]:
    """The arguments, checked, with the defaults of those that are left out.

    Raises:
        InvalidOrder: One does not exist, or has a value that cannot be; ``label`` says of what.
    """
    try:
        for name in arguments:
            if name not in parameters:
                raise unknown_key(label, name, parameters)
        return types.MappingProxyType(
            {
                name: checked(label, name, arguments[name], parameter.check)
                if name in arguments
                else parameter.default
                for name, parameter in parameters.items()
            }
        )
    except ValueError as mistake:
        raise InvalidOrder(str(mistake)) from None


def nearest(name: str, known: Mapping[str, Any]) -> str:
    """What to write instead: the nearest known name, or all of them."""
    plain = name.replace("-", "_").lower()
    near = [meant for meant in (_MEANT.get(plain, ""),) if meant in known]
    near = near or difflib.get_close_matches(plain, known, n=1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


# Of JSON in a body, counted by its commas and brackets.
MOST_VALUES: Final = 100_000


def is_dense(body: bytes) -> bool:
    """Whether JSON holds so many values that reading it would take dozens of times its bytes.

    A large body is usually images in base64, which are few values. Lists within lists need no commas.
    """
    return len(body) >= MOST_VALUES and sum(map(body.count, (b",", b"[", b"{"))) >= MOST_VALUES
