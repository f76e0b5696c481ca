"""Find the secrets of a HAR file, and remove them from the messages that are kept of it.

A browser records everything that it does: cookies, login forms, pages of other sites. Any entry can have a
secret that a message to the API repeats, so the secrets of all entries are collected first.
"""

from __future__ import annotations

import base64
import json
import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from netmind_contracts import library
from netmind_contracts.redaction import REDACTED, SHORTEST_SECRET, Redactor, redact_url
from netmind_contracts.runs.exchange import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Names of fields of JSON whose value is a secret, and of headers and parameters.
_SECRET_FIELD = re.compile(
    r"passw|pwd|passphrase|secret|token|api.?key|access.?key|private.?key|authorization|credential|signature"
    r"|cookie|csrf|xsrf|jwt",
    re.IGNORECASE,
)
_SECRET_PARAMETER = re.compile(
    rf"{_SECRET_FIELD.pattern}|session|^(key|auth|sig|sid|code|otp|pin)$", re.IGNORECASE
)
_FIELD = re.compile(r'"([\w.\-]{2,64})"\s*:\s*"((?:[^"\\]|\\.)++)"')
_INPUT = re.compile(r"<(?:input|meta)\b[^<>]{1,2000}>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""(\w+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_AFTER_SCHEME = re.compile(r"\b(bearer|basic)( +|%20)[^\s\"'<>\\,;]+", re.IGNORECASE)
_RELATIVE_URL = re.compile(r"[^\s?]*[/.][^\s?]*\?\S+")
_LONGEST_SECRET = 8192


class Secrets:
    """The secrets of a HAR file.

    Attributes:
        keys: Values of the Authorization header, and passwords.
        others: Cookies, tokens and signatures.
    """

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.others: set[str] = set()

    def collect(self, url: str, request: dict[str, Any], response: dict[str, Any]) -> None:
        """Add the secrets of one entry. Parts of another form than HAR's are ignored."""
        self._of_url(url)
        for message in (request, response):
            for name, value in pairs(message.get("headers")):
                self._of_header(name.lower(), value)
            self.others.update(value for _, value in pairs(message.get("cookies")))
        post = request.get("postData")
        if isinstance(post, dict):
            self._of_pairs(pairs(post.get("params")))
            self._of_text(post.get("text"), str(post.get("mimeType")))
        content = response.get("content")
        if isinstance(content, dict) and content.get("encoding") != "base64":
            self._of_text(content.get("text"), str(content.get("mimeType")))

    def redactor(self, ordinary: str) -> HarRedactor:
        """Return a redactor for these secrets. Cookies and tokens that are in ``ordinary`` are kept."""
        found = self.keys | {value for value in self.others if value not in ordinary}
        found = {value for value in found if value and REDACTED not in value}
        return HarRedactor(
            {value for value in found if not _is_ordinary(value)},
            some_are_ordinary=any(map(_is_ordinary, self.keys)),
        )

    def _of_url(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.password:
            self.keys.add(unquote(parts.password))
        for query in (parts.query, parts.fragment):
            if "=" in query:
                self._of_pairs(parse_qsl(query))
        if parts.query and "=" not in parts.query:
            self.others.add(parts.query)

    def _of_header(self, name: str, value: str) -> None:
        if name in ("authorization", "proxy-authorization"):
            scheme, _, key = value.strip().partition(" ")
            if key or scheme.lower() not in ("bearer", "basic"):
                self._add_key(key.strip() or scheme)
            if scheme.lower() == "basic":
                self._add_key(_decoded(key).partition(":")[2])
        elif name == "cookie":
            self.others.update(part.partition("=")[2].strip().strip('"') for part in value.split(";"))
        elif name == "set-cookie":
            for line in value.split("\n"):
                self.others.add(line.partition(";")[0].partition("=")[2].strip().strip('"'))
        elif _SECRET_PARAMETER.search(name):
            self.others.add(value)

    def _of_text(self, text: Any, media_type: str) -> None:
        if not isinstance(text, str) or "css" in media_type:
            return
        if "x-www-form-urlencoded" in media_type:
            self._of_pairs(parse_qsl(text))
        for name, value in _FIELD.findall(text):
            if _is_secret(name):
                self._add(name, _unescaped(value))
        if "html" in media_type:
            for tag in _INPUT.findall(text):
                found = {key.lower(): one or other for key, one, other in _ATTRIBUTE.findall(tag)}
                self._of_pairs([(found.get("name", ""), found.get("value", "") or found.get("content", ""))])

    def _of_pairs(self, found: Iterable[tuple[str, str]]) -> None:
        for name, value in found:
            if _SECRET_PARAMETER.search(name):
                self._add(name, value)

    def _add(self, name: str, value: str) -> None:
        if re.search("pass|pwd|api.?key", name, re.IGNORECASE):
            self._add_key(value)
        elif len(value) <= _LONGEST_SECRET:
            self.others.add(value)

    def _add_key(self, value: str) -> None:
        if value and len(value) <= _LONGEST_SECRET:
            self.keys.add(value)


class HarRedactor:
    """Removes the secrets of a HAR file from its messages.

    Attributes:
        some_are_ordinary: Whether an API key or a password is short or an ordinary word. It is redacted only
            where a secret is expected: in headers and URLs, and in fields such as ``token``.
    """

    def __init__(self, secrets: set[str], *, some_are_ordinary: bool) -> None:
        self.some_are_ordinary = some_are_ordinary
        self._redactor = Redactor(*sorted(secrets))

    def url(self, url: str) -> str:
        """Return a URL without secrets and query values."""
        return self._redactor.url(url)

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        return _AFTER_SCHEME.sub(rf"\1\2{REDACTED}", self._redactor.text(text))

    def header(self, value: str) -> str:
        """Return the value of a header without secrets. It may be a relative URL with a signature."""
        return _without_relative_query(self.text(value))

    def body(self, text: str, longest: int) -> str:
        """Return a body without secrets: those that were collected, and those in fields of a secret's name.

        Text that is not JSON is cut after ``longest`` characters.
        """
        document = parse_json(text)
        if isinstance(document, dict | list):
            redacted = _redacted(document)
            if redacted != document:
                text = json.dumps(redacted, ensure_ascii=False)
        body = _AFTER_SCHEME.sub(rf"\1\2{REDACTED}", self._redactor.json_text(text))
        return body if document is not None else body[:longest]

    def head(self, head: bytes) -> bytes:
        """Return the first bytes of a file; those of a text without secrets."""
        text = head.decode("latin-1")
        return self.text(text).encode("latin-1", "replace")[: len(head)]


def pairs(found: Any) -> Iterator[tuple[str, str]]:
    """Yield the names and values of a list of HAR, such as ``headers``; ignore entries of another form."""
    for one in found if isinstance(found, list) else ():
        if isinstance(one, dict) and isinstance(one.get("name"), str) and isinstance(one.get("value"), str):
            yield one["name"], one["value"]


def _redacted(value: Any) -> Any:
    """Return a JSON value without the strings in fields of a secret's name, and without query values."""
    if isinstance(value, dict):
        return {
            name: REDACTED if isinstance(part, str) and part and _is_secret(name) else _redacted(part)
            for name, part in value.items()
        }
    if isinstance(value, list):
        return [_redacted(part) for part in value]
    return _without_relative_query(value) if isinstance(value, str) else value


def _without_relative_query(text: str) -> str:
    relative = "://" not in text.partition("?")[0] and _RELATIVE_URL.fullmatch(text)
    return redact_url(text) if relative else text


@lru_cache(maxsize=4096)
def _is_secret(name: str) -> bool:
    return _SECRET_FIELD.search(name) is not None


def _is_ordinary(secret: str) -> bool:
    return len(secret) < SHORTEST_SECRET or secret.lower() in _vocabulary()


@cache
def _vocabulary() -> str:
    """Return texts of the API. A secret that is a part of them, such as "completed", is an ordinary word."""
    return json.dumps([example.content for example in library.examples("positive")]).lower()


def _unescaped(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text).decode()
    except ValueError:
        return ""
