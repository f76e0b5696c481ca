"""Checks over several responses about one job: what is constant, what changes, and how the job ends."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from netmind_contracts.checks.registry import Finding, actual_of, check, finding, unseen
from netmind_contracts.runs.exchange import Scope
from netmind_contracts.runs.histories import (
    DOCUMENTED_MODELS,
    ON_THE_WAY,
    Histories,
    embedded_json,
    has_ended,
    last_log,
    results_of,
    time_of,
)
from netmind_contracts.runs.known import UNREACHABLE_URL
from netmind_contracts.runs.responses import is_marked_deleted, is_refused_for_another_reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netmind_contracts.runs.histories import JobHistory, Observation

_EMPTY: tuple[dict[str, list[str]], ...] = ({}, {"data": []})
_FAILURES = ("failed", "cancelled", "error")
_NEVER_SEEN = ("cancelled", "error", "success")


@check("get.completed", "generation that was requested")
def get_returns_the_same_job_until_it_is_completed(histories: Histories) -> Iterator[Finding]:
    """Check that get returns the requested generation, and that jobs of documented models complete."""
    completed = False
    for job in histories.jobs.values():
        for poll in job.polls:
            refused = poll.status in (401, 403)
            actual = actual_of(poll) if refused else poll.field("id", actual_of(poll))
            if refused or poll.is_unread:
                yield unseen(poll, actual_of(poll))
            elif not poll.succeeded or actual != job.id:
                yield finding(False, poll, f"generation {job.id}", actual)
        if job.end is None or job.model not in DOCUMENTED_MODELS:
            continue
        status = job.end.field("status")
        if status in _FAILURES and not results_of(job.end.document):
            reason = last_log(job.end) or "without a reason"
            yield unseen(job.end, f"the job of {job.model} ended as {status}: {reason}")
        else:
            completed = completed or status == "completed"
            yield finding(status == "completed", job.end, "completed", status)
    if completed or histories.run.scope is Scope.RECORDING:
        same = [poll for job in histories.jobs.values() for poll in job.polls if poll.field("id") == job.id]
        yield from (finding(True, poll, "", "") for poll in same)


@check("get.updated-at-moved", "completed job")
def updated_at_has_moved(histories: Histories) -> Iterator[Finding]:
    """Check that updated_at of a completed job is later than its created_at."""
    for _, completed in histories.completed:
        created, updated = time_of(completed, "created_at"), time_of(completed, "updated_at")
        if created is not None and updated is not None:
            actual = f"created {created}, updated {updated}"
            yield finding(updated > created, completed, "updated_at after created_at", actual)


def _steps(histories: Histories) -> Iterator[tuple[Observation, Observation]]:
    """Yield each response about a job with the next response about it."""
    for job in histories.jobs.values():
        yield from pairwise(job.responses)


@check("generation.constant", "two responses about one job")
def facts_of_a_job_stay(histories: Histories) -> Iterator[Finding]:
    """Check that user_id and created_at never change."""
    for before, after in _steps(histories):
        for name in ("user_id", "created_at"):
            was, is_ = before.field(name), after.field(name)
            yield finding(was == is_, after, f"{name} {was!r} (unchanged)", is_)


@check("generation.updated-at-forward", "two responses about one job")
def updated_at_never_goes_back(histories: Histories) -> Iterator[Finding]:
    """Check that updated_at never decreases."""
    for before, after in _steps(histories):
        was, is_ = time_of(before, "updated_at"), time_of(after, "updated_at")
        if was is not None and is_ is not None:
            yield finding(is_ >= was, after, f"{was} or later", is_)


@check("status.forward", "two responses about one job")
def statuses_move_forward(histories: Histories) -> Iterator[Finding]:
    """Check that no earlier status is returned again, and that a final status never changes."""
    for job in histories.jobs.values():
        left: set[str] = set()
        for (before, was), (after, is_) in pairwise(job.statuses):
            if was != is_:
                left.add(was)
            holds = is_ not in left and (was == is_ or not has_ended(before.document))
            yield finding(holds, after, f"{was} or a later status", is_)


@check("result.constant", "two responses about one completed job")
def results_stay(histories: Histories) -> Iterator[Finding]:
    """Check that results never change, except for the query of their URLs, which is redacted in a run."""
    for before, after in _steps(histories):
        if results_of(before.document):
            actual = after.field("result")
            yield finding(actual == before.field("result"), after, "the same results as before", actual)


@check("status.on-the-way", "response about a job that had not ended")
def statuses_on_the_way_are_known(histories: Histories) -> Iterator[Finding]:
    """Check that the status is one of three words until the job has ended."""
    for job in histories.jobs.values():
        end = job.end.field("status") if job.end else None
        for response, status in job.statuses:
            if status != end:
                yield finding(status in ON_THE_WAY, response, "pending, initializing or processing", status)


@check("status.at-the-end", "job that ended")
def statuses_at_the_end_are_known(histories: Histories) -> Iterator[Finding]:
    """Check that an ended job has the status completed or failed."""
    for _, end in histories.ended:
        status = end.field("status")
        yield finding(status in ("completed", "failed"), end, "completed or failed", status)


@check("status.never-seen", "generation")
def other_words_are_not_seen(histories: Histories) -> Iterator[Finding]:
    """Check that no generation has the status cancelled, error or success."""
    for observation in histories.generations:
        status = observation.field("status")
        if status in _NEVER_SEEN or has_ended(observation.document):
            yield finding(status not in _NEVER_SEEN, observation, "not cancelled, error or success", status)


def _failed(histories: Histories) -> Iterator[Observation]:
    """Yield the last response about each failed job."""
    for _, end in histories.ended:
        status = end.field("status")
        failed = status == "failed" or (end.field("logs") and status != "completed")
        if failed and not results_of(end.document):
            yield end


@check("failed.http-200", "failed job")
def failed_jobs_say_why(histories: Histories) -> Iterator[Finding]:
    """Check that a failed job is returned with 200, and that its last log line has a text."""
    for end in _failed(histories):
        holds = end.status == 200 and end.field("status") == "failed" and last_log(end)
        yield finding(holds, end, "200, failed, and a log line", actual_of(end))


@check("failed.worker-text", "failed job with a log line")
def log_lines_embed_the_workers_error(histories: Histories) -> Iterator[Finding]:
    """Check that the log line contains the error of the worker, as JSON with a detail."""
    for end in _failed(histories):
        if text := last_log(end):
            found = embedded_json(text)
            holds = found is not None and "detail" in found[1]
            yield finding(holds, end, 'a text that contains {"detail": …}', text)


@check("failed.worker-input", "create whose input the worker cannot fetch")
def bad_input_fails_late(histories: Histories) -> Iterator[Finding]:
    """Check that create accepts input that only the worker can reject, and that the job fails."""
    expected = "the create to succeed and the job to fail later"
    for create, _, config in histories.creates:
        if config.get("audio_url") == UNREACHABLE_URL and not create.succeeded:
            if is_refused_for_another_reason(create.exchange):
                yield unseen(create, actual_of(create))
            else:
                yield finding(False, create, expected, actual_of(create))
    for job, end in histories.ended:
        if job.config.get("audio_url") == UNREACHABLE_URL:
            yield finding(end.field("status") == "failed", end, expected, end.field("status"))


@check("result.empty-for-a-moment", "completed response with an empty result")
def an_empty_result_is_filled(histories: Histories) -> Iterator[Finding]:
    """Check that a completed job with an empty result has a result a moment later."""
    for job in histories.jobs.values():
        completed = [response for response, status in job.statuses if status == "completed"]
        empty = [response for response in completed if response.field("result") in _EMPTY]
        if empty:
            filled = job.completed is not None and job.completed.field("result") not in _EMPTY
            yield finding(filled, empty[-1], "a result, a moment later", "none")


@check("timing.durations", "completed job of the documented image model")
def images_take_as_long_as_reported(histories: Histories) -> Iterator[Finding]:
    """Check that an image takes from 8 s to 13 minutes, the reported extremes (with a margin of a minute)."""
    for job, completed in histories.completed:
        if job.model == "Qwen/Qwen-Image" and job.created is not None:
            first = next(
                response
                for response in job.responses
                if results_of(response.document) or response is completed
            )
            took = first.exchange.at - job.created.exchange.at
            yield finding(8 <= took <= 840, first, "8 s to 13 min", f"{took:.1f} s")


@check("delete.message", "delete of one of the run's jobs")
def deletes_say_so(histories: Histories) -> Iterator[Finding]:
    """Check that the first delete of a job returns the message; ignore rejected deletes of a pending job."""
    for job in histories.jobs.values():
        if job.lost_delete is not None:
            continue
        for delete in [delete for delete in job.deletes if delete.succeeded or not _was_pending(job, delete)]:
            if delete.is_unread or delete.status in (401, 403):
                yield unseen(delete, actual_of(delete))
                continue
            holds = delete.succeeded and delete.field("message") == "Generation deleted"
            yield finding(holds, delete, "the message Generation deleted", actual_of(delete))
            break


@check("delete.message", "delete of one of the run's jobs")
def deletes_delete(histories: Histories) -> Iterator[Finding]:
    """Check that a job is gone, or marked as deleted, after the message Generation deleted."""
    for job in histories.jobs.values():
        said = any(delete.field("message") == "Generation deleted" for delete in job.deletes)
        for after in job.afterwards[-1:] if said else ():
            if after.succeeded and after.field("id") == job.id:
                actual = f"is_deleted {after.field('is_deleted', 'missing')}"
                yield finding(
                    is_marked_deleted(after.document), after, "a job that is gone or marked", actual
                )


def _was_pending(job: JobHistory, delete: Observation) -> bool:
    before = [status for response, status in job.statuses if response.place < delete.place]
    return before[-1:] == ["pending"]


@check("delete.gone", "job that was deleted")
def deleted_jobs_are_gone(histories: Histories) -> Iterator[Finding]:
    """Check that after a delete, get and delete return 404, and the list does not have the job."""
    for job in histories.jobs.values():
        gone = job.deleted_place
        if gone is None:
            continue
        for after in [*job.afterwards[-1:], *(delete for delete in job.deletes if delete.place > gone)]:
            if after.status not in (401, 403):
                yield finding(after.status == 404, after, "404", actual_of(after))
        settled = {observation.place for observation in histories.settled_lists}
        for entry in histories.list_entries:
            if entry.place > gone and entry.place in settled and entry.field("id") == job.id:
                actual = f"is_deleted {entry.field('is_deleted')}"
                yield finding(False, entry, "a list without the job", actual)


@check("delete.pending", "delete of a job that was pending")
def pending_jobs_can_be_deleted(histories: Histories) -> Iterator[Finding]:
    """Check that a pending job can be deleted."""
    for job in histories.jobs.values():
        for delete in [delete for delete in job.deletes if delete.status not in (401, 403)][:1]:
            if job.lost_delete is None and _was_pending(job, delete):
                yield finding(delete.succeeded, delete, "a success", actual_of(delete))
