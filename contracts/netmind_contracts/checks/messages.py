"""Checks of single messages: create's answer, a generation's fields, results, the list."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from netmind_contracts import library
from netmind_contracts.checks.findings import Finding, came_of, check, finding
from netmind_contracts.histories import PAGE_MODELS, Entry, Histories, results_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netmind_contracts.histories import Job, Seen

_KNOWN_FIELDS = frozenset(
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
_PAGING = (
    "next",
    "next_page",
    "previous",
    "page",
    "page_size",
    "total",
    "total_pages",
    "cursor",
    "has_more",
    "offset",
)


# Create


def _is_generation(seen: Seen) -> bool:
    return seen.succeeded and isinstance(seen.document, dict) and "id" in seen.document


def _accepts(*models: str) -> Callable[[Histories], Iterator[Finding]]:
    def accepted(seen: Histories) -> Iterator[Finding]:
        for create, model, _ in seen.creates:
            if model in models:
                yield finding(_is_generation(create), create, "a generation", came_of(create))

    return accepted


check("create.request", "create of one of the page's models")(_accepts(*PAGE_MODELS))
check("models.qwen-image", "create of Qwen/Qwen-Image")(_accepts("Qwen/Qwen-Image"))
check("models.mmaudio", "create of hkchengrex/MMAudio")(_accepts("hkchengrex/MMAudio"))
check("models.speech-02-hd", "create of minimax/speech-02-hd")(_accepts("minimax/speech-02-hd"))
check("models.nano-banana", "create of a google/nano-banana")(
    _accepts("google/nano-banana", "google/nano-banana-pro", "openai/gpt-image-2")
)


@check("create.config-by-model", "creates of both of the page's models")
def configs_of_both_models_are_taken(seen: Histories) -> Iterator[Finding]:
    """Both of the page's configs, which share no key but the prompt, are accepted."""
    creates = [(create, model) for create, model, _ in seen.creates if model in PAGE_MODELS]
    if {model for _, model in creates} == set(PAGE_MODELS):
        for create, _ in creates:
            yield finding(
                _is_generation(create), create, "either model's config to be taken", came_of(create)
            )


@check("models.image-size-words", "create with an image_size")
def image_sizes_are_taken(seen: Histories) -> Iterator[Finding]:
    """A create with a known word as its image_size is accepted."""
    for create, _, config in seen.creates:
        if isinstance(config.get("image_size"), str):
            expected = f"image_size {config['image_size']} to be taken"
            yield finding(_is_generation(create), create, expected, came_of(create))


@check("models.video", "completed job of google/veo3.1-fast")
def video_is_an_mp4(seen: Histories) -> Iterator[Finding]:
    """A video model's first result begins as an mp4 does."""
    for job in seen.jobs.values():
        if job.model == "google/veo3.1-fast":
            for download in job.downloads.get(0, []):
                head = download.exchange.answer.head if download.exchange.answer else b""
                yield finding(head[4:8] == b"ftyp", download, "an mp4", head[:12])


def _created(seen: Histories) -> Iterator[Job]:
    for job in seen.jobs.values():
        if job.created is not None and job.config.get("sync_mode") is not True:
            yield job


def _in_create(claim: str, expected: str, wanted: Callable[[Any], bool], shown: str) -> None:
    @check(claim, "create that was answered with a generation")
    def looks(seen: Histories) -> Iterator[Finding]:
        for job in _created(seen):
            if job.created is not None:
                document = job.created.document
                yield finding(wanted(document), job.created, expected, document.get(shown, "nothing"))


_in_create("create.pending", "status pending", lambda answer: answer.get("status") == "pending", "status")
_in_create("create.empty-result", "result {}", lambda answer: answer.get("result") == {}, "result")
_in_create(
    "create.updated-at",
    "updated_at to equal created_at",
    lambda answer: "updated_at" in answer and answer["updated_at"] == answer.get("created_at"),
    "updated_at",
)


@check("create.sync-mode", "create of google/nano-banana-pro with sync_mode")
def sync_mode_answers_results(seen: Histories) -> Iterator[Finding]:
    """Create itself answers the completed generation."""
    for create, model, config in seen.creates:
        if config.get("sync_mode") is True and model == "google/nano-banana-pro":
            document = create.document if isinstance(create.document, dict) else {}
            done = document.get("status") == "completed" and results_of(document)
            yield finding(done, create, "the completed generation", came_of(create))


@check("success.status-200", "success")
def successes_are_200(seen: Histories) -> Iterator[Finding]:
    """Every success of the API is HTTP 200."""
    for one in seen.all:
        if one.succeeded and not seen.is_download(one):
            yield finding(one.status == 200, one, "200", one.status)


# A generation's fields


def _entry_came(entry: Entry, violation: library.Violation) -> str:
    return f"{entry.where + '.' if entry.where else ''}{violation.where}: {violation.came}"


def _field(claim: str, *names: str) -> None:
    """The fields are as their schema has them, in every generation of every answer."""

    @check(claim, "generation")
    def looks(seen: Histories) -> Iterator[Finding]:
        for entry in seen.generations():
            wrong = [
                violation
                for violation in library.violations("generation-fields", entry.document)
                if violation.path[:1] and violation.path[0] in names and violation.rule != "maxProperties"
            ]
            for violation in wrong:
                yield finding(False, entry.seen, violation.expected, _entry_came(entry, violation))
            if not wrong:
                yield finding(True, entry.seen, "", "")


_field("generation.id", "id")
_field("generation.user-id", "user_id")
_field("generation.status", "status")
_field("generation.timestamps", "created_at", "updated_at")
_field("generation.result-object", "result")


@check("generation.not-deleted", "generation")
def not_deleted_before_a_delete(seen: Histories) -> Iterator[Finding]:
    """Until a delete deleted_at is null and is_deleted is false; both are there."""
    for job in seen.jobs.values():
        for answer in job.answers:
            flags = (
                answer.document.get("deleted_at", "nothing"),
                answer.document.get("is_deleted", "nothing"),
            )
            yield finding(flags == (None, False), answer, "deleted_at null and is_deleted false", flags)


@check("generation.user-id-form", "generation")
def user_ids_are_hexadecimal(seen: Histories) -> Iterator[Finding]:
    """A user_id is 32 hexadecimal digits."""
    for entry in seen.generations():
        name = entry.document.get("user_id") if isinstance(entry.document, dict) else None
        if isinstance(name, str):
            yield finding(re.fullmatch("[0-9a-f]{32}", name), entry.seen, "32 hexadecimal digits", name)


@check("generation.logs", "generation")
def logs_are_there(seen: Histories) -> Iterator[Finding]:
    """Logs are a list of {text}, empty unless the job failed."""
    for job in seen.jobs.values():
        for answer in job.answers:
            logs = answer.document.get("logs", "no logs")
            formed = isinstance(logs, list) and all(
                isinstance(line, dict) and isinstance(line.get("text"), str) for line in logs
            )
            holds = formed and (answer.document.get("status") == "failed" or logs == [])
            yield finding(holds, answer, "logs, empty when nothing went wrong", logs)


@check("generation.durations", "completed job")
def durations_are_whole_seconds(seen: Histories) -> Iterator[Finding]:
    """A completed job has both durations, as whole seconds."""
    for job in seen.jobs.values():
        if job.completed is not None:
            both = [
                job.completed.document.get(f"{part}_duration", "nothing")
                for part in ("pending", "processing")
            ]
            whole = all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in both)
            yield finding(
                whole, job.completed, "pending_duration and processing_duration in whole seconds", both
            )


@check("fields.come-and-go", "generation")
def no_other_fields(seen: Histories) -> Iterator[Finding]:
    """A generation has no fields beyond those of the page and those that people saw."""
    for entry in seen.generations():
        if isinstance(entry.document, dict):
            other = sorted(set(entry.document) - _KNOWN_FIELDS)
            yield finding(not other, entry.seen, "no other fields", f"also {', '.join(other)}")


# Results


def _in_results(
    claim: str, expected: str, wanted: Callable[[dict[str, Any], Job], object], shown: str
) -> None:
    @check(claim, "completed job with a file")
    def looks(seen: Histories) -> Iterator[Finding]:
        for job in seen.jobs.values():
            if job.completed is not None:
                for entry in results_of(job.completed.document):
                    if isinstance(entry, dict) and not ("text" in entry and "url" not in entry):
                        came = entry.get(shown, "nothing")
                        yield finding(wanted(entry, job), job.completed, expected, f"{shown} {came!r}")


def _matches(pattern: str, value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _is_word(entry: dict[str, Any], job: Job) -> bool:
    word = entry.get("file_type")
    return word == "image" if job.model == "Qwen/Qwen-Image" else isinstance(word, str) and bool(word)


_in_results(
    "result.file-id", "file- and more", lambda entry, _: _matches("file-.+", entry.get("file_id")), "file_id"
)
_in_results(
    "result.file-name", "a string", lambda entry, _: isinstance(entry.get("file_name"), str), "file_name"
)
_in_results("result.file-type", "a word, image for an image", _is_word, "file_type")
_in_results(
    "result.file-id-form",
    "file- and 16 of a-z and 0-9",
    lambda entry, _: _matches("file-[a-z0-9]{16}", entry.get("file_id")),
    "file_id",
)
_in_results(
    "result.file-name-form",
    "a name like output_image.png",
    lambda entry, _: _matches(r"output_[a-z]+\.[a-z0-9]+", entry.get("file_name")),
    "file_name",
)


@check("result.url-form", "completed job with a file")
def urls_are_of_the_observed_form(seen: Histories) -> Iterator[Finding]:
    """A URL's path ends with user, inference, file id and name; the host may be another's."""
    for job in seen.jobs.values():
        for entry in results_of(job.completed.document) if job.completed else []:
            if job.completed and isinstance(entry, dict) and isinstance(entry.get("url"), str):
                user = job.completed.document.get("user_id")
                tail = f"/{user}/inference/{entry.get('file_id')}/{entry.get('file_name')}"
                path = entry["url"].partition("?")[0]
                expected = "…/{user_id}/inference/{file_id}/{file_name}"
                yield finding(path.endswith(tail), job.completed, expected, path)


@check("result.data", "completed job")
def completed_jobs_have_results(seen: Histories) -> Iterator[Finding]:
    """A completed job has results, each with its fields."""
    for job in seen.jobs.values():
        if job.completed is not None:
            wrong = [
                violation
                for violation in library.violations("generation", job.completed.document)
                if violation.path[:2] == ("result", "data")
                and violation.rule in ("required", "type", "minItems")
                and violation.path[-1:] != ("text",)
            ]
            for violation in wrong:
                yield finding(
                    False, job.completed, violation.expected, f"{violation.where}: {violation.came}"
                )
            if not wrong:
                yield finding(True, job.completed, "", "")


@check("result.text", "completed job of openai/whisper")
def whisper_answers_text(seen: Histories) -> Iterator[Finding]:
    """A transcription is text in the result, with no file."""
    for job in seen.jobs.values():
        if job.model == "openai/whisper" and job.completed is not None:
            entry = (results_of(job.completed.document) or [None])[0]
            inline = isinstance(entry, dict) and isinstance(entry.get("text"), str) and "url" not in entry
            yield finding(inline, job.completed, "a text and no file", entry)


@check("result.download", "download")
def results_download(seen: Histories) -> Iterator[Finding]:
    """A result's URL is absolute, and answers a file that is not empty."""
    for job in seen.jobs.values():
        for downloads in job.downloads.values():
            for download in downloads:
                size = download.exchange.answer.size if download.exchange.answer else 0
                came = came_of(download) if not download.succeeded else f"{size} bytes"
                yield finding(download.succeeded and size > 0, download, "a file that is not empty", came)


@check("result.no-token", "download")
def results_need_no_token(seen: Histories) -> Iterator[Finding]:
    """A download without a token is not refused for that."""
    for job in seen.jobs.values():
        for downloads in job.downloads.values():
            for download in downloads:
                refused = download.status in (401, 403)
                yield finding(not refused, download, "a file, without a token", download.status)


# The list


@check("list.generation-list", "list")
def lists_are_lists_of_generations(seen: Histories) -> Iterator[Finding]:
    """The list's answer is an object whose generation_list is a list of objects."""
    for one in seen.lists:
        entries = one.document.get("generation_list") if isinstance(one.document, dict) else None
        formed = (
            one.succeeded and isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)
        )
        yield finding(formed, one, "an object whose generation_list is a list of generations", came_of(one))


@check("list.not-paged", "list")
def lists_are_whole(seen: Histories) -> Iterator[Finding]:
    """No field or header of the list speaks of pages, and each of the run's jobs is in it once."""
    for one in seen.lists:
        if one.succeeded and isinstance(one.document, dict) and one.exchange.answer:
            paging = [field for field in _PAGING if field in one.document]
            paging += ["Link header"] if "link" in one.exchange.answer.headers else []
            yield finding(not paging, one, "no word of pages", ", ".join(paging))
    for one, expected in _lists_with_jobs(seen):
        entries = one.document.get("generation_list")
        listed = (
            [entry.get("id") for entry in entries if isinstance(entry, dict)]
            if isinstance(entries, list)
            else []
        )
        for name in expected:
            times = listed.count(name)
            yield finding(times == 1, one, f"generation {name[:8]}… once", f"{times} times")


def _lists_with_jobs(seen: Histories) -> Iterator[tuple[Seen, list[str]]]:
    for one in seen.lists:
        if one.succeeded and isinstance(one.document, dict):
            yield (
                one,
                [
                    job.id
                    for job in seen.jobs.values()
                    if job.created is not None
                    and job.created.place < one.place
                    and (job.deleted_place is None or one.place < job.deleted_place)
                ],
            )


@check("list.order", "list with two of the run's jobs")
def lists_are_newest_first(seen: Histories) -> Iterator[Finding]:
    """Of the run's jobs the one that was created last is listed first."""
    order = list(seen.jobs)
    for one in seen.lists:
        entries = [entry.document for entry in seen.list_entries if entry.seen.place == one.place]
        places = [
            order.index(entry["id"])
            for entry in entries
            if isinstance(entry, dict) and entry.get("id") in order
        ]
        if len(places) > 1:
            came = "oldest first" if places == sorted(places) else "another order"
            yield finding(places == sorted(places, reverse=True), one, "the newest first", came)
