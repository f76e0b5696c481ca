"""All options of the fake: the default, description and check of each, and where it can be set.

Flags of ``netmind-mock serve``, environment variables, keys of its TOML file, pytest's ini values and flags,
and the arguments of ``create_app``, ``start`` and ``LiveServer`` are derived from the fields of
:class:`Options`. To add an option, add a field here, and use it where it takes effect.
"""

from __future__ import annotations

import types
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from netmind_mock.option_kinds import (
    DATE,
    FILE,
    FLAG,
    HOST,
    KEY,
    ORIGIN,
    TEXT,
    URL,
    Kind,
    number,
    one_of,
    whole,
)
from netmind_mock.stores import MAX_BYTES, MEMORY
from netmind_mock.validation import (
    Check,
    InvalidFile,
    checked,
    optional,
    shown,
    unknown_key,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "NETMIND_MOCK_"

# Where an option can be set.
SERVE: Final = "netmind-mock serve"  # as a flag, an environment variable, and a key of its TOML file
PYTEST: Final = "pytest"  # as an ini value, a flag and an environment variable
START: Final = "netmind_mock.start"
LIVE: Final = "netmind_mock.LiveServer"
APP: Final = "create_app"
_EVERYWHERE: Final = (SERVE, PYTEST, START, LIVE, APP)

_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


class Option(NamedTuple):
    """An option.

    Attributes:
        name: Its name in Python and in TOML files, and in upper case after ``NETMIND_MOCK_``.
        default: Its value if it is not set.
        about: What it does, in half a sentence.
        check: Returns a valid value, and raises ``Expected`` for others.
        kind: The type that its text is converted to: ``str``, ``int``, ``float`` or ``bool``.
        places: Where it can be set.
        several: Whether it can have several values.
        default_shown: The default as help texts show it.
        is_secret: Whether messages must not show its value.
    """

    name: str
    default: Any
    about: str
    check: Check
    kind: type
    places: tuple[str, ...]
    several: bool
    default_shown: str
    is_secret: bool

    @property
    def flag(self) -> str:
        """The flag of ``netmind-mock serve``, such as ``--max-jobs``."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def variable(self) -> str:
        """The environment variable."""
        return PREFIX + self.name.upper()

    def checked(self, label: object, value: Any) -> Any:
        """Return a value after checking it.

        Raises:
            InvalidFile: The value is not valid. The message says where it is and what was expected.
        """
        if not self.several:
            return checked(label, self.name, value, self.check, is_secret=self.is_secret)
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list | tuple):
            raise InvalidFile(f"{label}: {self.name}: expected a list, got {self.got(value)}")
        return tuple(checked(label, self.name, one, self.check, is_secret=self.is_secret) for one in values)

    def read(self, value: str) -> Any:
        """Return one value from the text of a flag, an environment variable or an ini value.

        Raises:
            Expected: The value is not valid.
        """
        return self.check(_from_text(value, self.kind))

    def got(self, value: object) -> str:
        """Return a value as messages may show it: only its type if it is secret."""
        return type(value).__name__ if self.is_secret else shown(value)


def _from_text(value: str, kind: type) -> Any:
    """Convert a text to a type. Return the text itself if that is not possible: the check then refuses it."""
    word = value.strip().lower()
    if kind is bool and word in (*_TRUE, *_FALSE):
        return word in _TRUE
    try:
        return kind(value) if kind in (int, float) else value
    except ValueError:
        return value


def _option(
    default: Any,
    kind: Kind,
    about: str,
    places: tuple[str, ...] = (SERVE, LIVE, APP),
    *,
    shown: str = "",
    is_secret: bool = False,
) -> Any:
    check = optional(kind.check) if default is None else kind.check
    about_it = Option("", default, about, check, kind.type, places, default == (), shown, is_secret)
    return field(default=default, repr=not is_secret, metadata={"option": about_it})


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of a fake. They are checked, and have their defaults if they are not given.

    Raises:
        InvalidFile: A value is not valid. The message says what was expected.
    """

    host: str = _option("127.0.0.1", TEXT, "address to listen on", (SERVE,))
    port: int = _option(8000, whole(0, 65_535), "port to listen on; 0 picks a free one", (SERVE,))
    fd: int | None = _option(
        None,
        whole(0, 1 << 20),
        "file descriptor of an inherited listening socket to serve on, instead of --host and --port",
        (SERVE,),
    )
    ready_file: str | None = _option(
        None, TEXT, "write the base URL to this file once the server responds", (SERVE,)
    )
    end_with_stdin: bool = _option(
        False, FLAG, "exit when standard input closes, for example when the parent process ends", (SERVE,)
    )
    workers: int = _option(
        1, whole(1, 64), "number of processes; with more than one, --store must be a database", (SERVE,)
    )
    store: str = _option(
        MEMORY,
        TEXT,
        "where jobs are stored: memory, sqlite:///FILE or postgresql://USER@HOST/DATABASE",
        is_secret=True,
    )
    max_jobs: int = _option(1_000_000, whole(1, 1 << 53), "limit on jobs; the oldest are evicted")
    max_bytes: int = _option(
        MAX_BYTES,
        whole(1, 1 << 53),
        "limit on the bytes of the models and configs of all jobs; the oldest jobs are evicted",
    )
    retain: float | None = _option(
        None, number(0, above=True), "seconds after which a job is evicted", shown="never"
    )
    profile: str = _option(
        "documented", TEXT, "how the API behaves: documented, observed, or a TOML file", _EVERYWHERE
    )
    duration: float = _option(2.0, number(0, 1e9), "how long a job takes, in seconds", _EVERYWHERE)
    speed: float = _option(
        1.0, number(0, 1e6, above=True), "simulated seconds per real second", (SERVE, LIVE)
    )
    now: str | None = _option(
        None,
        DATE,
        "simulated date and time (UTC) at the start, such as 2025-09-18 09:14:20",
        (SERVE, PYTEST, START, LIVE),
        shown="the time of the system",
    )
    seed: int | None = _option(
        None,
        whole(0, 1 << 63),
        "seed of job ids and random choices; the same seed gives the same values",
        _EVERYWHERE,
        shown="none; 0 inside a test",
    )
    api_key: tuple[str, ...] = _option(
        (),
        TEXT,
        "accept only this API key (repeatable); each key is a separate account",
        (SERVE, START, LIVE, APP),
        shown="every key",
        is_secret=True,
    )
    strict_models: bool = _option(False, FLAG, "refuse models that are not in the catalogue", _EVERYWHERE)
    public_url: str | None = _option(
        None,
        URL,
        "base of result URLs, such as the URL of a reverse proxy, except for requests to an --allowed-host",
        shown="the address that the client called",
    )
    allowed_host: tuple[str, ...] = _option(
        (),
        HOST,
        "host that result URLs may be built from, in addition to loopback names (repeatable)",
        shown="loopback names only",
    )
    trust_proxy: int = _option(
        0,
        whole(0, 10),
        "number of reverse proxies in front, whose headers X-Forwarded-For, -Proto, -Host, -Port and -Prefix "
        "are used",
        (SERVE, APP),
    )
    cors_origin: tuple[str, ...] = _option(
        (),
        ORIGIN,
        "origin of pages that may call the API in a browser, such as http://localhost:5173; * for all "
        "(repeatable)",
        (SERVE, LIVE, APP),
        shown="none",
    )
    rules: str | None = _option(None, FILE, "TOML file of rules: which jobs get which scenario", _EVERYWHERE)
    prices: str | None = _option(
        None, FILE, "TOML file with the price of each model's jobs", _EVERYWHERE, shown="1 per job"
    )
    journal: int = _option(
        10_000,
        whole(0, 10_000_000),
        "limit on requests in the journal; 0 turns it off",
        (SERVE, START, LIVE, APP),
    )
    latency: str | None = _option(
        None,
        TEXT,
        "simulated latency in seconds: 0.2, a range 0.1-0.5, or lognormal:MEDIAN,SIGMA",
        shown="none",
    )
    capacity: int | None = _option(
        None,
        whole(1, 100_000),
        "limit on concurrent jobs per account; further jobs stay pending",
        shown="none",
    )
    rate_limit: str | None = _option(
        None,
        TEXT,
        "limit on requests per account, such as 10/s, 60/m or 1000/h; above it, requests get 429",
        shown="none",
    )
    log: str = _option(
        "none",
        one_of("none", "text", "json"),
        "write a line to stderr for each request to the API: none, text or json",
        (SERVE,),
    )
    control_key: str | None = _option(
        None,
        KEY,
        "key required in the X-Mock-Key header for /__mock/",
        shown="generated if the server listens on a non-loopback address",
        is_secret=True,
    )
    base_url: str = _option(
        "https://api.netmind.ai",
        URL,
        "address of the API that the fake replaces inside a test",
        (PYTEST, START),
    )
    max_polls: int = _option(
        1000,
        whole(0, 1 << 53),
        "limit on polls of one job, after which the test is ended; 0 for no limit",
        (PYTEST, START),
    )
    patch_sleep: bool = _option(
        False, FLAG, "make time.sleep and asyncio.sleep use the virtual clock in every test", (PYTEST, START)
    )
    unused: str = _option(
        "fail",
        one_of("fail", "ignore"),
        "result of a test whose scenarios or faults were never used: fail or ignore",
        (PYTEST, START, LIVE),
    )

    def __post_init__(self) -> None:
        """Check all values."""
        for name, option in OPTIONS.items():
            object.__setattr__(self, name, option.checked("options", getattr(self, name)))

    @property
    def start(self) -> float | None:
        """Return the time of ``now`` in seconds since the epoch; None if it is not set."""
        return None if self.now is None else datetime.fromisoformat(f"{self.now}+00:00").timestamp()


OPTIONS: Final[Mapping[str, Option]] = types.MappingProxyType(
    {one.name: one.metadata["option"]._replace(name=one.name) for one in fields(Options)}
)


def options_of(place: str) -> dict[str, Option]:
    """Return the options that can be set in a place, by name."""
    return {name: option for name, option in OPTIONS.items() if place in option.places}


def options_from(place: str, **given: Any) -> Options:
    """Return options from the arguments of a function.

    Args:
        place: The function: ``START``, ``LIVE`` or ``APP``.
        given: The arguments.

    Raises:
        InvalidFile: There is no such option (the message suggests the nearest name), or a value is not
            valid.
    """
    known = options_of(place)
    for name, value in given.items():
        if name not in known:
            raise unknown_key(place, name, known)
        given[name] = known[name].checked(place, value)
    return Options(**given)


def check_variables(variables: Mapping[str, str]) -> None:
    """Check that each environment variable with the prefix belongs to an option, and that no key is empty.

    Raises:
        InvalidFile: One does not; the message suggests the nearest name. Or a key is empty: otherwise, a
            variable that was not filled in would turn off the key.
    """
    known = {option.variable: option for option in OPTIONS.values()}
    for variable, value in variables.items():
        if not variable.startswith(PREFIX) or variable == f"{PREFIX}CONFIG":
            continue
        if variable not in known:
            raise unknown_key("environment", variable, {*known, f"{PREFIX}CONFIG"})
        if known[variable].is_secret and not value.strip():
            raise InvalidFile(f"environment: {variable}: expected a value that is not empty; or unset it")
