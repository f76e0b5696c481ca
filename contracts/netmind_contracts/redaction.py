"""Remove the API key, and the query values of URLs, from text that is recorded, printed or raised.

The key is removed in any encoding: plain, percent-encoded, with JSON or HTML escapes (for any of its
characters), hexadecimal, base64.
"""

from __future__ import annotations

import base64
import html
import json
import re
from functools import cached_property
from urllib.parse import quote, urlsplit, urlunsplit

REDACTED = "[redacted]"

# A shorter key may be an ordinary word such as "test"; redacting it would damage other text.
SHORTEST_SECRET = 8

# The pattern of a longer key requires this many characters, and the rest is optional, so that a truncated key
# is redacted, too.
_HEAD_CHARACTERS = 48
# A longer key is only searched for character by character (``_spelled``), not also as a whole: that would
# take time in proportion to the length of the key at each position of the text.
_MAX_WHOLE_CHARACTERS = 256
# Characters that start an escape. A key that has one may look like an escaped form of another text.
_BEGINS_ESCAPE = re.compile(r"[%&\\]")

_URL = re.compile(r"https?://[^\s\"'<>\\]+")
_QUERY_VALUE = re.compile(r"=[^&#]*")


class Redactor:
    """Removes one API key, and the query values of URLs, from text."""

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key

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
        """Return the text without the key, and leave URLs as they are."""
        if len(self._api_key) < SHORTEST_SECRET or self._is_surely_without(text):
            return text
        return self._spellings.sub(REDACTED, text)

    def _is_surely_without(self, text: str) -> bool:
        """Return whether a fast search shows that the text does not contain the key in any encoding."""
        if not text.isascii() or "%" in text or "\\" in text or "&" in text:
            return False
        lowered = text.lower()
        if any(spelling in lowered for spelling in self._lowered):
            return False
        return not any(part in text for part in self._encoded)

    @cached_property
    def _lowered(self) -> tuple[str, str]:
        """The encodings without escapes that are case-insensitive, in lower case."""
        return self._api_key[:_HEAD_CHARACTERS].lower(), self._api_key.encode().hex()

    @cached_property
    def _encoded(self) -> list[str]:
        return sorted(set(_base64_parts(self._api_key.encode())))

    @cached_property
    def _spellings(self) -> re.Pattern[str]:
        ways = [*map(re.escape, _wholes(self._api_key)), _headed([*map(_spelled, self._api_key)])]
        encoded = "|".join(map(re.escape, self._encoded))
        return re.compile(f"(?i:{'|'.join(ways)}|{self._api_key.encode().hex()})|{encoded}")


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


def _headed(parts: list[str]) -> str:
    """Return a pattern that requires the first 48 parts; the others are optional as a whole."""
    head, tail = "".join(parts[:_HEAD_CHARACTERS]), "".join(parts[_HEAD_CHARACTERS:])
    return f"{head}(?:{tail})?" if tail else head


def _wholes(api_key: str) -> list[str]:
    """Return the usual encodings of a key that has escapes, longest first.

    ``_spelled`` takes the longest encoding of each character, which may be the wrong one for such a key.
    """
    if len(api_key) > _MAX_WHOLE_CHARACTERS or _BEGINS_ESCAPE.search(api_key) is None:
        return []
    once = quote(api_key, safe="")
    wholes = {api_key, json.dumps(api_key)[1:-1], html.escape(api_key), once, quote(once, safe="")}
    return sorted(wholes, key=len, reverse=True)


def _spelled(character: str) -> str:
    """Return a pattern for one character in any encoding.

    The group is atomic: the regular expression takes the longest encoding and does not backtrack. For a key
    of many backslashes, backtracking would take exponential time.
    """
    code = ord(character)
    escaped = json.dumps(character)[1:-1]
    entity = html.escape(character)
    ways = {
        re.escape(character),
        re.escape(escaped),
        re.escape(entity),
        f"%{code:02x}",
        f"%25{code:02x}",
        rf"\\{{1,8}}u{code:04x}",  # JSON within JSON doubles the backslashes
        rf"\\{{1,8}}x{code:02x}",
        f"&#0*{code};",
        f"&#x0*{code:x};",
    }
    return f"(?>{'|'.join(sorted(ways, key=len, reverse=True))})"


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
