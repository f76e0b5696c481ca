"""Checks of results: what a completed job says of its files, and what is downloaded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import puremagic

from netmind_contracts import library
from netmind_contracts.checks.registry import Finding, actual_of, check, finding
from netmind_contracts.runs.histories import Histories, results_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netmind_contracts.runs.histories import JobHistory, Observation


def _in_results(claim: str, field: str, expected: str, wanted: Callable[[Any, JobHistory], object]) -> None:
    """Register a check of one field of every result that is a file."""

    @check(claim, "completed job with a file")
    def looks(seen: Histories) -> Iterator[Finding]:
        for job, completed, entry in seen.results:
            if "url" in entry or "text" not in entry:
                actual = f"{field} {entry.get(field, 'nothing')!r}"
                yield finding(wanted(entry.get(field), job), completed, expected, actual)


def _matches(pattern: str) -> Callable[[Any, JobHistory], object]:
    return lambda value, _: isinstance(value, str) and re.fullmatch(pattern, value)


def _is_word(value: Any, job: JobHistory) -> bool:
    return value == "image" if job.model == "Qwen/Qwen-Image" else isinstance(value, str) and bool(value)


_in_results("result.file-id", "file_id", "file- and more", _matches("file-.+"))
_in_results("result.file-id-form", "file_id", "file- and 16 of a-z and 0-9", _matches("file-[a-z0-9]{16}"))
_in_results("result.file-name", "file_name", "a string", lambda value, _: isinstance(value, str))
_in_results(
    "result.file-name-form",
    "file_name",
    "a name like output_image.png",
    _matches(r"output_[a-z]+\.[a-z0-9]+"),
)
_in_results("result.file-type", "file_type", "a word, image for an image", _is_word)


@check("result.url-form", "completed job with a file")
def urls_are_of_the_observed_form(seen: Histories) -> Iterator[Finding]:
    """A URL's path ends with user, inference, file id and name; the host may be another's."""
    expected = "…/{user_id}/inference/{file_id}/{file_name}"
    for _, completed, entry in seen.results:
        if isinstance(entry.get("url"), str):
            user = completed.field("user_id")
            tail = f"/{user}/inference/{entry.get('file_id')}/{entry.get('file_name')}"
            path = entry["url"].partition("?")[0]
            yield finding(path.endswith(tail), completed, expected, path)


@check("result.url-absolute", "completed job with a file")
def urls_are_absolute(seen: Histories) -> Iterator[Finding]:
    """A result's URL says where the file is, scheme and host included."""
    for _, completed, entry in seen.results:
        if isinstance(entry.get("url"), str):
            absolute = re.match("https?://[^/]+/", entry["url"])
            yield finding(absolute, completed, "an absolute URL", entry["url"])


@check("result.data", "completed job")
def completed_jobs_have_results(seen: Histories) -> Iterator[Finding]:
    """A completed job has results, each with its fields."""
    for _, completed in seen.completed:
        wrong = [
            violation
            for violation in library.violations("generation", completed.document)
            if violation.path[:2] == ("result", "data")
            and violation.rule in ("required", "type", "minItems")
            and violation.path[-1:] != ("text",)
        ]
        for violation in wrong:
            yield finding(False, completed, violation.expected, f"{violation.where}: {violation.actual}")
        if not wrong:
            yield finding(True, completed, "", "")


@check("result.text", "completed job of openai/whisper")
def whisper_returns_text(seen: Histories) -> Iterator[Finding]:
    """A transcription is text in the result, with no file."""
    for job, completed in seen.completed:
        for entry in results_of(completed.document)[:1] if job.model == "openai/whisper" else ():
            inline = isinstance(entry, dict) and isinstance(entry.get("text"), str) and "url" not in entry
            yield finding(inline, completed, "a text and no file", entry)


@check("result.download", "download")
def results_download(seen: Histories) -> Iterator[Finding]:
    """A result's URL answers a file that is not empty."""
    for _, _, download in seen.downloads:
        size = download.exchange.response.size if download.exchange.response else 0
        actual = f"{size} bytes" if download.succeeded else actual_of(download)
        yield finding(download.succeeded and size > 0, download, "a file that is not empty", actual)


@check("result.no-token", "download")
def results_need_no_token(seen: Histories) -> Iterator[Finding]:
    """A download without a token is not refused for that."""
    for _, _, download in seen.downloads:
        refused = download.status in (401, 403)
        yield finding(not refused, download, "a file, without a token", download.status)


def _files(seen: Histories) -> Iterator[tuple[JobHistory, dict[str, Any], Observation]]:
    """Files that were downloaded, each with its job and the result that names it."""
    for job, place, download in seen.downloads:
        results = results_of(job.completed.document) if job.completed else []
        response = download.exchange.response
        arrived = response is not None and response.is_success and response.size > 0
        if arrived and place < len(results) and isinstance(results[place], dict):
            yield job, results[place], download


def _formats(download: Observation) -> list[tuple[str, str]]:
    """What the first bytes of a file look like: media types and extensions, the likeliest alone."""
    response = download.exchange.response
    try:
        found = puremagic.magic_string(response.head if response else b"")
    except (puremagic.PureError, ValueError):
        return []
    return [
        (one.mime_type, one.extension.lstrip(".")) for one in found if one.confidence == found[0].confidence
    ]


def _shown(formats: list[tuple[str, str]], download: Observation) -> str:
    names = sorted({media_type or extension for media_type, extension in formats})
    head = download.exchange.response.head[:12] if download.exchange.response else b""
    return " or ".join(names) or f"bytes that begin with {head!r}"


@check("result.kind", "download of an image, a video or an audio file")
def bytes_are_of_the_kind_that_is_named(seen: Histories) -> Iterator[Finding]:
    """The first bytes are those of an image, a video or a sound, as file_type says."""
    for _, entry, download in _files(seen):
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
    for job, _, download in _files(seen):
        wanted = job.config.get("output_format")
        if isinstance(wanted, str) and wanted != "hex":
            formats = _formats(download)
            names = {extension for _, extension in formats}
            holds = wanted in names or (wanted in ("jpg", "jpeg") and "jpeg" in names)
            yield finding(holds, download, f"{wanted} data", _shown(formats, download))


@check("result.num-images", "completed job with num_images")
def as_many_images_as_were_asked_for(seen: Histories) -> Iterator[Finding]:
    """A job that was to make N images has N results."""
    for job, completed in seen.completed:
        wanted, actual = job.config.get("num_images"), len(results_of(completed.document))
        if isinstance(wanted, int) and actual:
            yield finding(actual == wanted, completed, f"{wanted} results", actual)


@check("models.video", "completed job of google/veo3.1-fast")
def video_is_an_mp4(seen: Histories) -> Iterator[Finding]:
    """A video model's result begins as an mp4 does."""
    for job, _, download in _files(seen):
        if job.model == "google/veo3.1-fast":
            formats = _formats(download)
            is_mp4 = "mp4" in {extension for _, extension in formats}
            yield finding(is_mp4, download, "an mp4", _shown(formats, download))
