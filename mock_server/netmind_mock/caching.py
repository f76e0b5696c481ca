"""Caches whose memory is bounded in bytes, for functions of text that a client sends."""

from __future__ import annotations

from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

_F = TypeVar("_F", bound="Callable[..., Any]")


def cache_short(maxsize: int, longest: int = 512) -> Callable[[_F], _F]:
    """Return a decorator that caches the last results, as ``lru_cache`` does, except for long texts.

    ``lru_cache`` keeps each argument. A client that sends a thousand API keys of 60 KB would fill it with
    60 MB, which would never be freed.

    Args:
        maxsize: How many results are kept.
        longest: The length of the longest text that is kept. All arguments must be positional.
    """

    def decorate(function: _F) -> _F:
        cached = lru_cache(maxsize)(function)

        @wraps(function)
        def either(*arguments: Any) -> Any:
            for one in arguments:
                if isinstance(one, str | bytes) and len(one) > longest:
                    return function(*arguments)
            return cached(*arguments)

        return cast("_F", either)

    return decorate
