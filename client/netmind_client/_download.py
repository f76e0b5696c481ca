"""Decisions of a download: what to ask for, what an answer means, and how a file is called. Pure."""

from __future__ import annotations

import mimetypes
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from netmind_client._effects import Request
from netmind_client._wire import retry_after, without_query
from netmind_client.exceptions import DownloadError

if TYPE_CHECKING:
    from netmind_client._effects import Answer
    from netmind_client._models import Result

DEFAULT_MAX_BYTES = 2 * 1024**3  # of a file; the longest film that anybody reported is far smaller

_EXPIRED = frozenset({401, 403, 404, 410})
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_HASHES = {32: "md5", 40: "sha1", 64: "sha256"}  # by the number of hexadecimal digits

# The mimetypes module knows some of these under other names, or not at all.
_ENDINGS = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "image/webp": "webp",
    "audio/mpeg": "mp3",
    "video/mp4": "mp4",
}
_UNSAFE = re.compile(r"[^A-Za-z0-9._ ()-]+")
_LONGEST_NAME = 120
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")


class LinkExpired(Exception):
    """The link is good no longer; the job has a new one."""


class BrokeOff(Exception):
    """The file did not arrive whole, and may the next time.

    Attributes:
        retry_after: When to come again, in seconds, where the server says so.
    """

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Reading(NamedTuple):
    """What an answer to a download brings.

    Attributes:
        start: The byte of the file at which its body begins.
        total: The file's size in bytes, where it is told.
        validator: What a later request can ask for the rest of this same file by; None if by nothing.
        digest: The name of a hash and what it gives for the file, where the ETag looks like one.
        content_type: What the file is said to be.
    """

    start: int
    total: int | None
    validator: str | None
    digest: tuple[str, str] | None
    content_type: str


def request_for(url: str, have: int, validator: str | None) -> Request:
    """A request for a file, without the token; for its rest, if some of it is there."""
    headers = {"Accept-Encoding": "identity"}
    if have and validator:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    return Request("GET", url, headers)


def read_head(answer: Answer, url: str, have: int, before: Reading | None) -> Reading:
    """What the answer to :func:`request_for` brings.

    Args:
        answer: Without its body.
        url: What was asked for.
        have: How many bytes of the file are there.
        before: What was read the last time.

    Raises:
        LinkExpired: The link is good no longer.
        BrokeOff: There is nothing to be had now, or only from the start.
        DownloadError: There is nothing to be had.
    """
    where = f"{without_query(url)} answered {answer.status}"
    if answer.status in _EXPIRED:
        raise LinkExpired(where)
    if answer.status in _PASSING:
        raise BrokeOff(where, retry_after(answer))
    headers = answer.headers
    etag = headers.get("etag", "")
    strong = etag if etag.startswith('"') else ""
    validator = strong or headers.get("last-modified") or None
    content_type = headers.get("content-type", "")
    plain = headers.get("content-encoding", "identity") == "identity"
    if answer.status == 200:
        length = headers.get("content-length", "")
        total = int(length) if plain and re.fullmatch(r"\d{1,18}", length, re.ASCII) else None
        return Reading(
            0, total, validator if plain else None, digest_of(strong) if plain else None, content_type
        )
    if answer.status == 206 and have and before is not None:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("content-range", ""), re.ASCII)
        same = not (strong and before.validator) or strong == before.validator
        if found and int(found[1]) == have and same and plain:
            total = before.total if found[2] == "*" else int(found[2])
            return before._replace(start=have, total=total)
        raise BrokeOff(f"{where} with another part than was asked for")
    if answer.status == 416:
        raise BrokeOff(f"{where}: the file has become another")
    raise DownloadError(f"{where}, where a file was expected")


def digest_of(etag: str) -> tuple[str, str] | None:
    """The hash that a strong ETag looks like: its name, and its hexadecimal digits."""
    found = re.fullmatch(r'"([0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})"', etag)
    return (_HASHES[len(found[1])], found[1]) if found else None


def name_for(result: Result, generation_id: str, content_type: str, number: int, of: int) -> str:
    """A file's name, never a path: the job's first 8 digits, then the API's name, the URL's or the file's id.

    The digits keep jobs apart: the API names the files of every job alike (observed).

    Args:
        result: What is to be saved.
        generation_id: The job that it is of.
        content_type: What the download's answer says it is, for a name without an ending.
        number: Which of the job's results this is, from 1.
        of: How many results the job has: several are numbered, since they may be named alike.
    """
    in_url = _last_of_path(result.url or "")
    given = next(
        (safe for text in (result.file_name, in_url, result.file_id) if (safe := safe_name(text or ""))),
        "result",
    )
    stem, _, ending = given.rpartition(".")
    if not stem:
        stem, ending = given, _ending_of(content_type)
    numbered = f"{safe_name(generation_id[:8])}-{stem}" + (f"-{number}" if of > 1 else "")
    return f"{numbered}.{ending}" if ending else numbered


def _last_of_path(url: str) -> str:
    try:
        return unquote(urlsplit(url).path.rpartition("/")[2])
    except ValueError:
        return ""


def _ending_of(content_type: str) -> str:
    media_type = content_type.partition(";")[0].strip().lower()
    return _ENDINGS.get(media_type) or (mimetypes.guess_extension(media_type) or "").removeprefix(".")


def safe_name(text: str) -> str:
    """The text as a file's name: no path, no hidden file, none that a system reserves; may be empty."""
    last = re.split(r"[/\\]", text)[-1]
    name = _UNSAFE.sub("_", last).strip(" ._")
    if len(name) > _LONGEST_NAME:
        stem, dot, ending = name.rpartition(".")
        name = f"{stem[: _LONGEST_NAME - 12]}{dot}{ending[:10]}" if stem else name[:_LONGEST_NAME]
    return f"_{name}" if _RESERVED.fullmatch(name) else name
