"""Decode the entries of a HAR file, and leave out those that are no facts about the API.

An entry is left out if its response is not complete by nature, such as 304 or a part of a file, or if its
place among the others is not known, because two requests were sent at the same time.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator

# Recordings round times to milliseconds.
_ROUNDING_SECONDS = 0.002

_API = re.compile(r"(https?://[^?#]+?)/v1/generation(?:/[^/?#]*)?(?:[?#].*)?")


class OddEntry(ValueError):
    """An entry cannot be read. The message says why, and contains nothing of the entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a HAR file.

    Attributes:
        at: When the request was sent, in seconds since the epoch.
        seconds: How long it took.
        url: Absolute.
        base_url: The base URL of the API; empty if the request is for something else.
        method: In capitals.
        status: The HTTP status; 0 if the recording has no response.
        cached: Whether the response is from the cache of the browser.
        request: As in the file.
        response: As in the file.
    """

    at: float
    seconds: float
    url: str
    base_url: str
    method: str
    status: int
    cached: bool
    request: dict[str, Any]
    response: dict[str, Any]

    @property
    def end(self) -> float:
        """When the response was complete."""
        return self.at + self.seconds

    @property
    def is_list(self) -> bool:
        """Whether it lists generations."""
        return self.method == "GET" and self.url.partition("?")[0].rstrip("/").endswith("/v1/generation")


def decoded(raw: Any) -> Entry:
    """Return an entry from its JSON, decoded or not.

    Raises:
        OddEntry: It cannot be read.
    """
    entry = raw
    if isinstance(raw, msgspec.Raw):
        try:
            entry = json.loads(bytes(raw).decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            raise OddEntry("expected a JSON object") from None
    request, response = (
        entry.get(name) if isinstance(entry, dict) else None for name in ("request", "response")
    )
    if not isinstance(request, dict) or not isinstance(response, dict):
        raise OddEntry("expected an object with request and response")
    url, method, status = request.get("url"), request.get("method"), response.get("status")
    if not isinstance(url, str) or not _is_url(url):
        raise OddEntry("request.url: expected a URL")
    if not isinstance(method, str):
        raise OddEntry("request.method: expected a string")
    found = _API.fullmatch(url)
    return Entry(
        at=_time(entry.get("startedDateTime")),
        seconds=_seconds(entry.get("time")),
        url=url,
        base_url=found[1] if found else "",
        method=method.upper(),
        status=status if isinstance(status, int) and status > 0 else 0,
        cached=bool(entry.get("_fromCache")),
        request=request,
        response=response,
    )


def facts(entries: Iterable[Entry], left_out: Counter[str]) -> list[Entry]:
    """Return the entries that show how the API behaves, by time. Count the others in ``left_out``."""
    kept = []
    for entry in sorted(entries, key=lambda entry: entry.at):
        if reason := _reason_to_leave_out(entry):
            left_out[reason] += 1
        else:
            kept.append(entry)
    ambiguous = {id(entry) for entry in _ambiguous(kept)}
    left_out["sent while another request could change the response"] += len(ambiguous)
    return [entry for entry in kept if id(entry) not in ambiguous]


def location_of(entry: Entry) -> str:
    """Return the URL that an entry redirects to, which may be relative; empty if it does not redirect."""
    url = entry.response.get("redirectURL")
    return url if isinstance(url, str) and 300 <= entry.status <= 399 else ""


def _is_url(url: str) -> bool:
    """Return whether a URL is valid; a port that is not a number is not."""
    try:
        parts = urlsplit(url)
        return bool(parts.scheme) and (parts.port or 0) >= 0
    except ValueError:
        return False


def _time(text: Any) -> float:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        raise OddEntry("startedDateTime: expected a time such as 2026-11-24T12:00:00.000Z") from None


def _seconds(milliseconds: Any) -> float:
    valid = isinstance(milliseconds, int | float) and math.isfinite(milliseconds)
    return max(milliseconds, 0.0) / 1000 if valid else 0.0


def _reason_to_leave_out(entry: Entry) -> str:
    """Return why an entry is not a fact about the API; empty if it is one."""
    if entry.method in ("OPTIONS", "HEAD"):
        return f"{entry.method} requests"
    if not entry.status:
        return "without a response"
    if entry.cached:
        return "from the cache of the browser"
    if 300 <= entry.status <= 399:
        return "not modified (304)" if entry.status == 304 else "redirects"
    if entry.status == 206 and not _is_first_part(entry):
        return "parts of files (206)"
    if entry.method == "POST" and not _has_whole_body(entry):
        return "creates without their request body"
    return ""


def _is_first_part(entry: Entry) -> bool:
    headers = entry.response.get("headers")
    found = [
        str(one.get("value"))
        for one in (headers if isinstance(headers, list) else ())
        if isinstance(one, dict) and str(one.get("name")).lower() == "content-range"
    ]
    return bool(found) and found[0].replace(" ", "").lower().startswith("bytes0-")


def _has_whole_body(entry: Entry) -> bool:
    post = entry.request.get("postData")
    text = post.get("text") if isinstance(post, dict) else None
    size = entry.request.get("bodySize")
    size = size if isinstance(size, int) else 0
    return isinstance(text, str) and bool(text) and size <= len(text.encode("utf-8", "replace"))


def _ambiguous(entries: list[Entry]) -> Iterator[Entry]:
    """Yield the entries whose response may or may not show what a request at the same time did."""
    running: list[Entry] = []
    for entry in entries:
        running = [one for one in running if one.end - entry.at > _ROUNDING_SECONDS]
        for one in running:
            if one.url == entry.url and entry.method != "POST":
                reads = [either for either in (entry, one) if either.method == "GET"]
                yield reads[0] if reads else entry
            elif one.is_list or entry.is_list:
                listing, other = (one, entry) if one.is_list else (entry, one)
                if other.method in ("POST", "DELETE"):
                    yield listing
        running.append(entry)
