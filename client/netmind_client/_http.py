"""HTTP requests and responses as values, and decoding of bodies with a size limit. No I/O is done here."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


ACCEPT_ENCODING = "gzip"  # what Decoder supports

_PIECE_BYTES = 256 * 1024


class Decoder:
    """A decoder of a response's Content-Encoding.

    It returns limited pieces, so that a small compressed body cannot fill the memory at once.
    """

    def __init__(self, head: Response) -> None:
        """Create a decoder for a response, of which only the status and headers are used.

        Raises:
            NoResponse: The body has an encoding that was not requested.
        """
        encoding = head.headers.get("content-encoding", "").strip().lower()
        if encoding not in ("", "identity", "gzip", "x-gzip"):
            raise NoResponse(f"the response has the unrequested encoding {encoding[:40]!r}", sent=True)
        self._gzip = zlib.decompressobj(wbits=31) if "gzip" in encoding else None
        self._begun = False

    def pieces(self, part: bytes) -> Iterator[bytes]:
        """Decode a part of the body, piece by piece.

        Raises:
            NoResponse: The part cannot be decoded.
        """
        if self._gzip is None:
            yield part
            return
        self._begun = self._begun or bool(part)
        try:
            while part:
                if self._gzip.eof:  # a gzip file may consist of several members (RFC 1952)
                    self._gzip = zlib.decompressobj(wbits=31)
                yield self._gzip.decompress(part, _PIECE_BYTES)
                part = self._gzip.unconsumed_tail or self._gzip.unused_data
        except zlib.error as error:
            raise NoResponse(f"the response is not valid gzip ({error})", sent=True) from error

    def finish(self) -> None:
        """Check that the body is complete.

        Raises:
            NoResponse: The gzip data is incomplete.
        """
        if self._gzip is not None and self._begun and not self._gzip.eof:
            raise NoResponse("the response's gzip data is incomplete", sent=True)


class Body:
    """A response body that is kept in memory, up to a number of bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._content = bytearray()

    def begin(self, head: Response) -> Callable[[bytes], object]:
        """Return a function that receives the parts of the body."""
        self._decoder = Decoder(head)
        return self._take

    def response(self, head: Response) -> Response:
        """Return the response with its body.

        Raises:
            NoResponse: The body is incomplete.
        """
        self._decoder.finish()
        return head._replace(body=bytes(self._content))

    def _take(self, part: bytes) -> None:
        for piece in self._decoder.pieces(part):
            self._content += piece
            if len(self._content) > self._max_bytes:
                raise NoResponse(f"the response has more than {self._max_bytes} bytes", sent=True)


class Request(NamedTuple):
    """An HTTP request. Its representation leaves out the headers, which contain the API key."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None

    def __repr__(self) -> str:
        return f"Request({self.method} {self.url})"


class Response(NamedTuple):
    """An HTTP response. The names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


class NoResponse(Exception):
    """There was no complete response.

    Attributes:
        sent: Whether the server may have received the request. False only if it certainly has not.
        timed_out: Whether the reason was a timeout.
    """

    def __init__(self, reason: str, *, sent: bool, timed_out: bool = False) -> None:
        super().__init__(reason)
        self.sent = sent
        self.timed_out = timed_out
