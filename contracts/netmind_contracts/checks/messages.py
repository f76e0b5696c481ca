"""Checks of single messages: the response to create, and the fields of a generation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netmind_contracts.checks.registry import Finding, actual_of, check, finding, unseen
from netmind_contracts.runs.histories import DOCUMENTED_MODELS, KNOWN_FIELDS, Histories, results_of, time_of
from netmind_contracts.runs.responses import is_refused_for_another_reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netmind_contracts.runs.histories import Observation


_NOTHING = object()


# Create


def _is_generation(observation: Observation) -> bool:
    return observation.succeeded and isinstance(observation.document, dict) and "id" in observation.document


def _accepted(create: Observation, expected: str) -> Finding:
    """Return whether a create was accepted; unseen if it was refused for another reason than its content."""
    if create.is_unread:
        return unseen(create, "the recording has no body")
    if is_refused_for_another_reason(create.exchange):
        return unseen(create, actual_of(create))
    return finding(_is_generation(create), create, expected, actual_of(create))


def _accepts(*models: str) -> Callable[[Histories], Iterator[Finding]]:
    def accepted(histories: Histories) -> Iterator[Finding]:
        for create, model, _ in histories.creates:
            if model in models:
                yield _accepted(create, "a generation")

    return accepted


check("create.request", "create of one of the documented models")(_accepts(*DOCUMENTED_MODELS))
check("models.qwen-image", "create of Qwen/Qwen-Image")(_accepts("Qwen/Qwen-Image"))
check("models.mmaudio", "create of hkchengrex/MMAudio")(_accepts("hkchengrex/MMAudio"))
check("models.speech-02-hd", "create of minimax/speech-02-hd")(_accepts("minimax/speech-02-hd"))
check("models.nano-banana", "create of a google/nano-banana")(
    _accepts("google/nano-banana", "google/nano-banana-pro", "openai/gpt-image-2")
)


@check("create.config-by-model", "creates of both of the documented models")
def configs_of_both_models_are_accepted(histories: Histories) -> Iterator[Finding]:
    """Check that both documented configs are accepted. They share only the key prompt."""
    creates = [(create, model) for create, model, _ in histories.creates if model in DOCUMENTED_MODELS]
    if {model for _, model in creates} == set(DOCUMENTED_MODELS):
        for create, _ in creates:
            yield _accepted(create, "the config of each model to be accepted")


@check("models.image-size-words", "create with an image_size")
def image_sizes_are_accepted(histories: Histories) -> Iterator[Finding]:
    """Check that a create with a known image_size is accepted."""
    for create, _, config in histories.creates:
        if isinstance(config.get("image_size"), str):
            yield _accepted(create, f"image_size {config['image_size']} to be accepted")


def _in_create(claim: str, field: str, expected: str, wanted: Callable[[Observation], bool]) -> None:
    """Register a check of a field in the response to create."""

    @check(claim, "create that returned a generation")
    def check_field(histories: Histories) -> Iterator[Finding]:
        for job in histories.jobs.values():
            if job.created is not None and job.config.get("sync_mode") is not True:
                actual = job.created.field(field, "nothing")
                yield finding(wanted(job.created), job.created, expected, actual)


_in_create(
    "create.pending", "status", "status pending", lambda observation: observation.field("status") == "pending"
)
_in_create(
    "create.empty-result", "result", "result {}", lambda observation: observation.field("result") == {}
)
_in_create(
    "create.updated-at",
    "updated_at",
    "updated_at to equal created_at",
    lambda observation: observation.field("updated_at", _NOTHING) == observation.field("created_at"),
)


@check("create.sync-mode", "create of google/nano-banana-pro with sync_mode")
def sync_mode_returns_results(histories: Histories) -> Iterator[Finding]:
    """Check that the response to create is the completed generation."""
    for create, model, config in histories.creates:
        if config.get("sync_mode") is True and model == "google/nano-banana-pro":
            if is_refused_for_another_reason(create.exchange) or create.is_unread:
                yield unseen(create, actual_of(create))
                continue
            done = create.field("status") == "completed" and results_of(create.document)
            yield finding(done, create, "the completed generation", actual_of(create))


@check("create.new-id", "two creates that returned a generation")
def creates_give_new_ids(histories: Histories) -> Iterator[Finding]:
    """Check that no create returns the id of another create, or of a generation that was listed before."""
    ids: list[str] = []
    for create, _, _ in histories.creates:
        name = create.field("id")
        if create.succeeded and isinstance(name, str):
            before = [*ids, *histories.listed_before(create.place)]
            if before:
                yield finding(name not in before, create, "a new id", f"{name} again")
            ids.append(name)


@check("success.status-200", "success")
def successes_are_200(histories: Histories) -> Iterator[Finding]:
    """Check that every successful response has status 200."""
    for observation in histories.api:
        if observation.succeeded:
            yield finding(observation.status == 200, observation, "200", observation.status)


# A generation's fields


def _field(claim: str, *names: str) -> None:
    """Register a check that these fields match their schema, in every generation of every response."""

    @check(claim, "generation")
    def check_field(histories: Histories) -> Iterator[Finding]:
        for observation, violations in histories.field_violations:
            wrong = [
                violation
                for violation in violations
                if violation.path[:1] and violation.path[0] in names and violation.rule != "maxProperties"
            ]
            for violation in wrong:
                place = f"{observation.where}.{violation.where}".removeprefix(".")
                yield finding(False, observation, violation.expected, f"{place}: {violation.actual}")
            if not wrong:
                yield finding(True, observation, "", "")


_field("generation.id", "id")
_field("generation.user-id", "user_id")
_field("generation.status", "status")
_field("generation.timestamps", "created_at", "updated_at")
_field("generation.result-object", "result")


@check("generation.timestamps", "generation")
def times_exist(histories: Histories) -> Iterator[Finding]:
    """Check that the dates of a generation exist: 2025-02-30 has the right form."""
    for observation in histories.generations:
        for name in ("created_at", "updated_at"):
            if isinstance(value := observation.field(name), str):
                yield finding(
                    time_of(observation, name), observation, "a date that exists", f"{name} {value}"
                )


@check("generation.not-deleted", "generation")
def not_deleted_before_a_delete(histories: Histories) -> Iterator[Finding]:
    """Check that deleted_at is null and is_deleted is false before a delete, and that both are present."""
    for observation in [*histories.responses, *histories.entries_before_a_delete]:
        flags = observation.field("deleted_at", "nothing"), observation.field("is_deleted", "nothing")
        holds = flags[0] is None and flags[1] is False
        yield finding(holds, observation, "deleted_at null and is_deleted false", flags)


@check("generation.user-id-form", "generation")
def user_ids_are_hexadecimal(histories: Histories) -> Iterator[Finding]:
    """Check that user_id is 32 hexadecimal digits."""
    for observation in histories.generations:
        name = observation.field("user_id")
        if isinstance(name, str):
            yield finding(re.fullmatch("[0-9a-f]{32}", name), observation, "32 hexadecimal digits", name)


@check("generation.logs", "generation")
def logs_are_there(histories: Histories) -> Iterator[Finding]:
    """Check that logs is a list of {text}, and empty unless the job failed."""
    for observation in histories.responses:
        logs = observation.field("logs", "no logs")
        formed = isinstance(logs, list) and all(
            isinstance(line, dict) and isinstance(line.get("text"), str) for line in logs
        )
        holds = formed and (observation.field("status") == "failed" or logs == [])
        yield finding(holds, observation, "logs, empty unless the job failed", logs)


@check("generation.durations", "completed job")
def durations_are_whole_seconds(histories: Histories) -> Iterator[Finding]:
    """Check that a completed job has both durations, in whole seconds."""
    for _, completed in histories.completed:
        both = [completed.field(f"{part}_duration", "nothing") for part in ("pending", "processing")]
        whole = all(
            isinstance(observation, int) and not isinstance(observation, bool) and observation >= 0
            for observation in both
        )
        yield finding(whole, completed, "pending_duration and processing_duration in whole seconds", both)


@check("generation.empty-until-completed", "response about a pending job")
def pending_jobs_have_no_result(histories: Histories) -> Iterator[Finding]:
    """Check that the result of a pending generation is an empty object."""
    for observation in histories.generations:
        if observation.field("status") == "pending":
            result = observation.field("result", "nothing")
            yield finding(result == {}, observation, "result {}", result)


@check("message.json", "response of the API")
def messages_are_json(histories: Histories) -> Iterator[Finding]:
    """Check that every response of the API has a JSON Content-Type and a JSON body."""
    for observation in histories.api:
        response = observation.exchange.response
        if response is not None and response.complete:
            media_type = response.headers.get("content-type", "no content type")
            holds = (
                media_type.partition(";")[0].strip().lower() == "application/json"
                and observation.document is not None
            )
            actual = f"{media_type}: {response.body[:60]}"
            yield finding(holds, observation, "JSON, as application/json", actual)


@check("fields.come-and-go", "generation")
def no_other_fields(histories: Histories) -> Iterator[Finding]:
    """Check that a generation has only documented and reported fields."""
    for observation in histories.generations:
        if isinstance(observation.document, dict):
            other = sorted(set(observation.document) - KNOWN_FIELDS)
            yield finding(not other, observation, "no other fields", f"also {', '.join(other)}")
