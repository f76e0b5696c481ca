"""What can go wrong with a request, in our words. ``wire`` and the profile say how it looks outside.

::

    ApiError
    ├── MissingToken          no Authorization header, or an empty one
    ├── BadToken              a token that is not accepted
    ├── UnknownGeneration     no such job for this tenant, or it is deleted
    ├── UnknownModel          refused with strict models
    ├── ModelUnavailable      the profile lists it as unavailable
    ├── UnknownRoute
    ├── WrongMethod
    ├── BodyTooLarge
    ├── WrongContentType
    ├── InvalidBody           not JSON, or not a create request
    ├── UnknownFile           no such result file, or not yet
    └── ExpiredLink           a link whose time is over
"""

from __future__ import annotations

from typing import Any, ClassVar, Final


class ApiError(Exception):
    """A request that is refused.

    Attributes:
        key: The profile's name for it, under ``errors``.
        facts: What a body of the profile may quote, such as ``{model}``.
    """

    key: ClassVar[str]

    def __init__(self, **facts: Any) -> None:
        super().__init__(self.key, facts)
        self.facts = facts


class MissingToken(ApiError):
    """No Authorization header, or one without a token."""

    key = "missing_token"


class BadToken(ApiError):
    """A token that is not among the accepted ones."""

    key = "bad_token"


class UnknownGeneration(ApiError):
    """No such job for this tenant, or it was deleted."""

    key = "unknown_generation"


class UnknownModel(ApiError):
    """A model that is not in the catalogue, where such models are refused. Facts: ``model``."""

    key = "unknown_model"


class ModelUnavailable(ApiError):
    """A model that the profile lists as unavailable. Facts: ``model``."""

    key = "model_unavailable"


class UnknownRoute(ApiError):
    """A path that nothing answers."""

    key = "unknown_route"


class WrongMethod(ApiError):
    """A method that a known path does not take. Facts: ``allowed``, a list of methods."""

    key = "wrong_method"


class BodyTooLarge(ApiError):
    """A body over the limit. Facts: ``limit`` in bytes."""

    key = "body_too_large"


class WrongContentType(ApiError):
    """A body that is not plain JSON. Facts: ``expected``, ``came``."""

    key = "wrong_content_type"


class InvalidBody(ApiError):
    """A body that is not a create request. Facts: ``detail``, a list of {loc, msg, type}."""

    key = "invalid_body"


class UnknownFile(ApiError):
    """No such result file, or its job is not completed."""

    key = "unknown_file"


class ExpiredLink(ApiError):
    """A link to a result file whose time is over."""

    key = "expired_link"


HINT: Final = "X-Mock-Hint"

_PAGE = "docs/mock_server.md"
_SHOWN_CHARACTERS = 300

_HINTS = {
    "missing_token": "no token came: send Authorization: Bearer TOKEN, or the bare token",
    "bad_token": "this token is not accepted: it is one word, bare or after Bearer, and one of --api-key "
    "where the server was given any",
    "unknown_generation": "no such generation on this token's account: each token is an account of its own, "
    "and what was deleted, reset or evicted is gone",
    "unknown_model": "the model {model} is not in the catalogue (netmind-mock models), "
    "and --strict-models refuses such",
    "model_unavailable": "the profile lists the model {model} as unavailable",
    "unknown_route": "nothing is here: the API has /v1/generation and /v1/generation/ID; "
    "/__mock/openapi.json describes how to steer the fake",
    "wrong_method": "this path takes {allowed}",
    "body_too_large": "the body is over {limit} bytes",
    "wrong_content_type": "expected {expected}, got {came}",
    "unknown_file": "no such result file, or its job is not completed, or was deleted: "
    "take the url from the generation as it is now",
    "expired_link": "this link was ordered to expire: get the generation again for a fresh one",
}


def hint(error: ApiError) -> str:
    """The hint for a refusal."""
    if error.key == "invalid_body":
        return _page("; ".join(_detail(one) for one in error.facts["detail"][:3]))
    text = _HINTS[error.key]
    for name, fact in error.facts.items():
        text = text.replace(f"{{{name}}}", ", ".join(fact) if isinstance(fact, list) else str(fact))
    return _page(text)


def hint_of_fault(fault: object) -> str:
    """The hint on an answer that a fault brought."""
    return _page(f"{fault}, as ordered", "docs/testing.md")


def hint_of_status(name: str) -> str:
    """The hint for a refusal that HTTP itself asks for, such as a range that is not in the file."""
    return _page(f"HTTP refuses this request: {name}")


def hint_of_store(message: str) -> str:
    """The hint on an answer that the store could not give; the API's own 503 is another."""
    return _page(f"{message}; nothing was done", "docs/serving.md")


def hint_of_control(message: str) -> str:
    """The hint on a refusal of the control plane."""
    return _page(message, "docs/control.md")


def _detail(detail: dict[str, object]) -> str:
    place = detail["loc"]
    where = ".".join(map(str, place)) if isinstance(place, list) else str(place)
    if detail.get("type") == "json_invalid":
        where = where.replace(".", ", character ", 1)
    return f"{where}: {detail['msg']}"


def _page(text: str, page: str = _PAGE) -> str:
    """One line of printable ASCII, since what came from a request is hostile text."""
    shown = "".join(character if 32 <= ord(character) < 127 else "?" for character in text)
    return f"{shown[:_SHOWN_CHARACTERS]} (read {page})"
