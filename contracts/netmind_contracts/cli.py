"""The command ``netmind-contracts``: show the contracts, and check messages and endpoints against them."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click

try:
    from netmind_contracts import checks, library
    from netmind_contracts.claims import Level, load_claims
    from netmind_contracts.learn import profile_of
    from netmind_contracts.probing.budget import EndpointError
    from netmind_contracts.probing.options import ProbeOptions
    from netmind_contracts.probing.probe import interruptible
    from netmind_contracts.reports import text
    from netmind_contracts.runs import exchange, har
except ModuleNotFoundError as missing:
    sys.exit(f"netmind-contracts needs {missing.name}: pip install 'netmind-testkit[contracts]'")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="netmind-testkit")
def main() -> None:
    """Contracts of NetMind's generation API (unofficial).

    Exit codes: 0 success, 1 a message or an endpoint violates its contract, 2 usage error or incomplete
    check, 130 interrupted.
    """


@main.command()
@click.option(
    "--level", type=click.Choice([level.value for level in Level]), help="Only claims of this level."
)
def claims(level: str | None) -> None:
    """List the claims about the API, each with its level, cost of checking, source and date."""
    for claim in load_claims():
        if level in (None, claim.level):
            known = f"{claim.level}; {claim.cost}; {claim.source}; {claim.date}"
            click.echo(f"{claim.id}  [{known}]\n    {claim.sentence}")


@main.command()
@click.argument("name", required=False, type=click.Choice(library.schema_names()), metavar="[NAME]")
def schema(name: str | None) -> None:
    """Print the JSON Schema NAME; without NAME, list the names."""
    click.echo(json.dumps(library.schema(name), indent=2) if name else "\n".join(library.schema_names()))


@main.command()
def openapi() -> None:
    """Print the OpenAPI 3.1 document. It is self-contained."""
    click.echo(json.dumps(library.openapi(), indent=2))


@main.command()
@click.argument("name", type=click.Choice(library.schema_names()), metavar="NAME")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--closed", is_flag=True, help="Also report fields that the schema does not define.")
@click.pass_context
def validate(context: click.Context, name: str, file: Path, closed: bool) -> None:
    """Validate the JSON message in FILE (- for standard input) against the schema NAME."""
    try:
        with click.open_file(str(file), encoding="utf-8-sig") as stream:
            message = json.load(stream)
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"{file}: expected a JSON document: {error}") from None
    found = library.violations(name, message, closed=closed)
    for violation in found:
        click.echo(str(violation))
    if found:
        context.exit(1)
    click.echo(f"valid: {name}")


_PATH = click.Path(dir_okay=False, path_type=Path)

_ENDPOINT = [
    click.Option(
        ["--base-url"],
        required=True,
        envvar="NETMIND_BASE_URL",
        show_envvar=True,
        help="Base URL of the endpoint.",
    ),
    click.Option(
        ["--api-key"],
        required=True,
        envvar="NETMIND_API_KEY",
        show_envvar=True,
        help="API key for the endpoint.",
    ),
    click.Option(
        ["--live"],
        is_flag=True,
        help="Allow an endpoint that is not on this machine. It may charge for generations.",
    ),
    click.Option(
        ["--max-creates"],
        type=click.IntRange(1),
        help="Maximum number of generations to create. [3 on this machine, and 1 more for each --request]",
    ),
    click.Option(["--free-only"], is_flag=True, help="Create no generations."),
    click.Option(
        ["--timeout"],
        type=click.FloatRange(1),
        default=1200.0,
        show_default=True,
        help="Maximum duration of the run, in seconds.",
    ),
    click.Option(
        ["--request", "request_files"],
        multiple=True,
        type=_PATH,
        help="Also create this generation: a file with the JSON of a create request. [repeatable]",
    ),
]
_DRY_RUN = click.Option(
    ["--dry-run"],
    is_flag=True,
    help="Print the requests and the maximum number of generations, and send nothing.",
)
_SAVE = click.Option(["--save"], type=_PATH, help="Write the recorded run to this file.")
_OUTPUT = click.Option(
    ["-o", "--output"], required=True, type=_PATH, help="TOML file to write the profile to."
)
# Each parameter has the name of the function in ``reports`` that creates the report.
_REPORTS = [
    click.Option(["--report", "as_html"], type=_PATH, help="Write an HTML report to this file."),
    click.Option(["--json", "as_json"], type=_PATH, help="Write a JSON report to this file."),
    click.Option(["--junit", "as_junit"], type=_PATH, help="Write a JUnit XML report to this file."),
]


@main.command(params=[*_ENDPOINT, _DRY_RUN, _SAVE, *_REPORTS])
@click.pass_context
def verify(
    context: click.Context,
    /,
    *,
    dry_run: bool,
    save: Path | None,
    as_html: Path | None,
    as_json: Path | None,
    as_junit: Path | None,
    **endpoint: Any,
) -> None:
    """Send requests to an endpoint, and check every claim against its responses.

    Exits with 0 if every documented claim passed, 1 if one failed, 2 if not all of them could be checked.
    """
    options = ProbeOptions(**endpoint)
    with _as_usage_error():
        if dry_run:
            click.echo("\n".join(options.dry_run()))
            return
        run = _run(context, options, save)
    _report(context, run, as_html=as_html, as_json=as_json, as_junit=as_junit)


@contextlib.contextmanager
def _as_usage_error() -> Iterator[None]:
    """Exit with 2 and a one-sentence message if an endpoint cannot be probed or a file cannot be read."""
    try:
        yield
    except (EndpointError, exchange.InvalidRun) as error:
        raise click.UsageError(exchange.printable(str(error))) from None


def _run(context: click.Context, options: ProbeOptions, save: Path | None) -> exchange.Run:
    """Run the probe and save the run. If it is interrupted, save what was recorded and exit with 130."""
    probe = options.probe(_progress())
    try:
        with interruptible(probe):
            run = probe.run()
    except KeyboardInterrupt:
        if probe.undeleted:
            left = f"; not deleted: {', '.join(probe.undeleted)}"
        else:
            left = "; all created generations were deleted" if probe.created else "; nothing was created"
        click.echo(f"Interrupted{left}", err=True)
        for note in probe.notes:
            click.echo(exchange.printable(note), err=True)
        _save(context, probe.recorded(), save)
        context.exit(130)
    _save(context, run, save)
    return run


def _save(context: click.Context, run: exchange.Run, file: Path | None) -> None:
    if file is not None and not _written(file, partial(exchange.save, run)):
        context.exit(2)


@main.command(params=[*_ENDPOINT, _OUTPUT, _SAVE])
@click.pass_context
def learn(context: click.Context, /, *, output: Path, save: Path | None, **endpoint: Any) -> None:
    """Probe an endpoint, and write a profile that makes the fake behave like it.

    Behaviour that was not observed stays as documented. Use the file with netmind-mock serve --profile FILE.
    """
    if not output.parent.is_dir():
        raise click.UsageError(f"{output}: the folder {output.parent} does not exist; nothing was sent")
    with _as_usage_error():
        run = _run(context, ProbeOptions(**endpoint), save)
    profile = profile_of(run)
    try:
        output.write_text(profile, encoding="utf-8")
    except OSError as error:
        click.echo(profile)
        click.echo(f"{output}: cannot be written: {error.strerror}; the profile is printed instead", err=True)
        context.exit(2)
    for note in run.notes:
        click.echo(f"note: {exchange.printable(note)}", err=True)
    click.echo(f"{output}: {profile.count('source = ')} facts; try netmind-mock serve --profile {output}")


@main.command(params=[click.Argument(["file"], type=click.Path(path_type=Path)), *_REPORTS])
@click.pass_context
def judge(context: click.Context, /, *, file: Path, **reports: Path | None) -> None:
    """Check the claims on a run that verify --save wrote, or on a HAR file. Sends nothing.

    Exits with 0 if every documented claim passed, 1 if one failed, 2 if not all of them could be checked.
    """
    with _as_usage_error():
        run = har.read_run(file)
    _report(context, run, **reports)


def _report(context: click.Context, run: exchange.Run, **files: Path | None) -> None:
    """Print the verdicts, write each requested report, and exit."""
    verdicts = checks.judge(run)
    click.echo("\n".join(map(exchange.printable, text.table(run, verdicts))))
    code = text.exit_code(run, verdicts)
    for form, file in files.items():
        if file is not None:
            from netmind_contracts import reports  # noqa: PLC0415 - Jinja takes 40 ms to import

            report = getattr(reports, form)(run, verdicts)
            if not _written(file, partial(Path.write_text, data=report, encoding="utf-8")):
                code = text.INCOMPLETE
    context.exit(code)


def _written(file: Path, write: Callable[[Path], object]) -> bool:
    """Write a file. Return whether that succeeded; if not, print why."""
    try:
        write(file)
    except OSError as error:
        click.echo(f"{file}: cannot be written: {error.strerror}", err=True)
        return False
    return True


def _progress() -> Callable[[str], None]:
    """Return a function that prints each step once, on stderr."""
    last = ""

    def show(step: str) -> None:
        nonlocal last
        if step != last:
            click.echo(exchange.printable(step), err=True)
        last = step

    return show
