"""The command ``netmind-mock``."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import tempfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netmind_mock.errors import RefusedRequest
from netmind_mock.hosts import base_url, is_loopback
from netmind_mock.jobs.catalogue import catalogue
from netmind_mock.jobs.profile import SHIPPED, shipped_profile
from netmind_mock.options import PREFIX, SERVE, Options, check_variables, options_of
from netmind_mock.simulation.faults import KINDS
from netmind_mock.simulation.scenarios import SCENARIOS
from netmind_mock.stores import StoreUnavailable
from netmind_mock.validation import Expected, InvalidFile, nearest, read_toml, shown, unknown_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from netmind_mock.options import Option
    from netmind_mock.validation import Parameter


class _Refused(click.ClickException):
    """A usage error: one sentence, no traceback, exit code 2."""

    exit_code = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="netmind-testkit")
def main() -> None:
    """A fake server of NetMind's generation API, for development and tests without a network.

    It is not made by NetMind and runs no models: results are placeholder files.
    """


class _Value(click.ParamType[Any]):
    """The click type of an option's values."""

    def __init__(self, option: Option) -> None:
        self._option = option
        self.name = {int: "integer", float: "number"}.get(option.kind, "text")

    def convert(self, value: Any, _param: click.Parameter | None, _ctx: click.Context | None) -> Any:
        """Return the value of a text. Other values come from the config file and are already checked."""
        if not isinstance(value, str):
            return value
        try:
            return self._option.read(value)
        except Expected as expected:
            where = f"{self._option.flag} ({self._option.variable})"
            raise _Refused(f"{where}: expected {expected}, got {self._option.got(value)}") from None


def _serve_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add a flag for each option of ``serve`` to a command."""
    for option in reversed(options_of(SERVE).values()):
        attributes: dict[str, Any] = (
            {"is_flag": True} if option.kind is bool else {"type": _Value(option), "multiple": option.several}
        )
        about = f"{option.about[0].upper()}{option.about[1:]}."
        command = click.option(
            option.flag, default=option.default, envvar=option.variable, show_envvar=True, help=about,
            show_default=option.default_shown or not option.several, **attributes,
        )(command)  # fmt: skip
    return command


def _read_config(context: click.Context, _parameter: click.Parameter, file: Path | None) -> None:
    """Make the keys of a TOML file the options' defaults. Flags and environment variables override them."""
    known = options_of(SERVE)
    try:
        check_variables(os.environ)
        content = {} if file is None else read_toml(file)
        for key, value in content.items():
            if key not in known:
                raise unknown_key(file, key, known)
            if file is not None and key in ("profile", "rules", "prices") and str(value).endswith(".toml"):
                value = str(file.parent / value)  # noqa: PLW2901 - relative to the config file
            content[key] = known[key].checked(file, value)
    except InvalidFile as error:
        raise _Refused(str(error)) from None
    context.default_map = content


@main.command(context_settings={"show_default": True})
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=_read_config,
    envvar=f"{PREFIX}CONFIG",
    show_envvar=True,
    help="TOML file with any of these options as keys, such as duration = 5.",
)
@_serve_options
def serve(**given: Any) -> None:
    """Serve the fake until Ctrl-C or SIGTERM."""
    # uvicorn takes 0.1 s to import; --help and usage errors should not wait for it.
    from netmind_mock.serving import server  # noqa: PLC0415

    try:
        options = Options(**given)
        address = (options.host, options.port)
        listener = server.listen(*address) if options.fd is None else server.adopt(options.fd)
        host = options.host if options.fd is None else listener.getsockname()[0]
        port = listener.getsockname()[1]
        own_url = base_url(host, port)
        is_generated = options.control_key is None and not is_loopback(host)
        options = replace(
            options,
            host=host,
            port=port,
            control_key=secrets.token_urlsafe(16) if is_generated else options.control_key,
        )
        app = server.served_app(options)
    except RefusedRequest:
        raise _Refused("--api-key: expected a key without white space, of 1 to 2048 characters") from None
    except (server.CannotListen, ValueError) as error:
        raise _Refused(str(error)) from None
    except StoreUnavailable as error:
        raise _Refused(f"--store: it cannot be read or written now: {error}") from None
    banner = _banner(own_url, options)
    if is_generated:
        banner += f"  /__mock/ requires the header X-Mock-Key: {options.control_key}\n"
    with _ready_file(options.ready_file) as write_ready_file:

        def on_ready() -> None:
            write_ready_file(own_url)
            click.echo(banner)

        server.serve(options, app, listener, on_ready)


def _banner(base_url: str, options: Options) -> str:
    key = "<one of your --api-key>" if options.api_key else "any-token"
    duration = f"a job takes {options.duration / options.speed:g} s"
    body = '{"model": "Qwen/Qwen-Image", "config": {"prompt": "Generate a cup of coffee"}}'
    return "\n".join(
        [
            f"netmind-mock {version('netmind-testkit')}: a fake of NetMind's generation API on {base_url}",
            f"profile {options.profile}, {duration}. Dashboard: {base_url}/__mock/ (press Ctrl-C to stop)",
            "",
            f"  export NETMIND_BASE_URL={base_url} NETMIND_API_KEY='{key}'",
            '  curl "$NETMIND_BASE_URL/v1/generation" -H "Authorization: Bearer $NETMIND_API_KEY" \\',
            f"    -H 'Content-Type: application/json' -d '{body}'",
            "",
        ]
    )


_MAX_READY_BYTES = 300


@contextlib.contextmanager
def _ready_file(file: str | None) -> Iterator[Callable[[str], None]]:
    """Return a function that writes the ready file. The file is removed at the end.

    It is written under another name and renamed, so that a reader never sees a part of it. A file that no
    server has written is not replaced.

    Raises:
        _Refused: It cannot be written, or is another file.
    """
    written = False

    def write(base_url: str) -> None:
        if file is None:
            return
        folder, name = os.path.split(os.path.abspath(file))  # noqa: PTH100 - the folder must not be resolved
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix=f".{name}.", delete=False) as temporary:
            temporary.write(base_url + "\n")
        Path(temporary.name).replace(file)
        nonlocal written
        written = True

    if file is not None:
        try:  # fail before the server starts if the file cannot be written
            with tempfile.TemporaryFile(dir=Path(file).absolute().parent):
                pass
            if not _is_ready_file(Path(file)):
                raise _Refused(
                    f"--ready-file: {file} exists, and no server has written it; name another file"
                )
            Path(file).unlink(missing_ok=True)  # of an earlier server that was killed
        except OSError as error:
            raise _Refused(f"--ready-file: {file} cannot be written: {error.strerror}") from None
    try:
        yield write
    finally:
        if file is not None and written:
            Path(file).unlink(missing_ok=True)


def _is_ready_file(file: Path) -> bool:
    """Return whether a file is the ready file of an earlier server, or is empty or missing."""
    try:
        with file.open("rb") as content:
            beginning = content.read(_MAX_READY_BYTES)
    except FileNotFoundError:
        return True
    return not beginning or re.fullmatch(rb"https?://[!-~]+\n", beginning) is not None


@main.command()
@click.argument("url", required=False)
@click.option("--timeout", type=click.FloatRange(0.1, 60), default=3.0, show_default=True, help="Seconds.")
def health(url: str | None, timeout: float) -> None:
    """Exit with 0 if the fake at URL can serve, otherwise with 1. It needs no key.

    Without URL, it is the address in the variables NETMIND_MOCK_HOST and NETMIND_MOCK_PORT, by default
    http://127.0.0.1:8000.
    """
    import urllib.request  # noqa: PLC0415 - takes 20 ms to import

    host, port = (os.environ.get(PREFIX + name, "") for name in ("HOST", "PORT"))
    url = url or base_url(host or "127.0.0.1", int(port) if port.isdecimal() else 8000)
    if not url.startswith(("http://", "https://")):
        raise _Refused(f"expected a URL such as http://127.0.0.1:8000, got {shown(url)}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy of the environment
    try:
        opener.open(f"{url.rstrip('/')}/__mock/ready", timeout=timeout).close()
    except OSError as error:
        raise click.ClickException(f"{url}: the fake cannot serve: {error}") from None
    click.echo(f"{url}: the fake can serve")


@main.command()
@click.argument("name", type=click.Choice(SHIPPED), default="documented")
def profile(name: str) -> None:
    """Print a shipped profile, as a start for your own."""
    click.echo(shipped_profile(name).read_text(encoding="utf-8"), nl=False)


@main.command()
def models() -> None:
    """List the models of the catalogue: the kind of results, the level and source, and the options."""
    for model in catalogue().values():
        options = ", ".join(model.config_schema["properties"])
        click.echo(f"{model.name}  ({model.kind}; {model.level}: {model.source})\n    {options}")


@main.command()
@click.argument("name", required=False)
def scenarios(name: str | None) -> None:
    """List the scenarios of jobs and the kinds of faults, with their arguments."""
    known = {**SCENARIOS, **KINDS}
    if name is not None and name not in known:
        raise _Refused(f"no scenario or fault is called {shown(name)}; {nearest(name, known)}")
    if name is None:
        click.echo("Scenarios: how a job goes\n")
    for scenario in SCENARIOS.values():
        if name in (None, scenario.name):
            click.echo(f"  {scenario.name}  ({scenario.level}) {scenario.about}")
            _echo_parameters(scenario.parameters)
    if name is None:
        click.echo("\nFaults: changes of a response\n")
    for kind_name, kind in KINDS.items():
        if name in (None, kind_name):
            click.echo(f"  {kind_name}  (of {', '.join(kind.operations)}) {kind.about}")
            _echo_parameters(kind.parameters)


def _echo_parameters(parameters: Mapping[str, Parameter]) -> None:
    for name, parameter in parameters.items():
        default = "none" if parameter.default is None else parameter.default
        click.echo(f"      {name}={default}: {parameter.about}")
