"""What of a request is secret, and what takes it out of text.

A token is looked for wherever clients put theirs: any word of ``Authorization``, what ``X-Api-Key`` and its
like hold, and what the query calls a key. A token that nothing names as one cannot be told from other text.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

import msgspec

from netmind_contracts.redaction import Redactor
from netmind_mock.validation import InvalidJson, is_dense, read_json

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment


_MAX_CHARACTERS: Final = 2048
_MAX_HEADER_CHARACTERS: Final = 16 * 1024
_MAX_SECRETS: Final = 8  # of one request
_SHORTEST_OF_LETTERS: Final = 16  # of letters alone, a shorter token may be a word
_NAMED = r"(?:auth|token|secret|password|passwd|(?:api|access|auth|mock|secret)[_-]?key)"
_SECRET_HEADER = re.compile(rf"(?:cookie|authorization|(?:.*-)?{_NAMED})")
_IN_QUERY = re.compile(rf"(?:^|[&;])(?:[\w.%-]*[_.-])?(?:{_NAMED}|key)=([^&;]+)", re.IGNORECASE)
_KNOWN = ("authorization", "cookie")
_AROUND = "\"',;="


class RequestRedactor:
    """Takes some secrets out of text, in whatever spelling."""

    def __init__(self, secrets: str) -> None:
        """Of secrets with spaces between. One that is a plain word would be cut out of honest text."""
        words = sorted(secrets.split(), key=len, reverse=True)
        self._redactors = [Redactor(word) for word in words if not _is_word(word)]

    def without_token(self, text: str) -> str:
        """The text without any of them."""
        for redactor in self._redactors:
            text = redactor.without_token(text)
        return text

    def document(self, value: Any) -> Any:
        """JSON without any of them in its texts; what it has as keys stays."""
        if isinstance(value, str):
            return self.without_token(value)
        if isinstance(value, dict):
            return {key: self.document(one) for key, one in value.items()}
        return [self.document(one) for one in value] if isinstance(value, list) else value


def _is_word(text: str) -> bool:
    return text.isalpha() and len(text) < _SHORTEST_OF_LETTERS


@lru_cache(maxsize=256)
def redactor_of(secrets: str) -> RequestRedactor:
    """What masks these secrets, as ``secrets_of`` gives them."""
    return RequestRedactor(secrets)


def is_secret_header(name: str) -> bool:
    """Whether a header, by its name in lower case, holds a secret: ``x-api-key`` and its like."""
    return _SECRET_HEADER.fullmatch(name) is not None


def header_lines(environ: WSGIEnvironment) -> str:
    """A request's headers, a line each."""
    lines = [f"{name[5:]}: {value}" for name, value in environ.items() if name[:5] == "HTTP_"]
    if content_type := environ.get("CONTENT_TYPE"):
        lines.append(f"CONTENT_TYPE: {content_type}")
    return "\n".join(lines)[:_MAX_HEADER_CHARACTERS]


def secrets_of(environ: WSGIEnvironment, headers: str | None = None) -> str:
    """What may not be read in what is told of a request, with spaces between.

    Args:
        environ: The request.
        headers: Its ``header_lines``, where they are known already.
    """
    authorization = _words(environ.get("HTTP_AUTHORIZATION"))
    others = _others(header_lines(environ) if headers is None else headers)
    query = environ.get("QUERY_STRING")
    if not others and not query:
        return authorization
    named = [unquote_plus(found)[:_MAX_CHARACTERS] for found in _IN_QUERY.findall(query or "")]
    every = " ".join([authorization, others, *named]).split()
    return " ".join(list(dict.fromkeys(every))[:_MAX_SECRETS])


@lru_cache(maxsize=1024)  # a client sends the same headers with every request
def _others(lines: str) -> str:
    """What headers besides Authorization hold of secrets; of cookies nothing, for they are many things."""
    pairs = [line.partition(": ") for line in lines.split("\n")]
    named = [(name.lower().replace("_", "-"), value) for name, _, value in pairs]
    secret = [value for name, value in named if name not in _KNOWN and is_secret_header(name)]
    return " ".join(map(_words, secret))


@lru_cache(maxsize=1024)
def _words(header: str | None) -> str:
    """Whatever in a header may be a token, whatever its scheme: ``Bearer T``, ``T``, ``Token token="T"``."""
    found = []
    for word in (header or "").split():
        found += [word, word.strip(_AROUND), word.partition("=")[2].strip(_AROUND)]
    kept = [word[:_MAX_CHARACTERS] for word in dict.fromkeys(found) if word]
    return " ".join(kept[:_MAX_SECRETS])


# Of one body no more than this is kept; of files nothing is.
MAX_BODY_BYTES: Final = 64 * 1024
# A longer text in a body that is larger is kept as its beginning, its length and its hash.
_LONG_CHARACTERS: Final = 1000
_LARGE_BYTES: Final = 1024 * 1024
_MAX_SPELLED: Final = 8192  # characters in which a token ends that has begun where a text is cut


def kept(body: bytes, token: str = "") -> bytes:
    """A request's body as the journal keeps it; where it is cut, without the token, so that no half stays."""
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
    """JSON in which each long text, such as an image, is its beginning, its length and its hash.

    The beginning is cut after the token was masked, of which half would not be known.
    """
    if isinstance(value, str) and len(value) > _LONG_CHARACTERS:
        digest = hashlib.blake2b(digest_size=8)
        for start in range(0, len(value), _LARGE_BYTES):  # not all at once: it may be ten megabytes
            digest.update(value[start : start + _LARGE_BYTES].encode("utf-8", "replace"))
        beginning = value[:_MAX_SPELLED]
        if redactor is not None:
            beginning = redactor.without_token(beginning)
        return f"{beginning[:40]}… ({len(value)} characters, {digest.hexdigest()})"
    if isinstance(value, dict):
        return {key: shortened(one, redactor) for key, one in value.items()}
    return [shortened(one, redactor) for one in value] if isinstance(value, list) else value
