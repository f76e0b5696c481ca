"""The few calls that exercise every claim, made once and recorded.

Nothing is judged here. A create is reserved in the budget before it is sent, never sent twice, and what was
created is deleted at the end, also when the run is interrupted.
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
from netmind_contracts.runs.known import GENERATIONS, one

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netmind_contracts.probing.transport import Transport

_WITHIN_SECONDS = 30.0
_CLEANUP_SECONDS = 10.0
_TRIES = 4
_EMPTY_RESULT_PATIENCE = 30.0


class Pace(NamedTuple):
    """How often a job is asked for: after ``first`` seconds, and then ever more seldom.

    Attributes:
        first: The shortest wait, in seconds.
        growth: The share of the time since creation that a wait grows to.
        longest: The longest wait, in seconds.
    """

    first: float = 1.0
    growth: float = 0.05
    longest: float = 15.0

    def after(self, elapsed: float) -> float:
        """Seconds to wait, ``elapsed`` seconds after the job was created."""
        return min(max(self.first, self.growth * elapsed), self.longest)


POLITE = Pace()
LOCAL = Pace(first=0.05)


@dataclass(slots=True)
class _Job:
    """A generation of ours while the probe follows it."""

    id: str
    request: calls.JobRequest
    created: float
    due: float
    last: Any = None
    ended: bool = False
    urls: list[str] = field(default_factory=list)
    completed_at: float | None = None


class Probe:
    """One run over an endpoint.

    Attributes:
        notes: What went otherwise than planned, as sentences.
        undeleted: Ids of generations that were created and could not be deleted.
        interrupted: Set by ``interrupt`` while a create is under way.
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
        # Kept back of the time, so that what was created can be deleted.
        self._reserve = min(_CLEANUP_SECONDS, timeout / 5)
        self._jobs: list[_Job] = []
        self._authorization = Authorization.BEARER
        self._creating = False
        self._create_not_before = 0.0

    def run(self) -> Run:
        """Make all calls; what they were answered.

        Raises:
            EndpointError: The endpoint cannot be looked at; nothing was created.
            KeyboardInterrupt: ``interrupt`` was called; what was created is deleted, or in ``undeleted``.
        """
        self._greet()
        self._progress("asking for what is refused")
        for call in calls.FREE_CALLS:
            self._ask(call, tries=1 if call.padding else _TRIES)
        try:
            if self._budget.limit:
                self._create_all()
                if self._follow_all():
                    self._look_back()
        finally:
            self._delete_all()
        return self.recorded()

    @property
    def created(self) -> bool:
        """Whether a generation was created."""
        return bool(self._jobs)

    def recorded(self) -> Run:
        """What was recorded so far."""
        return Run(
            target=self._base_url,
            started=datetime.fromtimestamp(self._started, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            scope=Scope.FULL if self._budget.limit else Scope.FREE,
            exchanges=tuple(self._recorder.exchanges),
            notes=tuple(self.notes),
        )

    def interrupt(self) -> None:
        """Stop, for a signal handler: at once, or once a create under way has been answered.

        Raises:
            KeyboardInterrupt: Unless a create is under way for the first time.
        """
        if self._creating and not self.interrupted:
            self.interrupted = True
            return
        raise KeyboardInterrupt

    # The parts of a run, in their order

    def _greet(self) -> None:
        """Find out whether there is an API, and which form of the token it takes."""
        self._progress(f"looking at {self._base_url}")
        exchange = self._ask(ProbeCall("GET", GENERATIONS))[0]
        if exchange.status in (401, 403):
            bare = self._ask(ProbeCall("GET", GENERATIONS, Authorization.BARE))[0]
            if bare.succeeded:
                self._authorization = Authorization.BARE
                exchange = bare
        if problem := _problem_of(exchange):
            raise EndpointError(f"{self._base_url}{GENERATIONS}{problem}")

    def _create_all(self) -> None:
        for request in self._requests:
            if why_not := self._reserve_create():
                self.notes.append(f"Not created: {request.shows}, since {why_not}.")
            else:
                self._progress(f"creating {request.shows}")
                self._create(request)
        self._ask(ProbeCall("GET", GENERATIONS))
        for job in self._jobs:
            if job.request.withdrawn:
                self._get(job)
                self._delete(job)

    def _reserve_create(self) -> str:
        """Take a create from the budget, and wait until it may be sent; return why not, empty if it may."""
        if self._clock.monotonic() >= self._deadline - self._reserve:
            return "the time was over"
        if not self._budget.reserve():
            return f"the budget of {self._budget.limit} was spent"
        if not self._wait_until(self._create_not_before):
            self._budget.release()
            return "the endpoint wants to be left alone for longer"
        return ""

    def _create(self, request: calls.JobRequest) -> None:
        """Send one create, once. Its reservation is given back only if it was certainly refused."""
        within = self._deadline - self._reserve - self._clock.monotonic()
        if request.config.get("sync_mode") is not True:
            within = min(within, _WITHIN_SECONDS)
        self._creating = True
        try:
            exchange, document = self._send(request.call, within=within)
            self._note_creation(request, exchange, document)
        except KeyboardInterrupt:
            self.notes.append(_unknown_outcome(request, "interrupted before it was answered"))
            raise
        finally:
            self._creating = False
        if self.interrupted:
            raise KeyboardInterrupt

    def _note_creation(self, request: calls.JobRequest, exchange: Exchange, document: Any) -> None:
        generation_id = document.get("id") if isinstance(document, dict) else None
        if exchange.succeeded and isinstance(generation_id, str) and generation_id:
            now = self._clock.monotonic()
            job = _Job(generation_id, request, created=now, due=now)
            self._jobs.append(job)
            self._recorder.own.append(generation_id)
            self._learn_of(job, document)
        elif not exchange.sent:
            self._budget.release()
        elif 400 <= exchange.status <= 499 and exchange.status != 408:
            self._budget.release()
            self._create_not_before = self._clock.monotonic() + (self._retry_after(exchange) or 0.0)
        else:
            self.notes.append(_unknown_outcome(request, str(exchange)))

    def _follow_all(self) -> bool:
        """Ask for every job until it has ended, each at its own pace; return whether the time was enough."""
        wrong_asked = False
        while pending := [job for job in self._jobs if not job.ended]:
            job = min(pending, key=lambda job: job.due)
            if not self._wait_until(job.due):
                self.notes.append(f"The time was over while {job.request.shows} was {_status(job.last)}.")
                return False
            self._progress(f"{job.request.shows}: {_status(job.last)}")
            self._get(job)
            if not wrong_asked:
                wrong_asked = True
                self._ask(ProbeCall("GET", one(job.id), Authorization.WRONG))
            now = self._clock.monotonic()
            job.due = now + self._pace.after(now - (job.completed_at or job.created))
        return True

    def _look_back(self) -> None:
        """What has ended is asked for again, listed, downloaded, and the first of it deleted."""
        self._progress("downloading")
        kept = [job for job in self._jobs if not job.request.withdrawn]
        for job in kept:
            self._ask(ProbeCall("GET", one(job.id), Authorization.BARE))
            for url in job.urls:
                if url.startswith(("http://", "https://")):
                    self._ask(ProbeCall("GET", url, Authorization.NONE))
        self._ask(ProbeCall("GET", GENERATIONS))
        if kept:
            self._delete(kept[0])

    def _delete(self, job: _Job) -> None:
        """Delete a job, and look at what is left of it."""
        self._ask(ProbeCall("DELETE", one(job.id)))
        job.ended = True
        self._ask(ProbeCall("GET", one(job.id)))
        self._ask(ProbeCall("DELETE", one(job.id)))
        self._ask(ProbeCall("GET", GENERATIONS))

    def _delete_all(self) -> None:
        """Delete what was created and is not deleted yet."""
        gone = {
            exchange.request.generation_id
            for exchange in self._recorder.exchanges
            if exchange.request.operation is Operation.DELETE and exchange.succeeded
        }
        self._deadline = max(self._deadline, self._clock.monotonic() + self._reserve)
        self._reserve = 0.0
        self.undeleted = [job.id for job in self._jobs if job.id not in gone]
        for generation_id in tuple(self.undeleted):
            self._progress("deleting what was created")
            exchange = self._ask(ProbeCall("DELETE", one(generation_id)))[0]
            if exchange.succeeded or exchange.status == 404:
                self.undeleted.remove(generation_id)
        if self.undeleted:
            self.notes.append(f"Could not be deleted, and is still there: {', '.join(self.undeleted)}.")

    # One request

    def _get(self, job: _Job) -> None:
        document = self._ask(ProbeCall("GET", one(job.id)))[1]
        self._learn_of(job, document)

    def _learn_of(self, job: _Job, document: Any) -> None:
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
        elif document.get("status") in ("completed", "success"):  # seen with an empty result for a moment
            job.completed_at = now if job.completed_at is None else job.completed_at
            job.ended = now - job.completed_at >= _EMPTY_RESULT_PATIENCE
        else:
            job.ended = has_ended(document)

    def _ask(self, call: ProbeCall, tries: int = _TRIES) -> tuple[Exchange, Any]:
        """Send a request that creates nothing; again, if the endpoint says so or does not answer."""
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
        """Send a request once, and no longer than the time allows."""
        if call.authorization is Authorization.BEARER:
            call = replace(call, authorization=self._authorization)
        left = self._deadline - self._clock.monotonic()
        return self._recorder.send(call, within=max(min(within, left), 0.1))

    def _wait_until(self, moment: float) -> bool:
        """Wait until the clock shows ``moment``; False, and no wait, if that is too late."""
        if moment > self._deadline - self._reserve:
            return False
        pause = moment - self._clock.monotonic()
        if pause > 0:
            self._clock.sleep(pause)
        return True

    def _retry_after(self, exchange: Exchange) -> float | None:
        """Return the seconds until the endpoint wants to be asked again, if it says."""
        value = exchange.response.headers.get("retry-after", "") if exchange.response else ""
        if value.isdecimal():
            return float(value)
        try:
            return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - self._clock.wall())
        except (ValueError, OverflowError):
            return None


@contextlib.contextmanager
def interruptible(probe: Probe) -> Iterator[None]:
    """Let Ctrl-C, and a CI's end, wait for a create under way: its job could not be deleted otherwise."""
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: probe.interrupt()) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def _status(document: Any) -> str:
    return str(document.get("status", "without a status")) if isinstance(document, dict) else "not answered"


def _unknown_outcome(request: calls.JobRequest, actual: str) -> str:
    return (
        f"It is not known whether {request.shows} was created (and charged): {actual}. "
        "It was not sent again, and cannot be deleted; look for it in the list."
    )


def _problem_of(exchange: Exchange) -> str:
    """Why an endpoint that answers so cannot be looked at; empty if it can."""
    response = exchange.response
    if response is None:
        return f": {exchange.failure}; is the address right, and is it running?"
    if response.status in (401, 403):
        said = response.body[:200] or "nothing more"
        return f" refuses the key ({response.status}: {said}); check --api-key (NETMIND_API_KEY)"
    if 300 <= response.status <= 399:
        to = response.headers.get("location", "elsewhere")
        return f" redirects to {to}, where the token is not sent; give that address, if it is right"
    if response.body.lstrip()[:1] == "<":
        return f" answers with a page ({response.status}), no JSON; check the base URL and its proxies"
    if response.status >= 500 or response.status == 429:
        return f" answers {response.status} again and again; try later"
    return ""
