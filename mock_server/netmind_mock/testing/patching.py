"""Replace functions of other libraries, once per process."""

from __future__ import annotations

import contextlib
import functools
import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_MARK = "__netmind_mock__"


def wrap(owner: Any, name: str, wrapper: Callable[..., Any]) -> None:
    """Replace a function by one that calls ``wrapper(function, *arguments)``.

    The replacement stays until the process ends. If a fake restored the function when it stops, it would
    remove or resurrect the patches of other mocks, which may stop before or after it. So the replacements
    decide at each call whether there is a fake for it, and otherwise call the function.

    This does nothing if the function is a replacement already. If another mock has put the original back, it
    is replaced again.

    Args:
        owner: A module or class.
        name: The name of its function.
        wrapper: Called with the replaced function and the arguments.
    """
    function = getattr(owner, name)
    if hasattr(function, _MARK):
        return

    @functools.wraps(function)
    def replacement(*arguments: Any, **options: Any) -> Any:
        return wrapper(function, *arguments, **options)

    with contextlib.suppress(TypeError, ValueError):  # functions written in C may have no signature
        replacement.__signature__ = inspect.signature(function)  # type: ignore[attr-defined] # respx reads it
    setattr(replacement, _MARK, True)
    setattr(owner, name, replacement)
