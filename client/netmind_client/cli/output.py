"""Print results to stdout, and progress to stderr if it is a terminal."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from typing import TYPE_CHECKING

import click

from netmind_client._api import DEFAULT_BASE_URL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from netmind_client._flows.saving import DownloadProgress
    from netmind_client._models import Generation
    from netmind_client.batch import BatchOutcome, BatchProgress


def plain(text: object) -> str:
    """Return the text in one line. Control characters and others that are not printable are replaced."""
    line = " ".join(str(text).splitlines())
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in line)


def announce_billing(base_url: str) -> None:
    """Say on stderr that a create is billed, if it goes to the real API and a person reads it."""
    if base_url == DEFAULT_BASE_URL and _is_terminal():
        click.echo(f"Creating at {base_url}, where generations are billed.", err=True)


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def show(generation: Generation, as_json: bool) -> None:
    """Print a generation."""
    if as_json:
        click.echo(json.dumps(dict(generation.raw), indent=2))
        return
    deleted = "  deleted" if generation.is_deleted else ""
    lines = [f"{generation.id}  {generation.status:<12}  {generation.created_at or ''}{deleted}"]
    lines += [f"    {one.file_type or 'text'}: {one.url or one.text}" for one in generation.results]
    lines += [f"    {generation.failure}"] if generation.failure else []
    click.echo("\n".join(map(plain, lines)))


def show_all(generations: Iterable[Generation], as_json: bool) -> None:
    """Print generations."""
    if as_json:
        click.echo(json.dumps([dict(generation.raw) for generation in generations], indent=2))
        return
    for generation in generations:
        show(generation, as_json)


def show_paths(paths: Sequence[Path], as_json: bool) -> None:
    """Print the paths of files."""
    if as_json:
        click.echo(json.dumps([str(path) for path in paths]))
    else:
        click.echo(b"\n".join(map(os.fsencode, paths)))  # a folder's name need not be text


def show_outcomes(outcomes: Sequence[BatchOutcome], as_json: bool) -> None:
    """Print the outcomes of many requests: paths on stdout, errors on stderr."""
    if as_json:
        documents = [
            {
                "request": number,
                "generation_id": one.generation_id,
                "paths": [str(path) for path in one.paths],
                "error": None if one.error is None else str(one.error),
            }
            for number, one in enumerate(outcomes, 1)
        ]
        click.echo(json.dumps(documents, indent=2))
        return
    for number, one in enumerate(outcomes, 1):
        if one.error is None:
            show_paths(one.paths, as_json)
        else:
            click.echo(f"Request {number}: {one.error}", err=True)


class Progress:
    """A progress line on a terminal. Nothing is shown in a pipe."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._begun = time.monotonic()
        self._is_open = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_open:
            click.echo(err=True)

    def begun(self, of: int) -> None:
        """Show that a batch of this many requests has begun."""
        self._line(f"{_bar(0)} 0 of {of}")

    def polled(self, generation: Generation) -> None:
        """Show the state of a generation."""
        self._line(f"{generation.id}: {generation.status}, {time.monotonic() - self._begun:.0f} s")

    def received(self, progress: DownloadProgress) -> None:
        """Show the progress of a download."""
        many = f" {progress.number}/{progress.of}" if progress.of > 1 else ""
        if progress.total:
            share = progress.received / progress.total
            self._line(f"downloading{many} {_bar(share)} {share:4.0%} of {_size(progress.total)}")
        else:
            self._line(f"downloading{many} {_size(progress.received)}")

    def ended(self, progress: BatchProgress) -> None:
        """Show the progress of a batch after a request has ended."""
        failed = f", {progress.failed} failed" if progress.failed else ""
        self._line(f"{_bar(progress.done / progress.of)} {progress.done} of {progress.of}{failed}")

    def _line(self, text: str) -> None:
        if self._shown:
            self._is_open = True
            width = shutil.get_terminal_size().columns - 1  # a full line would wrap
            click.echo(f"\r{plain(text)[:width]:<{width}}", nl=False, err=True)


def _bar(share: float) -> str:
    return f"[{'#' * round(30 * share):<30}]"


def _size(number: int) -> str:
    return f"{number / 1e6:.1f} MB" if number >= 1e6 else f"{number / 1e3:.0f} kB"
