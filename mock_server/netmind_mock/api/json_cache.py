"""A cache of the JSON of jobs that no longer change."""

from __future__ import annotations

from operator import is_
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from netmind_mock.api import wire
from netmind_mock.jobs.job import CLOCK_GRAIN, Job, settles_at

if TYPE_CHECKING:
    from netmind_mock.jobs.profile import Profile

_MAX_BYTES: Final = 32 * 1024 * 1024
_OF_AN_ENTRY: Final = 400  # bytes of an entry without its texts: its job, which the store may have evicted


class _Document(NamedTuple):
    """The JSON of a job: valid from a time on, and for one base of result URLs."""

    job: Job
    since: float
    base: str
    json: msgspec.Raw


class _List(NamedTuple):
    """The JSON of all jobs of an account: valid from a time on, and for one base of result URLs."""

    jobs: list[Job]
    since: float
    base: str
    json: msgspec.Raw


class JsonCache:
    """A cache of the JSON of jobs that no longer change, and of lists of such jobs.

    A list of ten thousand jobs consists mostly of these, and is requested again and again. Jobs are
    immutable, so a changed job is another object. The cache is cleared when it exceeds its limit.
    """

    def __init__(self, profile: Profile) -> None:
        """Create an empty cache for responses of a profile."""
        self._profile = profile
        self._documents: dict[str, _Document] = {}  # by the job's id
        self._lists: dict[str, _List] = {}  # by the account
        self._bytes = 0

    def listed(self, user_id: str, jobs: list[Job], now: float, base: str) -> Any:
        """Return the documents, or their JSON, of the jobs that a list shows, in the profile's order.

        Args:
            user_id: The account.
            jobs: Its jobs, oldest first.
            now: The time of the request, in seconds since the epoch.
            base: The base of result URLs.
        """
        last = self._lists.get(user_id)
        if last is not None and last.base == base and last.since <= now and _are_same(last.jobs, jobs):
            return last.json
        documents, changes = [], False
        for job in jobs:
            document = self._documents.get(job.id)
            if document is not None and _is_valid(document, job, now, base):
                documents.append(document.json)
            elif is_listed(self._profile, job, now):
                documents.append(self.document(job, now, base, behind=job.plan.list_behind))
                changes = changes or not isinstance(documents[-1], msgspec.Raw)
            else:
                changes = changes or job.deleted_at is None or not job.is_deleted(now)
        if self._profile.list_order == "newest_first":
            documents.reverse()
        if changes:
            return documents
        encoded = msgspec.Raw(msgspec.json.encode(documents))
        self._make_room(len(bytes(encoded)))
        self._lists[user_id] = _List(jobs, now, base, encoded)
        return encoded

    def document(self, job: Job, now: float, base: str, *, behind: float = 0.0) -> Any:
        """Return the document of a job, or its JSON, as it was ``behind`` seconds ago."""
        cached = self._documents.get(job.id)
        # A store in a database returns a new object each time, which is compared by its value.
        if cached is not None and cached.job == job and cached.since <= now and cached.base == base:
            return cached.json
        document = wire.generation(job, now - behind, self._profile, base)
        since = settles_at(job) + job.plan.list_behind
        if now < since:
            return document
        encoded = msgspec.json.encode(document)
        self._make_room(len(encoded) + job.size + _OF_AN_ENTRY)
        fragment = msgspec.Raw(encoded)
        self._documents[job.id] = _Document(job, since, base, fragment)
        return fragment

    def _make_room(self, size: int) -> None:
        """Count the bytes of a new entry. Clear the cache first if it is full."""
        if self._bytes > _MAX_BYTES:
            self._documents.clear()
            self._lists.clear()
            self._bytes = 0
        self._bytes += size


def _is_valid(document: _Document, job: Job, now: float, base: str) -> bool:
    return document.job is job and document.since <= now and document.base == base


def _are_same(before: list[Job], jobs: list[Job]) -> bool:
    """Return whether two lists have the same objects."""
    return len(before) == len(jobs) and all(map(is_, before, jobs))


def is_visible(profile: Profile, job: Job, now: float) -> bool:
    """Return whether a get finds the job: it is not deleted, or the profile keeps deleted jobs."""
    return job.deleted_at is None or profile.delete_leaves == "tombstone" or not job.is_deleted(now)


def is_listed(profile: Profile, job: Job, now: float) -> bool:
    """Return whether the list contains the job. The list may be behind, as the job's plan says."""
    is_known = now - job.plan.list_behind + CLOCK_GRAIN >= job.created_at
    return is_known and is_visible(profile, job, now)
