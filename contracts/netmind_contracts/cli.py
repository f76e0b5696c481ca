"""The command ``netmind-contracts``: the contracts, and whether messages and endpoints keep them."""

import contextlib
import dataclasses
import functools
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

try:
    from netmind_contracts import checks, library
    from netmind_contracts.claims import Level, load_claims
    from netmind_contracts.learn import profile_of
    from netmind_contracts.probing.budget import TargetError
    from netmind_contracts.probing.options import Look
    from netmind_contracts.probing.probe import interruptible
    from netmind_contracts.reports import text
    from netmind_contracts.runs import exchange, har
except ModuleNotFoundError as missing:
    sys.exit(f"netmind-contracts needs {missing.name}: pip install 'netmind-testkit[contracts]'")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="netmind-testkit")
def main() -> None:
    """Contracts of NetMind's generation API (unofficial).

    Exit codes: 0 all is well, 1 a message or an endpoint breaks its contract, 2 the command could not be
    carried out, 130 interrupted.
    """


@main.command()
@click.option(
    "--level", type=click.Choice([level.value for level in Level]), help="Only claims of this level."
)
def claims(level: str | None) -> None:
    """List what is claimed of the API: how it is known, what it costs to look at, and who says so."""
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
    """Print the OpenAPI 3.1 document, complete in itself."""
    click.echo(json.dumps(library.openapi(), indent=2))


@main.command()
@click.argument("name", type=click.Choice(library.schema_names()), metavar="NAME")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--closed", is_flag=True, help="Report fields that the schema does not name, too.")
@click.pass_context
def validate(context: click.Context, name: str, file: Path, closed: bool) -> None:
    """Judge the JSON message in FILE (- for standard input) by the schema NAME."""
    try:
        with click.open_file(str(file), encoding="utf-8-sig") as stream:
            message = json.load(stream)
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"{file}: not JSON that can be read: {error}") from None
    found = library.violations(name, message, closed=closed)
    for violation in found:
        click.echo(str(violation))
    if found:
        context.exit(1)
    click.echo(f"valid: {name}")


_PATH = click.Path(dir_okay=False, path_type=Path)

_LOOK_OPTIONS = (
    click.option(
        "--base-url", required=True, envvar="NETMIND_BASE_URL", show_envvar=True, help="The endpoint."
    ),
    click.option("--api-key", required=True, envvar="NETMIND_API_KEY", show_envvar=True, help="Its token."),
    click.option(
        "--live", is_flag=True, help="Needed for an endpoint that is not on this machine: it may charge."
    ),
    click.option(
        "--max-creates",
        type=click.IntRange(1),
        help="How many generations may be created. [3 on this machine]",
    ),
    click.option("--free-only", is_flag=True, help="Create nothing."),
    click.option(
        "--timeout",
        type=click.FloatRange(1),
        default=1200.0,
        show_default=True,
        help="Seconds for the whole run.",
    ),
    click.option(
        "--request",
        "request_files",
        multiple=True,
        type=_PATH,
        help="Create this one, too: a file with a create request's JSON. [repeatable]",
    ),
)


_REPORT_OPTIONS = (
    click.option("--report", type=_PATH, help="Write the verdicts to this file, as an HTML page."),
    click.option("--json", "json_file", type=_PATH, help="Write the verdicts to this file, as JSON."),
    click.option("--junit", type=_PATH, help="Write the verdicts to this file, as JUnit XML."),
)


def _reports(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say where verdicts are written, as ``files`` by their forms."""

    @functools.wraps(command)
    def gathered(
        *args: object, report: Path | None, json_file: Path | None, junit: Path | None, **options: Any
    ) -> None:
        files = {"as_html": report, "as_json": json_file, "as_junit": junit}
        command(*args, files={form: file for form, file in files.items() if file}, **options)

    return functools.reduce(lambda decorated, option: option(decorated), reversed(_REPORT_OPTIONS), gathered)


def _looks(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say what to look at, as one ``Look``."""

    @functools.wraps(command)
    def gathered(*args: object, **options: Any) -> None:
        values = {entry.name: options.pop(entry.name) for entry in dataclasses.fields(Look)}
        command(*args, look=Look(**values), **options)

    return functools.reduce(lambda decorated, option: option(decorated), reversed(_LOOK_OPTIONS), gathered)


@main.command()
@_looks
@click.option(
    "--dry-run", is_flag=True, help="Print the calls and the most that could be created; send nothing."
)
@click.option("--save", type=_PATH, help="Write what was recorded to this file.")
@_reports
@click.pass_context
def verify(
    context: click.Context, *, look: Look, dry_run: bool, save: Path | None, files: dict[str, Path]
) -> None:
    """Look at an endpoint, and say of every claim whether it holds there.

    Exits with 0 if every documented claim holds, 1 if one is broken, 2 if that could not be found out.
    """
    with _as_usage_error():
        if dry_run:
            click.echo("\n".join(look.dry_run()))
            return
        run = _run(context, look, save)
    _report(context, run, files)


@contextlib.contextmanager
def _as_usage_error() -> Iterator[None]:
    """Say in one sentence that an endpoint cannot be looked at, and exit with 2."""
    try:
        yield
    except TargetError as error:
        raise click.UsageError(exchange.printable(str(error))) from None


def _run(context: click.Context, look: Look, save: Path | None) -> exchange.Run:
    """Make the calls and save them, also when they are interrupted: then exit with 130."""
    probe = look.probe(_progress())
    try:
        with interruptible(probe):
            run = probe.run()
    except KeyboardInterrupt:
        if probe.undeleted:
            left = f"; still there: {', '.join(probe.undeleted)}"
        else:
            left = "; what was created is deleted" if probe.created else "; nothing was created"
        click.echo(f"Interrupted{left}", err=True)
        for note in probe.notes:
            click.echo(exchange.printable(note), err=True)
        _save(context, probe.recorded(), save)
        context.exit(130)
    _save(context, run, save)
    return run


def _save(context: click.Context, run: exchange.Run, file: Path | None) -> None:
    if file is not None:
        try:
            exchange.save(run, file)
        except OSError as error:
            click.echo(f"{file}: cannot be written: {error.strerror}", err=True)
            context.exit(2)


@main.command()
@_looks
@click.option("-o", "--output", required=True, type=_PATH, help="The profile to write, a TOML file.")
@click.option("--save", type=_PATH, help="Write what was recorded to this file.")
@click.pass_context
def learn(context: click.Context, *, look: Look, output: Path, save: Path | None) -> None:
    """Look at an endpoint, and write a profile that makes the fake behave alike.

    What the endpoint did not show is left as documented. netmind-mock serve --profile FILE takes it.
    """
    if not output.parent.is_dir():
        raise click.UsageError(f"{output}: there is no folder {output.parent}; nothing was sent")
    with _as_usage_error():
        run = _run(context, look, save)
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


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@_reports
@click.pass_context
def judge(context: click.Context, *, file: Path, files: dict[str, Path]) -> None:
    """Judge a run that verify --save wrote, or a HAR file, offline; exits like verify."""
    try:
        run = har.read_run(file)
    except exchange.InvalidRun as error:
        raise click.UsageError(exchange.printable(str(error))) from None
    _report(context, run, files)


def _report(context: click.Context, run: exchange.Run, files: dict[str, Path]) -> None:
    verdicts = checks.judge(run)
    click.echo("\n".join(map(exchange.printable, text.table(run, verdicts))))
    code = text.exit_code(run, verdicts)
    if files:
        from netmind_contracts import reports  # noqa: PLC0415 - Jinja takes 40 ms, for those who want files

        for form, file in files.items():
            if not _written(file, getattr(reports, form)(run, verdicts)):
                code = text.COULD_NOT_LOOK
    context.exit(code)


def _written(file: Path, text: str) -> bool:
    """Whether the text is in the file; says so if not."""
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        click.echo(f"{file}: cannot be written: {error.strerror}", err=True)
        return False
    return True


def _progress() -> Callable[[str], None]:
    """Prints what is going on, each thing once, apart from the table."""
    last = [""]

    def show(text: str) -> None:
        if text != last[0]:
            click.echo(exchange.printable(text), err=True)
        last[0] = text

    return show
