"""Settle a create whose outcome is unknown, in the jobs file of generate_many."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from netmind_client import _files
from netmind_client._flows.batch import read_line
from netmind_client.exceptions import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


def settle(jobs_file: Path, number: int, generation_id: str | None) -> None:
    """Record what became of a create that got no response. The next run continues from there.

    Args:
        jobs_file: The jobs file.
        number: The number of the request, from 1.
        generation_id: The id of its generation; None if it has none, so that it is created again.

    Raises:
        ConfigurationError: It is not a jobs file, or the outcome of this create is not unknown.
        DownloadError: The file cannot be written to.
    """
    if not jobs_file.is_file():
        raise ConfigurationError(f"{jobs_file}: no such file")
    with contextlib.closing(_files.LineFile(jobs_file)) as file:
        last: tuple[str, str] | None = None
        for text in file.complete.splitlines():
            try:
                index, digest, event, _ = read_line(text)
            except (ValueError, RecursionError) as error:
                raise ConfigurationError(f"{jobs_file}: not a jobs file of generate_many") from error
            if index == number - 1:
                last = digest, event
        if last is None or last[1] != "sending":
            outcome = "is not in it" if last is None else f"is known: {last[1]}"
            raise ConfigurationError(
                f"{jobs_file}: request {number}: expected a create without a response; its outcome {outcome}"
            )
        line: dict[str, Any] = {"request": number, "digest": last[0], "event": "not created"}
        if generation_id is not None:
            line |= {"event": "created", "generation_id": generation_id}
        file.add(json.dumps(line))
