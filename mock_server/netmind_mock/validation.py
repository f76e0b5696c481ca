"""Reading what people write by hand: mistakes name the file, the key, what was expected and what came."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from importlib.resources.abc import Traversable
    from pathlib import Path


Check = Callable[[Any], Any]

_SHOWN_CHARACTERS = 60
# Of lists and objects within each other in JSON.
MAX_LEVELS = 256
_TOO_DEEP = f"nested deeper than {MAX_LEVELS} levels"
_POSITION = re.compile(r" \(byte (\d+)\)$")
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
    import tomllib  # noqa: PLC0415 - pytest's start does not pay for what no test may use

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


class InvalidJson(ValueError):
    """Bytes that are not JSON.

    Attributes:
        position: Of the first byte that does not fit; of the end, where something is missing.
    """

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


def read_json(content: bytes) -> Any:
    """Return the value of a JSON document.

    Raises:
        InvalidJson: It is not JSON, or nested deeper than ``MAX_LEVELS``.
    """
    import msgspec  # noqa: PLC0415 - as in read_toml

    try:
        value = msgspec.json.decode(content)
    except RecursionError:
        raise InvalidJson(_TOO_DEEP, 0) from None
    except UnicodeDecodeError as error:
        raise InvalidJson("not valid UTF-8", error.start) from None
    except (msgspec.DecodeError, ValueError) as error:  # a ValueError of a number with thousands of digits
        found = _POSITION.search(str(error))
        reason = _POSITION.sub("", str(error)).removeprefix("JSON is malformed: ")
        raise InvalidJson(reason, int(found[1]) if found else len(content)) from None
    if content.count(b"[") + content.count(b"{") > MAX_LEVELS and _is_too_deep(value):
        raise InvalidJson(_TOO_DEEP, 0)
    return value


def _is_too_deep(value: Any) -> bool:
    """Whether a JSON value has more than ``MAX_LEVELS`` levels of lists and objects."""
    level, levels = [value], 0
    while level:
        inside = [
            one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)
        ]
        level, levels = [one for some in inside for one in some], levels + bool(inside)
    return levels > MAX_LEVELS


def unknown_key(file: object, key: str, known: Iterable[str]) -> InvalidFile:
    """The mistake of a key that does not exist, with the nearest ones that do."""
    import difflib  # noqa: PLC0415 - as in read_toml

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
    """A string that UTF-8 can encode, which half of a surrogate pair cannot."""
    if not isinstance(value, str):
        raise Expected("a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Expected("a string of Unicode text") from None
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


class InvalidInput(ValueError):
    """Something was ordered that cannot be had. The message is one sentence for whoever ordered it."""

    __module__ = "netmind_mock"  # where it is public, and short in a report


class Parameter(NamedTuple):
    """An argument of a scenario or a fault: what it may be, and what it is if nobody says."""

    check: Check
    default: Any
    about: str


def complete(label: str, arguments: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    """The arguments, checked, with the defaults of those that are left out.

    Raises:
        InvalidInput: One does not exist, or has a value that cannot be; ``label`` says of what.
    """
    try:
        for name in arguments:
            if name not in parameters:
                raise unknown_key(label, name, parameters)
        return {
            name: checked(label, name, arguments[name], parameter.check)
            if name in arguments
            else parameter.default
            for name, parameter in parameters.items()
        }
    except ValueError as mistake:
        raise InvalidInput(str(mistake)) from None


def nearest(name: str, known: Mapping[str, Any]) -> str:
    """What to write instead: the nearest known name, or all of them."""
    import difflib  # noqa: PLC0415 - as in read_toml

    plain = name.replace("-", "_").lower()
    near = [meant for meant in (_MEANT.get(plain, ""),) if meant in known]
    near = near or difflib.get_close_matches(plain, known, n=1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


# Of JSON in a body, counted by its commas and brackets.
MAX_VALUES: Final = 100_000


def is_dense(body: bytes) -> bool:
    """Whether JSON holds so many values that reading it would take dozens of times its bytes.

    A large body is usually images in base64, which are few values. Lists within lists need no commas.
    """
    return len(body) >= MAX_VALUES and sum(map(body.count, (b",", b"[", b"{"))) >= MAX_VALUES
