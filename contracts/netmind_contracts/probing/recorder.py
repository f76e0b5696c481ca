"""Send requests, and record each without secrets."""

from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from netmind_contracts.probing.transport import NoResponse, RawResponse, Transport
from netmind_contracts.redaction import REDACTED, Redactor, redact_path
from netmind_contracts.runs.exchange import HEAD_BYTES, Authorization, Exchange, Request, Response, parse_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from netmind_contracts.probing.calls import ProbeCall

WRONG_TOKEN = "netmind-testkit-wrong-token"  # noqa: S105 - invalid on purpose

_MAX_JSON_BYTES = 8 * 1024 * 1024
_MAX_FILE_BYTES = 64 * 1024 * 1024
_KEPT_HEADERS = ("content-type", "content-length", "retry-after", "location", "allow", "link")
_KEPT_CHARACTERS = 4000


class RecorderClock(NamedTuple):
    """The clock of a recorder. Tests replace it by a virtual one.

    Attributes:
        sleep: A function that waits a number of seconds.
        monotonic: A function that returns seconds that never go back.
        wall: A function that returns the seconds since the epoch.
    """

    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time


class Recorder:
    """Sends requests over a transport and records them.

    Attributes:
        exchanges: The recorded exchanges, in order.
        own: The ids of the run's own generations. Others are redacted in lists.
        redirect: The URL, before redaction, that the last response redirects to; empty if it does not.
    """

    def __init__(self, transport: Transport, base_url: str, api_key: str, clock: RecorderClock) -> None:
        self.exchanges: list[Exchange] = []
        self.own: list[str] = []
        self.redirect = ""
        self._transport, self._base_url, self._api_key, self._clock = transport, base_url, api_key, clock
        self._redactor = Redactor(api_key)

    def send(self, call: ProbeCall, *, within: float) -> tuple[Exchange, Any]:
        """Send a request once, and record it.

        Args:
            call: The request.
            within: Seconds that sending it and reading the response may take.

        Returns:
            The exchange, and the JSON of the response before redaction. That is also read if it is not quite
            JSON: the id in it is needed to delete a generation.
        """
        is_file = "://" in call.path
        url = call.path if is_file else self._base_url + call.path
        body = (call.body.encode() + b" " * call.padding) if call.body else None
        request = Request(
            call.method, self._redactor.url(url), call.authorization, call.content_type,
            self._redactor.json_text(call.body), call.padding,
        )  # fmt: skip
        at, began = self._clock.wall(), self._clock.monotonic()
        raw, failure, sent = None, "", True
        try:
            raw = self._transport.send(
                call.method, url, self._headers(call), body, within=within,
                max_bytes=_MAX_FILE_BYTES if is_file else _MAX_JSON_BYTES,
            )  # fmt: skip
        except NoResponse as error:
            failure, sent = self._redactor.text(str(error)), error.sent
        document = parse_json(raw.content) if raw and raw.complete and not is_file else None
        response = self._response(raw, document, is_file=is_file) if raw else None
        self.redirect = raw.headers.get("location", "") if raw and 300 <= raw.status <= 399 else ""
        exchange = Exchange(request, response, failure, sent, at, self._clock.monotonic() - began)
        self.exchanges.append(exchange)
        if document is None and raw and not is_file:
            document = _read_leniently(raw.content)
        return exchange, document

    def _headers(self, call: ProbeCall) -> dict[str, str]:
        headers = {"Content-Type": call.content_type} if call.content_type else {}
        if call.authorization is not Authorization.NONE:
            scheme = "" if call.authorization is Authorization.BARE else "Bearer "
            token = WRONG_TOKEN if call.authorization is Authorization.WRONG else self._api_key
            headers["Authorization"] = scheme + token
        return headers

    def _response(self, raw: RawResponse, document: Any, *, is_file: bool) -> Response:
        headers = {
            name: self._redactor.text(raw.headers[name]) for name in _KEPT_HEADERS if name in raw.headers
        }
        body, head, digest = "", b"", ""
        if document is not None:
            body = self._redactor.json_text(json.dumps(_redacted(document, self.own), ensure_ascii=False))
        elif is_file and raw.status < 300:
            head = raw.content[:HEAD_BYTES]
            digest = hashlib.sha256(raw.content).hexdigest() if raw.complete else ""
        else:
            body = self._redactor.text(raw.content[:_KEPT_CHARACTERS].decode("utf-8", "backslashreplace"))
        return Response(raw.status, headers, body, head, len(raw.content), raw.complete, digest)


def _read_leniently(content: bytes) -> Any:
    """Return the value of something that is nearly JSON; None if it is not."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _redacted(document: Any, own: list[str]) -> Any:
    """Return a list with the results and logs of other generations redacted, but with their structure."""
    entries = document.get("generation_list") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        return document
    return {
        **document,
        "generation_list": [
            {
                key: _redact_value(value) if key in ("result", "logs") else value
                for key, value in entry.items()
            }
            if isinstance(entry, dict) and entry.get("id") not in own
            else entry
            for entry in entries
        ],
    }


def _redact_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _redact_value(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_redact_value(part) for part in value]
    if isinstance(value, str) and value:
        return redact_path(value) if value.startswith(("http://", "https://")) else REDACTED
    return value
