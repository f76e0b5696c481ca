"""Checks of results: what a completed job says of its files, and what is downloaded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import puremagic

from netmind_contracts import library
from netmind_contracts.checks.registry import Finding, came_of, check, finding
from netmind_contracts.runs.histories import Histories, results_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netmind_contracts.runs.histories import Job, Seen


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


@check("result.url-absolute", "completed job with a file")
def urls_are_absolute(seen: Histories) -> Iterator[Finding]:
    """A result's URL says where the file is, scheme and host included."""
    for job in seen.jobs.values():
        for entry in results_of(job.completed.document) if job.completed else []:
            if job.completed and isinstance(entry, dict) and isinstance(entry.get("url"), str):
                absolute = re.match("https?://[^/]+/", entry["url"])
                yield finding(absolute, job.completed, "an absolute URL", entry["url"])


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
        results = results_of(job.completed.document) if job.completed is not None else []
        if job.model == "openai/whisper" and job.completed is not None and results:
            entry = results[0]
            inline = isinstance(entry, dict) and isinstance(entry.get("text"), str) and "url" not in entry
            yield finding(inline, job.completed, "a text and no file", entry)


@check("result.download", "download")
def results_download(seen: Histories) -> Iterator[Finding]:
    """A result's URL answers a file that is not empty."""
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


def _downloads(seen: Histories) -> Iterator[tuple[Job, dict[str, Any], Seen]]:
    """Files that were downloaded, each with its job and the result that names it."""
    for job in seen.jobs.values():
        results = results_of(job.completed.document) if job.completed else []
        for place, downloads in job.downloads.items():
            for download in downloads:
                answer = download.exchange.answer
                arrived = answer is not None and answer.is_success and answer.size > 0
                if arrived and place < len(results) and isinstance(results[place], dict):
                    yield job, results[place], download


def _formats(download: Seen) -> list[tuple[str, str]]:
    """What the first bytes of a file look like: media types and extensions, the likeliest alone."""
    answer = download.exchange.answer
    try:
        found = puremagic.magic_string(answer.head if answer else b"")
    except (puremagic.PureError, ValueError):
        return []
    return [
        (one.mime_type, one.extension.lstrip(".")) for one in found if one.confidence == found[0].confidence
    ]


def _shown(formats: list[tuple[str, str]], download: Seen) -> str:
    names = sorted({media_type or extension for media_type, extension in formats})
    head = download.exchange.answer.head[:12] if download.exchange.answer else b""
    return " or ".join(names) or f"bytes that begin with {head!r}"


@check("result.kind", "download of an image, a video or an audio file")
def bytes_are_of_the_kind_that_is_named(seen: Histories) -> Iterator[Finding]:
    """The first bytes are those of an image, a video or a sound, as file_type says."""
    for _, entry, download in _downloads(seen):
        kind = entry.get("file_type")
        if kind in ("image", "video", "audio"):
            formats = _formats(download)
            holds = any(
                media_type.startswith(f"{kind}/") or (extension == "ogg" and kind != "image")
                for media_type, extension in formats
            )
            yield finding(holds, download, f"{kind} data", _shown(formats, download))


@check("result.output-format", "download of a job with an output_format")
def bytes_are_of_the_format_that_was_asked_for(seen: Histories) -> Iterator[Finding]:
    """The first bytes are those of the format in config.output_format (hex, for speech, is none)."""
    for job, _, download in _downloads(seen):
        wanted = job.config.get("output_format")
        if isinstance(wanted, str) and wanted != "hex":
            formats = _formats(download)
            names = {extension for _, extension in formats}
            holds = wanted in names or (wanted in ("jpg", "jpeg") and "jpeg" in names)
            yield finding(holds, download, f"{wanted} data", _shown(formats, download))


@check("result.num-images", "completed job with num_images")
def as_many_images_as_were_asked_for(seen: Histories) -> Iterator[Finding]:
    """A job that was to make N images has N results."""
    for job in seen.jobs.values():
        wanted = job.config.get("num_images")
        if job.completed is not None and isinstance(wanted, int) and results_of(job.completed.document):
            came = len(results_of(job.completed.document))
            yield finding(came == wanted, job.completed, f"{wanted} results", came)


@check("models.video", "completed job of google/veo3.1-fast")
def video_is_an_mp4(seen: Histories) -> Iterator[Finding]:
    """A video model's result begins as an mp4 does."""
    for job, _, download in _downloads(seen):
        if job.model == "google/veo3.1-fast":
            formats = _formats(download)
            is_mp4 = "mp4" in {extension for _, extension in formats}
            yield finding(is_mp4, download, "an mp4", _shown(formats, download))
