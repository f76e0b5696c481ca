"""What was read from a database since its last commit, for a thread that must not wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netmind_mock.jobs.job import Job
    from netmind_mock.stores.database import Database

_MAX_JOBS, _MAX_BYTES = 1024, 4096  # how many jobs are remembered, and the size of the largest


class Recent:
    """What the thread that must not wait has read since the last commit to the database.

    A context manager: in it, this thread must not wait, and what it has read is valid if there was no commit
    before it began. So a request sees the database as it was when the request began, or later.

    Attributes:
        jobs: Jobs by their ids, and when each was put.
        revision: The revision after which no fact changed; None if that is not known.
    """

    def __init__(self, database: Database) -> None:
        """Start with nothing."""
        self._database = database
        self._version: tuple[int, int] | None = None
        self.jobs: dict[str, tuple[Job, float]] = {}
        self.revision: int | None = None

    @property
    def is_valid(self) -> bool:
        """Return whether this thread is the one that must not wait."""
        return self._database.is_nonblocking

    def __enter__(self) -> None:
        self._database.set_nonblocking(True)
        try:
            version = self._database.version()
        except BaseException:
            self._database.set_nonblocking(False)
            raise
        if version != self._version:
            self._version, self.revision = version, None
            self.jobs.clear()

    def __exit__(self, *_: object) -> None:
        self._database.set_nonblocking(False)

    def add(self, job: Job, put_at: float) -> None:
        """Remember a job, unless it is large."""
        if self.is_valid and job.size <= _MAX_BYTES:
            if len(self.jobs) >= _MAX_JOBS:
                self.jobs.clear()
            self.jobs[job.id] = job, put_at

    def set_revision(self, since: int) -> None:
        """Remember that no fact changed after a revision."""
        if self.is_valid:
            self.revision = since
