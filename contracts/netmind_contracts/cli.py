"""The command ``netmind-contracts``: look at the contracts, and judge a message by them."""

import json
from pathlib import Path

import click

from netmind_contracts import library
from netmind_contracts.claims import Level, load_claims


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="netmind-testkit")
def main() -> None:
    """Contracts of NetMind's generation API (unofficial).

    Exit codes: 0 all is well, 1 a message breaks its contract, 2 the command could not be carried out.
    """


@main.command()
@click.option(
    "--level", type=click.Choice([level.value for level in Level]), help="Only claims of this level."
)
def claims(level: str | None) -> None:
    """List what is claimed of the API, how it is known, and who says so."""
    for claim in load_claims():
        if level in (None, claim.level):
            click.echo(f"{claim.id}  [{claim.level}; {claim.source}; {claim.date}]\n    {claim.sentence}")


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
