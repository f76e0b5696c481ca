"""Checks of the list: its form, what is in it, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netmind_contracts.checks.registry import Finding, actual_of, check, finding
from netmind_contracts.runs.histories import Histories, has_ended, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netmind_contracts.runs.histories import JobHistory, Observation

_NOTHING = object()
_PAGING = (
    "next", "next_page", "previous", "page", "page_size", "total", "total_pages", "cursor", "has_more",
    "offset",
)  # fmt: skip


@check("list.generation-list", "list")
def lists_are_lists_of_generations(seen: Histories) -> Iterator[Finding]:
    """The list's answer is an object whose generation_list is a list of objects."""
    for one in seen.lists:
        if one.status in (401, 403):
            continue
        entries = listed(one)
        formed = entries is not None and all(isinstance(entry, dict) for entry in entries)
        yield finding(formed, one, "an object whose generation_list is a list of generations", actual_of(one))


@check("list.not-paged", "list")
def lists_are_whole(seen: Histories) -> Iterator[Finding]:
    """No field or header of the list speaks of pages."""
    for one in seen.lists:
        if one.succeeded and isinstance(one.document, dict) and one.exchange.response:
            paging = [field for field in _PAGING if field in one.document]
            paging += ["Link header"] if "link" in one.exchange.response.headers else []
            yield finding(not paging, one, "no word of pages", ", ".join(paging))


def _expected(seen: Histories) -> Iterator[tuple[Observation, JobHistory, list[Any]]]:
    """Each list with each job that should be in it, and that job's entries there."""
    for one in seen.lists:
        if (entries := listed(one)) is None:
            continue
        for job in seen.jobs.values():
            gone = job.deletes[0].place if job.deletes else None
            if job.created and job.created.place < one.place and (gone is None or one.place < gone):
                own = [entry for entry in entries if isinstance(entry, dict) and entry.get("id") == job.id]
                yield one, job, own


@check("list.has-jobs", "list while one of the run's jobs was there")
def lists_have_the_jobs(seen: Histories) -> Iterator[Finding]:
    """A list has every job of the run that is not deleted."""
    for one, job, entries in _expected(seen):
        yield finding(entries, one, f"generation {job.id[:8]}… in the list", "a list without it")


@check("list.once", "list with one of the run's jobs")
def lists_have_each_job_once(seen: Histories) -> Iterator[Finding]:
    """No job of the run is in a list twice."""
    for one, job, entries in _expected(seen):
        times = len(entries)
        if times:
            yield finding(times == 1, one, f"generation {job.id[:8]}… once", f"it {times} times")


@check("list.agrees", "list with one of the run's jobs that was asked for before and after")
def lists_agree_with_get(seen: Histories) -> Iterator[Finding]:
    """Where get (or create) answered the same before and after a list, the list has just that, too."""
    for one, job, entries in _expected(seen):
        before = [response.document for response in job.responses if response.place < one.place][-1:]
        after = [response.document for response in job.responses if response.place > one.place][:1]
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
            yield finding(not differs, one, "the same as get answers", actual)


@check("list.order", "list with two of the run's jobs")
def lists_are_newest_first(seen: Histories) -> Iterator[Finding]:
    """Of the run's jobs the one that was created last is listed first."""
    for one in seen.lists:
        places = seen.order_in(one)
        if len(places) > 1:
            actual = "oldest first" if places == sorted(places) else "another order"
            yield finding(places == sorted(places, reverse=True), one, "the newest first", actual)
