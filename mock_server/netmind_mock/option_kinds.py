"""The kinds of options: how the text of each is converted, and which values are valid."""

from __future__ import annotations

import math
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from netmind_mock.validation import Check, Expected, boolean, choice, integer, text

_FIRST_YEAR, _LAST_YEAR = 1970, 8999  # a clock stops after it


class Kind(NamedTuple):
    """A kind of option: the check of its values, and the type that its text is converted to."""

    check: Check
    type: type


def whole(lowest: int, highest: int) -> Kind:
    """Return the kind of whole numbers within limits."""
    return Kind(integer(lowest, highest), int)


def number(lowest: float, highest: float = math.inf, *, above: bool = False) -> Kind:
    """Return the kind of numbers within limits; ``above`` excludes the lowest one."""
    bound = f"above {lowest:g}" if above else f"from {lowest:g}"
    most = "" if highest == math.inf else f"{' and up' if above else ''} to {highest:g}"

    def check(value: Any) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not lowest <= value <= highest or (above and value == lowest):
            raise Expected(f"a number {bound}{most}")
        return float(value)

    return Kind(check, float)


def _key(value: Any) -> str:
    if not text(value).strip():
        raise Expected("a key that is not empty")
    return text(value)


def _file(value: Any) -> str:
    if not isinstance(value, str | os.PathLike) or not Path(value).is_file():
        raise Expected("a file that exists")
    return os.fspath(value)


def _is_host(text: str) -> bool:
    from netmind_mock.hosts import parse_host  # noqa: PLC0415 - imported only if used: pytest starts faster

    return parse_host(text) is not None


def _host(value: Any) -> str:
    if not isinstance(value, str) or not _is_host(value):
        raise Expected("a host such as example.org or example.org:8000")
    return value


def _url(value: Any) -> str:
    from urllib.parse import urlsplit  # noqa: PLC0415 - imported only if used

    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        is_url = parts.scheme in ("http", "https") and _is_host(parts.netloc)
    except ValueError:
        is_url = False
    if not is_url or parts.query or parts.fragment:
        raise Expected("a URL such as https://mock.example.org")
    return str(value).rstrip("/")


def _origin(value: Any) -> str:
    scheme, _, host = value.partition("://") if isinstance(value, str) else ("", "", "")
    if value != "*" and (scheme not in ("http", "https") or not _is_host(host)):
        raise Expected("an origin such as http://localhost:5173, without a path, or *")
    return str(value)


def _date(value: Any) -> str:
    """Return a date and time in UTC as the API writes them, such as ``2025-09-18 09:14:20``."""
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        moment = datetime.min.replace(tzinfo=UTC)
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise Expected(
            f"a date and time in UTC such as 2025-09-18 09:14:20, from the year {_FIRST_YEAR} to {_LAST_YEAR}"
        )
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def one_of(*words: str) -> Kind:
    """Return the kind of these words."""
    return Kind(choice(*words), str)


TEXT: Final = Kind(text, str)
KEY: Final = Kind(_key, str)
FLAG: Final = Kind(boolean, bool)
FILE: Final = Kind(_file, str)
HOST: Final = Kind(_host, str)
URL: Final = Kind(_url, str)
ORIGIN: Final = Kind(_origin, str)
DATE: Final = Kind(_date, str)
