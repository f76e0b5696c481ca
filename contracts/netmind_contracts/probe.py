"""The few calls that exercise every claim, made once and recorded.

Nothing is judged here. A create is reserved in the budget before it is sent, never sent twice, and what was
created is deleted at the end, also when the run is interrupted.
"""

from __future__ import annotations

import email.utils
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from netmind_contracts import plan
from netmind_contracts.exchange import Answer, Authorization, Exchange, Operation, Run, Scope
from netmind_contracts.histories import FINAL_STATUSES
from netmind_contracts.recorder import Clock, Recorder
from netmind_contracts.target import Budget, TargetError, Transport

if TYPE_CHECKING:
    from collections.abc import Callable

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
    request: plan.JobRequest
    created: float
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
        requests: tuple[plan.JobRequest, ...] = (),
        timeout: float = 1200.0,
        pace: Pace = POLITE,
        clock: Clock = Clock(),  # noqa: B008 - immutable
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
        self._reserve = min(_CLEANUP_SECONDS, timeout / 5)
        self._jobs: list[_Job] = []
        self._authorization = Authorization.BEARER
        self._creating = False
        self._create_not_before = 0.0

    def run(self) -> Run:
        """Make all calls; what they were answered.

        Raises:
            TargetError: The endpoint cannot be looked at; nothing was created.
        """
        self._greet()
        self._progress("asking for what is refused")
        for call in plan.FREE_CALLS:
            self._call(call)
        try:
            if self._budget.limit:
                self._create_all()
                if self._follow_all():
                    self._look_back()
        finally:
            self._delete_all()
        return self.recorded()

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
        exchange = self._ask("GET", "/v1/generation")[0]
        answer = exchange.answer
        if answer is not None and answer.status in (401, 403):
            bare = self._ask("GET", "/v1/generation", Authorization.BARE)[0].answer
            if bare is not None and bare.is_success:
                self._authorization = Authorization.BARE
                answer = bare
        where = f"{self._base_url}/v1/generation"
        if answer is None:
            raise TargetError(f"{where}: {exchange.failure}; is the address right, and is it running?")
        if answer.status in (401, 403):
            said = answer.body[:200] or "nothing more"
            raise TargetError(
                f"{where} refuses the key ({answer.status}: {said}); check --api-key (NETMIND_API_KEY)"
            )
        if 300 <= answer.status <= 399:
            to = answer.headers.get("location", "elsewhere")
            raise TargetError(
                f"{where} redirects to {to}, where the token is not sent; give that address, if it is right"
            )
        if answer.body.lstrip()[:1] == "<":
            raise TargetError(
                f"{where} answers with a page ({answer.status}), no JSON; check the base URL and its proxies"
            )
        if answer.status >= 500 or answer.status == 429:
            raise TargetError(f"{where} answers {answer.status} again and again; try later")

    def _call(self, call: plan.Call) -> None:
        body = call.body.encode() + b" " * call.padding if call.body else None
        authorization = call.authorization
        if authorization is Authorization.BEARER:
            authorization = self._authorization
        self._ask(
            call.method, call.path, authorization, call.content_type, body, 1 if call.padding else _TRIES
        )

    def _create_all(self) -> None:
        for request in self._requests:
            if self._clock.monotonic() >= self._deadline - self._reserve:
                self.notes.append(f"Not created: {request.shows}, since the time was over.")
            elif not self._budget.reserve():
                self.notes.append(
                    f"Not created: {request.shows}, since the budget of {self._budget.limit} was spent."
                )
            else:
                self._progress(f"creating {request.shows}")
                self._create(request)
        self._ask("GET", "/v1/generation")
        for job in self._jobs:
            if job.request.withdrawn:
                self._get(job)
                self._delete(job)

    def _create(self, request: plan.JobRequest) -> None:
        """Send one create, once. Its reservation is given back only if it was certainly refused."""
        self._wait_until(self._create_not_before)
        authorization = request.authorization
        if authorization is Authorization.BEARER:
            authorization = self._authorization
        within = self._deadline - self._reserve - self._clock.monotonic()
        if request.config.get("sync_mode") is not True:
            within = min(within, _WITHIN_SECONDS)
        self._creating = True
        try:
            exchange, document = self._send(
                "POST",
                "/v1/generation",
                authorization,
                "application/json",
                request.body.encode(),
                within=within,
            )
        finally:
            self._creating = False
        answer = exchange.answer
        generation_id = document.get("id") if isinstance(document, dict) else None
        if answer is not None and answer.is_success and isinstance(generation_id, str) and generation_id:
            job = _Job(generation_id, request, self._clock.monotonic())
            self._jobs.append(job)
            self._learn_of(job, document)
        elif answer is None and not exchange.sent:
            self._budget.release()
        elif answer is not None and 400 <= answer.status <= 499 and answer.status != 408:
            self._budget.release()
            self._create_not_before = self._clock.monotonic() + (_retry_after(answer) or 0.0)
        else:
            self.notes.append(
                f"It is not known whether {request.shows} was created (and charged): {exchange}. "
                "It was not sent again, and cannot be deleted; look for it in the list."
            )
        if self.interrupted:
            raise KeyboardInterrupt

    def _follow_all(self) -> bool:
        """Ask for every job until it has ended, each at its own pace; whether the time was enough."""
        due = {job.id: job.created for job in self._jobs if not job.ended}
        wrong_asked = False
        while due:
            job = next(job for job in self._jobs if job.id == min(due, key=due.__getitem__))
            if not self._wait_until(due[job.id]):
                self.notes.append(f"The time was over while {job.request.shows} was {_status(job.last)}.")
                return False
            self._progress(f"{job.request.shows}: {_status(job.last)}")
            self._get(job)
            if not wrong_asked:
                wrong_asked = True
                self._ask("GET", f"/v1/generation/{job.id}", Authorization.WRONG)
            if job.ended:
                del due[job.id]
            else:
                now = self._clock.monotonic()
                due[job.id] = now + self._pace.after(now - job.created)
        return True

    def _look_back(self) -> None:
        """What has ended is asked for again, listed, downloaded, deleted, and asked for once more."""
        self._progress("downloading")
        kept = [job for job in self._jobs if not job.request.withdrawn]
        for job in kept:
            self._ask("GET", f"/v1/generation/{job.id}", Authorization.BARE)
            for url in job.urls:
                self._download(url)
        self._ask("GET", "/v1/generation")
        if kept:
            first = kept[0]
            self._delete(first)
            for url in first.urls[:1]:
                self._download(url)

    def _delete(self, job: _Job) -> None:
        """Delete a job, and look at what is left of it."""
        self._ask("DELETE", f"/v1/generation/{job.id}")
        job.ended = True
        self._ask("GET", f"/v1/generation/{job.id}")
        self._ask("DELETE", f"/v1/generation/{job.id}")
        self._ask("GET", "/v1/generation")

    def _delete_all(self) -> None:
        """Delete what was created and is not deleted yet."""
        gone = {
            exchange.request.generation_id
            for exchange in self._recorder.exchanges
            if exchange.request.operation is Operation.DELETE
            and exchange.answer
            and exchange.answer.is_success
        }
        self._deadline = max(self._deadline, self._clock.monotonic() + self._reserve)
        self._reserve = 0.0
        self.undeleted = [job.id for job in self._jobs if job.id not in gone]
        for generation_id in tuple(self.undeleted):
            self._progress("deleting what was created")
            answer = self._ask("DELETE", f"/v1/generation/{generation_id}")[0].answer
            if answer is not None and (answer.is_success or answer.status == 404):
                self.undeleted.remove(generation_id)
        if self.undeleted:
            self.notes.append(f"Could not be deleted, and is still there: {', '.join(self.undeleted)}.")

    # One request

    def _get(self, job: _Job) -> None:
        document = self._ask("GET", f"/v1/generation/{job.id}")[1]
        self._learn_of(job, document)

    def _learn_of(self, job: _Job, document: Any) -> None:
        if not isinstance(document, dict):
            return
        job.last = document
        result = document.get("result")
        data = result.get("data") if isinstance(result, dict) else None
        now = self._clock.monotonic()
        if isinstance(data, list) and data:
            job.ended = True
            job.urls = [
                entry["url"]
                for entry in data
                if isinstance(entry, dict) and isinstance(entry.get("url"), str)
            ]
        elif document.get("status") in ("completed", "success"):  # seen with an empty result for a moment
            job.completed_at = now if job.completed_at is None else job.completed_at
            job.ended = now - job.completed_at >= _EMPTY_RESULT_PATIENCE
        elif document.get("status") in FINAL_STATUSES or _has_failed(document):
            job.ended = True

    def _download(self, url: str) -> None:
        if url.startswith(("http://", "https://")):
            self._ask("GET", url, Authorization.NONE)

    def _ask(
        self,
        method: str,
        path: str,
        authorization: Authorization | None = None,
        content_type: str = "",
        body: bytes | None = None,
        tries: int = _TRIES,
    ) -> tuple[Exchange, Any]:
        """Send a request that creates nothing; again, if the endpoint says so or does not answer."""
        form = self._authorization if authorization is None else authorization
        for attempt in range(tries):
            exchange, document = self._send(method, path, form, content_type, body)
            answer = exchange.answer
            if answer is not None and answer.status not in (429, 502, 503, 504):
                break
            wait = _retry_after(answer) if answer else None
            pause = self._pace.first * 2**attempt if wait is None else wait
            if attempt + 1 == tries or not self._wait_until(self._clock.monotonic() + pause):
                break
        return exchange, document

    def _send(
        self,
        method: str,
        path: str,
        authorization: Authorization,
        content_type: str = "",
        body: bytes | None = None,
        within: float = _WITHIN_SECONDS,
    ) -> tuple[Exchange, Any]:
        """Send a request once, and no longer than the time allows."""
        left = self._deadline - self._clock.monotonic()
        self._recorder.own = {job.id for job in self._jobs}
        return self._recorder.send(
            method, path, authorization, content_type, body, within=max(min(within, left), 0.1)
        )

    def _wait_until(self, moment: float) -> bool:
        """Wait until the clock shows ``moment``; False, and no wait, if that is too late."""
        if moment > self._deadline - self._reserve:
            return False
        pause = moment - self._clock.monotonic()
        if pause > 0:
            self._clock.sleep(pause)
        return True


def _status(document: Any) -> str:
    return str(document.get("status", "without a status")) if isinstance(document, dict) else "not answered"


def _has_failed(document: dict[str, Any]) -> bool:
    """Whether a log line says so: logs are empty when nothing went wrong (observed)."""
    return bool(document.get("logs")) and document.get("status") not in (
        "pending",
        "initializing",
        "processing",
    )


def _retry_after(answer: Answer) -> float | None:
    """Seconds until the endpoint wants to be asked again, if it says."""
    value = answer.headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
