"""Read HAR files of browsers and proxies as runs.

API keys are not kept, only how they were sent. Browsers leave the Authorization header out, so a request to
the API without it that did not get a 401 is recorded as ``Authorization.UNKNOWN``.
"""

from __future__ import annotations

import base64
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from netmind_contracts.redaction import Redactor
from netmind_contracts.runs.exchange import (
    HEAD_BYTES,
    Authorization,
    Exchange,
    InvalidRun,
    Request,
    Response,
    Run,
    Scope,
    read_json,
    run_of,
)

if TYPE_CHECKING:
    from pathlib import Path

_API = re.compile(r"(https?://.+?)/v1/generation(?:/[^/?#]*)?(?:[?#].*)?")


def read_run(file: Path) -> Run:
    """Read a run from a file that ``verify --save`` wrote, or from a HAR file.

    Raises:
        InvalidRun: The file cannot be read, or is neither.
    """
    document = read_json(file)
    if isinstance(document, dict) and isinstance(document.get("log"), dict):
        return run_of_har(document, str(file))
    return run_of(document, str(file))


def run_of_har(document: dict[str, Any], label: str) -> Run:
    """Return a run from the JSON of a HAR file, with API keys and query values of URLs redacted.

    Raises:
        InvalidRun: The file is invalid, or has no request to the API. ``label`` is its name in the message.
    """
    try:
        entries = sorted(document["log"]["entries"], key=lambda entry: str(entry["startedDateTime"]))
        exchanges = tuple(map(_exchange, entries))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidRun(f"{label}: invalid HAR file ({type(error).__name__}: {error})") from None
    found = [match for exchange in exchanges if (match := _API.fullmatch(exchange.request.url))]
    if not found:
        raise InvalidRun(f"{label}: no request to /v1/generation found; record the requests of your client")
    started = str(entries[0]["startedDateTime"])[:19] + "Z"
    return Run(found[0][1], started, Scope.RECORDING, exchanges)


def _exchange(entry: dict[str, Any]) -> Exchange:
    sent, actual = entry["request"], entry["response"]
    headers = _headers(sent)
    scheme, _, token = headers.get("authorization", "").partition(" ")
    authorization = Authorization.NONE
    if scheme:
        authorization = Authorization.BEARER if scheme.lower() == "bearer" and token else Authorization.BARE
    elif _API.fullmatch(str(sent["url"])) and actual["status"] != 401:
        authorization = Authorization.UNKNOWN
    redactor = Redactor(token or scheme)
    post = sent.get("postData") or {}
    request = Request(
        str(sent["method"]).upper(),
        redactor.url(str(sent["url"])),
        authorization,
        headers.get("content-type", str(post.get("mimeType") or "")) if post else "",
        redactor.json_text(str(post.get("text") or "")),
    )
    at = datetime.fromisoformat(str(entry["startedDateTime"])).timestamp()
    seconds = max(float(entry.get("time") or 0), 0.0) / 1000
    if not actual["status"]:
        return Exchange(request, None, "the recording has no response", True, at, seconds)
    return Exchange(request, _response(actual, redactor), at=at, seconds=seconds)


def _response(actual: dict[str, Any], redactor: Redactor) -> Response:
    content = actual.get("content") or {}
    text = str(content.get("text") or "")
    raw = base64.b64decode(text, validate=True) if content.get("encoding") == "base64" else text.encode()
    headers = {name: redactor.text(value) for name, value in _headers(actual).items() if name != "set-cookie"}
    headers.setdefault("content-type", str(content.get("mimeType") or ""))
    size = max(len(raw), int(content.get("size") or 0))
    kind = headers["content-type"].partition(";")[0].strip()
    is_file = raw and not kind.startswith(("text/", "application/json"))
    body = "" if is_file else redactor.json_text(raw.decode("utf-8", "replace"))
    return Response(int(actual["status"]), headers, body, raw[:HEAD_BYTES] if is_file else b"", size)


def _headers(message: dict[str, Any]) -> dict[str, str]:
    return {str(one["name"]).lower(): str(one["value"]) for one in message.get("headers", ())}
