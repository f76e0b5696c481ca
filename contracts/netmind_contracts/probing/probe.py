"""Send the few requests that exercise the claims, and record them.

Nothing is checked here. A create is reserved in the budget before it is sent, and never sent twice.
Generations are deleted at the end, also if the run is interrupted.
"""

from __future__ import annotations

import contextlib
import signal
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from netmind_contracts.probing import calls
from netmind_contracts.probing.budget import Budget, EndpointError
from netmind_contracts.probing.calls import ProbeCall
from netmind_contracts.probing.recorder import Recorder, RecorderClock
from netmind_contracts.probing.sending import LOCAL, POLITE, WITHIN_SECONDS, Pace, Sender
from netmind_contracts.probing.sentences import problem_of, status_of, unknown_outcome
from netmind_contracts.runs.exchange import Authorization, Exchange, Run, Scope
from netmind_contracts.runs.histories import has_ended, results_of
from netmind_contracts.runs.known import GENERATIONS, generation_path
from netmind_contracts.runs.responses import is_marked_deleted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netmind_contracts.probing.transport import Transport

__all__ = ["LOCAL", "POLITE", "Pace", "Probe", "interruptible"]

_EMPTY_RESULT_SECONDS = 30.0
_REDIRECTS = 5


@dataclass(slots=True)
class _Job:
    """A generation that the probe created and polls."""

    id: str
    request: calls.JobRequest
    created: float
    due: float
    last: Any = None
    ended: bool = False
    deleted: bool = False
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
        self._sender = Sender(self._recorder, clock, pace, timeout)
        self._started = clock.wall()
        self._jobs: list[_Job] = []
        # Generations that invalid creates created.
        self._unwanted: list[str] = []
        # The ids in the first list: these generations are not the run's.
        self._others: set[str] = set()
        self._creating = self._finished = self._list_stays_behind = False
        self._create_not_before = 0.0

    def run(self) -> Run:
        """Send all requests, and return the recorded run.

        Raises:
            EndpointError: The endpoint cannot be probed. Nothing was created.
            KeyboardInterrupt: ``interrupt`` was called. Generations are deleted, or listed in ``undeleted``.
        """
        self._check_endpoint()
        try:
            self._send_invalid()
            if self._budget.limit:
                self._create_all()
                if self._follow_all():
                    self._check_ended()
            self._finished = True
        except Exception as error:  # noqa: BLE001 - what was recorded can still be checked
            self.notes.append(
                f"The run ended early, by an error of netmind-contracts ({type(error).__name__}: {error})."
            )
        finally:
            self._delete_all()
        return self.recorded()

    @property
    def created(self) -> bool:
        """Whether a generation was created."""
        return bool(self._jobs or self._unwanted)

    def recorded(self) -> Run:
        """Return the run as recorded so far. A run that did not finish is not a complete free run."""
        return Run(
            base_url=self._base_url,
            started=datetime.fromtimestamp(self._started, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            scope=Scope.FULL if self._budget.limit or not self._finished else Scope.FREE,
            exchanges=tuple(self._recorder.exchanges),
            notes=(*self._sender.notes(), *self.notes),
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
        exchange, document = self._sender.request(ProbeCall("GET", GENERATIONS))
        if exchange.status in (401, 403):
            bare, listed = self._sender.request(ProbeCall("GET", GENERATIONS, Authorization.BARE))
            if bare.succeeded:
                self._sender.authorization = Authorization.BARE
                exchange, document = bare, listed
        if problem := problem_of(exchange, document):
            raise EndpointError(f"{self._base_url}{GENERATIONS}{problem}")
        self._others = set(_entries(document))

    def _send_invalid(self) -> None:
        """Send the requests that the API rejects. An invalid create that it accepts is the last one."""
        self._progress("sending requests that the API rejects")
        for call in calls.FREE_CALLS:
            if call.method == "POST" and self._unwanted:
                continue
            exchange, document = self._sender.request(call)
            if call.method == "POST" and exchange.succeeded:
                self._budget.count()
                name = self._id_of(document)
                self._unwanted.append(name)
                self.notes.append(
                    f"A create that is invalid ({call.shows}) was accepted, and may be charged: "
                    f"{name or 'its response has no id'}. No other invalid create was sent."
                )

    def _id_of(self, document: Any) -> str:
        """Return the id in the response to a create, unless it is of a generation that was there before."""
        name = document.get("id") if isinstance(document, dict) else None
        return name if isinstance(name, str) and name not in self._others else ""

    def _create_all(self) -> None:
        for request in self._requests:
            if why_not := self._reserve_create():
                self.notes.append(f"Not created: {request.shows}, because {why_not}.")
            else:
                self._progress(f"creating {request.shows}")
                self._create(request)
        self._list()
        for job in self._jobs:
            if job.request.withdrawn:
                self._get(job)
                self._delete(job)

    def _reserve_create(self) -> str:
        """Reserve a create and wait until it may be sent. Return the reason if it may not, else ""."""
        if self._clock.monotonic() >= self._sender.deadline - self._sender.reserve:
            return "the timeout was reached"
        if not self._budget.reserve():
            return f"the limit of {self._budget.limit} was reached"
        if not self._sender.wait_until(self._create_not_before):
            self._budget.release()
            return "Retry-After of the endpoint is longer than the remaining time"
        return ""

    def _create(self, request: calls.JobRequest) -> None:
        """Send a create once. Release its reservation only if it certainly created nothing."""
        within = self._sender.deadline - self._sender.reserve - self._clock.monotonic()
        if request.config.get("sync_mode") is not True:
            within = min(within, WITHIN_SECONDS)
        self._creating = True
        try:
            exchange, document = self._sender.send(request.call, within=within)
            self._handle_create(request, exchange, document)
        except KeyboardInterrupt:
            self.notes.append(unknown_outcome(request, "interrupted before it got a response"))
            raise
        finally:
            self._creating = False
        if self.interrupted:
            raise KeyboardInterrupt

    def _handle_create(self, request: calls.JobRequest, exchange: Exchange, document: Any) -> None:
        if exchange.succeeded and (generation_id := self._id_of(document)):
            now = self._clock.monotonic()
            job = _Job(generation_id, request, created=now, due=now)
            self._jobs.append(job)
            self._recorder.own.append(generation_id)
            self._progress(f"created {generation_id}: {request.shows}")
            self._update(job, exchange, document)
        elif not exchange.sent:
            self._budget.release()
        elif 400 <= exchange.status <= 499 and exchange.status != 408:
            self._budget.release()
            self._create_not_before = self._clock.monotonic() + (self._sender.retry_after(exchange) or 0.0)
        else:
            self.notes.append(unknown_outcome(request, str(exchange)) + self._appeared())

    def _appeared(self) -> str:
        """Return a sentence with the generations that appeared in the list, and are not the run's."""
        found = [name for name in _entries(self._list()) if name not in {*self._others, *self._recorder.own}]
        return f" The list has new generations, which may be of others: {', '.join(found)}." if found else ""

    def _follow_all(self) -> bool:
        """Poll every job until it has ended. Return False if the time was not enough."""
        sent_wrong_key = False
        while pending := [job for job in self._jobs if not job.ended]:
            job = min(pending, key=lambda job: job.due)
            if not self._sender.wait_until(job.due):
                self.notes.append(
                    f"The timeout was reached while {job.request.shows} was {status_of(job.last)}."
                )
                return False
            self._progress(f"{job.request.shows}: {status_of(job.last)}")
            self._get(job)
            if not sent_wrong_key:
                sent_wrong_key = True
                self._sender.request(ProbeCall("GET", generation_path(job.id), Authorization.WRONG))
            now = self._clock.monotonic()
            job.due = now + self._pace.after(now - (job.completed_at or job.created))
        return True

    def _check_ended(self) -> None:
        """Get, list and download the generations that have ended, and delete the first."""
        self._progress("downloading")
        kept = [job for job in self._jobs if not job.request.withdrawn]
        for job in kept:
            self._sender.request(ProbeCall("GET", generation_path(job.id), Authorization.BARE))
            for url in job.urls:
                self._download(url)
        self._list()
        if kept:
            self._delete(kept[0])

    def _delete_all(self) -> None:
        """Delete the created generations that are not deleted yet, and look whether all are gone."""
        created = [*(job.id for job in self._jobs), *filter(None, self._unwanted)]
        if not created:
            return
        self._sender.deadline = max(self._sender.deadline, self._clock.monotonic() + self._sender.reserve)
        self._sender.reserve = 0.0
        self.undeleted = [
            name for name in created if name not in {job.id for job in self._jobs if job.deleted}
        ]
        for generation_id in tuple(self.undeleted):
            self._progress("deleting the created generations")
            exchange = self._sender.request(ProbeCall("DELETE", generation_path(generation_id)))[0]
            if exchange.succeeded or exchange.status == 404:
                self.undeleted.remove(generation_id)
                for job in self._jobs:
                    job.deleted = job.deleted or job.id == generation_id
        entries = _entries(self._list())
        self.undeleted += [
            name
            for name in created
            if name in entries and name not in self.undeleted and not is_marked_deleted(entries[name])
        ]
        if self.undeleted:
            self.notes.append(f"Could not be deleted: {', '.join(self.undeleted)}.")

    # One generation

    def _get(self, job: _Job) -> None:
        """Get a job. It may not be there yet."""
        exchange, document = self._sender.request(
            ProbeCall("GET", generation_path(job.id)), again=lambda exchange, _: exchange.status == 404
        )
        self._update(job, exchange, document)

    def _list(self) -> Any:
        """List the generations. The list may be behind."""
        exchange, document = self._sender.request(ProbeCall("GET", GENERATIONS), again=self._is_behind)
        self._list_stays_behind = exchange.succeeded and self._is_behind(exchange, document)
        return document

    def _is_behind(self, exchange: Exchange, document: Any) -> bool:
        """Return whether a list does not show what the run created, completed and deleted."""
        if self._list_stays_behind or not exchange.succeeded:
            return False
        entries = _entries(document)
        return any(
            (job.id in entries and not is_marked_deleted(entries[job.id]))
            if job.deleted
            else job.id not in entries or (job.ended and entries[job.id] != job.last)
            for job in self._jobs
        )

    def _download(self, url: str) -> None:
        """Download a result without the API key. It may not be there yet, or redirect to its storage."""
        for _ in range(_REDIRECTS):
            if not url.startswith(("http://", "https://")):
                return
            self._sender.request(
                ProbeCall("GET", url, Authorization.NONE),
                again=lambda exchange, _: exchange.status in (403, 404),  # storages also send 403
            )
            if not self._recorder.redirect:
                return
            url = urljoin(url, self._recorder.redirect)

    def _delete(self, job: _Job) -> None:
        """Delete a job, and record what is left of it."""
        path = generation_path(job.id)
        for authorization in dict.fromkeys((job.request.authorization, Authorization.BEARER)):
            exchange = self._sender.request(
                ProbeCall("DELETE", path, authorization), again=lambda exchange, _: exchange.status == 404
            )[0]
            if exchange.status not in (401, 403):
                break
        job.ended = True
        job.deleted = exchange.succeeded or exchange.status == 404
        self._sender.request(
            ProbeCall("GET", path),
            again=lambda exchange, document: (
                job.deleted and exchange.succeeded and not is_marked_deleted(document)
            ),
        )
        self._sender.request(ProbeCall("DELETE", path))
        self._list()

    def _update(self, job: _Job, exchange: Exchange, document: Any) -> None:
        if not isinstance(document, dict) or not (exchange.succeeded or "status" in document):
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


@contextlib.contextmanager
def interruptible(probe: Probe) -> Iterator[None]:
    """Handle signals after a running create, since its job could not be deleted otherwise."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
    signals = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = [signal.signal(number, lambda *_: probe.interrupt()) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def _entries(document: Any) -> dict[str, Any]:
    """Return the generations of a list, by id."""
    listed = document.get("generation_list") if isinstance(document, dict) else None
    entries = listed if isinstance(listed, list) else []
    return {
        entry["id"]: entry
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("id"), str)
    }
