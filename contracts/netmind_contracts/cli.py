"""The command ``netmind-contracts``: show the contracts, and check messages and endpoints against them."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

try:
    from netmind_contracts import checks, library
    from netmind_contracts.claims import Level, load_claims
    from netmind_contracts.learn import profile_of
    from netmind_contracts.probing.budget import EndpointError
    from netmind_contracts.probing.options import ProbeOptions
    from netmind_contracts.probing.probe import Probe, interruptible
    from netmind_contracts.reports import changes, files, text
    from netmind_contracts.runs import exchange, har
    from netmind_contracts.watching import comparison, known_departures, snapshot
    from netmind_contracts.watching.expected import Expected
except ModuleNotFoundError as missing:
    sys.exit(f"netmind-contracts needs {missing.name}: pip install 'netmind-testkit[contracts]'")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="netmind-testkit")
def main() -> None:
    """Contracts of NetMind's generation API (unofficial).

    Exit codes: 0 success, 1 a message or an endpoint violates its contract, 2 usage error or incomplete
    check, 3 an endpoint changed, 130 interrupted.
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
@click.option(
    "--bundle/--no-bundle",
    default=True,
    show_default=True,
    help="Include the schemas that it refers to, or refer to them by file name.",
)
def schema(name: str | None, bundle: bool) -> None:
    """Print the JSON Schema NAME; without NAME, list the names."""
    if name:
        click.echo(json.dumps(library.schema(name, bundle=bundle), indent=2))
    else:
        click.echo("\n".join(library.schema_names()))


@main.command()
def openapi() -> None:
    """Print the OpenAPI 3.1 document. It is self-contained, and generators of clients can read it."""
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


_PATH = click.Path(path_type=Path)

_ENDPOINT = [
    click.Option(
        ["--base-url"],
        envvar="NETMIND_BASE_URL",
        show_envvar=True,
        help="Base URL of the endpoint.",
    ),
    click.Option(
        ["--api-key"],
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
_KNOWN = click.Option(
    ["--known"], type=_PATH, help="TOML file of known departures. They are shown, and are not failures."
)
_BASELINE = [
    click.Option(
        ["--baseline"], type=_PATH, help="Report what changed since the runs that are summed up in this file."
    ),
    click.Option(["--baseline-update"], is_flag=True, help="Create the baseline, or add this run to it."),
]
# Each parameter has the name of the function in ``reports`` that creates the report.
_REPORTS = [
    click.Option(["--report", "as_html"], type=_PATH, help="Write an HTML report to this file."),
    click.Option(["--json", "as_json"], type=_PATH, help="Write a JSON report to this file."),
    click.Option(["--junit", "as_junit"], type=_PATH, help="Write a JUnit XML report to this file."),
]


@main.command(params=[*_ENDPOINT, _DRY_RUN, _SAVE, _KNOWN, *_BASELINE, *_REPORTS])
@click.pass_context
def verify(
    context: click.Context,
    /,
    *,
    dry_run: bool,
    save: Path | None,
    known: Path | None,
    baseline: Path | None,
    baseline_update: bool,
    as_html: Path | None,
    as_json: Path | None,
    as_junit: Path | None,
    **endpoint: Any,
) -> None:
    """Send requests to an endpoint, and check every claim against its responses.

    Exits with 0 if every documented claim passed, 1 if one failed, 2 if not all of them could be checked,
    3 if something else changed since the baseline.
    """
    options = _options(endpoint)
    reports = {"as_html": as_html, "as_json": as_json, "as_junit": as_junit}
    with _as_usage_error():
        if dry_run:
            click.echo("\n".join(options.dry_run()))
            return
        written = baseline if baseline_update else None
        _check_writable(reports, **{"--save": save, "--baseline": written})
        expected = Expected.read(known, baseline, update=baseline_update)
        run, code = _run(options.probe(_progress()))
    saved = _saved(save, partial(exchange.save, run))
    verdict = _report(run, expected, reports)
    context.exit(code or saved or verdict)


def _options(endpoint: dict[str, Any]) -> ProbeOptions:
    """Return the options of a probe. Exit with 2 if one that is needed is missing."""
    for name in ("base_url", "api_key"):
        if endpoint[name] is None:
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(
                f"Missing option '{option}' (environment variable NETMIND_{name.upper()})."
            )
    return ProbeOptions(**endpoint)


_FILE_OPTIONS = {"as_html": "--report", "as_json": "--json", "as_junit": "--junit"}


def _check_writable(reports: dict[str, Path | None], **others: Path | None) -> None:
    """Exit with 2 if a file cannot be written. A run may cost money, so this is found out before it."""
    outputs = {_FILE_OPTIONS[form]: file for form, file in reports.items()}
    if problem := files.problem_of({**others, **outputs}):
        raise click.UsageError(f"{problem}; nothing was sent")


@contextlib.contextmanager
def _as_usage_error() -> Iterator[None]:
    """Exit with 2 and a one-sentence message if an endpoint cannot be probed or a file cannot be read."""
    try:
        yield
    except (EndpointError, exchange.InvalidRun) as error:
        raise click.UsageError(exchange.printable(str(error))) from None


def _run(probe: Probe) -> tuple[exchange.Run, int]:
    """Return the run, or what was recorded of it until it was interrupted, and the exit code."""
    try:
        with interruptible(probe):
            return probe.run(), 0
    except KeyboardInterrupt:
        if probe.undeleted:
            left = f"; not deleted: {', '.join(probe.undeleted)}"
        else:
            left = "; all created generations were deleted" if probe.created else "; nothing was created"
        click.echo(f"Interrupted{left}", err=True)
        return probe.recorded(), 130


def _saved(file: Path | None, write: Callable[[Path], object]) -> int:
    """Write a file, if there is one. Return the exit code."""
    return text.INCOMPLETE if file is not None and not _written(file, write) else 0


@main.command(
    params=[
        click.Argument(["file"], type=click.Path(path_type=Path), required=False),
        *_ENDPOINT,
        _OUTPUT,
        _SAVE,
    ]
)
@click.pass_context
def learn(
    context: click.Context, /, *, file: Path | None, output: Path, save: Path | None, **endpoint: Any
) -> None:
    """Write a profile that makes the fake behave like an endpoint.

    With FILE, a run that verify --save wrote or a HAR file, nothing is sent. Without it, probe an endpoint.
    Behaviour that was not observed stays as documented. Use the profile with netmind-mock serve --profile.
    """
    if file and context.get_parameter_source("base_url") is ParameterSource.COMMANDLINE:
        raise click.UsageError("expected FILE or --base-url, got both; nothing was sent")
    _check_writable({}, **{"--output": output, "--save": save})
    with _as_usage_error():
        run, code = (har.read_run(file), 0) if file else _run(_options(endpoint).probe(_progress()))
    code = max(code, _saved(save, partial(exchange.save, run)))
    profile = profile_of(run)
    for note in run.notes:
        click.echo(f"note: {exchange.printable(note)}", err=True)
    if _written(output, partial(Path.write_text, data=profile, encoding="utf-8")):
        count = profile.count("source = ")
        click.echo(f"{output}: {count} facts; try netmind-mock serve --profile {output}")
    else:
        click.echo(profile)
        click.echo("The profile is printed instead.", err=True)
        code = code or text.INCOMPLETE
    context.exit(code)


@main.command(params=[click.Argument(["file"], type=click.Path(path_type=Path)), _KNOWN, *_REPORTS])
@click.pass_context
def judge(context: click.Context, /, *, file: Path, known: Path | None, **reports: Path | None) -> None:
    """Check the claims on a run that verify --save wrote, or on a HAR file. Sends nothing.

    Exits with 0 if every documented claim passed, 1 if one failed, 2 if not all of them could be checked.
    """
    with _as_usage_error():
        run, expected = har.read_run(file), Expected.read(known)
    context.exit(_report(run, expected, reports))


@main.command(
    params=[
        click.Argument(["old"], type=click.Path(path_type=Path)),
        click.Argument(["new"], type=click.Path(path_type=Path)),
        *_REPORTS[:2],
    ]
)
@click.pass_context
def compare(
    context: click.Context, /, *, old: Path, new: Path, as_html: Path | None, as_json: Path | None
) -> None:
    """Report what changed between two runs. OLD and NEW are saved runs, HAR files or baselines.

    Exits with 0 if nothing changed, 1 if NEW contradicts a documented claim, 2 if NEW could not check all of
    them, 3 if something else changed.
    """
    with _as_usage_error():
        before, _ = snapshot.snapshot_in(old)
        after, run = snapshot.snapshot_in(new)
    found = comparison.compare(before, after)
    click.echo("\n".join(map(exchange.printable, changes.as_text(before, after, found))))
    code = text.exit_code(run, checks.judge(run)) if run else 0
    code = code or (text.CHANGED if any(change.is_news for change in found) else 0)
    written = [
        _saved(
            as_html, partial(Path.write_text, data=changes.as_html(before, after, found), encoding="utf-8")
        ),
        _saved(
            as_json,
            partial(Path.write_text, data=changes.as_json(before, after, found, code), encoding="utf-8"),
        ),
    ]
    context.exit(max(written) or code)


def _report(run: exchange.Run, expected: Expected, outputs: dict[str, Path | None]) -> int:
    """Print the verdicts, write each requested report and the baseline, and return the exit code."""
    now = snapshot.snapshot_of(run) if expected.baseline or expected.file else None
    found = comparison.compare(expected.baseline, now) if expected.baseline and now else ()
    run = replace(run, notes=(*run.notes, *(f"Changed since the baseline: {change}" for change in found)))
    run, verdicts = known_departures.apply_known(run, checks.judge(run), expected.known)
    click.echo("\n".join(map(exchange.printable, text.table(run, verdicts))))
    code = text.exit_code(run, verdicts)
    code = code or (text.CHANGED if any(change.is_news for change in found) else 0)
    for form, file in outputs.items():
        if file is not None:
            from netmind_contracts import reports  # noqa: PLC0415 - Jinja takes 40 ms to import

            report = getattr(reports, form)(run, verdicts)
            code = _saved(file, partial(Path.write_text, data=report, encoding="utf-8")) or code
    if now is not None and expected.file is not None:
        code = _saved(expected.file, partial(expected.save, now)) or code
    return code


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
