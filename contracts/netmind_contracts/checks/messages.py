"""Checks of single messages: create's answer, a generation's fields."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netmind_contracts.checks.registry import Finding, actual_of, check, finding
from netmind_contracts.runs.histories import DOCUMENTED_MODELS, KNOWN_FIELDS, Histories, results_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netmind_contracts.runs.histories import Observation


_NOTHING = object()


# Create


def _is_generation(seen: Observation) -> bool:
    return seen.succeeded and isinstance(seen.document, dict) and "id" in seen.document


def _accepts(*models: str) -> Callable[[Histories], Iterator[Finding]]:
    def accepted(seen: Histories) -> Iterator[Finding]:
        for create, model, _ in seen.creates:
            if model in models:
                yield finding(_is_generation(create), create, "a generation", actual_of(create))

    return accepted


check("create.request", "create of one of the page's models")(_accepts(*DOCUMENTED_MODELS))
check("models.qwen-image", "create of Qwen/Qwen-Image")(_accepts("Qwen/Qwen-Image"))
check("models.mmaudio", "create of hkchengrex/MMAudio")(_accepts("hkchengrex/MMAudio"))
check("models.speech-02-hd", "create of minimax/speech-02-hd")(_accepts("minimax/speech-02-hd"))
check("models.nano-banana", "create of a google/nano-banana")(
    _accepts("google/nano-banana", "google/nano-banana-pro", "openai/gpt-image-2")
)


@check("create.config-by-model", "creates of both of the page's models")
def configs_of_both_models_are_taken(seen: Histories) -> Iterator[Finding]:
    """Both of the page's configs, which share no key but the prompt, are accepted."""
    creates = [(create, model) for create, model, _ in seen.creates if model in DOCUMENTED_MODELS]
    if {model for _, model in creates} == set(DOCUMENTED_MODELS):
        for create, _ in creates:
            expected = "either model's config to be taken"
            yield finding(_is_generation(create), create, expected, actual_of(create))


@check("models.image-size-words", "create with an image_size")
def image_sizes_are_taken(seen: Histories) -> Iterator[Finding]:
    """A create with a known word as its image_size is accepted."""
    for create, _, config in seen.creates:
        if isinstance(config.get("image_size"), str):
            expected = f"image_size {config['image_size']} to be taken"
            yield finding(_is_generation(create), create, expected, actual_of(create))


def _in_create(claim: str, field: str, expected: str, wanted: Callable[[Observation], bool]) -> None:
    """Register a check of the generation that create responds with."""

    @check(claim, "create that was answered with a generation")
    def looks(seen: Histories) -> Iterator[Finding]:
        for job in seen.jobs.values():
            if job.created is not None and job.config.get("sync_mode") is not True:
                actual = job.created.field(field, "nothing")
                yield finding(wanted(job.created), job.created, expected, actual)


_in_create("create.pending", "status", "status pending", lambda one: one.field("status") == "pending")
_in_create("create.empty-result", "result", "result {}", lambda one: one.field("result") == {})
_in_create(
    "create.updated-at",
    "updated_at",
    "updated_at to equal created_at",
    lambda one: one.field("updated_at", _NOTHING) == one.field("created_at"),
)


@check("create.sync-mode", "create of google/nano-banana-pro with sync_mode")
def sync_mode_returns_results(seen: Histories) -> Iterator[Finding]:
    """Create itself answers the completed generation."""
    for create, model, config in seen.creates:
        if config.get("sync_mode") is True and model == "google/nano-banana-pro":
            done = create.field("status") == "completed" and results_of(create.document)
            yield finding(done, create, "the completed generation", actual_of(create))


@check("create.new-id", "two creates that were answered with a generation")
def creates_give_new_ids(seen: Histories) -> Iterator[Finding]:
    """No two creates answer the same id."""
    ids: list[str] = []
    for create, _, _ in seen.creates:
        name = create.field("id")
        if create.succeeded and isinstance(name, str):
            if ids:
                yield finding(name not in ids, create, "an id of its own", f"{name} again")
            ids.append(name)


@check("success.status-200", "success")
def successes_are_200(seen: Histories) -> Iterator[Finding]:
    """Every success of the API is HTTP 200."""
    for one in seen.api:
        if one.succeeded:
            yield finding(one.status == 200, one, "200", one.status)


# A generation's fields


def _field(claim: str, *names: str) -> None:
    """The fields are as their schema has them, in every generation of every response."""

    @check(claim, "generation")
    def looks(seen: Histories) -> Iterator[Finding]:
        for one, violations in seen.field_violations:
            wrong = [
                violation
                for violation in violations
                if violation.path[:1] and violation.path[0] in names and violation.rule != "maxProperties"
            ]
            for violation in wrong:
                place = f"{one.where}.{violation.where}".removeprefix(".")
                yield finding(False, one, violation.expected, f"{place}: {violation.actual}")
            if not wrong:
                yield finding(True, one, "", "")


_field("generation.id", "id")
_field("generation.user-id", "user_id")
_field("generation.status", "status")
_field("generation.timestamps", "created_at", "updated_at")
_field("generation.result-object", "result")


@check("generation.not-deleted", "generation")
def not_deleted_before_a_delete(seen: Histories) -> Iterator[Finding]:
    """Until a delete deleted_at is null and is_deleted is false; both are there."""
    for one in seen.responses:
        flags = one.field("deleted_at", "nothing"), one.field("is_deleted", "nothing")
        holds = flags[0] is None and flags[1] is False
        yield finding(holds, one, "deleted_at null and is_deleted false", flags)


@check("generation.user-id-form", "generation")
def user_ids_are_hexadecimal(seen: Histories) -> Iterator[Finding]:
    """A user_id is 32 hexadecimal digits."""
    for one in seen.generations:
        name = one.field("user_id")
        if isinstance(name, str):
            yield finding(re.fullmatch("[0-9a-f]{32}", name), one, "32 hexadecimal digits", name)


@check("generation.logs", "generation")
def logs_are_there(seen: Histories) -> Iterator[Finding]:
    """Logs are a list of {text}, empty unless the job failed."""
    for one in seen.responses:
        logs = one.field("logs", "no logs")
        formed = isinstance(logs, list) and all(
            isinstance(line, dict) and isinstance(line.get("text"), str) for line in logs
        )
        holds = formed and (one.field("status") == "failed" or logs == [])
        yield finding(holds, one, "logs, empty when nothing went wrong", logs)


@check("generation.durations", "completed job")
def durations_are_whole_seconds(seen: Histories) -> Iterator[Finding]:
    """A completed job has both durations, as whole seconds."""
    for _, completed in seen.completed:
        both = [completed.field(f"{part}_duration", "nothing") for part in ("pending", "processing")]
        whole = all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in both)
        yield finding(whole, completed, "pending_duration and processing_duration in whole seconds", both)


@check("generation.empty-until-completed", "answer about a pending job")
def pending_jobs_have_no_result(seen: Histories) -> Iterator[Finding]:
    """While its status is pending a generation's result is an empty object."""
    for one in seen.generations:
        if one.field("status") == "pending":
            result = one.field("result", "nothing")
            yield finding(result == {}, one, "result {}", result)


@check("message.json", "answer of the API")
def messages_are_json(seen: Histories) -> Iterator[Finding]:
    """Whatever the API answers is JSON by its Content-Type and by its content."""
    for one in seen.api:
        response = one.exchange.response
        if response is not None and response.complete:
            media_type = response.headers.get("content-type", "no content type")
            holds = media_type.partition(";")[0].strip() == "application/json" and one.document is not None
            actual = f"{media_type}: {response.body[:60]}"
            yield finding(holds, one, "JSON, as application/json", actual)


@check("fields.come-and-go", "generation")
def no_other_fields(seen: Histories) -> Iterator[Finding]:
    """A generation has no fields beyond those of the page and those that people saw."""
    for one in seen.generations:
        if isinstance(one.document, dict):
            other = sorted(set(one.document) - KNOWN_FIELDS)
            yield finding(not other, one, "no other fields", f"also {', '.join(other)}")
