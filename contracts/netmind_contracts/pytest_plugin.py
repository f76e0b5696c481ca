"""Options and fixtures of ``netmind_contracts.suite``. Only pytest is imported until they are used."""

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
    """Add what says which endpoint is looked at, and at what price."""
    group = parser.getgroup("netmind", "contracts of NetMind's generation API (netmind_contracts.suite)")
    add = group.addoption
    add("--netmind-url", metavar="URL", help="the endpoint to look at; its key is taken from NETMIND_API_KEY")
    add("--netmind-live", action="store_true", help="needed for an endpoint that is not on this machine")
    add("--netmind-max-creates", type=int, metavar="N", help="how many generations may be created")
    add("--netmind-free-only", action="store_true", help="create nothing")
    add("--netmind-timeout", type=float, default=1200.0, metavar="SECONDS", help="for the whole run (1200)")
    add("--netmind-run", metavar="FILE", help="judge a saved run, or a HAR file, instead of an endpoint")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to look from several processes: each would create generations of its own."""
    parallel = getattr(config.option, "numprocesses", None) or hasattr(config, "workerinput")
    if config.option.netmind_url and parallel:
        raise pytest.UsageError("--netmind-url: every xdist worker would create generations; add -n 0")


@pytest.fixture(scope="session")
def netmind_run(pytestconfig: pytest.Config) -> Run:
    """What the endpoint did, or the saved run; skips where neither is given."""
    option = pytestconfig.option
    if not option.netmind_url and not option.netmind_run:
        ways = "--netmind-url URL (key in NETMIND_API_KEY), or --netmind-run RUN.json"
        pytest.skip(f"no endpoint to look at: add {ways}")
    from netmind_contracts.probing.budget import EndpointError  # noqa: PLC0415 - as the module says
    from netmind_contracts.runs.exchange import InvalidRun, printable  # noqa: PLC0415 - as the module says
    from netmind_contracts.runs.har import read_run  # noqa: PLC0415 - as the module says

    try:
        run = read_run(Path(option.netmind_run)) if option.netmind_run else _looked(option)
    except (EndpointError, InvalidRun) as error:
        pytest.exit(f"netmind: {printable(str(error))}", returncode=2)
    pytestconfig.stash[_RUN] = run
    return run


@pytest.fixture(scope="session")
def netmind_verdicts(netmind_run: Run) -> Verdicts:
    """What the run says of each claim, by the claim's id."""
    from netmind_contracts.checks import judge  # noqa: PLC0415 - as the module says

    return {verdict.claim.id: verdict for verdict in judge(netmind_run)}


def _looked(option: Namespace) -> Run:
    from netmind_contracts.probing.options import ProbeOptions  # noqa: PLC0415 - as the module says
    from netmind_contracts.probing.probe import interruptible  # noqa: PLC0415 - as the module says

    look = ProbeOptions(
        base_url=option.netmind_url,
        api_key=os.environ.get("NETMIND_API_KEY", ""),
        live=option.netmind_live,
        max_creates=option.netmind_max_creates,
        free_only=option.netmind_free_only,
        timeout=option.netmind_timeout,
    )
    probe = look.probe(lambda _: None)
    with interruptible(probe):
        return probe.run()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what differs, what was learned, and the sums."""
    run = config.stash.get(_RUN, None)
    if run is None:
        return
    from netmind_contracts.checks import judge  # noqa: PLC0415 - as the module says
    from netmind_contracts.reports.text import news  # noqa: PLC0415 - as the module says
    from netmind_contracts.runs.exchange import printable  # noqa: PLC0415 - as the module says

    terminalreporter.section("netmind claims")
    for line in news(run, judge(run)):
        terminalreporter.write_line(printable(line))
