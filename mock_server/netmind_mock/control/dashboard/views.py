"""What the pages show, as plain values. Pure but for reading the fake."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from netmind_mock.api import wire
from netmind_mock.clock import SimulatedClock
from netmind_mock.jobs.job import MediaKind, Status, has_ended, prompt_of, stages_until, status_at

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
    """How the fake runs, for the head of each page."""

    profile: str
    clock: str
    store: str


class Row(NamedTuple):
    """A job in the table; ages in words, prices in the currency of the prices."""

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
    """A page of the table, newest first.

    Attributes:
        rows: The jobs.
        matching: How many jobs fit the filters, on all pages.
        of: How many jobs there are.
        before: The last row's id, if there are more.
        accounts: Whose jobs there are.
    """

    rows: list[Row]
    matching: int
    of: int
    before: str
    accounts: list[str]


class TimelineStep(NamedTuple):
    """A stage on the timeline: positions from 0 to 1000, and when it begins, in seconds from creation."""

    status: str
    icon: str
    begins: str
    left: float
    width: float
    is_reached: bool


class ShownResult(NamedTuple):
    """A result to be shown: its kind and its path on this server, or its text."""

    kind: str
    path: str
    text: str


class Shown(NamedTuple):
    """A job on its own page."""

    row: Row
    created: str
    scenario: str
    steps: list[TimelineStep]
    ticks: list[float]
    now: float
    is_open: bool
    to_next: float | None
    request: str
    response: str
    results: list[ShownResult]
    own_clock: bool


def mode_of(fake: Fake) -> Mode:
    """Return how the fake runs."""
    return Mode(fake.profile.name, clock_in_words(fake), fake.store.name)


def clock_in_words(fake: Fake) -> str:
    """Whether everybody's clock runs, and how fast."""
    clock = fake.accounts.clock(None)
    if not isinstance(clock, SimulatedClock):
        return "a clock of its own"
    shown = moment(clock.now())
    if clock.frozen:
        return f"frozen at {shown}"
    return f"real time, {shown}" if clock.speed == 1 else f"{clock.speed:g} times real time, {shown}"


def jobs_of(fake: Fake, query: Mapping[str, str]) -> Jobs:
    """The jobs that fit the filters ``status``, ``model``, ``account`` and ``text``, after ``before``."""
    everybody = fake.store.page(None)
    accounts = list(dict.fromkeys(job.user_id for job in reversed(everybody)))[:PAGE_LENGTH]
    fitting = everybody[::-1]
    if any(query.get(name) for name in FILTERS):
        fitting = [job for job in fitting if _fits(fake, job, query)]
    before = query.get("before", "")
    first = next((number for number, job in enumerate(fitting, 1) if job.id == before), 0) if before else 0
    page = fitting[first : first + PAGE_LENGTH]
    polls = fake.journal.polls([job.id for job in page])
    more = first + PAGE_LENGTH < len(fitting)
    return Jobs(
        [row_of(fake, job, polls[job.id]) for job in page],
        len(fitting),
        len(everybody),
        page[-1].id if more else "",
        accounts,
    )


def _fits(fake: Fake, job: Job, query: Mapping[str, str]) -> bool:
    account, model, text, status = (query.get(name, "") for name in ("account", "model", "text", "status"))
    if (account and job.user_id != account) or (model and model.lower() not in job.model.lower()):
        return False
    if text:
        looked_through = f"{job.id} {job.model} {job.config.decode(errors='replace')}"
        if text.lower() not in looked_through.lower():
            return False
    return not status or status_of(fake, job) == status


def status_of(fake: Fake, job: Job) -> str:
    """A job's status in our words; a deleted one's is ``deleted``."""
    now = fake.accounts.clock(job.user_id).now()
    return "deleted" if job.is_deleted(now) else str(status_at(job, now).status)


def row_of(fake: Fake, job: Job, polls: int) -> Row:
    """A job as a row."""
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
    return Shown(
        row=row_of(fake, job, len(polls)),
        created=moment(job.created_at),
        scenario=job.plan.scenario,
        steps=steps,
        ticks=[_place(at - job.created_at, span) for at in polls],
        now=_place(now - job.created_at, span),
        is_open=not has_ended(job, now),
        to_next=to_next,
        request=pretty({"model": job.model, "config": _config_of(job)}),
        response=pretty(wire.generation(job, now, fake.profile, base_url)),
        results=results_of(fake, job, now),
        own_clock=fake.accounts.has_own_clock(job.user_id),
    )


def results_of(fake: Fake, job: Job, now: float) -> list[ShownResult]:
    """What a completed job resulted in; nothing of others."""
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
    """Where a page gets a result file: not as a client does, since a look is nothing for the journal."""
    if "file_id" not in result:
        return ""
    _, mark, query = result["url"].partition("?")
    return f"{FILES}{result['file_id']}{mark}{query}"


def next_event(jobs: Iterable[Job], now: float) -> float | None:
    """Seconds until the first of these jobs changes by itself; None if none does."""
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
    """The stages that were, and those that are to come."""
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
    """The seconds that the timeline shows."""
    ends = [stage.begins + job.plan.queued_for for stage in job.plan.stages if stage.begins < math.inf]
    return max(*ends, now - job.created_at if not has_ended(job, now) else 0.0, 0.001) * 1.05


def _place(seconds: float, span: float) -> float:
    return round(min(max(seconds / span, 0.0), 1.0) * 1000, 1)


def _config_of(job: Job) -> Any:
    return json.loads(job.config)


def _prompt_of(job: Job) -> str:
    return prompt_of(_config_of(job))


def pretty(document: Any) -> str:
    """JSON for people, cut if it is long."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    if len(text) <= _MAX_JSON_CHARACTERS:
        return text
    return f"{text[:_MAX_JSON_CHARACTERS]}\n… ({len(text)} characters)"


def shortened(text: str) -> str:
    """Text for a table."""
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}…"


def moment(at: float) -> str:
    """A time in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float) -> str:
    """Seconds in words, such as ``3 min 20 s``."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    whole = int(seconds)
    parts = [(whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "min"), (whole % 60, "s")]
    named = [f"{number} {unit}" for number, unit in parts if number]
    return " ".join(islice(named, 2)) or "0 s"
