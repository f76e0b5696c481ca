"""The values of :meth:`netmind_client.GenerationClient.generate_many`: its requests and outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from netmind_client._models import Generation
    from netmind_client.exceptions import NetMindError

__all__ = ["BatchOutcome", "BatchProgress", "GenerationRequest"]


class GenerationRequest(NamedTuple):
    """A request for one generation.

    Attributes:
        model: The model's name, such as ``Qwen/Qwen-Image``.
        config: The model's options.
    """

    model: str
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """The outcome of one of many requests.

    Attributes:
        request: The request.
        generation_id: The id of its generation, if there is one.
        generation: The completed generation; None if there was an error, or if an earlier run saved the
            results.
        paths: The files that its results were saved to.
        error: The error; None if there was none.
    """

    request: GenerationRequest
    generation_id: str | None = None
    generation: Generation | None = None
    paths: Sequence[Path] = ()
    error: NetMindError | None = None


class BatchProgress(NamedTuple):
    """The progress of many generations.

    Attributes:
        done: How many have ended, including those with an error.
        failed: How many have ended with an error.
        of: How many there are.
        last: The outcome of the one that ended last.
    """

    done: int
    failed: int
    of: int
    last: BatchOutcome
