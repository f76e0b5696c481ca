"""Checks of results: the entries of a completed job, and the downloaded files."""

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


_KINDS = ("image", "video", "audio")
# The size in bytes of the smallest file of a format: one pixel.
_SMALLEST_IMAGES = {"png": 67, "jpg": 100}
_PNG_HEAD = 24
_TOLERANCE = 0.05


def _in_results(claim: str, field: str, expected: str, wanted: Callable[[Any, JobHistory], object]) -> None:
    """Register a check of one field of every result that is a file."""

    @check(claim, "completed job with a file")
    def check_field(histories: Histories) -> Iterator[Finding]:
        for job, completed, entry in histories.results:
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
def urls_are_of_the_observed_form(histories: Histories) -> Iterator[Finding]:
    """Check that the path of a URL ends with user id, inference, file id and file name, on any host."""
    expected = "…/{user_id}/inference/{file_id}/{file_name}"
    for _, completed, entry in histories.results:
        if isinstance(entry.get("url"), str):
            user = completed.field("user_id")
            tail = f"/{user}/inference/{entry.get('file_id')}/{entry.get('file_name')}"
            path = entry["url"].partition("?")[0]
            yield finding(path.endswith(tail), completed, expected, path)


@check("result.url-absolute", "completed job with a file")
def urls_are_absolute(histories: Histories) -> Iterator[Finding]:
    """Check that the URL of a result has a scheme and a host."""
    for _, completed, entry in histories.results:
        if isinstance(entry.get("url"), str):
            absolute = re.match("https?://[^/]+/", entry["url"])
            yield finding(absolute, completed, "an absolute URL", entry["url"])


@check("result.data", "completed job")
def completed_jobs_have_results(histories: Histories) -> Iterator[Finding]:
    """Check that a completed job has results with all their fields."""
    for _, completed in histories.completed:
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
def whisper_returns_text(histories: Histories) -> Iterator[Finding]:
    """Check that the result of a transcription is a text, not a file."""
    for job, completed in histories.completed:
        for entry in results_of(completed.document)[:1] if job.model == "openai/whisper" else ():
            inline = isinstance(entry, dict) and isinstance(entry.get("text"), str) and "url" not in entry
            yield finding(inline, completed, "a text and no file", entry)


@check("result.download", "download")
def results_download(histories: Histories) -> Iterator[Finding]:
    """Check that the URL of a result returns a file that is not empty."""
    for _, _, download in histories.downloads:
        size = download.exchange.response.size if download.exchange.response else 0
        actual = f"{size} bytes" if download.succeeded else actual_of(download)
        yield finding(download.succeeded and size > 0, download, "a file that is not empty", actual)


@check("result.no-token", "download")
def results_need_no_token(histories: Histories) -> Iterator[Finding]:
    """Check that a download without an API key is not rejected."""
    for _, _, download in histories.downloads:
        refused = download.status in (401, 403)
        if refused or download.succeeded:
            yield finding(not refused, download, "a file, without an API key", download.status)


def _files(histories: Histories) -> Iterator[tuple[JobHistory, dict[str, Any], Observation]]:
    """Yield the downloaded files, each with its job and its entry in the results."""
    for job, place, download in histories.downloads:
        results = results_of(job.completed.document) if job.completed else []
        response = download.exchange.response
        arrived = response is not None and response.is_success and response.size > 0
        if arrived and place < len(results) and isinstance(results[place], dict):
            yield job, results[place], download


def _formats(download: Observation) -> list[tuple[str, str]]:
    """Return the media types and extensions that match the first bytes of a file best."""
    response = download.exchange.response
    try:
        found = puremagic.magic_string(response.head if response else b"")
    except (puremagic.PureError, ValueError):
        return []
    return [
        (one.mime_type, one.extension.lstrip(".")) for one in found if one.confidence == found[0].confidence
    ]


def _content_type(download: Observation) -> tuple[str, str]:
    """Return the two parts of the media type that a download names; empty strings if it names none."""
    response = download.exchange.response
    name = response.headers.get("content-type", "") if response else ""
    kind, _, subtype = name.partition(";")[0].strip().lower().partition("/")
    return kind, subtype


def _shown(formats: list[tuple[str, str]], download: Observation) -> str:
    names = sorted({media_type or extension for media_type, extension in formats})
    head = download.exchange.response.head[:12] if download.exchange.response else b""
    return " or ".join(names) or f"bytes that begin with {head!r}"


@check("result.kind", "download of an image, a video or an audio file")
def bytes_are_of_the_kind_that_is_named(histories: Histories) -> Iterator[Finding]:
    """Check that the first bytes match file_type: image, video or audio."""
    for _, entry, download in _files(histories):
        kind = entry.get("file_type")
        if kind in _KINDS:
            formats = _formats(download)
            holds = any(
                media_type.startswith(f"{kind}/") or (extension == "ogg" and kind != "image")
                for media_type, extension in formats
            )
            yield finding(holds, download, f"{kind} data", _shown(formats, download))


@check("result.kind", "download of an image, a video or an audio file")
def images_are_large_enough(histories: Histories) -> Iterator[Finding]:
    """Check that an image has at least as many bytes as the smallest image of its format."""
    for _, _, download in _files(histories):
        names = {extension for _, extension in _formats(download)}
        smallest = max((_SMALLEST_IMAGES.get(name, 0) for name in names), default=0)
        size = download.exchange.response.size if download.exchange.response else 0
        if smallest:
            yield finding(
                size >= smallest, download, f"an image of {smallest} bytes or more", f"{size} bytes"
            )


@check("result.kind", "download of an image, a video or an audio file")
def content_types_agree_with_the_bytes(histories: Histories) -> Iterator[Finding]:
    """Check that a file is sent as an image if it is one, and never as text."""
    for _, entry, download in _files(histories):
        declared, _ = _content_type(download)
        formats = _formats(download)
        if entry.get("file_type") in _KINDS and declared in (*_KINDS, "text") and formats:
            is_image = any(media_type.startswith("image/") for media_type, _ in formats)
            holds = declared != "text" and (declared == "image") == is_image
            yield finding(holds, download, f"a Content-Type of {_shown(formats, download)}", declared)


@check("result.output-format", "download of a job with an output_format")
def bytes_are_of_the_requested_format(histories: Histories) -> Iterator[Finding]:
    """Check that the first bytes match config.output_format (except hex, which is not a file format)."""
    for job, _, download in _files(histories):
        wanted = job.config.get("output_format")
        if isinstance(wanted, str) and wanted != "hex":
            formats = _formats(download)
            names = {extension for _, extension in formats}
            holds = wanted in names or (wanted in ("jpg", "jpeg") and "jpeg" in names)
            yield finding(holds, download, f"{wanted} data", _shown(formats, download))


@check("result.output-format", "download of a job with an output_format")
def images_are_sent_as_what_they_are(histories: Histories) -> Iterator[Finding]:
    """Check that the Content-Type of an image names the format of its bytes."""
    for _, _, download in _files(histories):
        kind, subtype = _content_type(download)
        formats = _formats(download)
        media_types = {media_type for media_type, _ in formats if media_type.startswith("image/")}
        if kind == "image" and media_types:
            holds = f"{kind}/{subtype}" in media_types
            yield finding(
                holds, download, f"a Content-Type of {_shown(formats, download)}", f"{kind}/{subtype}"
            )


@check("models.image-size-words", "create with an image_size")
def images_have_the_requested_shape(histories: Histories) -> Iterator[Finding]:
    """Check that the sides of an image have the ratio that image_size names, such as landscape_4_3."""
    for job, _, download in _files(histories):
        wanted, sides = _ratio(job.config.get("image_size")), _sides(download)
        if wanted and sides:
            holds = abs(sides[0] / sides[1] / wanted - 1) < _TOLERANCE
            yield finding(holds, download, str(job.config["image_size"]), f"{sides[0]} x {sides[1]} pixels")


def _ratio(word: Any) -> float | None:
    """Return width divided by height for a word such as landscape_4_3; None for other values."""
    found = re.fullmatch(r"(landscape|portrait)_(\d+)_(\d+)", word) if isinstance(word, str) else None
    if found is None:
        return 1.0 if word in ("square", "square_hd") else None
    shorter, longer = sorted((int(found[2]), int(found[3])))
    return (longer / shorter if found[1] == "landscape" else shorter / longer) if shorter else None


def _sides(download: Observation) -> tuple[int, int] | None:
    """Return the width and the height of a PNG file, of which the first bytes are recorded; else None."""
    head = download.exchange.response.head if download.exchange.response else b""
    if head[:8] != b"\x89PNG\r\n\x1a\n" or len(head) < _PNG_HEAD:
        return None
    width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    return (width, height) if width and height else None


@check("result.num-images", "completed job with num_images")
def images_are_different(histories: Histories) -> Iterator[Finding]:
    """Check that no two results of a job have the same file id or the same content."""
    for job, completed in histories.completed:
        entries = [entry for entry in results_of(completed.document) if isinstance(entry, dict)]
        files = [one.exchange.response for owner, _, one in histories.downloads if owner is job]
        digests = [file.digest for file in files if file and file.digest and file.size]
        names = [entry["file_id"] for entry in entries if isinstance(entry.get("file_id"), str)]
        for what, values in (("file_id", names), ("content", digests)):
            if len(values) > 1 and "num_images" in job.config:
                same = len(values) - len(set(values))
                yield finding(not same, completed, f"results with different {what}", f"{same} with the same")


@check("result.num-images", "completed job with num_images")
def there_are_as_many_images_as_requested(histories: Histories) -> Iterator[Finding]:
    """Check that a job with num_images N has N results."""
    for job, completed in histories.completed:
        wanted, actual = job.config.get("num_images"), len(results_of(completed.document))
        if isinstance(wanted, int) and actual:
            yield finding(actual == wanted, completed, f"{wanted} results", actual)


@check("models.video", "completed job of google/veo3.1-fast")
def video_is_an_mp4(histories: Histories) -> Iterator[Finding]:
    """Check that the file of a video model is an mp4."""
    for job, _, download in _files(histories):
        if job.model == "google/veo3.1-fast":
            formats = _formats(download)
            is_mp4 = "mp4" in {extension for _, extension in formats}
            yield finding(is_mp4, download, "an mp4", _shown(formats, download))
