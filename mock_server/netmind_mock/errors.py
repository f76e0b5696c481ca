"""Refusals: the errors that a request can get, each with a hint.

The status and the body of a refusal are the API's, so they are facts of the profile, under ``errors`` and
the refusal's key. The hint is the fake's own: the header ``X-Mock-Hint`` says what was wrong and which
document explains it. To add a refusal, write a class here, and put its status and body into
``jobs/profiles/documented.toml``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from http import HTTPStatus
from typing import Any, ClassVar, Final

HINT: Final = "X-Mock-Hint"

_SHOWN_CHARACTERS = 300


@lru_cache(maxsize=256)
def phrase_of(status: int) -> str:
    """Return the reason phrase of a status, such as ``Not Found``; for an unknown one, ``Status 599``."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"


class RefusedRequest(Exception):
    """A request that is refused.

    Attributes:
        key: Its name in the profile, under ``errors``: the class's name in lower case with underscores.
        hint: What was wrong, and what to do. It may contain placeholders for the facts.
        facts: Values that the hint and the profile's body may quote, such as ``{model}``.
    """

    key: ClassVar[str]
    hint: ClassVar[str]

    def __init_subclass__(cls) -> None:
        """Register a refusal by its key."""
        cls.key = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        REFUSALS[cls.key] = cls

    def __init__(self, **facts: Any) -> None:
        super().__init__(self.key, facts)
        self.facts = facts

    def hint_line(self) -> str:
        """Return the hint with its facts, as a header's value."""
        text = self.hint
        for name, fact in self.facts.items():
            text = text.replace(f"{{{name}}}", ", ".join(fact) if isinstance(fact, list) else str(fact))
        return hint_line(text)


REFUSALS: Final[dict[str, type[RefusedRequest]]] = {}


class MissingToken(RefusedRequest):
    """No Authorization header, or one without an API key."""

    hint = "no API key was sent: add the header Authorization: Bearer KEY, or Authorization: KEY"


class BadToken(RefusedRequest):
    """An API key that is not accepted."""

    hint = (
        "this API key is not accepted: send one word, bare or after Bearer; if the server was started with "
        "--api-key, send one of those keys"
    )


class UnknownGeneration(RefusedRequest):
    """No such job on this account, or it was deleted."""

    hint = (
        "no such generation in the account of this API key: each API key is a separate account, and "
        "generations that were deleted, reset or evicted no longer exist"
    )


class UnknownModel(RefusedRequest):
    """A model that is not in the catalogue, where such models are refused. Facts: ``model``."""

    hint = (
        "the model {model} is not in the catalogue, and unknown models are refused (--strict-models or the "
        "profile); netmind-mock models lists the catalogue"
    )


class ModelUnavailable(RefusedRequest):
    """A model that the profile lists as unavailable. Facts: ``model``."""

    hint = "the profile lists the model {model} as unavailable; use another model or profile"


class UnknownRoute(RefusedRequest):
    """A path that does not exist."""

    hint = (
        "there is no such path: the API has /v1/generation and /v1/generation/ID; /__mock/openapi.json "
        "describes the control API"
    )


class WrongMethod(RefusedRequest):
    """A method that is not allowed for a known path. Facts: ``allowed``, a list of methods."""

    hint = "this path allows only {allowed}"


class BodyTooLarge(RefusedRequest):
    """A body over the limit. Facts: ``limit`` in bytes."""

    hint = "the body is over the limit of {limit} bytes"


class WrongContentType(RefusedRequest):
    """A body that is not plain JSON. Facts: ``expected``, ``actual``."""

    hint = "expected {expected}, got {actual}: send plain JSON with Content-Type: application/json"


class InvalidBody(RefusedRequest):
    """A body that is not a create request. Facts: ``detail``, a list of {loc, msg, type}."""

    hint = "the body is not a create request"

    def hint_line(self) -> str:
        """Return the first three errors in the body, as a header's value."""
        return hint_line("; ".join(_detail(one) for one in self.facts["detail"][:3]) or self.hint)


class UnknownFile(RefusedRequest):
    """No such result file, or its job is not completed."""

    hint = (
        "no such result file, or its job is not completed or was deleted: get the generation again, and use "
        "the url in it"
    )


class ExpiredLink(RefusedRequest):
    """A link to a result file that has expired."""

    hint = "this link has expired, as configured: get the generation again for a new one"


def hint_line(text: str, page: str = "docs/mock_server.md") -> str:
    """Return a hint as a header's value.

    It is one line of printable ASCII, since the text may quote a hostile request.

    Args:
        text: What was wrong, and what to do.
        page: The document that explains it.
    """
    shown = "".join(character if 32 <= ord(character) < 127 else "?" for character in text)
    return f"{shown[:_SHOWN_CHARACTERS]} (read {page})"


def _detail(detail: dict[str, object]) -> str:
    place = detail["loc"]
    where = ".".join(map(str, place)) if isinstance(place, list) else str(place)
    if detail.get("type") == "json_invalid":
        where = where.replace(".", ", character ", 1)
    return f"{where}: {detail['msg']}"
