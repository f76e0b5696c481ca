"""Operations on jobs: list them, end them by hand, delete them, let their links expire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netmind_mock.control.operations.table import NotThere, operation
from netmind_mock.jobs import ids
from netmind_mock.jobs.job import Job, MediaKind, deleted, ended, stages_until, status_at, without_links
from netmind_mock.validation import InvalidInput, Parameter, text

if TYPE_CHECKING:
    from netmind_mock.control.operations.table import Arguments
    from netmind_mock.fake import Fake

JOB_ID = Parameter(text, None, "The job's id.")

_SHOWN_CHARACTERS = 200


@operation("GET", "jobs", response="Jobs")
def jobs(fake: Fake, user_id: str | None, _arguments: Arguments) -> Any:
    """Return the jobs, newest first."""
    return {"jobs": [_shown(fake, job) for job in reversed(fake.store.page(user_id))]}


@operation("POST", "jobs/{id}/complete", response="Job", parameters={"id": JOB_ID})
def complete(fake: Fake, user_id: str | None, arguments: Arguments) -> Any:
    """Complete a job now."""
    return _end(fake, find_job(fake, user_id, arguments["id"]), None)


@operation(
    "POST",
    "jobs/{id}/fail",
    response="Job",
    request="Fail",
    example={"reason": "no GPU"},
    parameters={"id": JOB_ID, "reason": Parameter(text, "Failed by hand", "The job's last log line.")},
)
def fail(fake: Fake, user_id: str | None, arguments: Arguments) -> Any:
    """Make a job fail now."""
    return _end(fake, find_job(fake, user_id, arguments["id"]), arguments["reason"])


@operation("DELETE", "jobs/{id}", response="Job", parameters={"id": JOB_ID})
def delete(fake: Fake, user_id: str | None, arguments: Arguments) -> Any:
    """Delete a job, as its account does."""
    job = find_job(fake, user_id, arguments["id"])
    clock = fake.accounts.clock(job.user_id)
    fake.store.change(job.id, lambda before: deleted(before, clock.now()))
    fake.after_end(job.user_id, clock.now())
    return _shown(fake, find_job(fake, user_id, job.id))


@operation("POST", "jobs/{id}/expire-links", response="Job", parameters={"id": JOB_ID})
def expire_links(fake: Fake, user_id: str | None, arguments: Arguments) -> Any:
    """Expire the links to a job's results; get returns new ones."""
    job = find_job(fake, user_id, arguments["id"])
    now = fake.accounts.clock(job.user_id).now()
    fake.store.change(job.id, lambda before: without_links(before, now))
    return _shown(fake, find_job(fake, user_id, job.id))


def find_job(fake: Fake, user_id: str | None, job_id: Any) -> Job:
    """Return a job of an account, or (None) of any account.

    Raises:
        NotThere: The account has no such job.
    """
    job = fake.store.get(job_id) if isinstance(job_id, str) and ids.is_job_id(job_id) else None
    if job is None or user_id not in (None, job.user_id):
        raise NotThere(f"job: no such job as {str(job_id)[:60]!r} on this account")
    return job


def _shown(fake: Fake, job: Job) -> dict[str, Any]:
    now = fake.accounts.clock(job.user_id).now()
    return {
        "id": job.id,
        "user_id": job.user_id,
        "model": job.model[:_SHOWN_CHARACTERS],
        "status": status_at(job, now).status,
        "stages": [{"status": stage.status, "after": stage.begins} for stage in stages_until(job, now)],
        "created_at": job.created_at,
        "deleted_at": job.deleted_at,
        "scenario": job.plan.scenario,
        "kinds": sorted({MediaKind(output.kind).value for output in job.plan.outputs}),
    }


def _end(fake: Fake, job: Job, failure: str | None) -> Any:
    clock = fake.accounts.clock(job.user_id)

    def end(before: Job) -> Job:
        now = clock.now()  # read here, since another request may have ended the job just before
        status = status_at(before, now).status
        if status in ("completed", "failed") or before.deleted_at is not None:
            state = "deleted" if before.deleted_at is not None else status
            raise InvalidInput(f"job: {job.id} is {state} already")
        return ended(before, now, failure)

    fake.store.change(job.id, end)
    fake.after_end(job.user_id, clock.now())
    return _shown(fake, find_job(fake, job.user_id, job.id))
