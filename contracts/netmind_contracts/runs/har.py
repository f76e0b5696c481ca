"""Read HAR files of browsers and proxies as runs.

Only requests to the API, and downloads of its results, are kept. What a recording leaves out is not a fact
about the API: a response without its body is recorded as incomplete, and an entry that cannot be read is left
out with a note.

API keys are not kept, only how they were sent. Browsers leave the Authorization header out, so a request to
the API without it that did not get a 401 is recorded as ``Authorization.UNKNOWN``.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import msgspec

from netmind_contracts.runs.exchange import (
    HEAD_BYTES,
    Authorization,
    Exchange,
    InvalidRun,
    Request,
    Response,
    Run,
    Scope,
    parse_json,
    read_json,
    run_of,
)
from netmind_contracts.runs.har_entries import Entry, OddEntry, decoded, facts, location_of
from netmind_contracts.runs.har_secrets import HarRedactor, Secrets, pairs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_KEPT_HEADERS = ("content-type", "content-length", "retry-after", "location", "allow", "link")
_KEPT_CHARACTERS = 4000
_ABSOLUTE = re.compile("https?://")
_REMOVED_KEY = re.compile(r"\W*(redacted|removed|hidden|mask\w*)?\W*", re.IGNORECASE)
_BOM = b"\xef\xbb\xbf"
_SHOWN_ENTRIES = 5

# Fields of a generation whose values are not secrets, even if a cookie has the same value.
_ORDINARY_FIELDS = frozenset(
    ("id", "user_id", "status", "created_at", "updated_at", "model", "file_id", "file_name", "file_type")
)


class _Log(msgspec.Struct):
    entries: list[msgspec.Raw]


class _Har(msgspec.Struct):
    log: _Log


def read_run(file: Path) -> Run:
    """Read a run from a file that ``verify --save`` wrote, or from a HAR file.

    Raises:
        InvalidRun: The file cannot be read, or is neither.
    """
    try:
        # The entries are decoded one by one, since a HAR file can have hundreds of megabytes.
        entries: list[Any] = msgspec.json.decode(file.read_bytes().removeprefix(_BOM), type=_Har).log.entries
    except OSError as error:
        raise InvalidRun(f"{file}: cannot be read: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        document = read_json(file)
        if isinstance(document, dict) and isinstance(document.get("log"), dict):
            return run_of_har(document, str(file))
        return run_of(document, str(file))
    return _run_of(entries, str(file))


def run_of_har(document: dict[str, Any], label: str) -> Run:
    """Return a run from the JSON of a HAR file, with secrets and query values of URLs redacted.

    Raises:
        InvalidRun: The file is invalid, or has no request to the API. ``label`` is its name in the message.
    """
    entries = document["log"].get("entries")
    if not isinstance(entries, list):
        raise InvalidRun(f"{label}: invalid HAR file: log.entries: expected a list; record it again")
    return _run_of(entries, label)


def _run_of(raw: list[Any], label: str) -> Run:
    """Return a run from the entries of a HAR file, each as JSON or as a dictionary."""
    secrets, left_out = Secrets(), Counter[str]()
    api: list[Entry] = []
    others: list[tuple[str, Any]] = []
    odd: dict[str, list[int]] = {}
    for number, one in enumerate(raw, 1):
        try:
            entry = decoded(one)
        except OddEntry as error:
            odd.setdefault(str(error), []).append(number)
            continue
        secrets.collect(entry.url, entry.request, entry.response)
        if entry.base_url:
            api.append(entry)
        else:
            others.append((entry.url, one))
    if not api:
        advice = f"{label}: no request to /v1/generation found; record the requests of your client"
        raise InvalidRun("; ".join([advice, *_notes_on(odd)]))
    target = Counter(entry.base_url for entry in api).most_common(1)[0][0]
    kept = facts((entry for entry in api if entry.base_url == target), left_out)
    links, texts = _facts_of(kept)
    files = facts(_downloads(links, others, left_out), left_out)
    redactor = secrets.redactor("\n".join({target, *texts}))
    exchanges = [_exchange(entry, redactor) for entry in sorted([*kept, *files], key=lambda entry: entry.at)]
    left_out["of other sites"] = len(raw) - sum(map(len, odd.values())) - left_out.total() - len(exchanges)
    return Run(
        redactor.url(target),
        _started(exchanges),
        Scope.RECORDING,
        tuple(exchanges),
        (*_notes_on(odd), *_notes(left_out, exchanges, redactor)),
    )


# Which entries are kept


def _downloads(
    links: Iterable[str], others: list[tuple[str, Any]], left_out: Counter[str]
) -> Iterator[Entry]:
    """Yield the downloads of these links. One that was redirected has the URL that the API returned."""
    found = {link: link for link in links}
    for url, raw in others:
        if url in found:
            entry = decoded(raw)
            if location := location_of(entry):
                found.setdefault(urljoin(url, location), found[url])
                left_out["redirects"] += 1
            else:
                yield replace(entry, url=found[url])


def _facts_of(kept: list[Entry]) -> tuple[set[str], set[str]]:
    """Return the absolute URLs of all results, and texts of generations that are not secrets."""
    links: set[str] = set()
    texts: set[str] = set()
    for entry in kept:
        texts.add(entry.url.partition("?")[0])
        texts.add(_model(entry))
        for generation in _generations(entry):
            texts.update(str(generation[name]) for name in _ORDINARY_FIELDS & generation.keys())
            for result in _results_of(generation):
                texts.update(str(result[name]) for name in _ORDINARY_FIELDS & result.keys())
                if isinstance(link := result.get("url"), str):
                    links.add(link if _ABSOLUTE.match(link) else urljoin(entry.url, link))
    return links, texts


def _model(entry: Entry) -> str:
    """Return the model that a create requests, or an empty string."""
    post = entry.request.get("postData")
    document = parse_json(str(post.get("text"))) if isinstance(post, dict) else None
    return str(document.get("model", "")) if isinstance(document, dict) else ""


def _generations(entry: Entry) -> Iterator[dict[str, Any]]:
    """Yield the generations in a response."""
    document = parse_json(_body(entry)[0])
    listed = document.get("generation_list") if isinstance(document, dict) else None
    for one in [document, *(listed if isinstance(listed, list) else ())]:
        if isinstance(one, dict):
            yield one


def _results_of(generation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    result = generation.get("result")
    data = result.get("data") if isinstance(result, dict) else None
    return (one for one in (data if isinstance(data, list) else ()) if isinstance(one, dict))


# Exchanges


def _exchange(entry: Entry, redactor: HarRedactor) -> Exchange:
    headers = {name.lower(): value for name, value in pairs(entry.request.get("headers"))}
    post = entry.request.get("postData")
    post = post if isinstance(post, dict) else {}
    content_type = headers.get("content-type", str(post.get("mimeType") or "")) if post else ""
    request = Request(
        entry.method,
        redactor.url(entry.url),
        _authorization(headers.get("authorization", ""), entry),
        redactor.text(_media_type(content_type)),
        redactor.body(str(post.get("text") or ""), _KEPT_CHARACTERS),
    )
    return Exchange(request, _response(entry, redactor), at=entry.at, seconds=entry.seconds)


def _authorization(header: str, entry: Entry) -> Authorization:
    scheme, _, key = header.strip().partition(" ")
    if scheme.lower() == "bearer" and key:
        return Authorization.BEARER
    if header and not _REMOVED_KEY.fullmatch(header):
        return Authorization.BARE
    return Authorization.UNKNOWN if header or (entry.base_url and entry.status != 401) else Authorization.NONE


def _response(entry: Entry, redactor: HarRedactor) -> Response:
    content = entry.response.get("content")
    content = content if isinstance(content, dict) else {}
    actual = {name.lower(): value for name, value in pairs(entry.response.get("headers"))}
    headers = {name: redactor.header(actual[name]) for name in _KEPT_HEADERS if name in actual}
    headers["content-type"] = _media_type(
        headers.get("content-type") or redactor.text(str(content.get("mimeType") or ""))
    )
    text, raw, complete = _body(entry)
    size = content.get("size")
    size = max(len(raw), size if isinstance(size, int) else 0)
    if not entry.base_url:
        digest = hashlib.sha256(raw).hexdigest() if complete and entry.status == 200 else ""
        return Response(entry.status, headers, "", redactor.head(raw[:HEAD_BYTES]), size, complete, digest)
    body = redactor.body(text, _KEPT_CHARACTERS)
    return Response(entry.status, headers, body, b"", size, complete)


def _body(entry: Entry) -> tuple[str, bytes, bool]:
    """Return the body of a response as text and as bytes, and whether the recording has all of it."""
    content = entry.response.get("content")
    content = content if isinstance(content, dict) else {}
    text, size = content.get("text"), content.get("size")
    if not isinstance(text, str):
        return "", b"", entry.status == 204
    raw = text.encode("utf-8", "surrogatepass")
    if content.get("encoding") == "base64":
        try:
            raw = base64.b64decode("".join(text.split()), validate=True)
            text = raw.decode("utf-8", "replace") if entry.base_url else ""
        except ValueError:
            pass  # Firefox also says so of plain text
    if not raw:
        lengths = [
            value for name, value in pairs(entry.response.get("headers")) if name.lower() == "content-length"
        ]
        return "", b"", entry.status == 204 or lengths == ["0"]
    return text, raw, not isinstance(size, int) or size <= len(raw)


def _media_type(content_type: str) -> str:
    """Return a Content-Type with its media type in lower case: RFC 9110 compares it so."""
    media_type, semicolon, parameters = content_type.partition(";")
    return media_type.strip().lower() + semicolon + parameters


# What is said about the recording


def _started(exchanges: list[Exchange]) -> str:
    at = exchanges[0].at if exchanges else 0.0
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _notes_on(odd: dict[str, list[int]]) -> Iterator[str]:
    """Yield a note for each reason why entries could not be read."""
    for reason, numbers in odd.items():
        shown = ", ".join(map(str, numbers[:_SHOWN_ENTRIES])) + (
            ", …" if len(numbers) > _SHOWN_ENTRIES else ""
        )
        yield f"Left out of the recording: {_entries(len(numbers))} that cannot be read ({shown}): {reason}."


def _notes(left_out: Counter[str], exchanges: list[Exchange], redactor: HarRedactor) -> Iterator[str]:
    counts = ", ".join(f"{count} {reason}" for reason, count in left_out.items() if count)
    if counts:
        yield f"Left out of the recording: {counts}."
    missing = sum(exchange.response is not None and not exchange.response.complete for exchange in exchanges)
    if missing:
        yield f"The recording lacks the body of {missing} of {len(exchanges)} responses, or a part of it."
    if redactor.some_are_ordinary:
        yield (
            "The recording has an API key or password of less than 8 characters, or an ordinary word. "
            "It is redacted in headers, URLs and fields such as token or password; other text can contain it."
        )


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"
