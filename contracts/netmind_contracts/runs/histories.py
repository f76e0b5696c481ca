"""A run grouped by job: the requests about each job, and the responses.

Only method, path and content are used, so that recordings of other tools can be read, too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import zip_longest
from typing import Any

from netmind_contracts import library
from netmind_contracts.runs.exchange import Authorization, Exchange, Operation, Run, Scope, parse, parse_json
from netmind_contracts.runs.responses import WITH_KEY, Observation, redirect_of, with_token, without_lag

__all__ = [
    "DOCUMENTED_MODELS", "FINAL_STATUSES", "KNOWN_FIELDS", "ON_THE_WAY", "Histories", "JobHistory",
    "Observation", "embedded_json", "has_ended", "last_log", "listed", "requested", "results_of", "time_of",
]  # fmt: skip

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

# Part of a file, or nothing because the client has it.
_PARTIAL = (206, 304)


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
        lost_delete: The index of a delete without a response, after which the generation was gone.
    """

    id: str
    model: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    created: Observation | None = None
    polls: list[Observation] = field(default_factory=list)
    deletes: list[Observation] = field(default_factory=list)
    afterwards: list[Observation] = field(default_factory=list)
    lost_delete: int | None = None

    @property
    def deleted_place(self) -> int | None:
        """The index of the delete that deleted the generation, or None."""
        if self.lost_delete is not None:
            return self.lost_delete
        return next((observation.place for observation in self.deletes if observation.succeeded), None)

    @property
    def first_delete(self) -> int | None:
        """The index of the first request to delete the generation, or None."""
        return min((observation.place for observation in self.deletes), default=self.lost_delete)

    def add_deletes(self, observations: list[Observation]) -> None:
        """Add the requests to delete the generation.

        If a request has no response, a 404 to the next one shows that the first deleted the generation.
        """
        lost: int | None = None
        for observation in observations:
            if observation.exchange.failed_in_transit:
                lost = observation.place if observation.exchange.sent else lost
            elif observation.status == 404 and lost is not None and self.deleted_place is None:
                self.lost_delete = lost
            else:
                self.deletes.append(observation)
        self.deletes = without_lag(self.deletes)

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
    """A run, grouped by generation.

    Attributes:
        recorded: All exchanges.
        all: Those with a response of the API. What the network or a gateway responded is not a fact.
        api: Those of ``all`` that are requests to the API with a readable response, and not downloads.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.recorded = tuple(
            Observation(index, exchange, parse(exchange.response))
            for index, exchange in enumerate(run.exchanges)
        )
        self.all = tuple(
            observation for observation in self.recorded if not observation.exchange.failed_in_transit
        )
        self.api = [
            observation
            for observation in self.all
            if observation.exchange.request.url.startswith(f"{run.base_url}/v1/")
            and observation.exchange.request.method != "OPTIONS"  # a browser asks before a request
            and not observation.is_unread
        ]

    def of(self, operation: Operation) -> list[Observation]:
        """Return the exchanges of one operation that sent an API key and got a response of the API."""
        return with_token(self.all, operation)

    @cached_property
    def creates(self) -> list[tuple[Observation, str, dict[str, Any]]]:
        """The valid create requests that got any response: the response, the model and the config."""
        found = [
            (observation, requested(observation.exchange))
            for observation in with_token(self.recorded, Operation.CREATE)
        ]
        return [(observation, *arguments) for observation, arguments in found if arguments is not None]

    @cached_property
    def lists(self) -> list[Observation]:
        """The responses to list."""
        return [observation for observation in self.of(Operation.LIST) if not observation.is_unread]

    @cached_property
    def settled_lists(self) -> list[Observation]:
        """The responses to list, of several in a row the last: the others may not be up to date."""
        lists = {observation.place for observation in self.lists}
        return [
            observation
            for observation, after in zip_longest(self.all, self.all[1:])
            if observation.place in lists
            and (after is None or after.exchange.request != observation.exchange.request)
        ]

    @cached_property
    def missing(self) -> str:
        """What is missing in the run: responses of the API, or their bodies; empty if nothing is."""
        lost = [one.exchange for one in self.recorded if one.exchange.failed_in_transit]
        unread = sum(observation.is_unread for observation in self.all)
        found = [f"{len(lost)} requests got no response of the API, such as {lost[0]}"] if lost else []
        found += [f"{unread} responses were recorded without their complete body"] if unread else []
        return " and ".join(found)

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
        deletes: dict[str, list[Observation]] = {}
        for observation in self.recorded:
            request = observation.exchange.request
            if request.operation is Operation.DELETE and request.authorization in WITH_KEY:
                deletes.setdefault(request.generation_id, []).append(observation)
        for name, created in jobs.items():
            created.add_deletes(deletes.get(name, []))
        for observation in self.of(Operation.GET):
            if (job := jobs.get(observation.exchange.request.generation_id)) is not None:
                gone = job.deleted_place
                (job.polls if gone is None or observation.place < gone else job.afterwards).append(
                    observation
                )
        for job in jobs.values():
            job.polls = without_lag(job.polls)
        return jobs

    @cached_property
    def downloads(self) -> list[tuple[JobHistory, int, Observation]]:
        """The downloads of results without an API key, with the job and the index in ``result.data``.

        Of several downloads of a result, the last that succeeded counts, or else the last.
        """
        places: dict[str, tuple[JobHistory, int]] = {}
        for job in self.jobs.values():
            for observation in job.responses:
                for place, entry in enumerate(results_of(observation.document)):
                    if isinstance(entry, dict) and isinstance(entry.get("url"), str):
                        places[entry["url"]] = (job, place)
        found: dict[tuple[str, int], tuple[JobHistory, int, Observation]] = {}
        for observation in self.all:
            request = observation.exchange.request
            if request.authorization is not Authorization.NONE or request.method != "GET":
                continue
            url = request.url if request.url in places else request.url.partition("?")[0]
            if url not in places or observation.status in _PARTIAL:
                continue
            job, place = places[url]
            if target := redirect_of(observation.exchange):
                places[target.partition("?")[0]] = (job, place)
            before = found.get((job.id, place))
            if before is None or observation.succeeded or not before[2].succeeded:
                found[job.id, place] = (job, place, observation)
        return list(found.values())

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
        """The entries of all lists about the run's jobs. The account's other jobs may have older forms."""
        return [
            observation._replace(document=document, where=f"generation_list[{place}]")
            for observation in self.lists
            for place, document in enumerate(listed(observation) or ())
            if isinstance(document, dict) and str(document.get("id")) in self.jobs
        ]

    @cached_property
    def entries_before_a_delete(self) -> list[Observation]:
        """The entries of lists about the run's jobs, before these were deleted."""
        return [
            entry
            for entry in self.list_entries
            if (place := self.jobs[entry.field("id")].first_delete) is None or entry.place < place
        ]

    def listed_before(self, place: int) -> set[str]:
        """Return the ids in the lists before an exchange."""
        return {
            str(entry.get("id"))
            for observation in self.lists
            if observation.place < place
            for entry in listed(observation) or ()
            if isinstance(entry, dict)
        }

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
