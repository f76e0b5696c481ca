"""Fixtures of the fake for pytest. Only pytest is imported until one of them is used.

Each option is an ini value, a flag and an environment variable: ``netmind_mock_profile``,
``--netmind-mock-profile``, ``NETMIND_MOCK_PROFILE``; a flag comes before a variable before an ini value.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netmind_mock.testing.in_process import Mock
    from netmind_mock.testing.live import LiveMock, LiveServer
    from netmind_mock.testing.virtual_time import VirtualClock


class _Option(NamedTuple):
    read: Callable[[str], Any]
    about: str
    live: bool = True  # whether the served fake takes it, too


def _whether(text: str) -> bool:
    word = text.strip().lower()
    if word not in ("true", "false", "1", "0", "yes", "no", "on", "off"):
        raise ValueError("expected true or false")
    return word in ("true", "1", "yes", "on")


def _fail_or_ignore(text: str) -> str:
    if text not in ("fail", "ignore"):
        raise ValueError("expected fail or ignore")
    return text


_OPTIONS = {
    "profile": _Option(str, "how the API behaves: documented, observed, or a TOML file"),
    "duration": _Option(float, "how long a job takes, in seconds"),
    "seed": _Option(int, "decides job ids, and what chance decides"),
    "rules": _Option(str, "TOML file of rules: which jobs go which way"),
    "prices": _Option(str, "TOML file of what each model's jobs cost"),
    "strict_models": _Option(_whether, "refuse models that are not in the catalogue"),
    "base_url": _Option(str, "the address that the fake in process answers for", live=False),
    "max_polls": _Option(int, "how often one job may be polled before its test is ended", live=False),
    "patch_sleep": _Option(_whether, "couple time.sleep and asyncio.sleep in every test", live=False),
    "unused": _Option(
        _fail_or_ignore, "fail or ignore orders for a next job that no create used", live=False
    ),
}
_MARK = (
    "netmind(scenario=None, sleep=False, **arguments): for the fixtures netmind_mock and netmind_server: "
    "what becomes of the test's jobs; sleep=True couples time.sleep and asyncio.sleep to the virtual clock"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the fake."""
    group = parser.getgroup("netmind mock", "fake of NetMind's generation API (netmind_mock)")
    for name, option in _OPTIONS.items():
        dashed = name.replace("_", "-")
        group.addoption(f"--netmind-mock-{dashed}", metavar="VALUE", help=option.about)
        parser.addini(f"netmind_mock_{name}", option.about)


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark."""
    config.addinivalue_line("markers", _MARK)


@pytest.fixture
def netmind_mock(request: pytest.FixtureRequest) -> Iterator[Mock]:
    """A fake in process, without a socket or waiting: answers ``requests`` and ``httpx``."""
    from netmind_mock.testing.in_process import Mock  # noqa: PLC0415 - as the module says

    mock = _made(lambda: Mock(**_options(request.config)))
    mark, arguments = _marked(request)
    mock.start()
    try:
        if mark.pop("sleep", False):
            mock.clock.patch_sleep()
        _order(request, mock, mark, arguments)
        yield mock
    finally:
        mock.stop()
    _check_unused(request, mock)


@pytest.fixture
def netmind_clock(netmind_mock: Mock) -> VirtualClock:
    """The time of ``netmind_mock``, which passes only when the test or code that sleeps lets it."""
    return netmind_mock.clock


@pytest.fixture(scope="session")
def netmind_server_process(pytestconfig: pytest.Config) -> Iterator[LiveServer]:
    """The server that the tests of this process share."""
    from netmind_mock.testing.live import LiveServer, NotStarted  # noqa: PLC0415 - as the module says

    options = _options(pytestconfig)
    try:
        server = LiveServer({name: options[name] for name in options if _OPTIONS[name].live}).start()
    except NotStarted as error:
        raise pytest.UsageError(f"netmind_server: {error}") from None
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def netmind_server(request: pytest.FixtureRequest, netmind_server_process: LiveServer) -> Iterator[LiveMock]:
    """An account of the test's own on a served fake, for clients in any language."""
    tenant = netmind_server_process.tenant()
    mark, arguments = _marked(request)
    if mark.pop("sleep", False):
        raise pytest.UsageError(
            f"{request.node.nodeid}: netmind(sleep=True) is for netmind_mock: a served fake keeps real time"
        )
    with tenant.pointed_to():
        _order(request, tenant, mark, arguments)
        yield tenant
    try:
        _check_unused(request, tenant)
    finally:
        tenant.reset()


def _options(config: pytest.Config) -> dict[str, Any]:
    """The options that are stated anywhere."""
    options = {}
    for name, option in _OPTIONS.items():
        variable = f"NETMIND_MOCK_{name.upper()}"
        stated = (
            config.getoption(f"netmind_mock_{name}")
            or os.environ.get(variable)
            or config.getini(f"netmind_mock_{name}")
        )
        if stated:
            try:
                options[name] = option.read(stated)
            except ValueError as mistake:
                raise pytest.UsageError(
                    f"netmind_mock_{name}: {option.about}: {mistake}, got {stated!r}"
                ) from None
    for name in ("rules", "prices", "profile"):
        file = config.rootpath / str(options.get(name, ""))
        if name in options and file.is_file():  # wherever pytest was started
            options[name] = str(file)
    return options


def _made(make: Callable[[], Any]) -> Any:
    """What ``make`` makes; a mistake in an option is the user's, and needs no traceback."""
    try:
        return make()
    except ValueError as mistake:
        raise pytest.UsageError(f"netmind_mock: {mistake}") from None


def _marked(request: pytest.FixtureRequest) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the mark says: of the test, and as arguments of its scenario."""
    mark = request.node.get_closest_marker("netmind")
    if mark is None:
        return {}, {}
    if mark.args:
        raise pytest.UsageError(
            f"{request.node.nodeid}: netmind takes names only, such as netmind(scenario='failed')"
        )
    arguments = dict(mark.kwargs)
    return {name: arguments.pop(name) for name in ("scenario", "sleep") if name in arguments}, arguments


def _order(
    request: pytest.FixtureRequest, handle: Any, mark: dict[str, Any], arguments: dict[str, Any]
) -> None:
    scenario = mark.get("scenario")
    if scenario is None and arguments:
        names = ", ".join(arguments)
        raise pytest.UsageError(
            f"{request.node.nodeid}: netmind({names}=…) needs a scenario that takes this, or sleep"
        )
    if scenario is not None:
        try:
            handle.every_job(scenario, **arguments)
        except ValueError as mistake:
            raise pytest.UsageError(f"{request.node.nodeid}: netmind: {mistake}") from None


def _check_unused(request: pytest.FixtureRequest, handle: Any) -> None:
    """Fail the test if it ordered what no create used; one that failed already has said enough."""
    report = request.node.stash.get(_FAILED, False)
    if not report and _options(request.config).get("unused") != "ignore":
        handle.assert_all_used()


_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Remember which tests have failed."""
    report = yield
    if call.when == "call" and call.excinfo is not None:
        item.stash[_FAILED] = True
    return report
