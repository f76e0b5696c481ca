"""The command ``netmind-client``."""

from __future__ import annotations

import calendar
import json
import shlex
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import click

from netmind_client import _terminal, exceptions
from netmind_client._client import GenerationClient
from netmind_client._core import DEFAULT_REQUEST_SECONDS, DEFAULT_WAIT_SECONDS
from netmind_client._download import DEFAULT_MAX_BYTES
from netmind_client._many import GenerationRequest
from netmind_client._terminal import Progress
from netmind_client._wire import DEFAULT_BASE_URL

if TYPE_CHECKING:
    from collections.abc import Callable

EXIT_CODES: dict[type[exceptions.NetMindError], int] = {
    exceptions.ConfigurationError: 2,
    exceptions.GenerationFailed: 3,
    exceptions.WaitTimeout: 4,
    exceptions.CreateOutcomeUnknown: 5,
}
SOME_FAILED = 6

_EXIT_CODES_HELP = """\b
Exit codes:
  0  done
  1  the API refused, or could not be reached, or a result could not be saved
  2  the command was wrong
  3  the generation failed
  4  the generation had not ended in time; it goes on
  5  a create was sent and no answer came: a job may exist
  6  some of many generations did not end well
  130  interrupted by Ctrl-C; it says how to go on"""

_RESUME = "resume"  # in click's context.meta: what goes on where the command was left

Connect: TypeAlias = "Callable[[], GenerationClient]"


class _Command(click.Command):
    """A command whose help tells the exit codes."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"epilog": _EXIT_CODES_HELP, **options})


class _Commands(click.Group):
    """Turns the client's errors, and Ctrl-C, into a sentence or two and an exit code."""

    command_class = _Command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except exceptions.NetMindError as error:
            click.echo(f"Error: {error}", err=True)
            code = next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), 1)
            raise click.exceptions.Exit(code) from None
        except KeyboardInterrupt as error:
            resume = (
                [f"To go on: {ctx.meta[_RESUME]}"] if _RESUME in ctx.meta else getattr(error, "__notes__", [])
            )
            click.echo("\n".join(["\nInterrupted.", *resume]), err=True)
            raise click.exceptions.Exit(130) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EXIT_CODES_HELP)
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
    """A minimal client of NetMind's generation API (unofficial)."""
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


def _seconds(name: str, default: float, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        name, type=click.FloatRange(0, min_open=True), default=default, show_default=True, help=text
    )


_timeout = _seconds("--timeout", DEFAULT_WAIT_SECONDS, "Seconds for all of it.")
_folder = click.Path(file_okay=False, path_type=Path)
_directory = click.option("-o", "--output", "directory", default=Path(), show_default="the current folder",
                          type=_folder, help="Folder to save to.")  # fmt: skip
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
_overwrite = click.option("--overwrite", is_flag=True, help="Replace files that exist.")
_max_bytes = click.option("--max-bytes", type=click.IntRange(1), default=DEFAULT_MAX_BYTES, show_default=True,
                          help="The most that one file may have.")  # fmt: skip
_delete = click.option(
    "--delete-on-timeout", is_flag=True, help="Delete the generation if it has not ended in time."
)


@main.command()
@_with_config
@_json
@click.pass_obj
def create(client: Connect, /, as_json: bool, model: str, **options: Any) -> None:
    """Create a generation and print it; does not wait."""
    _terminal.show(client().create(model, _config(**options)), as_json)


@main.command("find-created")
@click.option("--sent-at", required=True, type=click.DateTime(["%Y-%m-%d %H:%M:%S"]),
              help="When the create was sent, in UTC.")  # fmt: skip
@click.option("--model", help="What it was sent for.")
@_seconds("--timeout", DEFAULT_REQUEST_SECONDS, "Seconds to go on looking while there is none.")
@_json
@click.pass_obj
def find_created(client: Connect, sent_at: Any, model: str | None, timeout: float, as_json: bool) -> None:
    """Look for the job of a create that was not answered.

    Prints the generations that it can be, the nearest in time first. None is no proof that there is no job.
    """
    found = client().find_created(calendar.timegm(sent_at.timetuple()), model=model, timeout=timeout)
    if not found and not as_json:
        click.echo("No generation of that time is in the list.", err=True)
    _terminal.show_all(found, as_json)


@main.command()
@click.argument("generation_id")
@_json
@click.pass_obj
def get(client: Connect, generation_id: str, as_json: bool) -> None:
    """Print a generation as it is now."""
    _terminal.show(client().get(generation_id), as_json)


@main.command("list")
@_json
@click.pass_obj
def list_(client: Connect, as_json: bool) -> None:
    """Print all generations."""
    _terminal.show_all(client().list(), as_json)


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
@click.option(
    "-o",
    "--output",
    "directory",
    type=_folder,
    help="Save its results to this folder, and print their paths.",
)
@_overwrite
@_delete
@_json
@click.pass_obj
def wait(
    client: Connect,
    generation_id: str,
    timeout: float,
    directory: Path | None,
    overwrite: bool,
    delete_on_timeout: bool,
    as_json: bool,
) -> None:
    """Wait until a generation is completed, and print it."""
    opened, begun = client(), time.monotonic()
    with Progress() as progress:
        done = opened.wait(
            generation_id, timeout=timeout, on_poll=progress.polled, delete_on_timeout=delete_on_timeout
        )
        if directory is None:
            paths = None
        else:
            left = max(timeout - (time.monotonic() - begun), 0.0)
            paths = opened.download(
                done, directory, timeout=left, overwrite=overwrite, on_progress=progress.received
            )
    if paths is None:
        _terminal.show(done, as_json)
    else:
        _terminal.show_paths(paths, as_json)


@main.command()
@click.argument("generation_id")
@_timeout
@_directory
@_overwrite
@_max_bytes
@_json
@click.pass_obj
def download(client: Connect, /, generation_id: str, as_json: bool, **options: Any) -> None:
    """Save a completed generation's results, and print their paths."""
    opened = client()
    with Progress() as progress:
        paths = opened.download(opened.get(generation_id), on_progress=progress.received, **options)
    _terminal.show_paths(paths, as_json)


@main.command()
@_with_config
@_timeout
@_directory
@_overwrite
@_max_bytes
@_delete
@_json
@click.pass_obj
def generate(
    client: Connect,
    /,
    as_json: bool,
    model: str,
    prompt: str | None,
    pairs: tuple[str, ...],
    config_file: Path | None,
    **options: Any,
) -> None:
    """Create a generation, wait for it, save its results, and print their paths."""
    config = _config(prompt, pairs, config_file)
    opened = client()
    with Progress() as progress:
        made = opened.generate(
            model, config, on_poll=progress.polled, on_progress=progress.received, **options
        )
    _terminal.show_paths(made.paths, as_json)


@main.command("generate-many")
@click.argument("requests", metavar="FILE", type=click.File(encoding="utf-8"))
@_directory
@click.option(
    "--concurrency", type=click.IntRange(1), default=4, show_default=True, help="How many at a time."
)
@click.option("--jobs", "jobs_file", type=click.Path(dir_okay=False, path_type=Path),
              show_default="jobs.jsonl in the folder",
              help="Where the jobs' ids are kept, to go on from.")  # fmt: skip
@_timeout
@_overwrite
@_max_bytes
@_json
@click.pass_context
def generate_many(
    context: click.Context,
    /,
    requests: IO[str],
    directory: Path,
    jobs_file: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Create many generations, wait for them, and save their results.

    FILE has a JSON object a line, such as {"model": "Qwen/Qwen-Image", "config": {"prompt": "A cup"}}; - is
    stdin. The same command goes on where it was left: nothing is created twice. New lines go at the end.
    """
    read = [_request(requests.name, number, line) for number, line in enumerate(requests, 1) if line.strip()]
    jobs = directory / "jobs.jsonl" if jobs_file is None else jobs_file
    client: GenerationClient = context.obj()
    command = ["generate-many", requests.name, "-o", str(directory), "--jobs", str(jobs)]
    context.meta[_RESUME] = f"{client._core.api.command} {shlex.join(command)}"
    with Progress() as progress:
        outcomes = client.generate_many(
            read, directory, jobs_file=jobs, on_progress=progress.ended, **options
        )
    _terminal.show_outcomes(outcomes, as_json)
    if any(one.error is not None for one in outcomes):
        context.exit(SOME_FAILED)


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes a shell complete this command, such as: eval "$(netmind-client completion bash)"."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - for this alone

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"{shell} is not known to click")
    click.echo(kind(main, {}, "netmind-client", "_NETMIND_CLIENT_COMPLETE").source())


def _request(name: str, number: int, line: str) -> GenerationRequest:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        document = None
    model, config = (document.get(key) if isinstance(document, dict) else None for key in ("model", "config"))
    if not isinstance(model, str) or not isinstance(config, dict):
        example = '{"model": "Qwen/Qwen-Image", "config": {"prompt": "A cup"}}'
        raise click.UsageError(f"{name}, line {number}: expected a JSON object such as {example}")
    return GenerationRequest(model, config)


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
