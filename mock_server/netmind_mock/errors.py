"""Refusals: what can be wrong with a request, and the hint for whoever sent it.

The status and the body of a refusal are the API's, so they are facts of the profile, under ``errors`` and
the refusal's key. The hint is the fake's own: the header ``X-Mock-Hint`` says what was wrong and where to
read on. To add a refusal, write a class here, and put its status and body into
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
    """Return the words that HTTP has for a status, such as ``Not Found``; ``Status 599`` if it has none."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"


class RefusedRequest(Exception):
    """A request that is refused.

    Attributes:
        key: The profile's name for it, under ``errors``: the class's name in lower case with underscores.
        hint: What was wrong, and what to do; it may hold placeholders of the facts.
        facts: What the hint and the profile's body may quote, such as ``{model}``.
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

    hint = "no token came: send Authorization: Bearer TOKEN, or the bare token"


class BadToken(RefusedRequest):
    """An API key that is not accepted."""

    hint = (
        "this token is not accepted: it is one word, bare or after Bearer, and one of --api-key where the "
        "server was given any"
    )


class UnknownGeneration(RefusedRequest):
    """No such job on this account, or it was deleted."""

    hint = (
        "no such generation on this token's account: each token is an account of its own, and what was "
        "deleted, reset or evicted is gone"
    )


class UnknownModel(RefusedRequest):
    """A model that is not in the catalogue, where such models are refused. Facts: ``model``."""

    hint = "the model {model} is not in the catalogue (netmind-mock models), and --strict-models refuses such"


class ModelUnavailable(RefusedRequest):
    """A model that the profile lists as unavailable. Facts: ``model``."""

    hint = "the profile lists the model {model} as unavailable"


class UnknownRoute(RefusedRequest):
    """A path that does not exist."""

    hint = (
        "nothing is here: the API has /v1/generation and /v1/generation/ID; /__mock/openapi.json describes "
        "how to steer the fake"
    )


class WrongMethod(RefusedRequest):
    """A method that a known path does not take. Facts: ``allowed``, a list of methods."""

    hint = "this path takes {allowed}"


class BodyTooLarge(RefusedRequest):
    """A body over the limit. Facts: ``limit`` in bytes."""

    hint = "the body is over {limit} bytes"


class WrongContentType(RefusedRequest):
    """A body that is not plain JSON. Facts: ``expected``, ``came``."""

    hint = "expected {expected}, got {actual}"


class InvalidBody(RefusedRequest):
    """A body that is not a create request. Facts: ``detail``, a list of {loc, msg, type}."""

    hint = "the body is not a create request"

    def hint_line(self) -> str:
        """Return the first things that are wrong with the body, as a header's value."""
        return hint_line("; ".join(_detail(one) for one in self.facts["detail"][:3]) or self.hint)


class UnknownFile(RefusedRequest):
    """No such result file, or its job is not completed."""

    hint = (
        "no such result file, or its job is not completed, or was deleted: take the url from the generation "
        "as it is now"
    )


class ExpiredLink(RefusedRequest):
    """A link to a result file that has expired."""

    hint = "this link was ordered to expire: get the generation again for a fresh one"


def hint_line(text: str, page: str = "docs/mock_server.md") -> str:
    """Return a hint as a header's value: one line of printable ASCII, since a request is hostile text.

    Args:
        text: What was wrong, and what to do.
        page: Where to read on.
    """
    shown = "".join(character if 32 <= ord(character) < 127 else "?" for character in text)
    return f"{shown[:_SHOWN_CHARACTERS]} (read {page})"


def _detail(detail: dict[str, object]) -> str:
    place = detail["loc"]
    where = ".".join(map(str, place)) if isinstance(place, list) else str(place)
    if detail.get("type") == "json_invalid":
        where = where.replace(".", ", character ", 1)
    return f"{where}: {detail['msg']}"
