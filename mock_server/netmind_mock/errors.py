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

from typing import Any, ClassVar


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
