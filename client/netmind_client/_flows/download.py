"""Decide what a download requests, what its response means, and the file's name. No I/O is done here."""

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

DEFAULT_MAX_BYTES = 2 * 1024**3  # of one file; all reported videos are far smaller

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_EXPIRED = frozenset({401, 403, 404, 410})
_TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})
_PAGES = frozenset({"text/html", "application/json", "application/xml", "text/xml"})
_HASHES = {32: "md5", 40: "sha1", 64: "sha256"}  # by the number of hexadecimal digits

# The mimetypes module has other suffixes for some of these, or none.
_SUFFIXES = {
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
    """The link has expired. The generation may have a new one."""


class Redirected(Exception):
    """The file has another URL.

    Attributes:
        url: The other URL.
    """

    def __init__(self, url: str) -> None:
        super().__init__(without_query(url))
        self.url = url


class Interrupted(Exception):
    """The transfer is incomplete or wrong, but may succeed the next time.

    Attributes:
        retry_after: The Retry-After header, in seconds, if there is a valid one.
    """

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class FileHead(NamedTuple):
    """What the headers of a download's response say about the file.

    Attributes:
        start: The position in the file at which the body begins.
        total: The file's size in bytes; None if it is not known.
        content_type: The Content-Type; may be empty.
        etag: The ETag; may be empty.
        last_modified: The Last-Modified date; may be empty.
        plain: Whether the body has no Content-Encoding.
    """

    start: int = 0
    total: int | None = None
    content_type: str = ""
    etag: str = ""
    last_modified: str = ""
    plain: bool = False

    @property
    def validator(self) -> str | None:
        """Return the If-Range value for the rest of this file: a strong ETag, else the date; may be None."""
        if not self.plain:
            return None
        return self.etag if self.etag.startswith('"') else self.last_modified or None

    @property
    def digest(self) -> tuple[str, str] | None:
        """Return the algorithm and the hash in the ETag, if it is strong and looks like a hash."""
        found = re.fullmatch(r'"([0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})"', self.etag)
        return (_HASHES[len(found[1])], found[1]) if found and self.plain else None

    def is_same_file_as(self, before: FileHead) -> bool:
        """Return whether both are about the same file: equal validators, and no different date or size."""
        return self.validator == before.validator and not any(
            new and old and new != old
            for new, old in ((self.last_modified, before.last_modified), (self.total, before.total))
        )


def request_for(url: str, received: int, validator: str | None) -> Request:
    """Return a request for a file, or for its rest after the bytes received. It contains no API key."""
    headers = {"Accept-Encoding": "identity"}
    if received and validator:
        headers |= {"Range": f"bytes={received}-", "If-Range": validator}
    return Request("GET", url, headers)


def read_head(response: Response, url: str, received: int, before: FileHead) -> FileHead:
    """Interpret the status and headers of the response to :func:`request_for`.

    Args:
        response: The response.
        url: The URL of the request.
        received: The number of bytes received before.
        before: What earlier responses said about the file.

    Raises:
        Redirected: The file has another URL.
        LinkExpired: The link has expired.
        Interrupted: The file is temporarily unavailable, or the response is not the requested rest of it.
        DownloadError: The response is neither the file nor a temporary failure.
    """
    where = f"{without_query(url)} returned {response.status}"
    headers = response.headers
    if response.status in _REDIRECTS and headers.get("location"):
        raise Redirected(_joined(url, headers["location"], where))
    if response.status in _EXPIRED:
        raise LinkExpired(where)
    if response.status in _TEMPORARY:
        raise Interrupted(where, retry_after(response))
    head = FileHead(
        content_type=headers.get("content-type", ""),
        etag=headers.get("etag", ""),
        last_modified=headers.get("last-modified", ""),
        plain=headers.get("content-encoding", "identity") == "identity",
    )
    if response.status == 200:
        length = headers.get("content-length", "")
        is_known = head.plain and re.fullmatch(r"\d{1,18}", length, re.ASCII)
        return head._replace(total=int(length) if is_known else None)
    if response.status == 206 and received:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("content-range", ""), re.ASCII)
        if found and head.plain and int(found[1]) == received:
            head = head._replace(total=None if found[2] == "*" else int(found[2]))
            if head.is_same_file_as(before):
                return before._replace(start=received, total=head.total or before.total)
        raise Interrupted(f"{where} with a different part than requested")
    if response.status == 416:
        raise Interrupted(f"{where}: the file has changed")
    raise DownloadError(f"{where}, but a file was expected")


def _joined(url: str, location: str, where: str) -> str:
    try:
        target = urljoin(url, location)
        usable = urlsplit(target).scheme in ("http", "https")
    except ValueError:
        target, usable = location, False
    if not usable:
        raise DownloadError(f"{where} and redirects to something that is not an HTTP URL: {cut(target)!r}")
    return target


def check_kind(expected: str | None, content_type: str) -> None:
    """Check that a web page, such as a proxy's, is not saved as a media file.

    Raises:
        Interrupted: The content is a page or a JSON or XML message, but the API says image, video or audio.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if expected in ("image", "video", "audio") and media_type in _PAGES:
        raise Interrupted(f"expected {expected}, got {cut(media_type)}")


def name_for(result: Result, generation_id: str, content_type: str, number: int, of: int) -> str:
    """Return a file's name: the generation's id, then the API's file name, the URL's, or the file's id.

    It is never a path. The id keeps generations apart, because the API uses the same file name for all of
    them (observed). Several results of one generation are numbered. If there is no suffix, it is chosen by
    the content type.
    """
    stem = suffix = ""
    for text in (result.file_name, _last_of_path(result.url or ""), result.file_id):
        given_stem, given_suffix = _split_name(text or "")
        stem, suffix = stem or given_stem, suffix or given_suffix
        if stem:
            break
    suffix = suffix or _suffix_of(content_type)
    numbered = f"{_safe_id(generation_id)}-{stem or 'result'}" + (f"-{number}" if of > 1 else "")
    return f"{numbered}.{suffix}" if suffix else numbered


def _safe_id(generation_id: str) -> str:
    """Return the id as part of a file name. If it has to be changed or shortened, add a hash of it."""
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


def _suffix_of(content_type: str) -> str:
    media_type = content_type.partition(";")[0].strip().lower()
    return _SUFFIXES.get(media_type) or (mimetypes.guess_extension(media_type) or "").removeprefix(".")


def _split_name(text: str) -> tuple[str, str]:
    """Return the parts of a safe name before and after its last dot."""
    stem, dot, suffix = re.split(r"[/\\]", text)[-1].rpartition(".")
    return (safe_name(stem), re.sub(r"[^A-Za-z0-9]", "", suffix)[:10]) if dot else (safe_name(suffix), "")


def safe_name(text: str) -> str:
    """Return the text as a file name that is not a path, hidden, or reserved on Windows; may be empty."""
    last = re.split(r"[/\\]", text)[-1]
    name = _UNSAFE.sub("_", last).strip(" ._")[:_LONGEST_NAME]
    return f"_{name}" if _RESERVED.fullmatch(name) else name
