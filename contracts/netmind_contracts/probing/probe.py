"""Send the few requests that exercise the claims, and record them.

Nothing is checked here. A create is reserved in the budget before it is sent, and never sent twice.
Generations are deleted at the end, also if the run is interrupted.
"""

from __future__ import annotations

import contextlib
import email.utils
import signal
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from netmind_contracts.probing import calls
from netmind_contracts.probing.budget import Budget, EndpointError
from netmind_contracts.probing.calls import ProbeCall
from netmind_contracts.probing.recorder import Recorder, RecorderClock
from netmind_contracts.runs.exchange import Authorization, Exchange, Operation, Run, Scope
from netmind_contracts.runs.histories import has_ended, results_of
from netmind_contracts.runs.known import GENERATIONS, generation_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netmind_contracts.probing.transport import Transport

_WITHIN_SECONDS = 30.0
_CLEANUP_SECONDS = 10.0
_TRIES = 4
_EMPTY_RESULT_SECONDS = 30.0


class Pace(NamedTuple):
    """How often a generation is polled: first after ``first`` seconds, then less and less often.

    Attributes:
        first: The shortest wait, in seconds.
        growth: The wait as a share of the time since creation.
        longest: The longest wait, in seconds.
    """

    first: float = 1.0
    growth: float = 0.05
    longest: float = 15.0

    def after(self, elapsed: float) -> float:
        """Return the seconds to wait, ``elapsed`` seconds after the job was created."""
        return min(max(self.first, self.growth * elapsed), self.longest)


POLITE = Pace()
LOCAL = Pace(first=0.05)


@dataclass(slots=True)
class _Job:
    """A generation that the probe created and polls."""

    id: str
    request: calls.JobRequest
    created: float
    due: float
    last: Any = None
    ended: bool = False
    urls: list[str] = field(default_factory=list)
    completed_at: float | None = None


class Probe:
    """One run at an endpoint.

    Attributes:
        notes: What did not go as planned, as sentences.
        undeleted: The ids of created generations that could not be deleted.
        interrupted: Whether ``interrupt`` was called during a create.
    """

    def __init__(
        self,
        transport: Transport,
        base_url: str,
        api_key: str,
        *,
        budget: Budget,
        requests: tuple[calls.JobRequest, ...] = (),
        timeout: float = 1200.0,
        pace: Pace = POLITE,
        clock: RecorderClock = RecorderClock(),  # noqa: B008 - immutable
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.notes: list[str] = []
        self.undeleted: list[str] = []
        self.interrupted = False
        self._base_url, self._budget, self._requests, self._pace = base_url, budget, requests, pace
        self._clock, self._progress = clock, progress
        self._recorder = Recorder(transport, base_url, api_key, clock)
        self._started = clock.wall()
        self._deadline = clock.monotonic() + timeout
        # Time that is reserved to delete the generations.
        self._reserve = min(_CLEANUP_SECONDS, timeout / 5)
        self._jobs: list[_Job] = []
        self._authorization = Authorization.BEARER
        self._creating = False
        self._create_not_before = 0.0

    def run(self) -> Run:
        """Send all requests, and return the recorded run.

        Raises:
            EndpointError: The endpoint cannot be probed. Nothing was created.
            KeyboardInterrupt: ``interrupt`` was called. Generations are deleted, or listed in ``undeleted``.
        """
        self._check_endpoint()
        self._progress("sending requests that the API rejects")
        for call in calls.FREE_CALLS:
            self._request(call, tries=1 if call.padding else _TRIES)
        try:
            if self._budget.limit:
                self._create_all()
                if self._follow_all():
                    self._check_ended()
        finally:
            self._delete_all()
        return self.recorded()

    @property
    def created(self) -> bool:
        """Whether a generation was created."""
        return bool(self._jobs)

    def recorded(self) -> Run:
        """Return the run as recorded so far."""
        return Run(
            base_url=self._base_url,
            started=datetime.fromtimestamp(self._started, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            scope=Scope.FULL if self._budget.limit else Scope.FREE,
            exchanges=tuple(self._recorder.exchanges),
            notes=tuple(self.notes),
        )

    def interrupt(self) -> None:
        """Stop the run from a signal handler: now, or after the response to a running create.

        Raises:
            KeyboardInterrupt: Always, except for the first call during a create.
        """
        if self._creating and not self.interrupted:
            self.interrupted = True
            return
        raise KeyboardInterrupt

    # The steps of a run, in order

    def _check_endpoint(self) -> None:
        """Find out whether the endpoint has the API, and how it accepts the API key."""
        self._progress(f"probing {self._base_url}")
        exchange = self._request(ProbeCall("GET", GENERATIONS))[0]
        if exchange.status in (401, 403):
            bare = self._request(ProbeCall("GET", GENERATIONS, Authorization.BARE))[0]
            if bare.succeeded:
                self._authorization = Authorization.BARE
                exchange = bare
        if problem := _problem_of(exchange):
            raise EndpointError(f"{self._base_url}{GENERATIONS}{problem}")

    def _create_all(self) -> None:
        for request in self._requests:
            if why_not := self._reserve_create():
                self.notes.append(f"Not created: {request.shows}, because {why_not}.")
            else:
                self._progress(f"creating {request.shows}")
                self._create(request)
        self._request(ProbeCall("GET", GENERATIONS))
        for job in self._jobs:
            if job.request.withdrawn:
                self._get(job)
                self._delete(job)

    def _reserve_create(self) -> str:
        """Reserve a create and wait until it may be sent. Return the reason if it may not, else ""."""
        if self._clock.monotonic() >= self._deadline - self._reserve:
            return "the timeout was reached"
        if not self._budget.reserve():
            return f"the limit of {self._budget.limit} was reached"
        if not self._wait_until(self._create_not_before):
            self._budget.release()
            return "Retry-After of the endpoint is longer than the remaining time"
        return ""

    def _create(self, request: calls.JobRequest) -> None:
        """Send a create once. Release its reservation only if it certainly created nothing."""
        within = self._deadline - self._reserve - self._clock.monotonic()
        if request.config.get("sync_mode") is not True:
            within = min(within, _WITHIN_SECONDS)
        self._creating = True
        try:
            exchange, document = self._send(request.call, within=within)
            self._handle_create(request, exchange, document)
        except KeyboardInterrupt:
            self.notes.append(_unknown_outcome(request, "interrupted before it got a response"))
            raise
        finally:
            self._creating = False
        if self.interrupted:
            raise KeyboardInterrupt

    def _handle_create(self, request: calls.JobRequest, exchange: Exchange, document: Any) -> None:
        generation_id = document.get("id") if isinstance(document, dict) else None
        if exchange.succeeded and isinstance(generation_id, str) and generation_id:
            now = self._clock.monotonic()
            job = _Job(generation_id, request, created=now, due=now)
            self._jobs.append(job)
            self._recorder.own.append(generation_id)
            self._update(job, document)
        elif not exchange.sent:
            self._budget.release()
        elif 400 <= exchange.status <= 499 and exchange.status != 408:
            self._budget.release()
            self._create_not_before = self._clock.monotonic() + (self._retry_after(exchange) or 0.0)
        else:
            self.notes.append(_unknown_outcome(request, str(exchange)))

    def _follow_all(self) -> bool:
        """Poll every job until it has ended. Return False if the time was not enough."""
        sent_wrong_key = False
        while pending := [job for job in self._jobs if not job.ended]:
            job = min(pending, key=lambda job: job.due)
            if not self._wait_until(job.due):
                self.notes.append(
                    f"The timeout was reached while {job.request.shows} was {_status(job.last)}."
                )
                return False
            self._progress(f"{job.request.shows}: {_status(job.last)}")
            self._get(job)
            if not sent_wrong_key:
                sent_wrong_key = True
                self._request(ProbeCall("GET", generation_path(job.id), Authorization.WRONG))
            now = self._clock.monotonic()
            job.due = now + self._pace.after(now - (job.completed_at or job.created))
        return True

    def _check_ended(self) -> None:
        """Get, list and download the generations that have ended, and delete the first."""
        self._progress("downloading")
        kept = [job for job in self._jobs if not job.request.withdrawn]
        for job in kept:
            self._request(ProbeCall("GET", generation_path(job.id), Authorization.BARE))
            for url in job.urls:
                if url.startswith(("http://", "https://")):
                    self._request(ProbeCall("GET", url, Authorization.NONE))
        self._request(ProbeCall("GET", GENERATIONS))
        if kept:
            self._delete(kept[0])

    def _delete(self, job: _Job) -> None:
        """Delete a job, and record what is left of it."""
        self._request(ProbeCall("DELETE", generation_path(job.id)))
        job.ended = True
        self._request(ProbeCall("GET", generation_path(job.id)))
        self._request(ProbeCall("DELETE", generation_path(job.id)))
        self._request(ProbeCall("GET", GENERATIONS))

    def _delete_all(self) -> None:
        """Delete the created generations that are not deleted yet."""
        gone = {
            exchange.request.generation_id
            for exchange in self._recorder.exchanges
            if exchange.request.operation is Operation.DELETE and exchange.succeeded
        }
        self._deadline = max(self._deadline, self._clock.monotonic() + self._reserve)
        self._reserve = 0.0
        self.undeleted = [job.id for job in self._jobs if job.id not in gone]
        for generation_id in tuple(self.undeleted):
            self._progress("deleting the created generations")
            exchange = self._request(ProbeCall("DELETE", generation_path(generation_id)))[0]
            if exchange.succeeded or exchange.status == 404:
                self.undeleted.remove(generation_id)
        if self.undeleted:
            self.notes.append(f"Could not be deleted: {', '.join(self.undeleted)}.")

    # One request

    def _get(self, job: _Job) -> None:
        document = self._request(ProbeCall("GET", generation_path(job.id)))[1]
        self._update(job, document)

    def _update(self, job: _Job, document: Any) -> None:
        if not isinstance(document, dict):
            return
        job.last = document
        now = self._clock.monotonic()
        if results := results_of(document):
            job.ended = True
            job.urls = [
                entry["url"]
                for entry in results
                if isinstance(entry, dict) and isinstance(entry.get("url"), str)
            ]
        elif document.get("status") in (
            "completed",
            "success",
        ):  # reported to have an empty result for a moment
            job.completed_at = now if job.completed_at is None else job.completed_at
            job.ended = now - job.completed_at >= _EMPTY_RESULT_SECONDS
        else:
            job.ended = has_ended(document)

    def _request(self, call: ProbeCall, tries: int = _TRIES) -> tuple[Exchange, Any]:
        """Send a request that creates nothing. Repeat it if there is no response or a retryable status."""
        for attempt in range(tries):
            exchange, document = self._send(call)
            if exchange.status not in (0, 429, 502, 503, 504):
                break
            wait = self._retry_after(exchange)
            pause = self._pace.first * 2**attempt if wait is None else wait
            if attempt + 1 == tries or not self._wait_until(self._clock.monotonic() + pause):
                break
        return exchange, document

    def _send(self, call: ProbeCall, within: float = _WITHIN_SECONDS) -> tuple[Exchange, Any]:
        """Send a request once, within the remaining time."""
        if call.authorization is Authorization.BEARER:
            call = replace(call, authorization=self._authorization)
        left = self._deadline - self._clock.monotonic()
        return self._recorder.send(call, within=max(min(within, left), 0.1))

    def _wait_until(self, moment: float) -> bool:
        """Wait until ``moment``. Return False without waiting if that is after the deadline."""
        if moment > self._deadline - self._reserve:
            return False
        pause = moment - self._clock.monotonic()
        if pause > 0:
            self._clock.sleep(pause)
        return True

    def _retry_after(self, exchange: Exchange) -> float | None:
        """Return the seconds of a Retry-After header; None without a valid one."""
        value = exchange.response.headers.get("retry-after", "") if exchange.response else ""
        if value.isdecimal():
            return float(value)
        try:
            return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - self._clock.wall())
        except (ValueError, OverflowError):
            return None


@contextlib.contextmanager
def interruptible(probe: Probe) -> Iterator[None]:
    """Handle SIGINT and SIGTERM after a running create, since its job could not be deleted otherwise."""
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: probe.interrupt()) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def _status(document: Any) -> str:
    return (
        str(document.get("status", "without a status"))
        if isinstance(document, dict)
        else "without a response"
    )


def _unknown_outcome(request: calls.JobRequest, actual: str) -> str:
    return (
        f"It is not known whether {request.shows} was created (and charged): {actual}. "
        "It was not sent again, and cannot be deleted. Look for it in the list of generations."
    )


def _problem_of(exchange: Exchange) -> str:
    """Return why an endpoint with this response cannot be probed; empty if it can."""
    response = exchange.response
    if response is None:
        return f": {exchange.failure}; check the URL, and that the endpoint is running"
    if response.status in (401, 403):
        body = response.body[:200] or "empty body"
        return f" rejects the API key ({response.status}: {body}); check --api-key (NETMIND_API_KEY)"
    if 300 <= response.status <= 399:
        location = response.headers.get("location", "another URL")
        return f" redirects to {location}, and the API key is not sent there; use that URL if it is correct"
    if response.body.lstrip()[:1] == "<":
        return f" returned HTML ({response.status}) instead of JSON; check the base URL, and proxies"
    if response.status >= 500 or response.status == 429:
        return f" returned {response.status} several times; try later"
    return ""
