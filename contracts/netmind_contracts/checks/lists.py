"""Checks of the list: its structure, its entries, and their order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netmind_contracts.checks.registry import Finding, actual_of, check, finding, unseen
from netmind_contracts.runs.histories import Histories, has_ended, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netmind_contracts.runs.histories import JobHistory, Observation

_NOTHING = object()
_PAGING = (
    "next", "next_page", "next_cursor", "previous", "page", "page_size", "total", "total_count",
    "total_pages", "cursor", "has_more", "offset", "limit",
)  # fmt: skip


@check("list.generation-list", "list")
def lists_are_lists_of_generations(histories: Histories) -> Iterator[Finding]:
    """Check that the response to list is an object whose generation_list is a list of objects."""
    for observation in histories.lists:
        if observation.status in (401, 403):
            continue
        entries = listed(observation)
        formed = entries is not None and all(isinstance(entry, dict) for entry in entries)
        yield finding(
            formed,
            observation,
            "an object whose generation_list is a list of generations",
            actual_of(observation),
        )


@check("list.not-paged", "list")
def lists_are_whole(histories: Histories) -> Iterator[Finding]:
    """Check that the list has no field or header for paging."""
    for observation in histories.lists:
        if observation.succeeded and isinstance(observation.document, dict):
            paging = _paging(observation)
            yield finding(not paging, observation, "no paging", ", ".join(paging))


def _paging(observation: Observation) -> list[str]:
    """Return the fields and headers of a list that are for paging."""
    response = observation.exchange.response
    paging = [field for field in _PAGING if observation.field(field, _NOTHING) is not _NOTHING]
    return paging + (["Link header"] if response is not None and "link" in response.headers else [])


def _expected(histories: Histories) -> Iterator[tuple[Observation, JobHistory, list[Any]]]:
    """Yield each list with each job that should be in it, and the entries of that job."""
    for observation in histories.settled_lists:
        if (entries := listed(observation)) is None:
            continue
        for job in histories.jobs.values():
            gone = job.first_delete
            if (
                job.created
                and job.created.place < observation.place
                and (gone is None or observation.place < gone)
            ):
                own = [entry for entry in entries if isinstance(entry, dict) and entry.get("id") == job.id]
                yield observation, job, own


@check("list.has-jobs", "list while one of the run's jobs was there")
def lists_have_the_jobs(histories: Histories) -> Iterator[Finding]:
    """Check that a list has every job of the run that is not deleted."""
    for observation, job, entries in _expected(histories):
        if not entries and (paging := _paging(observation)):
            yield unseen(observation, f"the list has pages ({', '.join(paging)}), of which one was requested")
        else:
            yield finding(entries, observation, f"generation {job.id[:8]}… in the list", "a list without it")


@check("list.once", "list with one of the run's jobs")
def lists_have_each_job_once(histories: Histories) -> Iterator[Finding]:
    """Check that no job of the run is in a list twice."""
    for observation, job, entries in _expected(histories):
        times = len(entries)
        if times:
            yield finding(times == 1, observation, f"generation {job.id[:8]}… once", f"{times} times")


@check("list.agrees", "list with one of the run's jobs, between two requests for that job")
def lists_agree_with_get(histories: Histories) -> Iterator[Finding]:
    """Check that a list has the document that get (or create) returned both before and after it."""
    for observation, job, entries in _expected(histories):
        before = [response.document for response in job.responses if response.place < observation.place][-1:]
        after = [response.document for response in job.responses if response.place > observation.place][:1]
        if not before or (after != before if after else not has_ended(before[0])):
            continue
        document = before[0]
        for entry in entries:
            differs = [
                name
                for name in sorted({*document, *entry})
                if document.get(name, _NOTHING) != entry.get(name, _NOTHING)
            ]
            actual = ", ".join(f"{name} {entry.get(name, 'nothing')!r}" for name in differs)
            yield finding(not differs, observation, "the same as get returns", actual)


@check("list.order", "list with two of the run's jobs")
def lists_are_newest_first(histories: Histories) -> Iterator[Finding]:
    """Check that the run's jobs are listed from newest to oldest."""
    for observation in histories.lists:
        places = histories.order_in(observation)
        if len(places) > 1:
            actual = "oldest first" if places == sorted(places) else "another order"
            yield finding(places == sorted(places, reverse=True), observation, "the newest first", actual)
