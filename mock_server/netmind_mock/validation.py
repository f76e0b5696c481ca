"""Read values that people write. Messages name the file, the key, the expected and the actual value."""

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
# The limit on nested lists and objects in JSON.
MAX_LEVELS = 256
_TOO_DEEP = f"nested deeper than {MAX_LEVELS} levels"
_POSITION = re.compile(r" \(byte (\d+)\)$")
_MAX_AMOUNT = 1e15  # a float cannot represent all whole numbers above about 9e15


class InvalidFile(ValueError):
    """A file, option or argument with an invalid value. The message is one sentence for its author."""


class Expected(ValueError):
    """Raised by a check for an invalid value. The message says what was expected: ``true or false``."""


def read_toml(file: Path | Traversable) -> dict[str, Any]:
    """Return the content of a TOML file.

    Raises:
        InvalidFile: It cannot be read, or is not TOML.
    """
    import tomllib  # noqa: PLC0415 - imported only if used: pytest starts faster

    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise InvalidFile(
            f"{file}: expected a TOML file in UTF-8 ({error.reason} at byte {error.start})"
        ) from None
    except OSError as error:
        raise InvalidFile(f"{file}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # not TOML, or a number with thousands of digits
        raise InvalidFile(f"{file}: not valid TOML: {error}") from None


class InvalidJson(ValueError):
    """Raised for bytes that are not JSON.

    Attributes:
        position: The position of the first unexpected byte, or of the end if something is missing.
    """

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


def read_json(content: bytes) -> Any:
    """Return the value of a JSON document.

    Raises:
        InvalidJson: It is not JSON, or it is nested deeper than ``MAX_LEVELS``.
    """
    import msgspec  # noqa: PLC0415 - imported only if used: pytest starts faster

    try:
        value = msgspec.json.decode(content)
    except RecursionError:
        raise InvalidJson(_TOO_DEEP, 0) from None
    except UnicodeDecodeError as error:
        raise InvalidJson("not valid UTF-8", error.start) from None
    except (msgspec.DecodeError, ValueError) as error:  # ValueError: a number with thousands of digits
        found = _POSITION.search(str(error))
        reason = _POSITION.sub("", str(error)).removeprefix("JSON is malformed: ")
        raise InvalidJson(reason, int(found[1]) if found else len(content)) from None
    if content.count(b"[") + content.count(b"{") > MAX_LEVELS and _is_too_deep(value):
        raise InvalidJson(_TOO_DEEP, 0)
    return value


def _is_too_deep(value: Any) -> bool:
    """Return whether a JSON value has more than ``MAX_LEVELS`` levels of lists and objects."""
    level, levels = [value], 0
    while level:
        inside = [
            one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)
        ]
        level, levels = [one for some in inside for one in some], levels + bool(inside)
    return levels > MAX_LEVELS


def unknown_key(file: object, key: str, known: Iterable[str]) -> InvalidFile:
    """Return the error for a key that does not exist. It suggests the nearest known key, or lists all."""
    import difflib  # noqa: PLC0415 - imported only if used: pytest starts faster

    names = sorted(known)
    near = difflib.get_close_matches(key, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"available: {', '.join(names)}"
    return InvalidFile(f"{file}: {key}: no such key; {hint}")


def checked(file: object, key: str, value: Any, check: Check, *, is_secret: bool = False) -> Any:
    """Return ``check(value)``.

    Raises:
        InvalidFile: The value is not valid. The message says what was expected. A secret value is not shown.
    """
    try:
        return check(value)
    except Expected as error:
        got = type(value).__name__ if is_secret else shown(value)
        raise InvalidFile(f"{file}: {key}: expected {error}, got {got}") from None


def shown(value: object) -> str:
    """Return a value as a message shows it: shortened, and with control characters escaped."""
    words = {None: "null", True: "true", False: "false"}  # as in JSON and TOML
    text = words[value] if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def boolean(value: Any) -> bool:
    """Check that a value is true or false, and not a number or text for it."""
    if not isinstance(value, bool):
        raise Expected("true or false")
    return value


def text(value: Any) -> str:
    """Check that a value is a string that UTF-8 can encode. A part of a surrogate pair cannot be encoded."""
    if not isinstance(value, str):
        raise Expected("a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Expected("a string of Unicode text") from None
    return value


def texts(value: Any) -> tuple[str, ...]:
    """Check that a value is a list of strings, and return it as a tuple."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Expected("a list of strings")
    return tuple(value)


def integer(lowest: int, highest: int) -> Check:
    """Return a check for a whole number from ``lowest`` to ``highest``."""

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise Expected(f"a whole number from {lowest} to {highest}")
        return value

    return check


def seconds(value: Any) -> float:
    """Check that a value is a number of seconds, 0 or more."""
    try:
        return amount(value)
    except Expected:
        raise Expected("a number of seconds, 0 or more") from None


def amount(value: Any) -> float:
    """Check that a value is a number, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MAX_AMOUNT:
        raise Expected("a number, 0 or more")
    return float(value)


def choice(*choices: str) -> Check:
    """Return a check for one of the given words."""

    def check(value: Any) -> str:
        if value not in choices:
            raise Expected("one of " + ", ".join(f'"{word}"' for word in choices))
        return str(value)

    return check


def optional(check: Check) -> Check:
    """Return a check that also allows None."""

    def either(value: Any) -> Any:
        return None if value is None else check(value)

    return either


# Other words that people may use for a name. Close matching would not find these.
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
    """A value that is not supported. The message is one sentence for the user."""

    __module__ = "netmind_mock"  # where it is public: test reports show this short name


class Parameter(NamedTuple):
    """An argument of a scenario, a fault or an operation: its check, default and description."""

    check: Check
    default: Any
    about: str


def complete(label: str, arguments: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    """Check arguments, and add the defaults of those that are missing.

    Args:
        label: What the arguments belong to; messages start with it.
        arguments: The arguments by name.
        parameters: The known parameters by name.

    Raises:
        InvalidInput: There is no such parameter, or a value is not valid.
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


_COMPARED_CHARACTERS: Final = 60


def nearest(name: str, known: Mapping[str, Any]) -> str:
    """Return the suggestion for a name that does not exist: the nearest known name, or all known names."""
    import difflib  # noqa: PLC0415 - imported only if used: pytest starts faster

    plain = name[:_COMPARED_CHARACTERS].replace("-", "_").lower()  # comparing takes time by the square
    near = [meant for meant in (_MEANT.get(plain, ""),) if meant in known]
    near = near or difflib.get_close_matches(plain, known, n=1)
    return f"did you mean {near[0]}?" if near else f"available: {', '.join(known)}"


# The limit on values in a JSON body, which are counted by commas and brackets.
MAX_VALUES: Final = 100_000


def is_dense(body: bytes) -> bool:
    """Return whether JSON contains so many values that decoding it would take dozens of times its size.

    Most large bodies are images in base64, which are few values. Brackets are counted as well as commas,
    since nested lists need no commas.
    """
    return len(body) >= MAX_VALUES and sum(map(body.count, (b",", b"[", b"{"))) >= MAX_VALUES
