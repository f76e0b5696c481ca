"""A run in the order of its jobs: what was asked of each, and how it answered.

Everything is told by method, path and content alone, so that a recording that somebody else made reads the
same as one of ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from netmind_contracts import library
from netmind_contracts.runs.exchange import Authorization, Exchange, Operation, Run, Scope, parse, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE_MODELS = ("Qwen/Qwen-Image", "hkchengrex/MMAudio")

# What ends a job: the words that people saw, and those that clients look for.
FINAL_STATUSES = frozenset({"completed", "failed", "cancelled", "error", "success"})

# Where a job may be before that.
ON_THE_WAY = ("pending", "initializing", "processing")

# A generation's fields, by the page and by people's reports.
KNOWN_FIELDS = frozenset(
    [
        "id",
        "user_id",
        "status",
        "created_at",
        "updated_at",
        "deleted_at",
        "is_deleted",
        "result",
        "logs",
        "pending_duration",
        "processing_duration",
    ]
)

_WITH_TOKEN = (Authorization.BARE, Authorization.BEARER, Authorization.UNKNOWN)


class Seen(NamedTuple):
    """An exchange, its place in the run, and the JSON that was answered (None if there was none)."""

    place: int
    exchange: Exchange
    document: Any

    @property
    def status(self) -> int:
        """The HTTP status; 0 if nothing was answered."""
        return self.exchange.answer.status if self.exchange.answer else 0

    @property
    def succeeded(self) -> bool:
        """Whether the answer is a success."""
        return bool(self.exchange.answer and self.exchange.answer.is_success)


class Entry(NamedTuple):
    """A generation as one answer has it; ``where`` is its place in that answer."""

    seen: Seen
    where: str
    document: Any


@dataclass(slots=True)
class Job:
    """One generation, through the run.

    Attributes:
        id: Its id.
        model: As it was asked for; empty if its creation is not in the run.
        config: Likewise.
        created: The answer to its create.
        polls: Answers to get, before it was deleted.
        deletes: Answers to delete.
        afterwards: Answers to get, after it was deleted.
        downloads: By place in ``result.data``, without a token.
    """

    id: str
    model: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    created: Seen | None = None
    polls: list[Seen] = field(default_factory=list)
    deletes: list[Seen] = field(default_factory=list)
    afterwards: list[Seen] = field(default_factory=list)
    downloads: dict[int, list[Seen]] = field(default_factory=dict)

    @property
    def deleted_place(self) -> int | None:
        """The place of the delete that succeeded first."""
        return next((seen.place for seen in self.deletes if seen.succeeded), None)

    @property
    def answers(self) -> list[Seen]:
        """What create and get answered, in order, where that is an object."""
        both = [self.created, *self.polls] if self.created else self.polls
        return [
            seen
            for seen in both
            if isinstance(seen.document, dict) and (seen.succeeded or "id" in seen.document)
        ]

    @property
    def statuses(self) -> list[tuple[Seen, str]]:
        """Each answer's status, where it is a string."""
        return [
            (seen, seen.document["status"])
            for seen in self.answers
            if isinstance(seen.document.get("status"), str)
        ]

    @property
    def end(self) -> Seen | None:
        """The last answer, if the job has ended by then: a final status, results, or a log line."""
        last = self.answers[-1] if self.answers else None
        return last if last is not None and has_ended(last.document) else None

    @property
    def completed(self) -> Seen | None:
        """The last answer with results; where there is none, the last that is completed without."""
        with_results = [seen for seen in self.answers if results_of(seen.document)]
        without = [seen for seen, status in self.statuses if status == "completed"]
        return (with_results or without)[-1] if with_results or without else None


def results_of(document: Any) -> list[Any]:
    """A generation's ``result.data``; empty if it has none."""
    result = document.get("result") if isinstance(document, dict) else None
    data = result.get("data") if isinstance(result, dict) else None
    return data if isinstance(data, list) else []


def has_ended(document: dict[str, Any]) -> bool:
    """Whether a generation has come to its end: a final status, results, or a log line.

    Logs are empty when nothing went wrong (observed).
    """
    status = document.get("status")
    failed = bool(document.get("logs")) and status not in ON_THE_WAY
    return (isinstance(status, str) and status in FINAL_STATUSES) or bool(results_of(document)) or failed


def requested(exchange: Exchange) -> tuple[str, dict[str, Any]] | None:
    """Model and config of a create request, or None if it is no valid one."""
    body = parse_json(exchange.request.body)
    if not isinstance(body, dict) or exchange.request.content_type.partition(";")[0] != "application/json":
        return None
    model, config = body.get("model"), body.get("config")
    return (model, config) if isinstance(model, str) and isinstance(config, dict) else None


class Histories:
    """A run, read."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.all = tuple(
            Seen(index, exchange, parse(exchange.answer)) for index, exchange in enumerate(run.exchanges)
        )

    def of(self, operation: Operation) -> list[Seen]:
        """The exchanges of one operation that carried a token and were answered."""
        return [
            seen
            for seen in self.all
            if seen.exchange.request.operation is operation
            and seen.exchange.request.authorization in _WITH_TOKEN
            and seen.exchange.answer
        ]

    @cached_property
    def creates(self) -> list[tuple[Seen, str, dict[str, Any]]]:
        """Valid create requests with their answers: what was answered, the model, the config."""
        found = []
        for seen in self.of(Operation.CREATE):
            asked = requested(seen.exchange)
            if asked is not None:
                found.append((seen, *asked))
        return found

    @cached_property
    def lists(self) -> list[Seen]:
        """Answers to list."""
        return self.of(Operation.LIST)

    @cached_property
    def jobs(self) -> dict[str, Job]:
        """Every generation that was created in the run, by id; in a recording, also those that were got."""
        jobs: dict[str, Job] = {}
        for seen, model, config in self.creates:
            if (
                seen.succeeded
                and isinstance(seen.document, dict)
                and isinstance(seen.document.get("id"), str)
            ):
                jobs.setdefault(seen.document["id"], Job(seen.document["id"], model, config, seen))
        if self.run.scope is Scope.RECORDING:
            for seen in self.of(Operation.GET):
                if seen.succeeded:
                    name = seen.exchange.request.generation_id
                    jobs.setdefault(name, Job(name))
        for seen in self.of(Operation.DELETE):
            if (job := jobs.get(seen.exchange.request.generation_id)) is not None:
                job.deletes.append(seen)
        self._read_gets(jobs)
        self._read_downloads(jobs)
        return jobs

    def _read_gets(self, jobs: dict[str, Job]) -> None:
        for seen in self.of(Operation.GET):
            job = jobs.get(seen.exchange.request.generation_id)
            if job is not None:
                gone = job.deleted_place
                (job.polls if gone is None or seen.place < gone else job.afterwards).append(seen)

    def _read_downloads(self, jobs: dict[str, Job]) -> None:
        places: dict[str, tuple[Job, int]] = {}
        for job in jobs.values():
            for seen in job.answers:
                for place, entry in enumerate(results_of(seen.document)):
                    if isinstance(entry, dict) and isinstance(entry.get("url"), str):
                        places[entry["url"]] = (job, place)
        for seen in self.all:
            request = seen.exchange.request
            if (
                request.method == "GET"
                and request.url in places
                and request.authorization is Authorization.NONE
            ):
                job, place = places[request.url]
                job.downloads.setdefault(place, []).append(seen)

    @cached_property
    def list_entries(self) -> list[Entry]:
        """Every entry of every list that was answered."""
        return [
            Entry(seen, f"generation_list[{place}]", document)
            for seen in self.lists
            if seen.succeeded and isinstance(seen.document, dict)
            and isinstance(seen.document.get("generation_list"), list)
            for place, document in enumerate(seen.document["generation_list"])
        ]  # fmt: skip

    @cached_property
    def generations(self) -> list[Entry]:
        """Every generation that any answer has: create's, get's, the lists'."""
        found = []
        for job in self.jobs.values():
            after = [seen for seen in job.afterwards if seen.succeeded and isinstance(seen.document, dict)]
            found += [Entry(seen, "", seen.document) for seen in [*job.answers, *after]]
        return found + self.list_entries

    @cached_property
    def field_violations(self) -> list[tuple[Entry, tuple[library.Violation, ...]]]:
        """Every generation with the ways in which its fields break their schema."""
        return [
            (entry, library.violations("generation-fields", entry.document)) for entry in self.generations
        ]

    def refusals(self) -> Iterator[Seen]:
        """Every answer of the API itself that is a refusal."""
        for seen in self.all:
            if seen.status >= 400 and not self.is_download(seen):
                yield seen

    def is_download(self, seen: Seen) -> bool:
        """Whether the exchange is about a file, and not about the API."""
        request = seen.exchange.request
        return not request.url.startswith(self.run.target + "/v1/")
