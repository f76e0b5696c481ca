"""Fixtures of the fake for pytest. Only pytest and the options are imported until one is used.

Each option is an ini value, a flag and an environment variable: ``netmind_mock_profile``,
``--netmind-mock-profile``, ``NETMIND_MOCK_PROFILE``; a flag comes before a variable before an ini value.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from netmind_mock.options import LIVE, PYTEST, check_variables, options_of
from netmind_mock.validation import Expected, InvalidFile

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from netmind_mock.testing.live import LiveMock, LiveServer
    from netmind_mock.testing.mock import Mock
    from netmind_mock.testing.virtual_time import VirtualClock


_MARK = (
    "netmind(scenario=None, sleep=False, **arguments): for the fixtures netmind_mock and netmind_server: "
    "what becomes of the test's jobs; sleep=True couples time.sleep and asyncio.sleep to the virtual clock"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the fake."""
    group = parser.getgroup("netmind mock", "fake of NetMind's generation API (netmind_mock)")
    for name, option in options_of(PYTEST).items():
        group.addoption(f"--netmind-mock-{option.flag[2:]}", metavar="VALUE", help=option.about)
        parser.addini(f"netmind_mock_{name}", option.about)


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark."""
    config.addinivalue_line("markers", _MARK)


@pytest.fixture
def netmind_mock(request: pytest.FixtureRequest) -> Iterator[Mock]:
    """A fake in process, without a socket or waiting: answers ``requests`` and ``httpx``."""
    from netmind_mock.testing.mock import Mock  # noqa: PLC0415 - as the module says

    _check_alone(request)
    mock = _made(lambda: Mock(**_options(request.config)))
    mark, arguments = _marked(request)
    mock.start()
    try:
        request.node.stash[_HANDLE] = mock
        if mark.get("sleep"):
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
def _netmind_live_server(pytestconfig: pytest.Config) -> Iterator[LiveServer]:
    """The server that the tests of this process share."""
    from netmind_mock.testing.live import LiveServer  # noqa: PLC0415 - as the module says

    stated = _options(pytestconfig)
    options = {name: stated[name] for name in stated if name in options_of(LIVE)}
    server = _made(lambda: LiveServer(**options).start())
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def netmind_server(request: pytest.FixtureRequest, _netmind_live_server: LiveServer) -> Iterator[LiveMock]:
    """An account of the test's own on a served fake, for clients in any language."""
    _check_alone(request)
    account = _netmind_live_server.account()
    mark, arguments = _marked(request)
    if mark.get("sleep"):
        message = "netmind(sleep=True) is for netmind_mock: a served fake keeps real time"
        raise pytest.UsageError(f"{request.node.nodeid}: {message}")
    with account.pointed_to():
        request.node.stash[_HANDLE] = account
        _order(request, account, mark, arguments)
        yield account
    try:
        _check_unused(request, account)
    finally:
        account.reset()


def _check_alone(request: pytest.FixtureRequest) -> None:
    """Refuse both fakes in one test: each would set where the API is."""
    if {"netmind_mock", "netmind_server"} <= set(request.fixturenames):
        advice = (
            "use one of them (netmind_clock belongs to netmind_mock; a served fake has netmind_server.clock)"
        )
        raise pytest.UsageError(f"{request.node.nodeid}: uses netmind_mock and netmind_server; {advice}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse a mark that nothing reads: its test would go to the real API, and pay."""
    used = set(getattr(item, "fixturenames", ()))
    if item.get_closest_marker("netmind") and not used & {"netmind_mock", "netmind_server"}:
        advice = (
            "take netmind_mock or netmind_server as an argument, or @pytest.mark.usefixtures('netmind_mock')"
        )
        raise pytest.UsageError(f"{item.nodeid}: is marked with netmind and uses no fake; {advice}")


def _options(config: pytest.Config) -> dict[str, Any]:
    """The options that are stated anywhere."""
    try:
        check_variables(os.environ)
    except InvalidFile as mistake:
        raise pytest.UsageError(f"netmind_mock: {mistake}") from None
    options = {}
    for name, option in options_of(PYTEST).items():
        stated = (
            config.getoption(f"netmind_mock_{name}")
            or os.environ.get(option.variable)
            or config.getini(f"netmind_mock_{name}")
        )
        if stated:
            file = config.rootpath / stated  # wherever pytest was started
            if name in ("rules", "prices", "profile") and file.is_file():
                stated = str(file)
            try:
                options[name] = option.read(stated)
            except Expected as expected:
                raise pytest.UsageError(
                    f"netmind_mock_{name}: {option.about}: expected {expected}, got {stated!r}"
                ) from None
    return options


def _made(make: Callable[[], Any]) -> Any:
    """What ``make`` makes; a mistake in an option is the user's, and needs no traceback."""
    try:
        return make()
    except ValueError as mistake:
        raise pytest.UsageError(f"netmind_mock: {mistake}") from None


def _marked(request: pytest.FixtureRequest) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the marks say: of the test, and as arguments of its scenario. The nearest comes first."""
    mark: dict[str, Any] = {}
    arguments: dict[str, Any] = {}
    for one in request.node.iter_markers("netmind"):
        if one.args:
            example = "netmind(scenario='failed')"
            raise pytest.UsageError(f"{request.node.nodeid}: netmind takes names only, such as {example}")
        stated = dict(one.kwargs)
        if "sleep" in stated:
            mark.setdefault("sleep", stated.pop("sleep"))
        if stated and "scenario" not in mark:
            mark["scenario"], arguments = stated.pop("scenario", None), stated
    return mark, arguments


def _order(
    request: pytest.FixtureRequest, handle: Any, mark: dict[str, Any], arguments: dict[str, Any]
) -> None:
    scenario = mark.get("scenario")
    if scenario is None and arguments:
        import difflib  # noqa: PLC0415 - as the module says

        name = next(iter(arguments))
        near = difflib.get_close_matches(name, ["scenario", "sleep"], n=1)
        advice = (
            f"did you mean {near[0]}?" if near else "there are scenario, with its own arguments, and sleep"
        )
        if name in options_of(PYTEST):
            advice = f"it is an option, netmind_mock_{name}, and an argument of netmind_mock.start()"
        raise pytest.UsageError(f"{request.node.nodeid}: netmind({name}=…): {advice}")
    if scenario is not None:
        try:
            handle.otherwise(scenario, **arguments)
        except ValueError as mistake:
            raise pytest.UsageError(f"{request.node.nodeid}: netmind: {mistake}") from None


def _check_unused(request: pytest.FixtureRequest, handle: Any) -> None:
    """Fail a test that has passed, if something that it ordered came to nothing."""
    if request.node.stash.get(_PASSED, False) and _options(request.config).get("unused") != "ignore":
        handle.assert_all_used()


_PASSED = pytest.StashKey[bool]()
_HANDLE = pytest.StashKey[Any]()
_SHOWN_REQUESTS = 12


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember whether a test has passed, and show what one that failed asked of the fake."""
    report = yield
    item.stash[_PASSED] = report.passed and (call.when != "setup")
    handle = item.stash.get(_HANDLE, None)
    if handle is not None and call.when == "call" and call.excinfo is not None:
        report.sections.append(("Requests to the fake", _requests_of(handle)))
    return report


def _requests_of(handle: Any) -> str:
    """The last requests, a line each, with the hint of those that were refused."""
    try:
        entries = handle.journal
    except Exception as error:  # noqa: BLE001 - the test's own failure must not be hidden by this
        return f"cannot be told: {error}"
    lines = [f"({len(entries) - _SHOWN_REQUESTS} before these)"] if len(entries) > _SHOWN_REQUESTS else []
    for entry in entries[-_SHOWN_REQUESTS:]:
        lines.append(str(entry))
        if hint := entry.response_headers.get("x-mock-hint"):
            lines.append(f"   {hint}")
    return "\n".join(lines) or "none"
