"""Checks across the answers about one job: what stays, what moves, and how it ends."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from netmind_contracts.checks.registry import Finding, came_of, check, finding
from netmind_contracts.runs.histories import ON_THE_WAY, PAGE_MODELS, Histories, has_ended, results_of
from netmind_contracts.runs.known import UNREACHABLE_URL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netmind_contracts.runs.histories import Job, Seen

_EMPTY: tuple[dict[str, list[str]], ...] = ({}, {"data": []})
_NEVER_SEEN = ("cancelled", "error", "success")
_FORMAT = "%Y-%m-%d %H:%M:%S"


@check("get.completed", "job that was asked for")
def get_answers_the_same_job_until_it_is_completed(seen: Histories) -> Iterator[Finding]:
    """Get answers the generation that was asked for, and a job of the page's models ends as completed."""
    for job in seen.jobs.values():
        for poll in job.polls:
            came = poll.document.get("id") if isinstance(poll.document, dict) else came_of(poll)
            yield finding(poll.succeeded and came == job.id, poll, f"generation {job.id}", came)
        if job.end is not None and job.model in PAGE_MODELS:
            status = job.end.document.get("status")
            yield finding(status == "completed", job.end, "completed", status)


@check("get.updated-at-moved", "completed job")
def updated_at_has_moved(seen: Histories) -> Iterator[Finding]:
    """Once a job is completed its updated_at is later than its created_at."""
    for job in seen.jobs.values():
        if job.completed is not None:
            created, updated = (_time(job.completed, name) for name in ("created_at", "updated_at"))
            if created is not None and updated is not None:
                came = f"created {created}, updated {updated}"
                yield finding(updated > created, job.completed, "updated_at after created_at", came)


def _time(seen: Seen, name: str) -> datetime | None:
    try:
        return datetime.strptime(seen.document.get(name), _FORMAT)  # noqa: DTZ007 - the API names no zone
    except (TypeError, ValueError):
        return None


def _steps(seen: Histories) -> Iterator[tuple[Seen, Seen]]:
    """Each answer about a job with the next one about it."""
    for job in seen.jobs.values():
        yield from pairwise(job.answers)


@check("generation.constant", "two answers about one job")
def facts_of_a_job_stay(seen: Histories) -> Iterator[Finding]:
    """From answer to answer user_id and created_at stay as they are."""
    for before, after in _steps(seen):
        for name in ("user_id", "created_at"):
            was, is_ = before.document.get(name), after.document.get(name)
            yield finding(was == is_, after, f"{name} {was!r}, as before", is_)


@check("generation.updated-at-forward", "two answers about one job")
def updated_at_never_goes_back(seen: Histories) -> Iterator[Finding]:
    """From answer to answer updated_at stays or moves on."""
    for before, after in _steps(seen):
        was, is_ = _time(before, "updated_at"), _time(after, "updated_at")
        if was is not None and is_ is not None:
            yield finding(is_ >= was, after, f"{was} or later", is_)


@check("status.forward", "two answers about one job")
def statuses_move_forward(seen: Histories) -> Iterator[Finding]:
    """A status that was left does not come back, and whatever has ended stays as it ended."""
    for job in seen.jobs.values():
        left: set[str] = set()
        for (before, was), (after, is_) in pairwise(job.statuses):
            if was != is_:
                left.add(was)
            holds = is_ not in left and (was == is_ or not has_ended(before.document))
            yield finding(holds, after, f"{was} or what follows it", is_)


@check("result.constant", "two answers about one completed job")
def results_stay(seen: Histories) -> Iterator[Finding]:
    """Once a job has results they stay the same; what signs a URL may change."""
    for before, after in _steps(seen):
        if results_of(before.document):
            came = after.document.get("result")
            yield finding(came == before.document.get("result"), after, "the same results as before", came)


@check("status.on-the-way", "answer about a job that had not ended")
def statuses_on_the_way_are_known(seen: Histories) -> Iterator[Finding]:
    """Until a job has ended its status is one of three words."""
    for job in seen.jobs.values():
        end = job.end.document.get("status") if job.end else None
        for answer, status in job.statuses:
            if status != end:
                yield finding(status in ON_THE_WAY, answer, "pending, initializing or processing", status)


@check("status.at-the-end", "job that ended")
def statuses_at_the_end_are_known(seen: Histories) -> Iterator[Finding]:
    """A job that has ended is completed or failed."""
    for job in seen.jobs.values():
        if job.end is not None:
            status = job.end.document.get("status")
            yield finding(status in ("completed", "failed"), job.end, "completed or failed", status)


@check("status.never-seen", "generation")
def other_words_are_not_seen(seen: Histories) -> Iterator[Finding]:
    """No generation is cancelled, error or success."""
    for entry in seen.generations:
        status = entry.document.get("status") if isinstance(entry.document, dict) else None
        yield finding(status not in _NEVER_SEEN, entry.seen, "none of cancelled, error and success", status)


def _failed(seen: Histories) -> Iterator[tuple[Job, Seen]]:
    for job in seen.jobs.values():
        if job.end is not None and not results_of(job.end.document):
            status, logs = job.end.document.get("status"), job.end.document.get("logs")
            if status == "failed" or (logs and status != "completed"):
                yield job, job.end


@check("failed.http-200", "failed job")
def failed_jobs_say_why(seen: Histories) -> Iterator[Finding]:
    """A failed job is answered with 200, and its last log line says why."""
    for _, end in _failed(seen):
        holds = end.status == 200 and end.document.get("status") == "failed" and bool(_last_line(end))
        yield finding(holds, end, "200, failed, and a log line", came_of(end))


def _last_line(end: Seen) -> str:
    logs = end.document.get("logs")
    last = logs[-1] if isinstance(logs, list) and logs else None
    text = last.get("text") if isinstance(last, dict) else None
    return text if isinstance(text, str) else ""


@check("failed.worker-text", "failed job with a log line")
def log_lines_embed_the_workers_error(seen: Histories) -> Iterator[Finding]:
    """The log line holds the worker's own error, as JSON with a detail."""
    for _, end in _failed(seen):
        if text := _last_line(end):
            yield finding(_embeds_detail(text), end, 'a text with {"detail": …} in it', text)


def _embeds_detail(text: str) -> bool:
    try:
        found, _ = json.JSONDecoder().raw_decode(text, text.index("{"))
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and "detail" in found


@check("failed.worker-input", "create whose input the worker cannot fetch")
def bad_input_fails_late(seen: Histories) -> Iterator[Finding]:
    """Input that only the worker can see is accepted, and the job fails."""
    for create, _, config in seen.creates:
        if config.get("audio_url") != UNREACHABLE_URL:
            continue
        if not create.succeeded:
            yield finding(False, create, "to be accepted, and to fail later", came_of(create))
            continue
        name = create.document.get("id") if isinstance(create.document, dict) else None
        job = seen.jobs.get(name) if isinstance(name, str) else None
        if job is not None and job.end is not None:
            status = job.end.document.get("status")
            yield finding(status == "failed", job.end, "to be accepted, and to fail later", status)


@check("result.empty-for-a-moment", "completed answer with an empty result")
def an_empty_result_is_filled(seen: Histories) -> Iterator[Finding]:
    """A completed job whose result is empty has one a moment later."""
    for job in seen.jobs.values():
        empty = [
            answer
            for answer, status in job.statuses
            if status == "completed" and answer.document.get("result") in _EMPTY
        ]
        if empty:
            filled = job.completed is not None and job.completed.document.get("result") not in _EMPTY
            yield finding(filled, empty[-1], "a result, a moment later", "none")


@check("timing.durations", "completed job of the page's image model")
def images_take_as_long_as_reported(seen: Histories) -> Iterator[Finding]:
    """An image takes from 8 s to 13 minutes, the reported extremes."""
    for job in seen.jobs.values():
        if job.model == "Qwen/Qwen-Image" and job.completed is not None and job.created is not None:
            first = next(
                answer for answer in job.answers if results_of(answer.document) or answer is job.completed
            )
            took = first.exchange.at - job.created.exchange.at
            yield finding(8 <= took <= 840, first, "8 s to 13 min", f"{took:.1f} s")


@check("delete.message", "delete of one of the run's jobs")
def deletes_say_so(seen: Histories) -> Iterator[Finding]:
    """The first delete of a job answers the message, unless it was refused for coming too soon."""
    for job in seen.jobs.values():
        for delete in [one for one in job.deletes if one.succeeded or not _was_pending(job, one)][:1]:
            message = delete.document.get("message") if isinstance(delete.document, dict) else None
            holds = delete.succeeded and message == "Generation deleted"
            yield finding(holds, delete, "the message Generation deleted", came_of(delete))


def _was_pending(job: Job, delete: Seen) -> bool:
    before = [status for answer, status in job.statuses if answer.place < delete.place]
    return before[-1:] == ["pending"]


@check("delete.gone", "job that was deleted")
def deleted_jobs_are_gone(seen: Histories) -> Iterator[Finding]:
    """After a delete get answers 404, the list leaves the job out, and a second delete is 404."""
    for job in seen.jobs.values():
        gone = job.deleted_place
        if gone is None:
            continue
        for after in [*job.afterwards, *(delete for delete in job.deletes if delete.place > gone)]:
            yield finding(after.status == 404, after, "404", came_of(after))
        for entry in seen.list_entries:
            if (
                entry.seen.place > gone
                and isinstance(entry.document, dict)
                and entry.document.get("id") == job.id
            ):
                yield finding(
                    False,
                    entry.seen,
                    "a list without the job",
                    f"is_deleted {entry.document.get('is_deleted')}",
                )


@check("delete.pending", "delete of a job that was pending")
def pending_jobs_can_be_deleted(seen: Histories) -> Iterator[Finding]:
    """A delete of a job whose last status was pending succeeds."""
    for job in seen.jobs.values():
        for delete in job.deletes[:1]:
            if _was_pending(job, delete):
                yield finding(delete.succeeded, delete, "a success", came_of(delete))
