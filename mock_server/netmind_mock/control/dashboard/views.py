"""The values that the templates show. These functions read the fake and do not change it."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from netmind_mock.api import wire
from netmind_mock.clock import SimulatedClock
from netmind_mock.jobs.job import MediaKind, Status, has_ended, prompt_of, stages_until, status_at
from netmind_mock.journal.redaction import shortened as shortened_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from netmind_mock.fake import Fake
    from netmind_mock.jobs.job import Job

FILTERS = ("status", "model", "account", "text")
FILES = "/__mock/pages/files/"
PAGE_LENGTH = 50
MAX_SHOWN_CHARACTERS = 120
_MAX_JSON_CHARACTERS = 20_000
ICONS = {
    "pending": "○",
    "initializing": "◔",
    "processing": "◑",
    "completed": "✓",
    "failed": "✗",
    "deleted": "⌫",
}


class Mode(NamedTuple):
    """The configuration of the fake, shown at the top of each page."""

    profile: str
    clock: str
    store: str


class Row(NamedTuple):
    """A row of the table of jobs. The price is in the currency of the configured prices."""

    id: str
    model: str
    prompt: str
    status: str
    icon: str
    age: str
    polls: int
    price: str
    account: str
    picture: str


class Jobs(NamedTuple):
    """A page of the table of jobs, newest first.

    Attributes:
        rows: The jobs on this page.
        matching: The number of jobs that match the filters, on all pages.
        of: The number of all jobs.
        before: The id of the last job on this page if more follow; otherwise empty.
        accounts: The accounts that have jobs.
    """

    rows: list[Row]
    matching: int
    of: int
    before: str
    accounts: list[str]


class TimelineStep(NamedTuple):
    """A stage on the timeline. It begins after creation; ``left`` and ``width`` are from 0 to 1000."""

    status: str
    icon: str
    begins: str
    left: float
    width: float
    is_reached: bool


class ShownResult(NamedTuple):
    """A result: its kind, and its path on this server or its text."""

    kind: str
    path: str
    text: str


class Shown(NamedTuple):
    """A job on its own page.

    ``request`` is its create request with long texts shortened; ``is_whole`` is false if even so only its
    beginning is shown.
    """

    row: Row
    created: str
    scenario: str
    steps: list[TimelineStep]
    ticks: list[float]
    now: float
    is_open: bool
    to_next: float | None
    request: str
    is_whole: bool
    response: str
    results: list[ShownResult]
    own_clock: bool


def mode_of(fake: Fake) -> Mode:
    """Return the configuration of the fake."""
    return Mode(fake.profile.name, clock_in_words(fake), fake.store.name)


def clock_in_words(fake: Fake) -> str:
    """Return the state of the clock of all accounts: its time, its speed, or that it is frozen."""
    clock = fake.accounts.clock(None)
    if not isinstance(clock, SimulatedClock):
        return "custom clock"
    shown = moment(clock.now())
    if clock.frozen:
        return f"frozen at {shown}"
    return f"real time, {shown}" if clock.speed == 1 else f"{clock.speed:g} times real time, {shown}"


def jobs_of(fake: Fake, query: Mapping[str, str]) -> Jobs:
    """Return a page of the jobs that match a query.

    Args:
        fake: The fake whose jobs they are.
        query: The filters ``status``, ``model``, ``account`` and ``text``. With ``before``, the jobs after
            the job of this id.
    """
    all_jobs = fake.store.page(None)
    accounts = list(dict.fromkeys(job.user_id for job in reversed(all_jobs)))[:PAGE_LENGTH]
    matching = all_jobs[::-1]
    if any(query.get(name) for name in FILTERS):
        matching = [job for job in matching if _matches(fake, job, query)]
    before = query.get("before", "")
    first = next((number for number, job in enumerate(matching, 1) if job.id == before), 0) if before else 0
    page = matching[first : first + PAGE_LENGTH]
    polls = fake.journal.polls([job.id for job in page])
    more = first + PAGE_LENGTH < len(matching)
    return Jobs(
        [row_of(fake, job, polls[job.id]) for job in page],
        len(matching),
        len(all_jobs),
        page[-1].id if more else "",
        accounts,
    )


def _matches(fake: Fake, job: Job, query: Mapping[str, str]) -> bool:
    account, model, text, status = (query.get(name, "") for name in ("account", "model", "text", "status"))
    if (account and job.user_id != account) or (model and model.lower() not in job.model.lower()):
        return False
    if text:
        searched = f"{job.id} {job.model} {job.config.decode(errors='replace')}"
        if text.lower() not in searched.lower():
            return False
    return not status or status_of(fake, job) == status


def status_of(fake: Fake, job: Job) -> str:
    """Return the status of a job as ``Status`` names it (a profile may differ), or ``deleted``."""
    now = fake.accounts.clock(job.user_id).now()
    return "deleted" if job.is_deleted(now) else str(status_at(job, now).status)


def row_of(fake: Fake, job: Job, polls: int) -> Row:
    """Return the row of a job."""
    now = fake.accounts.clock(job.user_id).now()
    status = status_of(fake, job)
    results = results_of(fake, job, now)
    picture = next((result.path for result in results if result.kind == MediaKind.IMAGE), "")
    return Row(
        job.id,
        shortened(job.model),
        shortened(_prompt_of(job)),
        status,
        ICONS.get(status, "?"),
        duration(now - job.created_at),
        polls,
        f"{fake.prices.of(job.model):g}",
        job.user_id,
        picture,
    )


def shown_job(fake: Fake, job: Job, base_url: str) -> Shown:
    """Return a job with its timeline, its request and its current response."""
    clock = fake.accounts.clock(job.user_id)
    now = clock.now()
    entries = fake.journal.entries(job.user_id, job_id=job.id)
    polls = [entry.at for entry in entries if entry.operation == "get"]
    steps = _steps(job, now)
    span = _span(job, now)
    to_next = next_event([job], now)
    request = json_of(shortened_texts({"model": job.model, "config": _config_of(job)}))
    return Shown(
        row=row_of(fake, job, len(polls)),
        created=moment(job.created_at),
        scenario=job.plan.scenario,
        steps=steps,
        ticks=[_place(at - job.created_at, span) for at in polls],
        now=_place(now - job.created_at, span),
        is_open=not has_ended(job, now),
        to_next=to_next,
        request=beginning(request),
        is_whole=len(request) <= _MAX_JSON_CHARACTERS,
        response=beginning(json_of(wire.generation(job, now, fake.profile, base_url))),
        results=results_of(fake, job, now),
        own_clock=fake.accounts.has_own_clock(job.user_id),
    )


def results_of(fake: Fake, job: Job, now: float) -> list[ShownResult]:
    """Return the results of a completed job; an empty list for other jobs."""
    if job.is_deleted(now) or status_at(job, now).status is not Status.COMPLETED:
        return []
    data = wire.generation(job, now, fake.profile, "")["result"].get("data", [])
    kinds = [output.kind for output in job.plan.outputs]
    texts = [wire.transcript(job) if kind is MediaKind.TEXT else "" for kind in kinds]
    return [
        ShownResult(str(kind), _path_of(one), text)
        for kind, one, text in zip(kinds, data, texts, strict=False)
    ]


def _path_of(result: Mapping[str, str]) -> str:
    """Return the path of a result file for the dashboard, whose requests are not in the journal."""
    if "file_id" not in result:
        return ""
    _, mark, query = result["url"].partition("?")
    return f"{FILES}{result['file_id']}{mark}{query}"


def next_event(jobs: Iterable[Job], now: float) -> float | None:
    """Return the seconds until the first stage change of these jobs; None if no stage is to come."""
    first = math.inf
    for job in jobs:
        if job.deleted_at is not None:
            continue
        for stage in job.plan.stages:
            begins = job.created_at + job.plan.queued_for + stage.begins
            if now < begins < first:
                first = begins
    return None if first == math.inf else first - now


def _steps(job: Job, now: float) -> list[TimelineStep]:
    """Return the past and the planned stages of a job."""
    span = _span(job, now)
    reached = stages_until(job, now)
    coming = [] if job.deleted_at is not None else job.plan.stages[len(reached) :]
    begins = [stage.begins for stage in reached]
    begins += [stage.begins + job.plan.queued_for for stage in coming]
    stages = [*reached, *coming]
    steps = []
    for number, (stage, begin) in enumerate(zip(stages, begins, strict=True)):
        if begin == math.inf:
            continue
        later = [end for end in begins[number + 1 :] if end < math.inf]
        left = _place(begin, span)
        right = _place(later[0], span) if later else 1000.0
        status = str(stage.status)
        is_reached = number < len(reached)
        icon = ICONS.get(status, "?")
        steps.append(TimelineStep(status, icon, duration(begin), left, max(right - left, 2.0), is_reached))
    return steps


def _span(job: Job, now: float) -> float:
    """Return the length of the timeline in seconds."""
    ends = [stage.begins + job.plan.queued_for for stage in job.plan.stages if stage.begins < math.inf]
    return max(*ends, now - job.created_at if not has_ended(job, now) else 0.0, 0.001) * 1.05


def _place(seconds: float, span: float) -> float:
    """Return the position on the timeline, from 0 to 1000."""
    return round(min(max(seconds / span, 0.0), 1.0) * 1000, 1)


def _config_of(job: Job) -> Any:
    return json.loads(job.config)


def _prompt_of(job: Job) -> str:
    return prompt_of(_config_of(job))


def json_of(document: Any) -> str:
    """Return indented JSON."""
    return json.dumps(document, indent=2, ensure_ascii=False)


def beginning(text: str) -> str:
    """Return text for a page, cut if it is long."""
    if len(text) <= _MAX_JSON_CHARACTERS:
        return text
    return f"{text[:_MAX_JSON_CHARACTERS]}\n… ({len(text)} characters)"


def shortened(text: str) -> str:
    """Return text for a table, truncated if it is long."""
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}…"


def moment(at: float) -> str:
    """Return a time in UTC, such as ``2025-09-18 09:14:20``."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float) -> str:
    """Return a duration in words, such as ``3 min 20 s``."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    whole = int(seconds)
    parts = [(whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "min"), (whole % 60, "s")]
    named = [f"{number} {unit}" for number, unit in parts if number]
    return " ".join(islice(named, 2)) or "0 s"
