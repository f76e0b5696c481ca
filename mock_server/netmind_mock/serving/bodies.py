"""Receive the bodies of requests, within limits on their time and on the memory of incomplete ones."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

from netmind_mock.api.request import MAX_BODY_BYTES

if TYPE_CHECKING:
    from netmind_mock.api.request import WholeResponse
    from netmind_mock.serving.wire_faults import Message, Receive

PART_SECONDS: Final = 30.0  # the most seconds between two parts of a body
MAX_INCOMPLETE_BYTES: Final = 64 * 1024 * 1024  # of all bodies that are incomplete


class Disconnected(Exception):
    """The client disconnected before its request was complete."""


class GivenUp(Exception):
    """The body is not received to its end. The connection is closed after the response.

    Attributes:
        response: The response.
    """

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        body = msgspec.json.encode({"message": message})
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
        ]
        self.response: WholeResponse = status, headers, body


class Bodies:
    """The bodies of the requests to one worker."""

    def __init__(self) -> None:
        self._incomplete_bytes = 0

    async def receive(self, content_length: str, receive: Receive) -> bytes:
        """Return a request's body. A body whose Content-Length is over the limit is not read.

        Raises:
            Disconnected: The client disconnected before the body was complete.
            GivenUp: Its next part did not arrive in time, or too many bodies are incomplete.
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
                    raise GivenUp(
                        "503 Service Unavailable",
                        f"the fake: incomplete bodies of requests take over {MAX_INCOMPLETE_BYTES} bytes",
                    )
                message = await _part(receive)
        finally:
            self._incomplete_bytes -= len(body)


async def _part(receive: Receive) -> Message:
    try:
        async with asyncio.timeout(PART_SECONDS):
            message = await receive()
    except TimeoutError:
        raise GivenUp(
            "408 Request Timeout",
            f"the fake: no part of the request's body arrived for {PART_SECONDS:g} s; nothing was created",
        ) from None
    if message["type"] == "http.disconnect":
        raise Disconnected
    return message
