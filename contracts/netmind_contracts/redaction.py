"""Remove the API key, and the query values of URLs, from text that is recorded, printed or raised.

The key is removed in any encoding: plain, percent-encoded, with JSON or HTML escapes (for any of its
characters), hexadecimal, base64.
"""

from __future__ import annotations

import base64
import re
import sys
from bisect import bisect_right
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

REDACTED = "[redacted]"

# A shorter key may be an ordinary word such as "test"; redacting it would damage other text.
SHORTEST_SECRET = 8

# A key that was cut is redacted, too, if at least this many of its characters are left.
_HEAD_CHARACTERS = 48

# One escaped character, by kind. A text may be escaped several times, such as JSON in a string of JSON.
_PERCENT = r"%(?P<percent>[0-9a-f]{2})"
_JSON = r"\\(?:u00(?P<unicode>[0-9a-f]{2})|x(?P<byte>[0-9a-f]{2})|(?P<quoted>[\"\\/]))"
_HTML = r"&(?:#x0*(?P<hexadecimal>[0-9a-f]{1,2})|#0*(?P<decimal>[0-9]{1,3})|(?P<entity>amp|lt|gt|quot|apos));"
_ESCAPES = {
    first: re.compile(one, re.IGNORECASE) for first, one in (("%", _PERCENT), ("\\", _JSON), ("&", _HTML))
}
_ANY_ESCAPE = re.compile(f"{_PERCENT}|{_JSON}|{_HTML}", re.IGNORECASE)
_MAX_TIMES = 4
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_CODEC = ("utf-8", "surrogatepass")

_URL = re.compile(r"https?://[^\s\"'<>\\]+")
_QUERY_VALUE = re.compile(r"=[^&#]*")


class Redactor:
    """Removes API keys, and the query values of URLs, from text."""

    def __init__(self, *api_keys: str) -> None:
        self._api_keys = [key for key in api_keys if len(key) >= SHORTEST_SECRET]

    def text(self, text: str) -> str:
        """Return the text without the key, and with the query values of every URL redacted."""
        return _URL.sub(lambda found: redact_url(found[0]), self.without_token(text))

    def url(self, url: str) -> str:
        """Return a URL without the key, its query values redacted."""
        return redact_url(self.without_token(url))

    def json_text(self, text: str) -> str:
        """Return JSON text without the key. First unescape ``/``, ``&`` and ``=``, to find URLs."""
        return self.text(text.replace("\\/", "/").replace("\\u0026", "&").replace("\\u003d", "="))

    def without_token(self, text: str) -> str:
        """Return the text without the keys, and leave URLs as they are.

        This takes time in proportion to the length of the text, whatever the text and the keys are.
        """
        if not self._api_keys:
            return text
        spans = [*self._spans(text)]
        return _without(text, spans) if spans else text

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where a key is, in any encoding."""
        for encoded in self._base64:
            yield from _found(text, encoded)
        lowered = _lowered(text)
        for key in self._small:
            yield from _found(lowered, key)
        # The text is unescaped rather than the key escaped in every way, since each character can be escaped
        # in another way. Kinds are tried one by one first: a key may look like an escape of another kind.
        kinds = [escapes for first, escapes in _ESCAPES.items() if first in text]
        for escapes in kinds:
            for unescaped in _unescaped_repeatedly(text, escapes):
                yield from _spans_in(unescaped, self._small)
        every = list(_unescaped_repeatedly(text, _ANY_ESCAPE)) if kinds else []
        if every:
            yield from _spans_in(every[-1], self._unescaped)

    @cached_property
    def _small(self) -> list[str]:
        """The keys in small letters: as they are, in hexadecimal, and as bytes, which are percent-encoded."""
        found = set()
        for key in self._api_keys:
            found |= {_lowered(key), key.encode().hex(), _lowered(key.encode().decode("latin-1"))}
        return sorted(found)

    @cached_property
    def _unescaped(self) -> list[str]:
        """The keys, each unescaped as often as a text is."""
        found = set()
        for key in self._small:
            *_, last = [key, *(one.text for one in _unescaped_repeatedly(key, _ANY_ESCAPE))]
            found.add(_lowered(last))
        return sorted(found)

    @cached_property
    def _base64(self) -> list[str]:
        return sorted({part for key in self._api_keys for part in _base64_parts(key.encode())})


class _Unescaped(NamedTuple):
    """A text with its escapes replaced by what they mean.

    Attributes:
        text: The text.
        offsets: Positions in the text after an escape or at one, and in ``before`` of the same place.
        before: The text that was unescaped, if it was itself the result of this; otherwise None.
    """

    text: str
    offsets: list[tuple[int, int]]
    before: _Unescaped | None

    def original(self, position: int) -> int:
        """Return the position in the original text."""
        at, previous = self.offsets[bisect_right(self.offsets, (position, sys.maxsize)) - 1]
        previous += position - at
        return previous if self.before is None else self.before.original(previous)


def _spans_in(unescaped: _Unescaped, keys: list[str]) -> Iterator[tuple[int, int]]:
    lowered = _lowered(unescaped.text)
    for key in keys:
        for start, end in _found(lowered, key):
            yield unescaped.original(start), unescaped.original(end)


def _unescaped_repeatedly(text: str, escapes: re.Pattern[str]) -> Iterator[_Unescaped]:
    """Yield the text unescaped once, twice and so on, until it has no more escapes."""
    before = None
    for _ in range(_MAX_TIMES):
        parts, offsets, length, end = [], [(0, 0)], 0, 0
        for escape in escapes.finditer(text):
            plain = text[end : escape.start()]
            parts += [plain, _character(escape)]
            length += len(plain)
            offsets += [(length, escape.start()), (length + 1, escape.end())]
            length, end = length + 1, escape.end()
        if not end:
            return
        text = "".join([*parts, text[end:]])
        before = _Unescaped(text, offsets, before)
        yield before


def _character(escape: re.Match[str]) -> str:
    """Return the character of an escape."""
    kind, found = str(escape.lastgroup), escape[str(escape.lastgroup)]
    if kind == "entity":
        return _ENTITIES[found.lower()]
    if kind == "quoted":
        return found
    return chr(int(found, 10 if kind == "decimal" else 16))


def _lowered(text: str) -> str:
    """Return the text with ASCII capitals as small letters. Unlike ``lower``, this keeps its length."""
    return text.lower() if text.isascii() else text.encode(*_CODEC).lower().decode(*_CODEC)


def _found(text: str, key: str) -> Iterator[tuple[int, int]]:
    """Yield where a key is in a text, also a longer key of which only the beginning is there."""
    head, start = key[:_HEAD_CHARACTERS], 0
    while (start := text.find(head, start)) >= 0:
        end = start + (len(key) if text.startswith(key, start) else len(head))
        yield start, end
        start = end


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    """Return the text with these spans replaced. Spans that overlap are replaced as one."""
    parts, end = [], 0
    for start, stop in sorted(spans):
        if start >= end:
            parts += [text[end:start], REDACTED]
        end = max(end, stop)
    return "".join([*parts, text[end:]])


def redact_url(url: str) -> str:
    """Return a URL without user and password, each query value redacted: it may be a signature."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return url.partition("?")[0]
    query = _QUERY_VALUE.sub(f"={REDACTED}", parts.query)
    if parts.query and "=" not in parts.query:
        query = REDACTED
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def redact_path(url: str) -> str:
    """Return a URL with everything but the scheme and the host redacted."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return REDACTED
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/{REDACTED}"


def _base64_parts(raw: bytes) -> list[str]:
    """Return the base64 encodings of the key at each of the three alignments.

    The characters at both ends that also depend on neighbouring bytes are left out.
    """
    parts = []
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw).decode()
        core = encoded[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6]
        parts += [core, core.replace("+", "-").replace("/", "_")]
    return parts
