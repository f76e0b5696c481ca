"""A run in the order of its jobs: what was asked of each, and how the endpoint responded.

Everything is told by method, path and content alone, so that a recording that somebody else made reads the
same as one of ours.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from netmind_contracts import library
from netmind_contracts.runs.exchange import Authorization, Exchange, Operation, Run, Scope, parse, parse_json

DOCUMENTED_MODELS = ("Qwen/Qwen-Image", "hkchengrex/MMAudio")

# What ends a job: the words that people saw, and those that clients look for.
FINAL_STATUSES = frozenset({"completed", "failed", "cancelled", "error", "success"})

# Where a job may be before that.
ON_THE_WAY = ("pending", "initializing", "processing")

# A generation's fields, by the page and by people's reports.
KNOWN_FIELDS = frozenset(
    name
    for schema in ("generation-fields", "generation-observed")
    for name in library.schema(schema)["properties"]
)

_WITH_TOKEN = (Authorization.BARE, Authorization.BEARER, Authorization.UNKNOWN)


class Observation(NamedTuple):
    """A response, or one generation of a list.

    Attributes:
        place: The exchange's place in the run.
        document: The response's JSON, or what it has at ``where``; None if there is none.
        where: The generation's place in the response; empty for the whole of it.
    """

    place: int
    exchange: Exchange
    document: Any
    where: str = ""

    @property
    def status(self) -> int:
        """The HTTP status; 0 if there was no response."""
        return self.exchange.status

    @property
    def succeeded(self) -> bool:
        """Whether the response is a success."""
        return self.exchange.succeeded

    def field(self, name: str, default: Any = None) -> Any:
        """Return a field of the document; the default if it has none of that name, or is no object."""
        return self.document.get(name, default) if isinstance(self.document, dict) else default


@dataclass(slots=True)
class JobHistory:
    """One generation, through the run.

    Attributes:
        id: Its id.
        model: As the create request has it; empty if that is not in the run.
        config: As the create request has it; empty if that is not in the run.
        created: The response to its create.
        polls: Responses to get, before it was deleted.
        deletes: Responses to delete.
        afterwards: Responses to get, after it was deleted.
    """

    id: str
    model: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    created: Observation | None = None
    polls: list[Observation] = field(default_factory=list)
    deletes: list[Observation] = field(default_factory=list)
    afterwards: list[Observation] = field(default_factory=list)

    @property
    def deleted_place(self) -> int | None:
        """The place of the delete that succeeded first."""
        return next((seen.place for seen in self.deletes if seen.succeeded), None)

    @property
    def responses(self) -> list[Observation]:
        """Responses to create and get, in order, that are an object."""
        both = [self.created, *self.polls] if self.created else self.polls
        return [
            seen
            for seen in both
            if isinstance(seen.document, dict) and (seen.succeeded or "id" in seen.document)
        ]

    @property
    def statuses(self) -> list[tuple[Observation, str]]:
        """Each response's status, where it is a string."""
        return [
            (seen, seen.field("status")) for seen in self.responses if isinstance(seen.field("status"), str)
        ]

    @property
    def end(self) -> Observation | None:
        """The last response, if the job has ended by then: a final status, results, or a log line."""
        last = self.responses[-1] if self.responses else None
        return last if last is not None and has_ended(last.document) else None

    @property
    def completed(self) -> Observation | None:
        """The last response with results; where there is none, the last that is completed without."""
        with_results = [seen for seen in self.responses if results_of(seen.document)]
        without = [seen for seen, status in self.statuses if status == "completed"]
        return (with_results or without)[-1] if with_results or without else None


def results_of(document: Any) -> list[Any]:
    """Return a generation's ``result.data``; empty if it has none."""
    result = document.get("result") if isinstance(document, dict) else None
    data = result.get("data") if isinstance(result, dict) else None
    return data if isinstance(data, list) else []


def has_ended(document: dict[str, Any]) -> bool:
    """Return whether a generation has come to its end: a final status, results, or a log line.

    Logs are empty when nothing went wrong (observed).
    """
    status = document.get("status")
    failed = bool(document.get("logs")) and status not in ON_THE_WAY
    return (isinstance(status, str) and status in FINAL_STATUSES) or bool(results_of(document)) or failed


def last_log(seen: Observation) -> str:
    """Return the text of a generation's last log line; empty if there is none."""
    logs = seen.field("logs")
    last = logs[-1] if isinstance(logs, list) and logs else None
    text = last.get("text") if isinstance(last, dict) else None
    return text if isinstance(text, str) else ""


def embedded_json(text: str) -> tuple[str, Any, str] | None:
    """Return the JSON object in a text, between what stands before and after it; None if there is none."""
    try:
        begin = text.index("{")
        found, end = json.JSONDecoder().raw_decode(text, begin)
    except (ValueError, RecursionError):
        return None
    return text[:begin], found, text[end:]


def time_of(seen: Observation, name: str) -> datetime | None:
    """Return a timestamp of a generation; None if it is not of the API's form."""
    try:
        return datetime.strptime(seen.field(name), "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - the API names no zone
    except (TypeError, ValueError):
        return None


def requested(exchange: Exchange) -> tuple[str, dict[str, Any]] | None:
    """Return model and config of a create request, or None if it is no valid one."""
    body = parse_json(exchange.request.body)
    if not isinstance(body, dict) or exchange.request.content_type.partition(";")[0] != "application/json":
        return None
    model, config = body.get("model"), body.get("config")
    return (model, config) if isinstance(model, str) and isinstance(config, dict) else None


def listed(seen: Observation) -> list[Any] | None:
    """Return the entries of a list; None if the response is no list."""
    entries = seen.field("generation_list")
    return entries if seen.succeeded and isinstance(entries, list) else None


class Histories:
    """A run, read."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.all = tuple(
            Observation(index, exchange, parse(exchange.response))
            for index, exchange in enumerate(run.exchanges)
        )
        # What is about a file has another address.
        self.api = [seen for seen in self.all if seen.exchange.request.url.startswith(f"{run.target}/v1/")]

    def of(self, operation: Operation) -> list[Observation]:
        """Return the exchanges of one operation that carried a token and have a response."""
        return [
            seen
            for seen in self.all
            if seen.exchange.request.operation is operation
            and seen.exchange.request.authorization in _WITH_TOKEN
            and seen.exchange.response
        ]

    @cached_property
    def creates(self) -> list[tuple[Observation, str, dict[str, Any]]]:
        """Valid create requests with a response: that, the model, the config."""
        found = [(seen, requested(seen.exchange)) for seen in self.of(Operation.CREATE)]
        return [(seen, *asked) for seen, asked in found if asked is not None]

    @cached_property
    def lists(self) -> list[Observation]:
        """Responses to list."""
        return self.of(Operation.LIST)

    @cached_property
    def jobs(self) -> dict[str, JobHistory]:
        """Every generation that was created in the run, by id; in a recording, also those that were got."""
        jobs: dict[str, JobHistory] = {}
        for seen, model, config in self.creates:
            name = seen.field("id")
            if seen.succeeded and isinstance(name, str):
                jobs.setdefault(name, JobHistory(name, model, config, seen))
        if self.run.scope is Scope.RECORDING:
            for seen in self.of(Operation.GET):
                if seen.succeeded:
                    name = seen.exchange.request.generation_id
                    jobs.setdefault(name, JobHistory(name))
        for seen in self.of(Operation.DELETE):
            if (job := jobs.get(seen.exchange.request.generation_id)) is not None:
                job.deletes.append(seen)
        for seen in self.of(Operation.GET):
            if (job := jobs.get(seen.exchange.request.generation_id)) is not None:
                gone = job.deleted_place
                (job.polls if gone is None or seen.place < gone else job.afterwards).append(seen)
        return jobs

    @cached_property
    def downloads(self) -> list[tuple[JobHistory, int, Observation]]:
        """Requests without a token for a result's URL, each with the job and the place in ``result.data``."""
        places: dict[str, tuple[JobHistory, int]] = {}
        for job in self.jobs.values():
            for seen in job.responses:
                for place, entry in enumerate(results_of(seen.document)):
                    if isinstance(entry, dict) and isinstance(entry.get("url"), str):
                        places[entry["url"]] = (job, place)
        requests = [(seen.exchange.request, seen) for seen in self.all]
        return [
            (*places[request.url], seen)
            for request, seen in requests
            if request.authorization is Authorization.NONE
            and request.method == "GET"
            and request.url in places
        ]

    @cached_property
    def responses(self) -> list[Observation]:
        """Responses to create and get, job by job."""
        return [seen for job in self.jobs.values() for seen in job.responses]

    @cached_property
    def completed(self) -> list[tuple[JobHistory, Observation]]:
        """Jobs that were completed, each with the response that shows it."""
        return [(job, job.completed) for job in self.jobs.values() if job.completed]

    @cached_property
    def ended(self) -> list[tuple[JobHistory, Observation]]:
        """Jobs that ended, each with its last response."""
        return [(job, job.end) for job in self.jobs.values() if job.end]

    @cached_property
    def results(self) -> list[tuple[JobHistory, Observation, dict[str, Any]]]:
        """Every result of a completed job that is an object, with the job and the response that has it."""
        return [
            (job, seen, entry)
            for job, seen in self.completed
            for entry in results_of(seen.document)
            if isinstance(entry, dict)
        ]

    @cached_property
    def list_entries(self) -> list[Observation]:
        """Every entry of every list."""
        return [
            seen._replace(document=document, where=f"generation_list[{place}]")
            for seen in self.lists
            for place, document in enumerate(listed(seen) or ())
        ]

    def order_in(self, seen: Observation) -> list[int]:
        """Return which of the run's jobs a list has, in its order, each by its place among the creates."""
        order = list(self.jobs)
        ids = [entry.get("id") for entry in listed(seen) or () if isinstance(entry, dict)]
        return [order.index(name) for name in ids if name in order]

    @cached_property
    def generations(self) -> list[Observation]:
        """Every generation that any response has: create's, get's, the lists'."""
        found = []
        for job in self.jobs.values():
            after = [seen for seen in job.afterwards if seen.succeeded and isinstance(seen.document, dict)]
            found += [*job.responses, *after]
        return found + self.list_entries

    @cached_property
    def field_violations(self) -> list[tuple[Observation, tuple[library.Violation, ...]]]:
        """Every generation with the ways in which its fields break their schema."""
        return [
            (entry, library.violations("generation-fields", entry.document)) for entry in self.generations
        ]
