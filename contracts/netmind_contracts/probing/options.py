"""Options of a probe: the endpoint, and what probing it may cost."""

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
    """An endpoint, and how to probe it.

    Attributes:
        base_url: With or without /v1 at its end.
        api_key: The API key to send.
        live: Whether the endpoint may be one that charges.
        max_creates: The maximum number of generations; None for enough for a full run, on this machine only.
        free_only: Whether to create no generations.
        timeout: Maximum duration of the run, in seconds.
        request_files: Files with additional create requests.
    """

    base_url: str
    api_key: str
    live: bool = False
    max_creates: int | None = None
    free_only: bool = False
    timeout: float = 1200.0
    request_files: tuple[Path, ...] = ()

    def probe(self, progress: Callable[[str], None]) -> Probe:
        """Return a probe of the endpoint; ``progress`` is called with each step.

        Raises:
            EndpointError: The endpoint, the key or a limit is missing or invalid.
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
        """Return a line for each request of the run, and the maximum number of generations.

        Raises:
            EndpointError: The endpoint or a request file is invalid. No limit is needed here.
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
        """Return the create requests of the files, and then the default ones."""
        try:
            own = tuple(calls.request_of(read_json(file), str(file)) for file in self.request_files)
        except InvalidRun as error:
            raise EndpointError(str(error)) from None
        return own + calls.job_requests()
