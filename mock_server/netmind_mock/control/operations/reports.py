"""Operations that read: the server's configuration, the request journal, and the verdicts on the client."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from netmind_mock.control.operations.jobs import JOB_ID, find_job
from netmind_mock.control.operations.table import in_query, operation
from netmind_mock.journal import spend as spending
from netmind_mock.journal.har import har_of
from netmind_mock.journal.polling import judge_polling
from netmind_mock.simulation.faults import KINDS, OPERATIONS
from netmind_mock.simulation.scenarios import SCENARIOS
from netmind_mock.validation import InvalidInput, Parameter, integer, nearest, optional, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netmind_mock.control.operations.table import Arguments
    from netmind_mock.fake import Fake
    from netmind_mock.journal.entries import Entry

_ENTRIES = {
    "operation": Parameter(optional(text), None, "Return only requests of this API operation."),
    "limit": Parameter(
        in_query(optional(integer(1, 1_000_000))), None, "Return only the last so many requests."
    ),
}


@operation("GET", "health", response="Health")
def health(fake: Fake, _user_id: str | None, _arguments: Arguments) -> Any:
    """Return the version, the profile, the store and the supported faults."""
    jobs, evicted = fake.store.counts()
    return {
        "status": "ok",
        "version": version("netmind-testkit"),
        "profile": fake.profile.name,
        "store": fake.store.name,
        "jobs": jobs,
        "evicted": evicted,
        "faults": [kind for kind in KINDS if fake.accounts.can_apply(kind)],
    }


@operation("GET", "scenarios", response="Scenarios")
def scenarios(_fake: Fake, _user_id: str | None, _arguments: Arguments) -> Any:
    """Return the scenarios and the kinds of faults, with their arguments."""
    return {
        "scenarios": [
            {
                "name": one.name,
                "about": one.about,
                "level": one.level,
                "arguments": _described(one.parameters),
            }
            for one in SCENARIOS.values()
        ],
        "faults": [
            {
                "kind": name,
                "about": kind.about,
                "operations": kind.operations,
                "arguments": _described(kind.parameters),
            }
            for name, kind in KINDS.items()
        ],
    }


def _described(parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    return {name: {"about": one.about, "default": one.default} for name, one in parameters.items()}


@operation("GET", "journal", response="Journal", parameters=_ENTRIES)
def journal(fake: Fake, user_id: str | None, arguments: Arguments) -> Any:
    """Return the last requests and their responses, oldest first."""
    entries = [entry.as_json() for entry in entries_of(fake, user_id, **arguments)]
    return {"dropped": fake.journal.dropped(user_id), "entries": entries}


@operation("GET", "journal.har", response="Har", parameters=_ENTRIES)
def har(fake: Fake, user_id: str | None, arguments: Arguments) -> Any:
    """Return the last requests and their responses as HAR 1.2."""
    return har_of(entries_of(fake, user_id, **arguments), version("netmind-testkit"))


def entries_of(
    fake: Fake, user_id: str | None, operation: str | None, limit: int | None = None
) -> list[Entry]:
    """Return the last requests of an account, or (None) of all accounts, of an operation, or (None) of all.

    Raises:
        InvalidInput: There is no such operation.
    """
    known = dict.fromkeys((*OPERATIONS, "other"))
    if operation is not None and operation not in known:
        raise InvalidInput(f"journal: no such operation as {operation[:60]!r}; {nearest(operation, known)}")
    return fake.journal.entries(user_id, operation=operation, last=limit)


@operation("GET", "spend", response="Spend")
def spend(fake: Fake, user_id: str | None, _arguments: Arguments) -> Any:
    """Return what the creates would have cost, and which jobs were billed twice."""
    creates = fake.journal.entries(user_id, operation="create")
    dropped = fake.journal.dropped(user_id)
    return spending.spend(creates, fake.prices, dropped=dropped, sure=fake.knows_losses).as_json()


@operation("GET", "polling/{id}", response="Polling", parameters={"id": JOB_ID})
def polling(fake: Fake, user_id: str | None, arguments: Arguments) -> Any:
    """Return how a job was polled, and whether the client polled politely."""
    job = find_job(fake, user_id, arguments["id"])
    entries = fake.journal.entries(job.user_id, job_id=job.id)
    words = {status.value: word for status, word in fake.profile.words.items()}
    return judge_polling(job.id, entries, words, dropped=fake.journal.dropped(job.user_id)).as_json()
