"""Create a generation, wait for it and save its results, within one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from netmind_client import _files
from netmind_client._flows import operations
from netmind_client._flows.effects import Do, Flow
from netmind_client._flows.saving import save_results
from netmind_client._flows.waiting import wait

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from netmind_client._flows.call import Call
    from netmind_client._flows.saving import Saving
    from netmind_client._flows.waiting import Waiting
    from netmind_client._models import Generation


class Generated(NamedTuple):
    """The result of ``generate``.

    Attributes:
        generation: The completed generation.
        paths: The files that its results were saved to.
    """

    generation: Generation
    paths: Sequence[Path]


def generate(
    call: Call, model: str, config: Mapping[str, Any], saving: Saving, waiting: Waiting
) -> Flow[Generated]:
    """Create a generation, wait for it and save its results."""
    yield Do(lambda: _files.prepare(saving.folder))
    created = yield from operations.create(call, model, config)
    return (yield from finish(call, created, saving, waiting))


def finish(call: Call, generation: Generation | str, saving: Saving, waiting: Waiting) -> Flow[Generated]:
    """Wait for a generation and save its results.

    Args:
        call: The call that this belongs to.
        generation: The generation as its create returned it, or its id.
        saving: How to save the results.
        waiting: How to wait.
    """
    generation_id = generation if isinstance(generation, str) else generation.id
    call.set_generation("wait", generation_id, *saving.options)
    done = yield from wait(call, generation, waiting)
    return Generated(done, (yield from save_results(call, done, saving)))
