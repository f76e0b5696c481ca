"""The commands of ``netmind-client``."""

from __future__ import annotations

import calendar
import functools
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netmind_client._api import DEFAULT_BASE_URL
from netmind_client._flows import settling
from netmind_client._flows.core import DEFAULT_REQUEST_SECONDS, DEFAULT_WAIT_SECONDS
from netmind_client._flows.download import DEFAULT_MAX_BYTES
from netmind_client.cli import input as inputs
from netmind_client.cli import output
from netmind_client.cli.group import EXIT_CODES_HELP, FAILED, SOME_FAILED, Commands, ConnectionOptions, keep
from netmind_client.cli.output import Progress

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXIT_CODES_HELP)
@click.version_option(package_name="netmind-testkit")
@click.option("--api-key", envvar="NETMIND_API_KEY", show_envvar=True, callback=keep, expose_value=False,
              help="The API key.")  # fmt: skip
@click.option("--base-url", callback=keep, expose_value=False,
              help=f"The API's URL.  [env var: NETMIND_BASE_URL; default: {DEFAULT_BASE_URL}]")  # fmt: skip
def main() -> None:
    """A minimal client for NetMind's generation API (unofficial)."""


def _options(*options: Decorator) -> Decorator:
    """Return a decorator that adds several options to a command."""
    return lambda command: functools.reduce(lambda inner, option: option(inner), reversed(options), command)


def _with_config(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for a model and its config, and call the command with ``model`` and ``config``."""

    @_options(
        click.option("--model", required=True, help="The model, such as Qwen/Qwen-Image."),
        click.option("--prompt", help="The same as --config prompt=TEXT."),
        click.option("--config", "pairs", metavar="KEY=VALUE", multiple=True,
                     help="An option of the model (repeatable). The value is JSON, otherwise text."),
        click.option("--config-file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
                     help="A JSON file with the model's options."),
    )  # fmt: skip
    @functools.wraps(command)
    def with_config(
        *arguments: Any, prompt: str | None, pairs: tuple[str, ...], config_file: Path | None, **options: Any
    ) -> Any:
        return command(*arguments, config=inputs.config(prompt, pairs, config_file), **options)

    return with_config


def _timeout(help_: str, default: float = DEFAULT_WAIT_SECONDS) -> Decorator:
    kind = click.FloatRange(0, min_open=True)
    return click.option("--timeout", type=kind, default=default, show_default=True, help=help_)


_folder = click.Path(file_okay=False, path_type=Path)
_overwrite = click.option("--overwrite", is_flag=True, help="Replace existing files.")
_saving = _options(
    click.option("-o", "--output", "directory", default=Path(), show_default="the current folder",
                 type=_folder, help="Folder to save to."),
    _overwrite,
    click.option("--max-bytes", type=click.IntRange(1), default=DEFAULT_MAX_BYTES, show_default=True,
                 help="Largest allowed size of one file, in bytes."),
)  # fmt: skip
_delete = click.option(
    "--delete-on-timeout", is_flag=True, help="Delete the generation when the timeout expires."
)
_json = click.option(
    "--json", "as_json", is_flag=True, callback=keep, expose_value=False, help="Print one JSON document."
)


@main.command()
@_with_config
@_json
@click.pass_obj
def create(connection: ConnectionOptions, /, **options: Any) -> None:
    """Create a generation and print it, without waiting for it."""
    client = connection.client()
    output.announce_billing(client.base_url)
    created = client.create(**options)
    connection.resume = f"{client.command} wait {created.id}"
    output.show(created, connection.as_json)


_TIMES = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S+00:00"]


@main.command("find-created")
@click.option(
    "--sent-at", required=True, type=click.DateTime(_TIMES), help="When the create was sent, in UTC."
)
@click.option("--model", help="The model of the create.")
@_timeout("Seconds to repeat the search while nothing is found.", DEFAULT_REQUEST_SECONDS)
@_json
@click.pass_context
def find_created(context: click.Context, /, sent_at: datetime, **options: Any) -> None:
    """Search for the generation of a create that got no response.

    Prints the matching generations, the closest in time first. If nothing is found, the exit code is 1. That
    does not prove that no generation exists.
    """
    connection: ConnectionOptions = context.obj
    found = connection.client().find_created(calendar.timegm(sent_at.timetuple()), **options)
    if not found and not connection.as_json:
        click.echo("The list has no generation created at that time.", err=True)
    output.show_all(found, connection.as_json)
    if not found:
        context.exit(FAILED)


@main.command()
@click.argument("jobs_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("request", type=click.IntRange(1))
@click.option("--generation", "generation_id", help="The id of its generation, as find-created shows it.")
@click.option("--none", "is_none", is_flag=True, help="There is no generation: create it in the next run.")
def settle(jobs_file: Path, request: int, generation_id: str | None, is_none: bool) -> None:
    """Record in a jobs file what became of a create that got no response.

    REQUEST is its number in JOBS_FILE. The next run of generate-many waits for the generation, or creates it.
    """
    if (generation_id is None) != is_none:
        raise click.UsageError("expected either --generation ID or --none")
    settling.settle(jobs_file, request, generation_id)


@main.command()
@click.argument("generation_id")
@_json
@click.pass_obj
def get(connection: ConnectionOptions, generation_id: str) -> None:
    """Print the current state of a generation."""
    output.show(connection.client().get(generation_id), connection.as_json)


@main.command("list")
@_json
@click.pass_obj
def list_(connection: ConnectionOptions) -> None:
    """Print all generations."""
    output.show_all(connection.client().list(), connection.as_json)


@main.command()
@click.argument("generation_id")
@_json
@click.pass_obj
def delete(connection: ConnectionOptions, generation_id: str) -> None:
    """Delete a generation."""
    connection.client().delete(generation_id)
    click.echo(json.dumps({"deleted": generation_id}) if connection.as_json else f"deleted {generation_id}")


@main.command()
@click.argument("generation_id")
@_timeout("Seconds for the whole command.")
@click.option(
    "-o",
    "--output",
    "directory",
    type=_folder,
    help="Save the results to this folder, and print their paths.",
)
@_overwrite
@_delete
@_json
@click.pass_obj
def wait(
    connection: ConnectionOptions,
    generation_id: str,
    timeout: float,
    directory: Path | None,
    overwrite: bool,
    delete_on_timeout: bool,
) -> None:
    """Wait until a generation is completed, and print it."""
    client, begun = connection.client(), time.monotonic()
    with Progress() as progress:
        done = client.wait(
            generation_id, timeout=timeout, on_poll=progress.polled, delete_on_timeout=delete_on_timeout
        )
        if directory is not None:
            left = max(timeout - (time.monotonic() - begun), 0.0)
            paths = client.download(
                done, directory, timeout=left, overwrite=overwrite, on_progress=progress.received
            )
    if directory is None:
        output.show(done, connection.as_json)
    else:
        output.show_paths(paths, connection.as_json)


@main.command()
@click.argument("generation_id")
@_timeout("Seconds for the whole command.")
@_saving
@_json
@click.pass_obj
def download(connection: ConnectionOptions, /, generation_id: str, **options: Any) -> None:
    """Save the results of a completed generation, and print their paths."""
    with Progress() as progress:
        paths = connection.client().download(generation_id, on_progress=progress.received, **options)
    output.show_paths(paths, connection.as_json)


@main.command()
@_with_config
@_timeout("Seconds for the whole command.")
@_saving
@_delete
@_json
@click.pass_obj
def generate(connection: ConnectionOptions, /, **options: Any) -> None:
    """Create a generation, wait for it, save its results, and print their paths."""
    client = connection.client()
    output.announce_billing(client.base_url)
    with Progress() as progress:
        generated = client.generate(on_poll=progress.polled, on_progress=progress.received, **options)
    connection.resume = f"{client.command} download {generated.generation.id}"
    output.show_paths(generated.paths, connection.as_json)


@main.command("generate-many")
@click.argument("requests", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@_saving
@click.option(
    "--concurrency", type=click.IntRange(1), default=4, show_default=True,
    help="How many requests to process at a time.",
)  # fmt: skip
@click.option("--jobs", "jobs_file", type=click.Path(dir_okay=False, path_type=Path),
              show_default="jobs.jsonl in the folder",
              help="The jobs file, which records progress so that the command can be resumed.")  # fmt: skip
@click.option("--retry-failed", is_flag=True,
              help="Create and pay for generations again that failed in an earlier run.")  # fmt: skip
@_timeout("Seconds for each request.")
@_json
@click.pass_context
def generate_many(
    context: click.Context, /, requests: str, directory: Path, jobs_file: Path | None, **options: Any
) -> None:
    """Create many generations, wait for them, and save their results.

    FILE has one JSON object per line, such as {"model": "Qwen/Qwen-Image", "config": {"prompt": "A cup"}}.
    Use - for stdin. Repeat the same command to resume it: nothing is created twice. Add new lines at the end.
    """
    if requests == "-" and sys.stdin is None:
        raise click.UsageError("stdin is closed")
    with click.open_file(requests, "rb") as file:
        read = inputs.requests("stdin" if requests == "-" else requests, file.read())
    jobs = directory / "jobs.jsonl" if jobs_file is None else jobs_file
    connection: ConnectionOptions = context.obj
    client = connection.client()
    output.announce_billing(client.base_url)
    again = " (with the same requests on stdin)" if requests == "-" else ""
    connection.resume = connection.same_command() + again
    with Progress() as progress:
        progress.begun(len(read))
        outcomes = client.generate_many(
            read, directory, jobs_file=jobs, on_progress=progress.ended, **options
        )
    output.show_outcomes(outcomes, connection.as_json)
    if any(one.error is not None for one in outcomes):
        context.exit(SOME_FAILED)


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that enables shell completion.

    In bash, run: eval "$(netmind-client completion bash)"
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - used only here

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"click does not support the shell {shell}")
    click.echo(kind(main, {}, "netmind-client", "_NETMIND_CLIENT_COMPLETE").source())
