"""Export the journal as HAR 1.2, for the developer tools of browsers and ``netmind-contracts judge``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from netmind_mock.errors import phrase_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from netmind_mock.journal.entries import Entry

_ORIGIN = "http://localhost"


def har_of(entries: Iterable[Entry], version: str) -> dict[str, Any]:
    """Return a HAR document of some entries. Secrets are redacted, as in the entries.

    Args:
        entries: The entries.
        version: The version of netmind-mock, which the document names as its creator.
    """
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "netmind-mock", "version": version},
            "entries": [_entry(entry) for entry in entries],
        }
    }


def _entry(entry: Entry) -> dict[str, Any]:
    milliseconds = round(entry.seconds * 1000, 3)
    return {
        "startedDateTime": datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="milliseconds"),
        "time": milliseconds,
        "request": _request(entry),
        "response": _response(entry),
        "cache": {},
        "timings": {"send": 0, "wait": milliseconds, "receive": 0},
        "comment": ", ".join(filter(None, [entry.scenario, entry.fault])),
    }


def _request(entry: Entry) -> dict[str, Any]:
    url = f"http://{entry.headers['host']}{entry.path}" if entry.headers.get("host") else _ORIGIN + entry.path
    request: dict[str, Any] = {
        "method": entry.method,
        "url": url,
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _headers(entry.headers),
        "queryString": [
            {"name": name, "value": value} for name, value in parse_qsl(entry.path.partition("?")[2])
        ],
        "headersSize": -1,
        "bodySize": len(entry.body.encode()),
    }
    if entry.body:
        request["postData"] = {"mimeType": entry.headers.get("content-type", ""), "text": entry.body}
    return request


def _response(entry: Entry) -> dict[str, Any]:
    # In HAR, 0 means that there was no response.
    status = entry.status if entry.arrived else 0
    content: dict[str, Any] = {"size": entry.size, "mimeType": entry.response_headers.get("content-type", "")}
    if entry.response:
        content["text"] = entry.response
    return {
        "status": status,
        "statusText": phrase_of(status),
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _headers(entry.response_headers),
        "content": content,
        "redirectURL": entry.response_headers.get("location", ""),
        "headersSize": -1,
        "bodySize": entry.size,
    }


def _headers(headers: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers.items()]
