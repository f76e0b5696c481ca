"""HTTP messages as values, and bodies: decoded, and no more of them than is wanted. Pure."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


ACCEPT_ENCODING = "gzip"  # what Decoder can undo

_PIECE_BYTES = 256 * 1024


class Decoder:
    """Undoes an answer's Content-Encoding, in pieces: a small body cannot become a large one at once."""

    def __init__(self, head: Response) -> None:
        """Begin with the answer's head.

        Raises:
            NoResponse: Its body is encoded as nobody asked for.
        """
        encoding = head.headers.get("content-encoding", "").strip().lower()
        if encoding not in ("", "identity", "gzip", "x-gzip"):
            raise NoResponse(f"the answer is encoded as {encoding[:40]!r}, which nobody asked for", sent=True)
        self._gzip = zlib.decompressobj(wbits=31) if "gzip" in encoding else None
        self._begun = False

    def pieces(self, part: bytes) -> Iterator[bytes]:
        """What a part of the body stands for.

        Raises:
            NoResponse: It cannot be decoded.
        """
        if self._gzip is None:
            yield part
            return
        self._begun = self._begun or bool(part)
        try:
            while part:
                if self._gzip.eof:  # another member, which counts as well (RFC 1952)
                    self._gzip = zlib.decompressobj(wbits=31)
                yield self._gzip.decompress(part, _PIECE_BYTES)
                part = self._gzip.unconsumed_tail or self._gzip.unused_data
        except zlib.error as error:
            raise NoResponse(f"the answer is no gzip ({error})", sent=True) from error

    def finish(self) -> None:
        """See that the body has its end.

        Raises:
            NoResponse: It has not.
        """
        if self._gzip is not None and self._begun and not self._gzip.eof:
            raise NoResponse("the answer's gzip ends in the middle", sent=True)


class Body:
    """A body that is kept in memory, up to so many bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._content = bytearray()

    def begin(self, head: Response) -> Callable[[bytes], object]:
        """What takes the parts."""
        self._decoder = Decoder(head)
        return self._take

    def response(self, head: Response) -> Response:
        """The answer, with what has come.

        Raises:
            NoResponse: It is not all that was sent.
        """
        self._decoder.finish()
        return head._replace(body=bytes(self._content))

    def _take(self, part: bytes) -> None:
        for piece in self._decoder.pieces(part):
            self._content += piece
            if len(self._content) > self._most:
                raise NoResponse(f"the answer has more than {self._most} bytes", sent=True)


class Request(NamedTuple):
    """An HTTP request. Its headers hold the token, where one is sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None

    def __repr__(self) -> str:
        return f"Request({self.method} {self.url})"


class Response(NamedTuple):
    """An HTTP answer; the names of its headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


class NoResponse(Exception):
    """No answer came, or half of one.

    Attributes:
        sent: Whether the server may have received the request. False only where that is certain.
        timed_out: Whether it was given up because its time was over.
    """

    def __init__(self, reason: str, *, sent: bool, timed_out: bool = False) -> None:
        super().__init__(reason)
        self.sent = sent
        self.timed_out = timed_out
