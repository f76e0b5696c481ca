"""The pytest plugin: the fixtures of the fake, their options, and the marker ``netmind``.

pytest loads this module in every run, so it imports only pytest and the options. The fixtures import what
else they need.

Set each option as a flag, an environment variable or an ini value, such as ``--netmind-mock-profile``,
``NETMIND_MOCK_PROFILE`` and ``netmind_mock_profile``. Flags override variables, variables override ini
values.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from netmind_mock.options import LIVE, PYTEST, check_variables, options_of
from netmind_mock.validation import Expected, InvalidFile

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from netmind_mock.testing.live import LiveMock, LiveServer
    from netmind_mock.testing.mock import Mock
    from netmind_mock.testing.virtual_time import VirtualClock


_FAKES = ("netmind_mock", "netmind_server")
_MARKER = (
    "netmind(scenario=None, sleep=False, now=None, **arguments): the scenario of the test's jobs and its "
    "arguments, for netmind_mock and netmind_server; sleep=True makes time.sleep, asyncio.sleep and the "
    "timeouts of event loops use the virtual clock, and now='2025-09-18 09:14:20' sets its date (UTC)"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the fake."""
    group = parser.getgroup("netmind mock", "fake of NetMind's generation API (netmind_mock)")
    for name, option in options_of(PYTEST).items():
        group.addoption(f"--netmind-mock-{option.flag[2:]}", metavar="VALUE", help=option.about)
        parser.addini(f"netmind_mock_{name}", option.about)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def netmind_mock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mock]:
    """Return a fake in this process for ``requests``, ``httpx``, ``httpx2`` and ``aiohttp``.

    It uses no sockets, and waits take no time. Other requests to the real API are refused.
    """
    from netmind_mock.testing.mock import Mock  # noqa: PLC0415 - see the module docstring

    _check_alone(request, "netmind_mock")
    marker, arguments = _from_markers(request)
    given = {"now": marker["now"]} if "now" in marker else {}
    mock = _checked(lambda: Mock(**{**_options(request.config), **given}))
    for name, value in mock.environment.items():  # so that it also undoes what the test sets meanwhile
        monkeypatch.setenv(name, value)
    mock.start()
    request.node.stash[_HANDLE] = mock
    try:
        if marker.get("sleep"):
            mock.clock.patch_sleep()
        _set_scenario(request, mock, marker, arguments)
        yield mock
    finally:
        mock.stop()
        del request.node.stash[_HANDLE]  # a plugin may run the test again
    _check_unused(request, mock)


@pytest.fixture
def netmind_clock(netmind_mock: Mock) -> VirtualClock:
    """Return the virtual clock of ``netmind_mock``, which advances when code sleeps or a test advances it."""
    return netmind_mock.clock


@pytest.fixture(scope="session")
def _netmind_live_server(pytestconfig: pytest.Config) -> Iterator[LiveServer]:
    """Return the server that the tests of this process share."""
    from netmind_mock.testing.live import LiveServer  # noqa: PLC0415 - see the module docstring

    options = {name: value for name, value in _options(pytestconfig).items() if name in options_of(LIVE)}
    server = _checked(lambda: LiveServer(**options).start())
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def netmind_server(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _netmind_live_server: LiveServer
) -> Iterator[LiveMock]:
    """Return a new account on a real HTTP server, for any HTTP library and clients in any language."""
    _check_alone(request, "netmind_server")
    account = _checked(_netmind_live_server.account)
    marker, arguments = _from_markers(request)
    for name in {"sleep", "now"} & set(marker):
        message = f"netmind({name}=…) works with netmind_mock only: netmind_server keeps real time"
        raise _failure(f"{request.node.nodeid}: {message}")
    for name, value in account.environment.items():
        monkeypatch.setenv(name, value)
    _set_scenario(request, account, marker, arguments)
    request.node.stash[_HANDLE] = account
    yield account
    del request.node.stash[_HANDLE]
    try:
        _check_unused(request, account)
    finally:
        account.reset()


def _check_alone(request: pytest.FixtureRequest, fake: str) -> None:
    """Fail a test that uses both fakes: each of them sets ``NETMIND_BASE_URL``."""
    used = {name for name in _FAKES if name in request.fixturenames} | {fake}
    if _HANDLE in request.node.stash or len(used) > 1:
        advice = (
            "use one of them (netmind_clock belongs to netmind_mock; use netmind_server.clock with a server)"
        )
        raise _failure(f"{request.node.nodeid}: uses netmind_mock and netmind_server; {advice}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test with its own marker but no fake, since it would send billable requests to the real API.

    A marker of a module or class is for those of its tests that use a fake. A test can also get a fake from a
    fixture that calls ``getfixturevalue``, which only the end of the test shows.
    """
    if guard := sys.modules.get("netmind_mock.testing.guard"):
        guard.install()  # again, since a fixture of an earlier test may have put the originals back
    names = getattr(item, "fixturenames", ())
    if "request" not in names and not set(names) & set(_FAKES):
        _check_marker(item)


def _check_marker(item: pytest.Item) -> None:
    if any(marker.name == "netmind" for marker in item.own_markers):
        advice = (
            "add the argument netmind_mock or netmind_server, or @pytest.mark.usefixtures('netmind_mock')"
        )
        raise _failure(f"{item.nodeid}: has the marker netmind but uses no fake; {advice}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Fail a test with its own marker that no fixture has given a fake."""
    if _HANDLE not in item.stash:
        _check_marker(item)
    yield


def _failure(message: str) -> BaseException:
    """Return an exception of which pytest shows the message only, without source lines of this plugin."""
    return pytest.fail.Exception(message, pytrace=False)


def _options(config: pytest.Config) -> dict[str, Any]:
    """Return the options that are set by a flag, a variable or an ini value."""
    try:
        check_variables(os.environ)
    except InvalidFile as mistake:
        raise _failure(f"netmind_mock: {mistake}") from None
    options = {}
    for name, option in options_of(PYTEST).items():
        value = (
            config.getoption(f"netmind_mock_{name}")
            or os.environ.get(option.variable)
            or config.getini(f"netmind_mock_{name}")
        )
        if value:
            file = config.rootpath / value  # not the current folder: pytest can be started in any
            if name in ("rules", "prices", "profile") and file.is_file():
                value = str(file)
            try:
                options[name] = option.read(value)
            except Expected as expected:
                raise _failure(
                    f"netmind_mock_{name}: {option.about}: expected {expected}, got {value!r}"
                ) from None
    return options


def _checked(create: Callable[[], Any]) -> Any:
    """Return the result of ``create``. Show a wrong option without a traceback, since the user set it."""
    try:
        return create()
    except ValueError as mistake:
        raise _failure(f"netmind_mock: {mistake}") from None


def _from_markers(request: pytest.FixtureRequest) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return ``sleep``, ``now`` and ``scenario`` of the test's markers, and the scenario's arguments.

    Markers of module, class and test are merged; the closest one wins.
    """
    merged: dict[str, Any] = {}
    arguments: dict[str, Any] = {}
    for marker in request.node.iter_markers("netmind"):
        if marker.args:
            example = "netmind(scenario='failed')"
            raise _failure(f"{request.node.nodeid}: netmind takes keyword arguments only, such as {example}")
        options = dict(marker.kwargs)
        for name in ("sleep", "now"):
            if name in options:
                merged.setdefault(name, options.pop(name))
        if options and "scenario" not in merged:
            merged["scenario"], arguments = options.pop("scenario", None), options
    return merged, arguments


def _set_scenario(
    request: pytest.FixtureRequest, handle: Any, marker: dict[str, Any], arguments: dict[str, Any]
) -> None:
    scenario = marker.get("scenario")
    if scenario is None and arguments:
        import difflib  # noqa: PLC0415 - see the module docstring

        name = next(iter(arguments))
        near = difflib.get_close_matches(name, ["scenario", "sleep", "now"], n=1)
        advice = f"did you mean {near[0]}?" if near else "expected sleep, now, or scenario and its arguments"
        if name in options_of(PYTEST):
            advice = f"set it with the option netmind_mock_{name}, or pass it to netmind_mock.start()"
        raise _failure(f"{request.node.nodeid}: netmind({name}=…): {advice}")
    if scenario is not None:
        try:
            handle.otherwise(scenario, **arguments)
        except ValueError as mistake:
            raise _failure(f"{request.node.nodeid}: netmind: {mistake}") from None


def _check_unused(request: pytest.FixtureRequest, handle: Any) -> None:
    """Fail a test that has passed if a scenario or fault that it set up was never used."""
    if request.node.stash.get(_PASSED, False) and _options(request.config).get("unused") != "ignore":
        try:
            handle.assert_all_used()
        except AssertionError as unused:
            raise _failure(str(unused)) from None


_PASSED = pytest.StashKey[bool]()
_HANDLE = pytest.StashKey[Any]()
_SHOWN_REQUESTS = 12


_FIXTURE_SCOPE = (
    "netmind_mock and netmind_server are fixtures of one test. In a fixture with a wider scope, use\n"
    "`with netmind_mock.start() as mock:` or `with netmind_mock.LiveServer() as server, "
    "server.account() as mock:`"
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Record whether a test has passed, and show the requests of one that failed."""
    report = yield
    item.stash[_PASSED] = report.passed and (call.when != "setup")
    if call.excinfo is None:
        return report
    handle = item.stash.get(_HANDLE, None)
    if handle is not None and call.when == "call":
        report.sections.append(("Requests your client sent", _requests_of(handle, item.nodeid)))
    elif call.when == "setup" and _is_scope_mismatch(str(report.longrepr)):
        report.sections.append(("netmind_mock", _FIXTURE_SCOPE))
    return report


def _is_scope_mismatch(failure: str) -> bool:
    return "ScopeMismatch" in failure and any(name in failure for name in _FAKES)


def _requests_of(handle: Any, test: str) -> str:
    """Return the last requests, one per line, the hints of error responses, and what was refused."""
    from netmind_mock.testing.guard import refusals  # noqa: PLC0415 - see the module docstring

    try:
        entries = handle.journal
    except Exception as error:  # noqa: BLE001 - it must not hide the failure of the test
        return f"unknown, because the journal cannot be read: {error}"
    hidden = len(entries) - _SHOWN_REQUESTS
    lines = [f"({hidden} earlier requests not shown)"] if hidden > 0 else []
    for entry in entries[-_SHOWN_REQUESTS:]:
        lines.append(str(entry))
        if hint := entry.response_headers.get("x-mock-hint"):
            lines.append(f"   {hint}")
    lines = lines or ["none"]
    lines += [refusal.message for refusal in refusals(test)[-_SHOWN_REQUESTS:]]
    return "\n".join(lines)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the connections to the real API that were refused after the test that started them."""
    guard = sys.modules.get("netmind_mock.testing.guard")
    late = dict.fromkeys(one.message for one in guard.late_refusals()) if guard is not None else ()
    if late:
        terminalreporter.section("netmind_mock: requests to the real API that were refused")
        for message in late:
            terminalreporter.line(message)
