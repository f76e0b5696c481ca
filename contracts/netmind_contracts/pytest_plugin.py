"""Options and fixtures of ``netmind_contracts.suite``. Imports only pytest until they are used."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest

if TYPE_CHECKING:
    from argparse import Namespace

    from netmind_contracts.checks import Verdict
    from netmind_contracts.runs.exchange import Run

Verdicts: TypeAlias = Mapping[str, "Verdict"]

_RUN = pytest.StashKey["Run"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that select an endpoint, and limit what checking it may cost."""
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
    add("--netmind-run", metavar="FILE", help="check a saved run or a HAR file instead of an endpoint")


def pytest_configure(config: pytest.Config) -> None:
    """Reject --netmind-url under xdist: each worker would create its own generations."""
    parallel = getattr(config.option, "numprocesses", None) or hasattr(config, "workerinput")
    if config.option.netmind_url and parallel:
        raise pytest.UsageError("--netmind-url: every xdist worker would create generations; add -n 0")


@pytest.fixture(scope="session")
def netmind_run(pytestconfig: pytest.Config) -> Run:
    """Return the run over the endpoint, or the saved run. Skip the test if neither option is set."""
    option = pytestconfig.option
    if not option.netmind_url and not option.netmind_run:
        ways = "--netmind-url URL (key in NETMIND_API_KEY), or --netmind-run RUN.json"
        pytest.skip(f"no endpoint to check: add {ways}")
    from netmind_contracts.probing.budget import EndpointError  # noqa: PLC0415 - as the module says
    from netmind_contracts.runs.exchange import InvalidRun, printable  # noqa: PLC0415 - as the module says
    from netmind_contracts.runs.har import read_run  # noqa: PLC0415 - as the module says

    try:
        run = read_run(Path(option.netmind_run)) if option.netmind_run else _probed(option)
    except (EndpointError, InvalidRun) as error:
        pytest.exit(f"netmind: {printable(str(error))}", returncode=2)
    pytestconfig.stash[_RUN] = run
    return run


@pytest.fixture(scope="session")
def netmind_verdicts(netmind_run: Run) -> Verdicts:
    """Return the verdict on each claim, by the id of the claim."""
    from netmind_contracts.checks import judge  # noqa: PLC0415 - as the module says

    return {verdict.claim.id: verdict for verdict in judge(netmind_run)}


def _probed(option: Namespace) -> Run:
    from netmind_contracts.probing.options import ProbeOptions  # noqa: PLC0415 - as the module says
    from netmind_contracts.probing.probe import interruptible  # noqa: PLC0415 - as the module says

    options = ProbeOptions(
        base_url=option.netmind_url,
        api_key=os.environ.get("NETMIND_API_KEY", ""),
        live=option.netmind_live,
        max_creates=option.netmind_max_creates,
        free_only=option.netmind_free_only,
        timeout=option.netmind_timeout,
    )
    probe = options.probe(lambda _: None)
    with interruptible(probe):
        return probe.run()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the claims that differ or were learned, the notes and the summary."""
    run = config.stash.get(_RUN, None)
    if run is None:
        return
    from netmind_contracts.checks import judge  # noqa: PLC0415 - as the module says
    from netmind_contracts.reports.text import news  # noqa: PLC0415 - as the module says
    from netmind_contracts.runs.exchange import printable  # noqa: PLC0415 - as the module says

    terminalreporter.section("netmind claims")
    for line in news(run, judge(run)):
        terminalreporter.write_line(printable(line))
