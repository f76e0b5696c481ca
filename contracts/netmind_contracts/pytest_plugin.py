"""Options and fixtures of ``netmind_contracts.suite``. Imports only pytest until they are used.

Under xdist the controller makes the run once the workers have collected the tests, and before it gives them
any. It saves the run to a temporary file, which the workers read. So generations are created once, and an
interrupt reaches the process that has to delete them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import pytest

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from netmind_contracts.checks import Verdict
    from netmind_contracts.probing.options import ProbeOptions
    from netmind_contracts.runs.exchange import Run
    from netmind_contracts.watching.known_departures import KnownDeparture

Verdicts: TypeAlias = Mapping[str, "Verdict"]


class _Checked(NamedTuple):
    """A run and the verdicts on it, with the known departures."""

    run: Run
    verdicts: tuple[Verdict, ...]


_CHECKED = pytest.StashKey[_Checked]()
# Why the session is not a success although no test failed, as lines for the terminal.
_PROBLEMS = pytest.StashKey[list[str]]()

# The ids of the selected claims.
_SELECTED = pytest.StashKey[list[str]]()
# The file through which a controller of xdist shares its run.
_SHARED = pytest.StashKey[Path]()

_WORKER_INPUT = "netmind_run"
_CLAIM_TEST = re.compile(r"test_claims\.py::test_claim\[([^\]]+)\]")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that select an endpoint, limit what checking it may cost, and name files."""
    group = parser.getgroup("netmind", "contracts of NetMind's generation API (netmind_contracts.suite)")
    add = group.addoption
    add("--netmind-url", metavar="URL", help="endpoint to check; its API key is read from NETMIND_API_KEY")
    add("--netmind-live", action="store_true", help="allow an endpoint that is not on this machine")
    add("--netmind-max-creates", type=int, metavar="N", help="maximum number of generations to create")
    add("--netmind-free-only", action="store_true", help="create no generations")
    add(
        "--netmind-timeout",
        type=float,
        default=1200.0,
        metavar="SECONDS",
        help="maximum duration of the run (1200)",
    )
    add(
        "--netmind-request",
        action="append",
        default=[],
        metavar="FILE",
        help="also create this generation: a file with the JSON of a create request (repeatable)",
    )
    add("--netmind-run", metavar="FILE", help="check a saved run or a HAR file instead of an endpoint")
    add("--netmind-known", metavar="FILE", help="TOML file of known departures, which are not failures")
    add("--netmind-save", metavar="FILE", help="write the recorded run to this file")
    add("--netmind-report", metavar="FILE", help="write an HTML report to this file")


def pytest_configure(config: pytest.Config) -> None:
    """Prepare the list of what could not be done."""
    config.stash[_PROBLEMS] = []


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Pass the name of the file with the shared run to a worker of xdist."""
    config = node.config
    if not _has_source(config):
        return
    if _SHARED not in config.stash:
        from tempfile import TemporaryDirectory  # noqa: PLC0415 - as the module says

        folder = TemporaryDirectory(prefix="netmind-")
        config.add_cleanup(folder.cleanup)
        config.stash[_SHARED] = Path(folder.name, "run.json")
    node.workerinput[_WORKER_INPUT] = str(config.stash[_SHARED])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: list[str]) -> None:
    """Make the run that the workers of xdist share, when the first of them has collected the tests."""
    config = node.config
    if _SELECTED in config.stash or not _has_source(config):
        return
    found = [match[1] for match in map(_CLAIM_TEST.search, ids) if match]
    if not found:
        return
    from netmind_contracts.claims import Cost, load_claims  # noqa: PLC0415 - as the module says
    from netmind_contracts.runs.exchange import save  # noqa: PLC0415 - as the module says

    config.stash[_SELECTED] = found
    is_paid = any(claim.cost is Cost.PAID for claim in load_claims() if claim.id in found)
    run = _check(config, free_only=not is_paid)
    save(run, config.stash[_SHARED])


@pytest.fixture(scope="session")
def netmind_run(request: pytest.FixtureRequest) -> Run:
    """Return the run over the endpoint, or the saved run. Skip the test if neither option is set."""
    config, items = request.config, request.session.items
    if not _has_source(config):
        ways = "--netmind-url URL (key in NETMIND_API_KEY), or --netmind-run RUN.json"
        pytest.skip(f"no endpoint to check: add {ways}")
    if hasattr(config, "workerinput"):
        return _shared_run(config, Path(config.workerinput[_WORKER_INPUT]))
    config.stash[_SELECTED] = [claim.id for claim in map(_claim_of, items) if claim is not None]
    return _check(config, free_only=not any(map(_needs_generations, items)))


@pytest.fixture(scope="session")
def netmind_verdicts(netmind_run: Run, pytestconfig: pytest.Config) -> Verdicts:  # noqa: ARG001 - it stores them
    """Return the verdict on each claim, by the id of the claim."""
    return {verdict.claim.id: verdict for verdict in pytestconfig.stash[_CHECKED].verdicts}


def _has_source(config: pytest.Config) -> bool:
    return config.option.netmind_url is not None or config.option.netmind_run is not None


def _check(config: pytest.Config, *, free_only: bool) -> Run:
    """Make or read the run, check the claims on it, and write the files that the options name.

    Exit with 2 if the endpoint cannot be probed, or a file cannot be read.
    """
    from netmind_contracts.probing.budget import EndpointError  # noqa: PLC0415 - as the module says
    from netmind_contracts.runs.exchange import InvalidRun, printable  # noqa: PLC0415 - as the module says
    from netmind_contracts.runs.har import read_run  # noqa: PLC0415 - as the module says
    from netmind_contracts.watching.expected import Expected  # noqa: PLC0415 - as the module says

    option = config.option
    try:
        _check_options(option)
        known = Expected.read(_path(option.netmind_known)).known
        if option.netmind_run is not None:
            run = read_run(Path(option.netmind_run))
        else:
            run = _probed(config, _probe_options(option, free_only=free_only), known)
    except EndpointError as error:
        pytest.exit(f"netmind: {printable(_with_own_options(str(error)))}", returncode=2)
    except InvalidRun as error:
        pytest.exit(f"netmind: {printable(str(error))}", returncode=2)
    _keep(config, run, known)
    return run


def _shared_run(config: pytest.Config, file: Path) -> Run:
    """Return the run that the controller of xdist made. It has also written the files."""
    from netmind_contracts.checks import judge  # noqa: PLC0415 - as the module says
    from netmind_contracts.runs.exchange import load  # noqa: PLC0415 - as the module says
    from netmind_contracts.watching.expected import Expected  # noqa: PLC0415 - as the module says
    from netmind_contracts.watching.known_departures import apply_known  # noqa: PLC0415 - as the module says

    if not file.exists():
        pytest.fail(
            "under xdist only the tests of netmind_contracts.suite start a run; add -n 0", pytrace=False
        )
    run = load(file)
    known = Expected.read(_path(config.option.netmind_known)).known
    config.stash[_CHECKED] = _Checked(*apply_known(run, judge(run), known))
    return run


def _path(file: str | None) -> Path | None:
    return None if file is None else Path(file)


def _check_options(option: Namespace) -> None:
    """Raise an exception for options that exclude each other, and for a file that cannot be written.

    A run may cost money, so this is checked before it.
    """
    from netmind_contracts.reports.files import problem_of  # noqa: PLC0415 - as the module says
    from netmind_contracts.runs.exchange import InvalidRun  # noqa: PLC0415 - as the module says

    if option.netmind_url is not None and option.netmind_run is not None:
        raise InvalidRun("expected --netmind-url or --netmind-run, got both; nothing was sent")
    files = {
        "--netmind-save": _path(option.netmind_save),
        "--netmind-report": _path(option.netmind_report),
    }
    if problem := problem_of(files):
        raise InvalidRun(f"{problem}; nothing was sent")


def _probe_options(option: Namespace, *, free_only: bool) -> ProbeOptions:
    """Return the options of a probe."""
    from netmind_contracts.probing.budget import EndpointError, base_url_of, check_key  # noqa: PLC0415
    from netmind_contracts.probing.options import ProbeOptions  # noqa: PLC0415 - as the module says

    api_key = os.environ.get("NETMIND_API_KEY", "")
    for label, check, value in (
        ("--netmind-url", base_url_of, option.netmind_url),
        ("NETMIND_API_KEY", check_key, api_key),
    ):
        try:
            check(value)
        except EndpointError as error:
            raise EndpointError(f"{label}: {error}") from None
    return ProbeOptions(
        base_url=option.netmind_url,
        api_key=api_key,
        live=option.netmind_live,
        max_creates=option.netmind_max_creates,
        free_only=option.netmind_free_only or free_only,
        timeout=option.netmind_timeout,
        request_files=tuple(map(Path, option.netmind_request)),
    )


def _claim_of(item: pytest.Item) -> Any:
    """Return the claim that a test of the suite checks; None for any other test."""
    if "netmind_verdicts" not in getattr(item, "fixturenames", ()) or not hasattr(item, "callspec"):
        return None
    return item.callspec.params.get("claim")


def _needs_generations(item: pytest.Item) -> bool:
    """Return whether a test uses the run, and is not about a claim that is free to check."""
    return "netmind_run" in getattr(item, "fixturenames", ()) and (
        getattr(_claim_of(item), "cost", "paid") != "free"
    )


def _with_own_options(message: str) -> str:
    """Return a message about the options of ``netmind-contracts verify`` with those of the suite."""
    message = re.sub(r"(?<!\S)--(live|max-creates|free-only)\b", r"--netmind-\1", message)
    message = re.sub(r"(?<!\S)--dry-run\b", "netmind-contracts verify --dry-run", message)
    return re.sub(r"(?<!\S)--api-key\b( \(NETMIND_API_KEY\))?", "NETMIND_API_KEY", message)


def _probed(config: pytest.Config, options: ProbeOptions, known: tuple[KnownDeparture, ...]) -> Run:
    """Return the run over the endpoint. Keep what was recorded of it if it is interrupted."""
    from netmind_contracts.probing.probe import interruptible  # noqa: PLC0415 - as the module says

    probe = options.probe(lambda _: None)
    try:
        with interruptible(probe):
            return probe.run()
    except KeyboardInterrupt:
        _keep(config, probe.recorded(), known)
        raise


def _keep(config: pytest.Config, run: Run, known: tuple[KnownDeparture, ...]) -> None:
    """Check the claims on the run, and write the files that the options name."""
    from netmind_contracts.checks import judge  # noqa: PLC0415 - as the module says
    from netmind_contracts.runs.exchange import save  # noqa: PLC0415 - as the module says
    from netmind_contracts.watching.known_departures import apply_known  # noqa: PLC0415 - as the module says

    option = config.option
    if option.netmind_save is not None:
        _write(config, Path(option.netmind_save), lambda file: save(run, file))
    checked = _Checked(*apply_known(run, judge(run), known))
    config.stash[_CHECKED] = checked
    if option.netmind_report is not None:
        from netmind_contracts.reports import as_html  # noqa: PLC0415 - as the module says

        report = as_html(*checked)
        _write(config, Path(option.netmind_report), lambda file: file.write_text(report, encoding="utf-8"))


def _write(config: pytest.Config, file: Path, write: Callable[[Path], object]) -> None:
    try:
        write(file)
    except OSError as error:
        config.stash[_PROBLEMS].append(f"{file}: cannot be written: {error.strerror}")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Exit with 2 where no test failed, but selected claims could not be checked or a file not written."""
    config = session.config
    if hasattr(config, "workerinput"):
        return
    problems = config.stash[_PROBLEMS]
    if (checked := config.stash.get(_CHECKED, None)) is not None:
        problems += _unchecked(checked, config.stash[_SELECTED])
    if problems and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = 2


def _unchecked(checked: _Checked, claims: list[str]) -> list[str]:
    """Return a line that names the selected documented claims that had to be checked and were not."""
    from netmind_contracts.checks import Outcome  # noqa: PLC0415 - as the module says
    from netmind_contracts.claims import Level  # noqa: PLC0415 - as the module says
    from netmind_contracts.reports.text import PASSED, exit_code  # noqa: PLC0415 - as the module says

    selected = [verdict for verdict in checked.verdicts if verdict.claim.id in claims]
    documented = [verdict for verdict in selected if verdict.claim.level is Level.DOCUMENTED]
    rest = tuple(one for one in documented if one.outcome is not Outcome.FAILED)
    unseen = [one.claim.id for one in rest if one.outcome is Outcome.NOT_EXERCISED]
    if not unseen or exit_code(checked.run, rest) == PASSED:
        return []
    return [f"incomplete, exit status 2: documented claims were not exercised: {', '.join(unseen)}"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the claims that do not hold without a failure, the notes, the summary and what was not done."""
    checked, problems = config.stash.get(_CHECKED, None), config.stash[_PROBLEMS]
    if checked is None and not problems:
        return
    from netmind_contracts.reports.text import news  # noqa: PLC0415 - as the module says
    from netmind_contracts.runs.exchange import printable  # noqa: PLC0415 - as the module says

    terminalreporter.section("netmind claims")
    for line in (*(news(*checked) if checked else ()), *problems):
        terminalreporter.write_line(printable(line))
