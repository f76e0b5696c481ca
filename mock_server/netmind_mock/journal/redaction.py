"""Find the secrets of a request, and remove them from text.

A secret is searched for where clients send credentials by convention: in each word of ``Authorization``, in
headers such as ``X-Api-Key``, in query parameters such as ``api_key``, also of URLs in headers, and in a
query without parameters. A key elsewhere cannot be distinguished from other text.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

import msgspec

from netmind_contracts.redaction import Redactor
from netmind_mock.caching import cache_short
from netmind_mock.validation import InvalidJson, is_dense, read_json

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment


_MAX_CHARACTERS: Final = 2048
_MAX_HEADER_CHARACTERS: Final = 16 * 1024
_MAX_SECRETS: Final = 8  # of one request
_SHORTEST_OF_LETTERS: Final = 16  # a shorter secret of letters only may be an ordinary word
# The name of a header or parameter says that its value is a credential if one of the parts of the name
# (between hyphens, brackets and the like) matches.
_SECRET_PART = re.compile(
    r".*(?:key|token|secret|jwt|cookie|credential|signature|session|passw).*"
    r"|auth|authori[sz]ation|authentication|assertion|bearer|code|pass|pwd|sig|sid"
)
_NOT_SECRET = frozenset({"idempotency-key", "x-idempotency-key", "sec-websocket-key"})
_PARTS = re.compile(r"[a-z0-9]+")
# A name begins after a separator, so that a long text without parameters is searched in linear time.
_PAIR = re.compile(r"(?<![^\s&;?,\"'])([^\s&;?,\"'=]{1,200})=([^\s&;,\"']+)")
_KNOWN = ("authorization", "cookie")
_AROUND = "\"',;="


class RequestRedactor:
    """Removes secrets from text, in any encoding that ``Redactor`` knows."""

    def __init__(self, secrets: str) -> None:
        """Create a redactor.

        Args:
            secrets: The secrets, separated by spaces. A secret that is an ordinary word is ignored, since it
                would match ordinary text.
        """
        self._redactor = Redactor(*(word for word in secrets.split() if not _is_word(word)))

    def without_token(self, text: str) -> str:
        """Return the text without the secrets."""
        return self._redactor.without_token(text)

    def document(self, value: Any) -> Any:
        """Return a JSON document with the secrets in its strings redacted. Keys are not changed."""
        if isinstance(value, str):
            return self.without_token(value)
        if isinstance(value, dict):
            return {key: self.document(one) for key, one in value.items()}
        return [self.document(one) for one in value] if isinstance(value, list) else value


def _is_word(text: str) -> bool:
    return text.isalpha() and len(text) < _SHORTEST_OF_LETTERS


@cache_short(256)
def redactor_of(secrets: str) -> RequestRedactor:
    """Return a redactor for the secrets that ``secrets_of`` returned."""
    return RequestRedactor(secrets)


def is_secret_header(name: str) -> bool:
    """Return whether a header contains a secret, by its name in lower case, such as ``x-api-key``."""
    return name not in _NOT_SECRET and _is_secret_name(name)


@cache_short(1024)
def _is_secret_name(name: str) -> bool:
    return any(_SECRET_PART.fullmatch(part) for part in _PARTS.findall(name.lower()))


def header_lines(environ: WSGIEnvironment) -> str:
    """Return the headers of a request, one per line."""
    lines = [f"{name[5:]}: {value}" for name, value in environ.items() if name[:5] == "HTTP_"]
    if content_type := environ.get("CONTENT_TYPE"):
        lines.append(f"CONTENT_TYPE: {content_type}")
    return "\n".join(lines)[:_MAX_HEADER_CHARACTERS]


def header_secrets(environ: WSGIEnvironment, lines: str) -> str:
    """Return the secrets in the headers of a request, separated by spaces.

    Args:
        environ: The request.
        lines: Its ``header_lines``.
    """
    authorization, others = _words(environ.get("HTTP_AUTHORIZATION")), _others(lines)
    return _joined([authorization, others]) if others else authorization


def secrets_of(environ: WSGIEnvironment, in_headers: str | None = None) -> str:
    """Return the secrets of a request, separated by spaces.

    Args:
        environ: The request.
        in_headers: Its ``header_secrets``; None to get them from ``environ``.
    """
    if in_headers is None:
        in_headers = header_secrets(environ, header_lines(environ))
    query = environ.get("QUERY_STRING")
    if not query:
        return in_headers
    named = _in_pairs(query)
    if "=" not in query:
        named.append(unquote_plus(query)[:_MAX_CHARACTERS])
    return _joined([in_headers, *named])


def _joined(secrets: list[str]) -> str:
    words = " ".join(secrets).split()
    return " ".join(list(dict.fromkeys(words))[:_MAX_SECRETS])


def _in_pairs(text: str) -> list[str]:
    """Return the values of parameters such as ``api_key=…`` in a query or in other text."""
    return [
        unquote_plus(value)[:_MAX_CHARACTERS]
        for name, value in _PAIR.findall(text)
        if _is_secret_name(unquote_plus(name))
    ]


@cache_short(1024, longest=4096)  # a client sends the same headers with every request
def _others(lines: str) -> str:
    """Return the secrets in headers other than Authorization, separated by spaces.

    Cookies are left out, since they also contain values that are not secret.
    """
    pairs = [line.partition(": ") for line in lines.split("\n")]
    named = [(name.lower().replace("_", "-"), value) for name, _, value in pairs]
    secret = [_words(value) for name, value in named if name not in _KNOWN and is_secret_header(name)]
    in_others = [found for name, value in named if name not in _KNOWN for found in _in_pairs(value)]
    return " ".join([*secret, *in_others])


@cache_short(1024)
def _words(header: str | None) -> str:
    """Return what may be a secret in a header of any scheme: ``Bearer T``, ``T`` or ``Token token="T"``."""
    found = []
    for word in (header or "").split():
        found += [word, word.strip(_AROUND), word.partition("=")[2].strip(_AROUND)]
    words = [word[:_MAX_CHARACTERS] for word in dict.fromkeys(found) if word]
    return " ".join(words[:_MAX_SECRETS])


# The journal stores at most this much of one body, and nothing of files.
MAX_BODY_BYTES: Final = 64 * 1024
# In a larger body, a longer text is replaced by its beginning, its length and its hash.
_LONG_CHARACTERS: Final = 1000
_HASHED_AT_ONCE: Final = 1024 * 1024
# A text is redacted before it is cut, with this many more characters than are stored: a secret at the cut
# would otherwise be incomplete, so that it is not recognised.
_MAX_SPELLED: Final = 8192


def stored_body(body: bytes, token: str = "") -> bytes:
    """Return a request body as the journal stores it: a body over 64 KiB is shortened, redacted and cut.

    Args:
        body: The body.
        token: The secrets of the request, separated by spaces.
    """
    if len(body) <= MAX_BODY_BYTES:
        return body
    redactor = redactor_of(token)
    if is_dense(body):
        return _cut(body, redactor)
    try:
        return _cut(msgspec.json.encode(shortened(read_json(body), redactor)), redactor)
    except InvalidJson:
        return _cut(body, redactor)


def _cut(body: bytes, redactor: RequestRedactor) -> bytes:
    if len(body) <= MAX_BODY_BYTES:
        return body
    beginning = body[: MAX_BODY_BYTES + _MAX_SPELLED].decode("utf-8", "replace")
    return redactor.without_token(beginning).encode()[:MAX_BODY_BYTES]


def shortened(value: Any, redactor: RequestRedactor | None = None) -> Any:
    """Return JSON in which each long text, such as an image, is replaced by its beginning, length and hash.

    The beginning is cut after redaction, so that no part of a secret remains.
    """
    if isinstance(value, str) and len(value) > _LONG_CHARACTERS:
        digest = hashlib.blake2b(digest_size=8)
        for start in range(0, len(value), _HASHED_AT_ONCE):  # a copy of the whole text could take megabytes
            digest.update(value[start : start + _HASHED_AT_ONCE].encode("utf-8", "replace"))
        beginning = value[:_MAX_SPELLED]
        if redactor is not None:
            beginning = redactor.without_token(beginning)
        return f"{beginning[:40]}… ({len(value)} characters, {digest.hexdigest()})"
    if isinstance(value, dict):
        return {key: shortened(one, redactor) for key, one in value.items()}
    return [shortened(one, redactor) for one in value] if isinstance(value, list) else value
