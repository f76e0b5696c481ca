"""A run grouped by job: the requests about each job, and the responses.

Only method, path and content are used, so that recordings of other tools can be read, too.
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

# Final statuses: those that were reported, and those that clients look for.
FINAL_STATUSES = frozenset({"completed", "failed", "cancelled", "error", "success"})

# Statuses before that.
ON_THE_WAY = ("pending", "initializing", "processing")

# The documented and the reported fields of a generation.
KNOWN_FIELDS = frozenset(
    name
    for schema in ("generation-fields", "generation-observed")
    for name in library.schema(schema)["properties"]
)

_WITH_TOKEN = (Authorization.BARE, Authorization.BEARER, Authorization.UNKNOWN)


class Observation(NamedTuple):
    """A response, or one entry of a list.

    Attributes:
        place: The index of the exchange in the run.
        document: The JSON of the response, or its part at ``where``; None if it is not JSON.
        where: The path of the entry in the response; empty for the whole response.
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
        """Return a field of the document; the default if it is missing, or the document is not an object."""
        return self.document.get(name, default) if isinstance(self.document, dict) else default


@dataclass(slots=True)
class JobHistory:
    """The history of one generation in a run.

    Attributes:
        id: Its id.
        model: From the create request; empty if that is not in the run.
        config: From the create request; empty if that is not in the run.
        created: The response to its create.
        polls: Responses to get before the generation was deleted.
        deletes: Responses to delete.
        afterwards: Responses to get after the generation was deleted.
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
        """The index of the first successful delete, or None."""
        return next((observation.place for observation in self.deletes if observation.succeeded), None)

    @property
    def responses(self) -> list[Observation]:
        """The responses to create and get that are objects, in order."""
        both = [self.created, *self.polls] if self.created else self.polls
        return [
            observation
            for observation in both
            if isinstance(observation.document, dict)
            and (observation.succeeded or "id" in observation.document)
        ]

    @property
    def statuses(self) -> list[tuple[Observation, str]]:
        """The responses with their status, if it is a string."""
        return [
            (observation, observation.field("status"))
            for observation in self.responses
            if isinstance(observation.field("status"), str)
        ]

    @property
    def end(self) -> Observation | None:
        """The last response, if it shows that the job has ended (see ``has_ended``)."""
        last = self.responses[-1] if self.responses else None
        return last if last is not None and has_ended(last.document) else None

    @property
    def completed(self) -> Observation | None:
        """The last response with results, or else the last with status completed."""
        with_results = [observation for observation in self.responses if results_of(observation.document)]
        without = [observation for observation, status in self.statuses if status == "completed"]
        return (with_results or without)[-1] if with_results or without else None


def results_of(document: Any) -> list[Any]:
    """Return ``result.data`` of a generation; an empty list if it has none."""
    result = document.get("result") if isinstance(document, dict) else None
    data = result.get("data") if isinstance(result, dict) else None
    return data if isinstance(data, list) else []


def has_ended(document: dict[str, Any]) -> bool:
    """Return whether a generation has ended: it has a final status, results, or a log line.

    Logs are empty unless the generation failed (observed).
    """
    status = document.get("status")
    failed = bool(document.get("logs")) and status not in ON_THE_WAY
    return (isinstance(status, str) and status in FINAL_STATUSES) or bool(results_of(document)) or failed


def last_log(observation: Observation) -> str:
    """Return the text of the last log line, or an empty string."""
    logs = observation.field("logs")
    last = logs[-1] if isinstance(logs, list) and logs else None
    text = last.get("text") if isinstance(last, dict) else None
    return text if isinstance(text, str) else ""


def embedded_json(text: str) -> tuple[str, Any, str] | None:
    """Return the text before a JSON object, the object, and the text after it; None if there is no object."""
    try:
        begin = text.index("{")
        found, end = json.JSONDecoder().raw_decode(text, begin)
    except (ValueError, RecursionError):
        return None
    return text[:begin], found, text[end:]


def time_of(observation: Observation, name: str) -> datetime | None:
    """Return a timestamp of a generation; None if it does not have the API's format."""
    try:
        return datetime.strptime(observation.field(name), "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - the API names no zone
    except (TypeError, ValueError):
        return None


def requested(exchange: Exchange) -> tuple[str, dict[str, Any]] | None:
    """Return the model and the config of a create request; None if the request is not valid."""
    body = parse_json(exchange.request.body)
    if not isinstance(body, dict) or exchange.request.content_type.partition(";")[0] != "application/json":
        return None
    model, config = body.get("model"), body.get("config")
    return (model, config) if isinstance(model, str) and isinstance(config, dict) else None


def listed(observation: Observation) -> list[Any] | None:
    """Return the entries of a list; None if the response is not a list."""
    entries = observation.field("generation_list")
    return entries if observation.succeeded and isinstance(entries, list) else None


class Histories:
    """A run, grouped by generation."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.all = tuple(
            Observation(index, exchange, parse(exchange.response))
            for index, exchange in enumerate(run.exchanges)
        )
        # Downloads of result files have other URLs.
        self.api = [
            observation
            for observation in self.all
            if observation.exchange.request.url.startswith(f"{run.base_url}/v1/")
        ]

    def of(self, operation: Operation) -> list[Observation]:
        """Return the exchanges of one operation that sent an API key and got a response."""
        return [
            observation
            for observation in self.all
            if observation.exchange.request.operation is operation
            and observation.exchange.request.authorization in _WITH_TOKEN
            and observation.exchange.response
        ]

    @cached_property
    def creates(self) -> list[tuple[Observation, str, dict[str, Any]]]:
        """The valid create requests that got a response: the response, the model and the config."""
        found = [(observation, requested(observation.exchange)) for observation in self.of(Operation.CREATE)]
        return [(observation, *arguments) for observation, arguments in found if arguments is not None]

    @cached_property
    def lists(self) -> list[Observation]:
        """The responses to list."""
        return self.of(Operation.LIST)

    @cached_property
    def jobs(self) -> dict[str, JobHistory]:
        """The generations that the run created, by id; in a recording, also those that it got."""
        jobs: dict[str, JobHistory] = {}
        for observation, model, config in self.creates:
            name = observation.field("id")
            if observation.succeeded and isinstance(name, str):
                jobs.setdefault(name, JobHistory(name, model, config, observation))
        if self.run.scope is Scope.RECORDING:
            for observation in self.of(Operation.GET):
                if observation.succeeded:
                    name = observation.exchange.request.generation_id
                    jobs.setdefault(name, JobHistory(name))
        for observation in self.of(Operation.DELETE):
            if (job := jobs.get(observation.exchange.request.generation_id)) is not None:
                job.deletes.append(observation)
        for observation in self.of(Operation.GET):
            if (job := jobs.get(observation.exchange.request.generation_id)) is not None:
                gone = job.deleted_place
                (job.polls if gone is None or observation.place < gone else job.afterwards).append(
                    observation
                )
        return jobs

    @cached_property
    def downloads(self) -> list[tuple[JobHistory, int, Observation]]:
        """The downloads of results without an API key, with the job and the index in ``result.data``."""
        places: dict[str, tuple[JobHistory, int]] = {}
        for job in self.jobs.values():
            for observation in job.responses:
                for place, entry in enumerate(results_of(observation.document)):
                    if isinstance(entry, dict) and isinstance(entry.get("url"), str):
                        places[entry["url"]] = (job, place)
        requests = [(observation.exchange.request, observation) for observation in self.all]
        return [
            (*places[request.url], observation)
            for request, observation in requests
            if request.authorization is Authorization.NONE
            and request.method == "GET"
            and request.url in places
        ]

    @cached_property
    def responses(self) -> list[Observation]:
        """The responses to create and get, grouped by job."""
        return [observation for job in self.jobs.values() for observation in job.responses]

    @cached_property
    def completed(self) -> list[tuple[JobHistory, Observation]]:
        """The completed jobs, each with the response that shows it."""
        return [(job, job.completed) for job in self.jobs.values() if job.completed]

    @cached_property
    def ended(self) -> list[tuple[JobHistory, Observation]]:
        """The ended jobs, each with its last response."""
        return [(job, job.end) for job in self.jobs.values() if job.end]

    @cached_property
    def results(self) -> list[tuple[JobHistory, Observation, dict[str, Any]]]:
        """The results of completed jobs that are objects, with the job and the response."""
        return [
            (job, observation, entry)
            for job, observation in self.completed
            for entry in results_of(observation.document)
            if isinstance(entry, dict)
        ]

    @cached_property
    def list_entries(self) -> list[Observation]:
        """The entries of all lists."""
        return [
            observation._replace(document=document, where=f"generation_list[{place}]")
            for observation in self.lists
            for place, document in enumerate(listed(observation) or ())
        ]

    def order_in(self, observation: Observation) -> list[int]:
        """Return the run's jobs in a list, in the order of the list, as indexes in the order of creation."""
        order = list(self.jobs)
        ids = [entry.get("id") for entry in listed(observation) or () if isinstance(entry, dict)]
        return [order.index(name) for name in ids if name in order]

    @cached_property
    def generations(self) -> list[Observation]:
        """The generations in all responses: to create, get and list."""
        found = []
        for job in self.jobs.values():
            after = [
                observation
                for observation in job.afterwards
                if observation.succeeded and isinstance(observation.document, dict)
            ]
            found += [*job.responses, *after]
        return found + self.list_entries

    @cached_property
    def field_violations(self) -> list[tuple[Observation, tuple[library.Violation, ...]]]:
        """The generations in all responses, each with the violations of the schema by its fields."""
        return [
            (entry, library.violations("generation-fields", entry.document)) for entry in self.generations
        ]
