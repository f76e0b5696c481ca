"""Receive the bodies of requests, within a limit on the memory of those that are incomplete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from netmind_mock.api.request import MAX_BODY_BYTES

if TYPE_CHECKING:
    from netmind_mock.api.request import WholeResponse
    from netmind_mock.serving.wire_faults import Message, Receive

MAX_INCOMPLETE_BYTES: Final = 64 * 1024 * 1024  # of all bodies that are incomplete


class Disconnected(Exception):
    """The client disconnected before its request was complete."""


class TooManyBodies(Exception):
    """Too many bodies are incomplete to receive this one. The connection is closed after ``RESPONSE``."""


_REFUSED: Final = msgspec.json.encode(
    {"message": f"the fake: incomplete bodies of requests take over {MAX_INCOMPLETE_BYTES} bytes"}
)
RESPONSE: Final[WholeResponse] = (
    "503 Service Unavailable",
    [("Content-Type", "application/json"), ("Content-Length", str(len(_REFUSED))), ("Connection", "close")],
    _REFUSED,
)


class Bodies:
    """The bodies of the requests to one worker."""

    def __init__(self) -> None:
        self._incomplete_bytes = 0

    async def receive(self, content_length: str, receive: Receive) -> bytes:
        """Return a request's body. A body whose Content-Length is over the limit is not read.

        Raises:
            Disconnected: The client disconnected before the body was complete.
            TooManyBodies: Too many bodies are incomplete.
        """
        if content_length.isdecimal() and int(content_length) > MAX_BODY_BYTES:
            return b""  # the application refuses it by its Content-Length
        message = await _part(receive)
        if not message["more_body"]:  # the usual case, without a copy
            whole: bytes = message["body"]
            return whole
        body = bytearray()
        try:
            while True:
                self._incomplete_bytes += len(message["body"])
                body += message["body"]
                if not message["more_body"] or len(body) > MAX_BODY_BYTES:
                    return bytes(body)
                if self._incomplete_bytes > MAX_INCOMPLETE_BYTES:
                    raise TooManyBodies
                message = await _part(receive)
        finally:
            self._incomplete_bytes -= len(body)


async def _part(receive: Receive) -> Message:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Disconnected
    return message
