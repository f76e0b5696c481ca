"""What somebody wants to look at, and what it may cost: from options to a probe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from netmind_contracts.probing import calls
from netmind_contracts.probing.budget import (
    MAX_CREATES,
    Budget,
    EndpointError,
    allowance,
    base_url_of,
    check_key,
    is_loopback,
)
from netmind_contracts.probing.probe import LOCAL, POLITE, Probe
from netmind_contracts.probing.transport import HttpTransport
from netmind_contracts.runs.exchange import InvalidRun, read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOptions:
    """An endpoint, and how it may be looked at.

    Attributes:
        base_url: With or without /v1 at its end.
        live: Whether it may be one that charges.
        max_creates: How many generations may be created; None for all that the run wants, on this machine.
        free_only: Whether to create nothing.
        timeout: Seconds for the whole run.
        request_files: Create requests to be sent besides the kit's own.
    """

    base_url: str
    api_key: str
    live: bool = False
    max_creates: int | None = None
    free_only: bool = False
    timeout: float = 1200.0
    request_files: tuple[Path, ...] = ()

    def probe(self, progress: Callable[[str], None]) -> Probe:
        """A probe of the endpoint; ``progress`` is told what goes on.

        Raises:
            EndpointError: It cannot, or may not, be looked at so.
        """
        check_key(self.api_key)
        url, requests = self._url, self._requests()
        local = is_loopback(url)
        budget = self._budget(url, live=self.live, default=local)
        return Probe(
            HttpTransport(),
            url,
            self.api_key,
            budget=budget,
            requests=requests,
            timeout=self.timeout,
            pace=LOCAL if local else POLITE,
            progress=progress,
        )

    def dry_run(self) -> Iterator[str]:
        """Every call of the run, and the most it could create, as lines.

        Raises:
            EndpointError: As ``probe``, but for what the calls may cost.
        """
        budget = self._budget(self._url, live=True, default=True)
        return calls.dry_run(self._requests(), budget.limit)

    @property
    def _url(self) -> str:
        return base_url_of(self.base_url)

    def _budget(self, url: str, *, live: bool, default: bool) -> Budget:
        creates = self.max_creates
        if creates is None and default:
            creates = MAX_CREATES + len(self.request_files)
        return allowance(url, live=live, max_creates=creates, free_only=self.free_only)

    def _requests(self) -> tuple[calls.JobRequest, ...]:
        """What was asked for in files, and then the kit's own."""
        try:
            own = tuple(calls.request_of(read_json(file), str(file)) for file in self.request_files)
        except InvalidRun as error:
            raise EndpointError(str(error)) from None
        return own + calls.job_requests()
