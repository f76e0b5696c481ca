"""Decisions of a download: what to ask for, what an answer means, and how a file is called. Pure."""

from __future__ import annotations

import hashlib
import mimetypes
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

from netmind_client._api import cut, retry_after, without_query
from netmind_client._http import Request
from netmind_client.exceptions import DownloadError

if TYPE_CHECKING:
    from netmind_client._http import Response
    from netmind_client._models import Result

DEFAULT_MAX_BYTES = 2 * 1024**3  # of a file; the longest film that anybody reported is far smaller

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_EXPIRED = frozenset({401, 403, 404, 410})
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_PAGES = frozenset({"text/html", "application/json", "application/xml", "text/xml"})
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
_LONGEST_NAME = 100
_LONGEST_ID = 64
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")


class LinkExpired(Exception):
    """The link is good no longer; the job has a new one."""


class Redirected(Exception):
    """The file is elsewhere.

    Attributes:
        url: Where.
    """

    def __init__(self, url: str) -> None:
        super().__init__(without_query(url))
        self.url = url


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
        content_type: What the file is said to be.
        etag: What the server calls this state of the file; may be empty.
        last_modified: Since when it is so; may be empty.
        plain: Whether the body is the file as it is, and not encoded.
    """

    start: int = 0
    total: int | None = None
    content_type: str = ""
    etag: str = ""
    last_modified: str = ""
    plain: bool = False

    @property
    def validator(self) -> str | None:
        """What a later request can ask for the rest of this same file by; None if by nothing."""
        if not self.plain:
            return None
        return self.etag if self.etag.startswith('"') else self.last_modified or None

    @property
    def digest(self) -> tuple[str, str] | None:
        """The name of a hash and what it gives for the file, where the (strong) ETag looks like one."""
        found = re.fullmatch(r'"([0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})"', self.etag)
        return (_HASHES[len(found[1])], found[1]) if found and self.plain else None

    def agrees_with(self, before: Reading) -> bool:
        """Whether this is of the same file: it repeats what was asked by, and has no other date or size."""
        return self.validator == before.validator and not any(
            ours and theirs and ours != theirs
            for ours, theirs in ((self.last_modified, before.last_modified), (self.total, before.total))
        )


def request_for(url: str, have: int, validator: str | None) -> Request:
    """A request for a file, without the token; for its rest, if some of it is there."""
    headers = {"Accept-Encoding": "identity"}
    if have and validator:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    return Request("GET", url, headers)


def read_head(response: Response, url: str, have: int, before: Reading) -> Reading:
    """Return what the response to :func:`request_for` brings, by its head and what was read ``before``.

    Raises:
        Redirected: The file is elsewhere.
        LinkExpired: The link is good no longer.
        BrokeOff: There is nothing to be had now, or only from the start.
        DownloadError: There is nothing to be had.
    """
    where = f"{without_query(url)} answered {response.status}"
    headers = response.headers
    if response.status in _REDIRECTS and headers.get("location"):
        raise Redirected(_joined(url, headers["location"], where))
    if response.status in _EXPIRED:
        raise LinkExpired(where)
    if response.status in _PASSING:
        raise BrokeOff(where, retry_after(response))
    actual = Reading(
        content_type=headers.get("content-type", ""),
        etag=headers.get("etag", ""),
        last_modified=headers.get("last-modified", ""),
        plain=headers.get("content-encoding", "identity") == "identity",
    )
    if response.status == 200:
        length = headers.get("content-length", "")
        is_told = actual.plain and re.fullmatch(r"\d{1,18}", length, re.ASCII)
        return actual._replace(total=int(length) if is_told else None)
    if response.status == 206 and have:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("content-range", ""), re.ASCII)
        if found and actual.plain and int(found[1]) == have:
            actual = actual._replace(total=None if found[2] == "*" else int(found[2]))
            if actual.agrees_with(before):
                return before._replace(start=have, total=actual.total or before.total)
        raise BrokeOff(f"{where} with another part than was asked for")
    if response.status == 416:
        raise BrokeOff(f"{where}: the file has become another")
    raise DownloadError(f"{where}, where a file was expected")


def _joined(url: str, location: str, where: str) -> str:
    try:
        target = urljoin(url, location)
        usable = urlsplit(target).scheme in ("http", "https")
    except ValueError:
        target, usable = location, False
    if not usable:
        raise DownloadError(f"{where}, and redirects to what is no HTTP URL: {cut(target)!r}")
    return target


def check_kind(expected: str | None, content_type: str) -> None:
    """See that a page that some proxy shows is not taken for a picture.

    Raises:
        BrokeOff: It is a page or a message, where the API says that it is an image, a video or audio.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if expected in ("image", "video", "audio") and media_type in _PAGES:
        raise BrokeOff(f"expected {expected}, got {cut(media_type)}")


def name_for(result: Result, generation_id: str, content_type: str, number: int, of: int) -> str:
    """Return a file's name, never a path: the job's id, then the API's name, the URL's or the file's id.

    The id keeps jobs apart: the API names the files of every job alike (observed). So are several results of
    one job, which are numbered. The content type gives an ending to a name that has none.
    """
    stem = ending = ""
    for text in (result.file_name, _last_of_path(result.url or ""), result.file_id):
        given_stem, given_ending = _split_name(text or "")
        stem, ending = stem or given_stem, ending or given_ending
        if stem:
            break
    ending = ending or _ending_of(content_type)
    numbered = f"{_safe_id(generation_id)}-{stem or 'result'}" + (f"-{number}" if of > 1 else "")
    return f"{numbered}.{ending}" if ending else numbered


def _safe_id(generation_id: str) -> str:
    """The id as part of a name; one that cannot stand there as it is gets a name that no other has."""
    safe = safe_name(generation_id)
    if safe == generation_id and len(safe) <= _LONGEST_ID:
        return safe
    digits = hashlib.sha256(generation_id.encode()).hexdigest()[:16]
    return f"{safe[: _LONGEST_ID - 17]}-{digits}".lstrip("-")


def _last_of_path(url: str) -> str:
    try:
        return unquote(urlsplit(url).path.rpartition("/")[2])
    except ValueError:
        return ""


def _ending_of(content_type: str) -> str:
    media_type = content_type.partition(";")[0].strip().lower()
    return _ENDINGS.get(media_type) or (mimetypes.guess_extension(media_type) or "").removeprefix(".")


def _split_name(text: str) -> tuple[str, str]:
    """The parts of a safe name before and after its last dot."""
    stem, dot, ending = re.split(r"[/\\]", text)[-1].rpartition(".")
    return (safe_name(stem), re.sub(r"[^A-Za-z0-9]", "", ending)[:10]) if dot else (safe_name(ending), "")


def safe_name(text: str) -> str:
    """The text as a file's name: no path, no hidden file, none that a system reserves; may be empty."""
    last = re.split(r"[/\\]", text)[-1]
    name = _UNSAFE.sub("_", last).strip(" ._")[:_LONGEST_NAME]
    return f"_{name}" if _RESERVED.fullmatch(name) else name
