"""The command ``netmind-mock``; each option of ``serve`` is also an environment variable and a TOML key."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netmind_mock.errors import ApiError
from netmind_mock.hosts import is_loopback, parse_host
from netmind_mock.jobs.catalogue import catalogue
from netmind_mock.jobs.profile import SHIPPED, shipped_profile
from netmind_mock.journal import access_log
from netmind_mock.journal.entries import MOST_ENTRIES
from netmind_mock.simulation.faults import KINDS
from netmind_mock.simulation.scenarios import SCENARIOS
from netmind_mock.stores import Limits, StoreUnavailable
from netmind_mock.validation import InvalidFile, read_toml, shown, unknown_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from netmind_mock.validation import Parameter

_PUBLIC_URL = re.compile(r"https?://([^/?#\s]+)(?:/[^?#\s]*)?")


class _Refused(click.ClickException):
    """A mistake of the user's: one sentence, no traceback, exit code 2."""

    exit_code = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="netmind-testkit")
def main() -> None:
    """A fake of NetMind's generation API, for developing and testing offline.

    Not the real service, not affiliated with it, and it makes no AI.
    """


def _option(flag: str, **attributes: Any) -> Callable[[Any], Any]:
    name = flag.removeprefix("--").upper().replace("-", "_")
    return click.option(flag, envvar=f"NETMIND_MOCK_{name}", show_envvar=True, **attributes)


def _read_config(context: click.Context, _parameter: click.Parameter, file: Path | None) -> None:
    """Make the keys of a TOML file the options' defaults; flags and environment variables come first."""
    if file is None:
        return
    options = {
        option.name: option for option in context.command.params if option.name not in ("config", "help")
    }
    try:
        content = read_toml(file)
        for key, value in content.items():
            if key not in options:
                raise unknown_key(file, key, filter(None, options))
            _check_value(context, file, options[key], value)
    except InvalidFile as error:
        raise _Refused(str(error)) from None
    for key in ("profile", "rules", "prices"):
        if str(content.get(key, "")).endswith(
            ".toml"
        ):  # as with extends in a profile, from the file that has it
            content[key] = str(file.parent / content[key])
    context.default_map = content


def _check_value(context: click.Context, file: Path, option: click.Parameter, value: Any) -> None:
    kinds: tuple[type, ...] = {"integer": (int,), "float": (int, float), "boolean": (bool,)}.get(
        option.type.name.removesuffix(" range"), (str,)
    )
    several = isinstance(option, click.Option) and option.multiple
    values = value if several and isinstance(value, list) else [value]
    well_typed = isinstance(value, list) is several and all(
        isinstance(item, kinds) and (isinstance(item, bool) is (kinds == (bool,))) for item in values
    )
    if not well_typed:
        kind = {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}[kinds[-1]]
        expected = f"a list, each of it {kind}" if several else kind
        got = type(value).__name__ if option.name in ("store", "control_key") else shown(value)
        raise InvalidFile(f"{file}: {option.name}: expected {expected}, got {got}")
    try:
        for item in values:
            option.type.convert(item, option, context)
    except click.BadParameter as error:
        raise InvalidFile(f"{file}: {option.name}: {error.message}") from None


@main.command(context_settings={"show_default": True})
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=_read_config,
    envvar="NETMIND_MOCK_CONFIG",
    show_envvar=True,
    help="TOML file with any of these options as keys, such as duration = 5.",
)
@_option("--host", default="127.0.0.1", help="Address to listen on.")
@_option("--port", default=8000, type=click.IntRange(0, 65535), help="Port to listen on; 0 picks a free one.")
@_option(
    "--ready-file",
    type=click.Path(dir_okay=False),
    help="Write the base URL to this file once the server answers.",
)
@_option(
    "--store",
    default="memory",
    help="Where jobs are kept: memory, sqlite:///FILE or postgresql://USER@HOST/DATABASE.",
)
@_option(
    "--workers",
    default=1,
    type=click.IntRange(1, 64),
    help="Processes that answer; more than one need a store other than memory.",
)
@_option(
    "--max-jobs",
    default=Limits().max_jobs,
    type=click.IntRange(1),
    help="How many jobs are kept at most; the oldest are evicted.",
)
@_option(
    "--retain",
    type=click.FloatRange(0, min_open=True),
    show_default="never",
    help="Seconds after which a job is evicted.",
)
@_option("--profile", default="documented", help="How the API behaves: documented, observed, or a TOML file.")
@_option("--duration", default=2.0, type=click.FloatRange(0, 1e9), help="How long a job takes, in seconds.")
@_option(
    "--speed",
    default=1.0,
    type=click.FloatRange(0, 1e6, min_open=True),
    help="Seconds that pass in a real one.",
)
@_option(
    "--seed", type=click.IntRange(0), help="Give the same job ids, in the same order, for the same seed."
)
@_option(
    "--api-key",
    multiple=True,
    help="Accept this token (repeatable). Without: every token is a tenant of its own.",
)
@_option("--strict-models", is_flag=True, help="Refuse models that are not in the catalogue.")
@_option(
    "--public-url",
    callback=lambda _context, _option, url: _checked_public_url(url),
    help="What result URLs begin with for requests whose Host is not allowed.",
)
@_option(
    "--allowed-host",
    multiple=True,
    help="Host beyond loopback that result URLs may be built from (repeatable).",
)
@_option(
    "--rules",
    type=click.Path(exists=True, dir_okay=False),
    help="TOML file of rules: which jobs go which way.",
)
@_option(
    "--prices", type=click.Path(exists=True, dir_okay=False), help="TOML file of what each model's jobs cost."
)
@_option(
    "--journal",
    default=MOST_ENTRIES,
    type=click.IntRange(0, 10_000_000),
    help="How many requests are remembered at most.",
)
@_option(
    "--latency",
    show_default="none",
    help="Seconds by which answers come late: 0.2, a range 0.1-0.5, or lognormal:MEDIAN,SIGMA.",
)
@_option(
    "--capacity",
    type=click.IntRange(1, 100_000),
    show_default="any number",
    help="How many jobs of an account run at once; the others stay pending.",
)
@_option(
    "--rate-limit",
    show_default="none",
    help="How many requests an account may make, such as 10/s, 60/m or 1000/h; then 429.",
)
@_option(
    "--log",
    default=access_log.NONE,
    type=click.Choice(access_log.FORMATS),
    help="Write a line on stderr for each request to the imitated API.",
)
@_option("--wire-faults", is_flag=True, help="Also carry out faults of the connection; answers slower.")
@_option(
    "--control-key",
    help="What /__mock/ wants as X-Mock-Key; without it, beyond loopback, one is made up and printed.",
)
@_option(
    "--fd",
    type=click.IntRange(0),
    help="Serve on this inherited, listening socket instead of --host and --port.",
)
@_option(
    "--end-with-stdin", is_flag=True, help="End when standard input is closed, as by the end of a parent."
)
def serve(  # noqa: PLR0913 - click hands over each option by its name
    *,
    store: str,
    workers: int,
    max_jobs: int,
    retain: float | None,
    host: str,
    port: int,
    ready_file: str | None,
    profile: str,
    duration: float,
    speed: float,
    seed: int | None,
    api_key: tuple[str, ...],
    strict_models: bool,
    public_url: str | None,
    allowed_host: tuple[str, ...],
    rules: str | None,
    prices: str | None,
    journal: int,
    latency: str | None,
    capacity: int | None,
    rate_limit: str | None,
    log: str,
    wire_faults: bool,
    control_key: str | None,
    fd: int | None,
    end_with_stdin: bool,
) -> None:
    """Serve the fake until Ctrl-C or SIGTERM."""
    # granian takes 0.1 s to import; --help and mistakes should not wait for it.
    from netmind_mock.serving import server  # noqa: PLC0415

    try:
        listener = server.listen(host, port) if fd is None else server.adopt(fd)
        host = host if fd is None else listener.getsockname()[0]
        base_url = _base_url(host, listener.getsockname()[1])
        made_up = control_key is None and not is_loopback(host)
        settings = server.Settings(
            store=store,
            workers=workers,
            max_jobs=max_jobs,
            retain=retain,
            profile=profile,
            duration=duration,
            speed=speed,
            seed=seed,
            api_keys=api_key,
            strict_models=strict_models,
            allowed_hosts=(*allowed_host, *_own_host(host)),
            rules=rules,
            prices=prices,
            journal=journal,
            latency=latency,
            capacity=capacity,
            rate_limit=rate_limit,
            control_key=secrets.token_urlsafe(16) if made_up else control_key,
            log=log,
            wire_faults=wire_faults,
            end_with_stdin=end_with_stdin,
        )
        server.check(settings, public_url or base_url)
    except ApiError:
        raise _Refused("--api-key: expected a token without white space in it") from None
    except (server.CannotListen, ValueError) as error:
        raise _Refused(str(error)) from None
    except StoreUnavailable as error:
        raise _Refused(f"store: it cannot be read or written now: {error}") from None
    banner = _banner(base_url, profile, duration / speed, keys_given=bool(api_key))
    if made_up:
        banner += f"  /__mock/ wants the header X-Mock-Key: {settings.control_key}\n"
    with _ready_file(ready_file) as write_ready_file:

        def on_ready() -> None:
            write_ready_file(base_url)
            click.echo(banner)

        server.serve(settings, listener, public_url or base_url, on_ready)


def _checked_public_url(text: str | None) -> str | None:
    found = _PUBLIC_URL.fullmatch(text or "")
    if text is not None and (found is None or parse_host(found[1]) is None):
        raise _Refused(f"--public-url: expected a URL such as https://mock.example.org, got {shown(text)}")
    return text


def _base_url(host: str, port: int) -> str:
    """Where a client on this machine reaches the server."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host)  # noqa: S104 - translated
    return f"http://{reachable or (f'[{host}]' if ':' in host else host)}:{port}"


def _own_host(host: str) -> tuple[str, ...]:
    """The host that is listened on, if it is one that a client can name."""
    return () if host in ("", "0.0.0.0", "::") else (f"[{host}]" if ":" in host else host,)  # noqa: S104 - compared


def _banner(base_url: str, profile: str, seconds: float, *, keys_given: bool) -> str:
    key = "<one of your --api-key>" if keys_given else "any-token"
    body = '{"model": "Qwen/Qwen-Image", "config": {"prompt": "Generate a cup of coffee"}}'
    return "\n".join(
        [
            f"netmind-mock {version('netmind-testkit')}: a fake of NetMind's generation API on {base_url}",
            f"profile {profile}, a job takes {seconds:g} s. Look at it: {base_url}/__mock/ (Ctrl-C ends it)",
            "",
            f"  export NETMIND_BASE_URL={base_url} NETMIND_API_KEY='{key}'",
            '  curl "$NETMIND_BASE_URL/v1/generation" -H "Authorization: Bearer $NETMIND_API_KEY" \\',
            f"    -H 'Content-Type: application/json' -d '{body}'",
            "",
        ]
    )


@contextlib.contextmanager
def _ready_file(file: str | None) -> Iterator[Callable[[str], None]]:
    """A function that writes the file whole, so that a reader never sees half; it is removed at the end."""

    def write(base_url: str) -> None:
        if file is None:
            return
        folder, name = os.path.split(os.path.abspath(file))  # noqa: PTH100 - the folder must not be resolved
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix=f".{name}.", delete=False) as temporary:
            temporary.write(base_url + "\n")
        Path(temporary.name).replace(file)

    if file is not None:
        try:  # that it cannot be written is better told before than after the start
            with tempfile.TemporaryFile(dir=Path(file).absolute().parent):
                pass
            Path(file).unlink(missing_ok=True)  # an earlier server's, which was killed
        except OSError as error:
            raise _Refused(f"--ready-file: {file} cannot be written: {error.strerror}") from None
    try:
        yield write
    finally:
        if file is not None:
            Path(file).unlink(missing_ok=True)


@main.command()
@click.argument("name", type=click.Choice(SHIPPED), default="documented")
def profile(name: str) -> None:
    """Print a shipped profile, to begin one of your own with."""
    click.echo(shipped_profile(name).read_text(encoding="utf-8"), nl=False)


@main.command()
def models() -> None:
    """List the models of the catalogue: what each makes, how it is known, and its options."""
    for model in catalogue().values():
        options = ", ".join(model.config_schema["properties"])
        click.echo(f"{model.name}  ({model.kind}; {model.level}: {model.source})\n    {options}")


@main.command()
@click.argument("name", type=click.Choice([*SCENARIOS, *KINDS]), required=False, metavar="[NAME]")
def scenarios(name: str | None) -> None:
    """List what can be ordered: scenarios of jobs, and kinds of faults, with their arguments."""
    if name is None:
        click.echo("Scenarios: what can become of a job\n")
    for scenario in SCENARIOS.values():
        if name in (None, scenario.name):
            click.echo(f"  {scenario.name}  ({scenario.level}) {scenario.about}")
            _echo_parameters(scenario.parameters)
    if name is None:
        click.echo("\nFaults: what can go wrong with an answer\n")
    for kind_name, kind in KINDS.items():
        if name in (None, kind_name):
            click.echo(f"  {kind_name}  (of {', '.join(kind.operations)}) {kind.about}")
            _echo_parameters(kind.parameters)


def _echo_parameters(parameters: Mapping[str, Parameter]) -> None:
    for name, parameter in parameters.items():
        default = "none" if parameter.default is None else parameter.default
        click.echo(f"      {name}={default}: {parameter.about}")
