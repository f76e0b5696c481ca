"""What is kept of what was sent: so much of it, and without the token."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import orjson

from netmind_mock.masking import masking_of

if TYPE_CHECKING:
    from netmind_mock.masking import Masking

# Of one body no more than this is kept; of files nothing is.
MOST_BODY_BYTES: Final = 64 * 1024
# A longer text in a body that is larger is kept as its beginning, its length and its hash.
_LONG_CHARACTERS: Final = 1000
# Of JSON in a body, counted by its commas and brackets.
MOST_VALUES: Final = 100_000
_LARGE_BYTES: Final = 1024 * 1024
_MOST_SPELLED: Final = 8192  # characters in which a token ends that has begun where a text is cut


def is_dense(body: bytes) -> bool:
    """Whether JSON holds so many values that reading it would take dozens of times its bytes.

    A large body is usually images in base64, which are few values. Lists within lists need no commas.
    """
    return len(body) >= MOST_VALUES and sum(map(body.count, (b",", b"[", b"{"))) >= MOST_VALUES


def kept(body: bytes, token: str = "") -> bytes:
    """A request's body as the journal keeps it; where it is cut, without the token, so that no half stays."""
    if len(body) <= MOST_BODY_BYTES:
        return body
    masking = masking_of(token)
    if is_dense(body):
        return _cut(body, masking)
    try:
        return _cut(orjson.dumps(shortened(orjson.loads(body), masking)), masking)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, RecursionError):  # no JSON, or nested too deeply
        return _cut(body, masking)


def _cut(body: bytes, masking: Masking) -> bytes:
    if len(body) <= MOST_BODY_BYTES:
        return body
    beginning = body[: MOST_BODY_BYTES + _MOST_SPELLED].decode("utf-8", "replace")
    return masking.without_token(beginning).encode()[:MOST_BODY_BYTES]


def shortened(value: Any, masking: Masking | None = None) -> Any:
    """JSON in which each long text, such as an image, is its beginning, its length and its hash.

    The beginning is cut after the token was masked, of which half would not be known.
    """
    if isinstance(value, str) and len(value) > _LONG_CHARACTERS:
        digest = hashlib.blake2b(digest_size=8)
        for start in range(0, len(value), _LARGE_BYTES):  # not all at once: it may be ten megabytes
            digest.update(value[start : start + _LARGE_BYTES].encode("utf-8", "replace"))
        beginning = value[:_MOST_SPELLED]
        if masking is not None:
            beginning = masking.without_token(beginning)
        return f"{beginning[:40]}… ({len(value)} characters, {digest.hexdigest()})"
    if isinstance(value, dict):
        return {key: shortened(one, masking) for key, one in value.items()}
    return [shortened(one, masking) for one in value] if isinstance(value, list) else value
