"""Sends one request after another and records each, free of secrets."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from netmind_contracts.probing.transport import NoResponse, Reply, Transport
from netmind_contracts.redaction import REDACTED, Redactor, redact_path
from netmind_contracts.runs.exchange import HEAD_BYTES, Authorization, Exchange, Request, Response, parse_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from netmind_contracts.probing.calls import ProbeCall

WRONG_TOKEN = "netmind-testkit-wrong-token"  # noqa: S105 - wrong on purpose

_MAX_JSON_BYTES = 8 * 1024 * 1024
_MAX_FILE_BYTES = 64 * 1024 * 1024
_KEPT_HEADERS = ("content-type", "content-length", "retry-after", "location", "allow", "link")
_KEPT_CHARACTERS = 4000


class RecorderClock(NamedTuple):
    """Where time comes from; replaced where time is virtual.

    Attributes:
        sleep: Waits a number of seconds.
        monotonic: Seconds that never go back.
        wall: Seconds since the epoch.
    """

    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time


class Recorder:
    """What was sent over one transport.

    Attributes:
        exchanges: All of them, in order.
        own: Ids of the run's own generations; others in a list are veiled.
    """

    def __init__(self, transport: Transport, base_url: str, api_key: str, clock: RecorderClock) -> None:
        self.exchanges: list[Exchange] = []
        self.own: list[str] = []
        self._transport, self._base_url, self._api_key, self._clock = transport, base_url, api_key, clock
        self._redactor = Redactor(api_key)

    def send(self, call: ProbeCall, *, within: float) -> tuple[Exchange, Any]:
        """Send a request once, within so many seconds, and record it.

        Returns:
            The exchange, and the response's JSON as it was, before secrets were removed.
        """
        is_file = "://" in call.path
        url = call.path if is_file else self._base_url + call.path
        body = (call.body.encode() + b" " * call.padding) if call.body else None
        request = Request(
            call.method, self._redactor.url(url), call.authorization, call.content_type,
            self._redactor.json_text(call.body), call.padding,
        )  # fmt: skip
        at, began = self._clock.wall(), self._clock.monotonic()
        reply, failure, sent = None, "", True
        try:
            reply = self._transport.send(
                call.method, url, self._headers(call), body, within=within,
                max_bytes=_MAX_FILE_BYTES if is_file else _MAX_JSON_BYTES,
            )  # fmt: skip
        except NoResponse as error:
            failure, sent = self._redactor.text(str(error)), error.sent
        document = parse_json(reply.content) if reply and reply.complete and not is_file else None
        response = self._answer(reply, document, is_file=is_file) if reply else None
        exchange = Exchange(request, response, failure, sent, at, self._clock.monotonic() - began)
        self.exchanges.append(exchange)
        return exchange, document

    def _headers(self, call: ProbeCall) -> dict[str, str]:
        headers = {"Content-Type": call.content_type} if call.content_type else {}
        if call.authorization is not Authorization.NONE:
            scheme = "" if call.authorization is Authorization.BARE else "Bearer "
            token = WRONG_TOKEN if call.authorization is Authorization.WRONG else self._api_key
            headers["Authorization"] = scheme + token
        return headers

    def _answer(self, reply: Reply, document: Any, *, is_file: bool) -> Response:
        headers = {
            name: self._redactor.text(reply.headers[name]) for name in _KEPT_HEADERS if name in reply.headers
        }
        body, head = "", b""
        if document is not None:
            body = self._redactor.json_text(json.dumps(_veiled(document, self.own), ensure_ascii=False))
        elif is_file and reply.status < 300:
            head = reply.content[:HEAD_BYTES]
        else:
            body = self._redactor.text(reply.content[:_KEPT_CHARACTERS].decode("utf-8", "replace"))
        return Response(reply.status, headers, body, head, len(reply.content), reply.complete)


def _veiled(document: Any, own: list[str]) -> Any:
    """Return a list in which other generations of the account show their form, and not what they hold."""
    entries = document.get("generation_list") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        return document
    return {
        **document,
        "generation_list": [
            {key: _veil(value) if key in ("result", "logs") else value for key, value in entry.items()}
            if isinstance(entry, dict) and entry.get("id") not in own
            else entry
            for entry in entries
        ],
    }


def _veil(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _veil(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_veil(part) for part in value]
    if isinstance(value, str) and value:
        return redact_path(value) if value.startswith(("http://", "https://")) else REDACTED
    return value
