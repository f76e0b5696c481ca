"""The command ``netmind-client``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from netmind_client import exceptions
from netmind_client._client import DEFAULT_WAIT_SECONDS, GenerationClient
from netmind_client._transport import DEFAULT_BASE_URL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from netmind_client._models import Generation

EXIT_CODES: dict[type[exceptions.NetMindError], int] = {
    exceptions.ConfigurationError: 2,
    exceptions.GenerationFailed: 3,
    exceptions.WaitTimeout: 4,
    exceptions.CreateOutcomeUnknown: 5,
}


Connect: TypeAlias = "Callable[[], GenerationClient]"


class _Commands(click.Group):
    """Turns the client's errors, and Ctrl-C, into a sentence or two and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except exceptions.NetMindError as error:
            click.echo(f"Error: {error}", err=True)
            if isinstance(error, exceptions.DownloadError) and error.generation_id:
                click.echo(f"Fetch it with: netmind-client download {error.generation_id}", err=True)
            code = next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), 1)
            raise click.exceptions.Exit(code) from None
        except KeyboardInterrupt:
            click.echo(f"\nInterrupted. {_left_behind(ctx)}".rstrip(), err=True)
            raise click.exceptions.Exit(130) from None


_GENERATION, _CREATING = "generation", "creating"  # what a command has begun, in click's context.meta


def _left_behind(context: click.Context) -> str:
    """What goes on without this command, and how to come back to it."""
    if generation_id := context.meta.get(_GENERATION):
        return f"Generation {generation_id} goes on; wait for it with: netmind-client wait {generation_id}"
    if context.meta.get(_CREATING):
        return "A create was being sent: a job may exist; look for it with: netmind-client list"
    return ""


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="netmind-testkit")
@click.option("--api-key", envvar="NETMIND_API_KEY", show_envvar=True, help="The token.")
@click.option(
    "--base-url",
    envvar="NETMIND_BASE_URL",
    show_envvar=True,
    default=DEFAULT_BASE_URL,
    show_default=True,
    help="Where the API is.",
)
@click.pass_context
def main(context: click.Context, api_key: str | None, base_url: str) -> None:
    """A minimal client of NetMind's generation API (unofficial).

    \b
    Exit codes:
      0  done
      1  the API refused, or could not be reached
      2  the command was wrong
      3  the generation failed
      4  the generation had not ended in time; it goes on
      5  a create was sent and no answer came: a job may exist
      130  interrupted by Ctrl-C
    """  # noqa: D301 - \b is for click: it keeps the lines below apart
    context.obj = lambda: GenerationClient(api_key, base_url)


_config_options = (
    click.option("--model", required=True, help="Such as Qwen/Qwen-Image."),
    click.option("--prompt", help="The same as --config prompt=TEXT."),
    click.option("--config", "pairs", metavar="KEY=VALUE", multiple=True,
                 help="An option of the model (repeatable); the value as JSON, else as text."),
    click.option("--config-file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
                 help="A JSON file with the model's options."),
)  # fmt: skip


def _with_config(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_config_options):
        command = option(command)
    return command


_timeout = click.option("--timeout", type=click.FloatRange(0, min_open=True), default=DEFAULT_WAIT_SECONDS,
                        show_default=True, help="Seconds to wait for the generation.")  # fmt: skip
_directory = click.option("-o", "--output", "directory", default=Path(), show_default="the current folder",
                          type=click.Path(file_okay=False, path_type=Path),
                          help="Folder to save to.")  # fmt: skip
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
_overwrite = click.option("--overwrite", is_flag=True, help="Replace files that exist.")


@main.command()
@_with_config
@_json
@click.pass_obj
def create(client: Connect, /, as_json: bool, **options: Any) -> None:
    """Create a generation and print it; does not wait."""
    config = _config(**{name: options[name] for name in ("prompt", "pairs", "config_file")})
    opened = client()
    click.get_current_context().meta[_CREATING] = True
    _show(opened.create(options["model"], config), as_json)


@main.command()
@click.argument("generation_id")
@_json
@click.pass_obj
def get(client: Connect, generation_id: str, as_json: bool) -> None:
    """Print a generation as it is now."""
    _show(client().get(generation_id), as_json)


@main.command("list")
@_json
@click.pass_obj
def list_(client: Connect, as_json: bool) -> None:
    """Print all generations."""
    generations = client().list()
    if as_json:
        click.echo(json.dumps([dict(generation.raw) for generation in generations], indent=2))
        return
    for generation in generations:
        _show(generation, as_json)


@main.command()
@click.argument("generation_id")
@_json
@click.pass_obj
def delete(client: Connect, generation_id: str, as_json: bool) -> None:
    """Delete a generation."""
    client().delete(generation_id)
    click.echo(json.dumps({"deleted": generation_id}) if as_json else f"deleted {generation_id}")


@main.command()
@click.argument("generation_id")
@_timeout
@_json
@click.pass_obj
def wait(client: Connect, generation_id: str, timeout: float, as_json: bool) -> None:
    """Wait until a generation is completed, and print it."""
    opened = client()
    click.get_current_context().meta[_GENERATION] = generation_id
    with _ProgressLine() as progress:
        generation = opened.wait(generation_id, timeout=timeout, on_poll=progress.show)
    _show(generation, as_json)


@main.command()
@click.argument("generation_id")
@_directory
@_overwrite
@_json
@click.pass_obj
def download(client: Connect, generation_id: str, directory: Path, overwrite: bool, as_json: bool) -> None:
    """Save a completed generation's results, and print their paths."""
    opened = client()
    _show_paths(opened.download(opened.get(generation_id), directory, overwrite=overwrite), as_json)


@main.command()
@_with_config
@_timeout
@_directory
@_overwrite
@_json
@click.pass_obj
def generate(
    client: Connect,
    /,
    as_json: bool,
    model: str,
    timeout: float,
    directory: Path,
    overwrite: bool,
    **options: Any,
) -> None:
    """Create a generation, wait for it, save its results, and print their paths."""
    config = _config(**options)
    opened = client()
    click.get_current_context().meta[_CREATING] = True
    with _ProgressLine() as progress:
        made = opened.generate(
            model, config, directory, timeout=timeout, overwrite=overwrite, on_poll=progress.show
        )
    _show_paths(made.paths, as_json)


def _config(prompt: str | None, pairs: tuple[str, ...], config_file: Path | None) -> dict[str, Any]:
    """The model's options: from the file, then the pairs, then the prompt."""
    config: dict[str, Any] = {}
    if config_file is not None:
        try:
            config = json.loads(config_file.read_text(encoding="utf-8"))
        except (ValueError, OSError, RecursionError) as error:
            raise click.UsageError(f"{config_file}: not a JSON file: {error}") from None
        if not isinstance(config, dict):
            raise click.UsageError(f"{config_file}: expected a JSON object")
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.UsageError(f"--config {pair}: expected KEY=VALUE")
        try:
            config[key] = json.loads(value)
        except ValueError:
            config[key] = value
    return config if prompt is None else {**config, "prompt": prompt}


def _show(generation: Generation, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(dict(generation.raw), indent=2))
        return
    deleted = "  deleted" if generation.is_deleted else ""
    click.echo(f"{generation.id}  {generation.status:<12}  {generation.created_at or ''}{deleted}")
    for result in generation.results:
        click.echo(f"    {result.file_type or 'text'}: {result.url or result.text}")
    if generation.failure:
        click.echo(f"    {generation.failure}")


def _show_paths(paths: Sequence[Path], as_json: bool) -> None:
    click.echo(json.dumps([str(path) for path in paths]) if as_json else "\n".join(map(str, paths)))


class _ProgressLine:
    """One line on a terminal that says where the generation stands; nothing in a pipe."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._polls = 0

    def __enter__(self) -> _ProgressLine:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown and self._polls:
            click.echo(err=True)

    def show(self, generation: Generation) -> None:
        """Write the line anew, and remember what it is about."""
        self._polls += 1
        if context := click.get_current_context(silent=True):
            context.meta[_GENERATION] = generation.id
        if self._shown:
            line = f"{generation.id}: {generation.status} (answer {self._polls})"
            click.echo(f"\r{line:<78}", nl=False, err=True)
