"""What orders have in common: arguments that are checked, and mistakes that name the nearest right word."""

from __future__ import annotations

import difflib
import types
from typing import TYPE_CHECKING, Any, NamedTuple

from netmind_mock.toml_files import checked, unknown_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netmind_mock.toml_files import Check


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
