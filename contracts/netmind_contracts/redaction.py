"""Nothing that is recorded, printed or raised holds the token, or what signs a URL.

The token is masked where it is recorded, in whatever spelling it comes back: plain, percent-encoded,
JSON or HTML escapes (of any of its characters), hexadecimal, base64.
"""

from __future__ import annotations

import base64
import html
import json
import re
from functools import cached_property
from urllib.parse import quote, urlsplit, urlunsplit

REDACTED = "[masked]"

# A shorter token is a word such as "test", that a fake takes; masking it would cut up honest text.
SHORTEST_SECRET = 8

# Of a longer token so many characters are looked for first: what they do not fit is not read any further,
# and where somebody cut it, they are masked.
_HEAD_CHARACTERS = 48
# A longer token is not looked for apart from its characters' ways, for that takes its length at each place.
_MAX_WHOLE_CHARACTERS = 256
# What begins an escape: a token with one of these may look like another spelling of itself.
_BEGINS_ESCAPE = re.compile(r"[%&\\]")

_URL = re.compile(r"https?://[^\s\"'<>\\]+")
_MASKED_IN_QUERY = re.compile(r"=[^&#]*")


class Redactor:
    """Masks one token, and the queries of URLs."""

    def __init__(self, token: str) -> None:
        self._token = token

    def text(self, text: str) -> str:
        """The text without the token, and with the values of every URL's query masked."""
        return _URL.sub(lambda found: redact_url(found[0]), self.without_token(text))

    def url(self, url: str) -> str:
        """A URL without the token, its query's values masked."""
        return redact_url(self.without_token(url))

    def json_text(self, text: str) -> str:
        """JSON text likewise. Slashes that JSON escaped are read, so that no URL hides behind them."""
        return self.text(text.replace("\\/", "/").replace("\\u0026", "&").replace("\\u003d", "="))

    def without_token(self, text: str) -> str:
        """The text without the token; URLs stay as they are."""
        if len(self._token) < SHORTEST_SECRET or self._is_surely_without(text):
            return text
        return self._spellings.sub(REDACTED, text)

    def _is_surely_without(self, text: str) -> bool:
        """Whether a quick look tells that the token is not there, in whatever spelling: most texts are so."""
        if not text.isascii() or "%" in text or "\\" in text or "&" in text:
            return False
        lowered = text.lower()
        if any(spelling in lowered for spelling in self._lowered):
            return False
        return not any(part in text for part in self._encoded)

    @cached_property
    def _lowered(self) -> tuple[str, str]:
        """The spellings without escapes of which the case does not matter, in lower case."""
        return self._token[:_HEAD_CHARACTERS].lower(), self._token.encode().hex()

    @cached_property
    def _encoded(self) -> list[str]:
        return sorted(set(_base64_parts(self._token.encode())))

    @cached_property
    def _spellings(self) -> re.Pattern[str]:
        ways = [*map(re.escape, _wholes(self._token)), _headed([*map(_spelled, self._token)])]
        encoded = "|".join(map(re.escape, self._encoded))
        return re.compile(f"(?i:{'|'.join(ways)}|{self._token.encode().hex()})|{encoded}")


def redact_url(url: str) -> str:
    """A URL without user and password, each value of its query masked: they may be signatures."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return url.partition("?")[0]
    query = _MASKED_IN_QUERY.sub(f"={REDACTED}", parts.query)
    if parts.query and "=" not in parts.query:
        query = REDACTED
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def redact_path(url: str) -> str:
    """A URL of which nothing but scheme and host is left."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return REDACTED
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/{REDACTED}"


def _headed(parts: list[str]) -> str:
    """A pattern for the first of these parts, and the others if they are there."""
    head, tail = "".join(parts[:_HEAD_CHARACTERS]), "".join(parts[_HEAD_CHARACTERS:])
    return f"{head}(?:{tail})?" if tail else head


def _wholes(token: str) -> list[str]:
    """The usual spellings of a token in which a character's longest way may not be the one that was meant."""
    if len(token) > _MAX_WHOLE_CHARACTERS or _BEGINS_ESCAPE.search(token) is None:
        return []
    once = quote(token, safe="")
    wholes = {token, json.dumps(token)[1:-1], html.escape(token), once, quote(once, safe="")}
    return sorted(wholes, key=len, reverse=True)


def _spelled(character: str) -> str:
    """A pattern for one character, in any way in which it may be written.

    The longest way counts, and is not reconsidered: a token of backslashes can be read in text like it in
    more ways than anybody has time for.
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
        rf"\\{{1,8}}u{code:04x}",  # JSON within JSON doubles the backslashes, so there are no more
        rf"\\{{1,8}}x{code:02x}",
        f"&#0*{code};",
        f"&#x0*{code:x};",
    }
    return f"(?>{'|'.join(sorted(ways, key=len, reverse=True))})"


def _base64_parts(raw: bytes) -> list[str]:
    """What base64 makes of the token wherever it begins, less the ends that its neighbours take part in."""
    parts = []
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw).decode()
        core = encoded[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6]
        parts += [core, core.replace("+", "-").replace("/", "_")]
    return parts
