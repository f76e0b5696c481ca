"""What somebody wants to look at, and what it may cost: from options to a probe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from netmind_contracts import plan, target
from netmind_contracts.exchange import InvalidRun, read_json
from netmind_contracts.probe import LOCAL, POLITE, Probe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
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
            TargetError: It cannot, or may not, be looked at so.
        """
        target.check_key(self.api_key)
        url, requests = self._url, self._requests()
        local = target.is_loopback(url)
        budget = self._budget(url, live=self.live, default=local)
        return Probe(
            target.HttpTransport(),
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
            TargetError: As ``probe``, but for what the calls may cost.
        """
        budget = self._budget(self._url, live=True, default=True)
        return plan.dry_run(self._requests(), budget.limit)

    @property
    def _url(self) -> str:
        return target.base_url_of(self.base_url)

    def _budget(self, url: str, *, live: bool, default: bool) -> target.Budget:
        creates = self.max_creates
        if creates is None and default:
            creates = target.MOST_CREATES + len(self.request_files)
        return target.allowance(url, live=live, max_creates=creates, free_only=self.free_only)

    def _requests(self) -> tuple[plan.JobRequest, ...]:
        """What was asked for in files, and then the kit's own."""
        try:
            own = tuple(plan.request_of(read_json(file), str(file)) for file in self.request_files)
        except InvalidRun as error:
            raise target.TargetError(str(error)) from None
        return own + plan.job_requests()
