"""Checks of what is refused, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netmind_contracts import library
from netmind_contracts.checks.registry import Finding, actual_of, check, finding
from netmind_contracts.runs.exchange import Authorization, Operation
from netmind_contracts.runs.histories import Histories, requested
from netmind_contracts.runs.known import UNKNOWN_MODEL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netmind_contracts.runs.histories import Observation


def _taken(claim: str, form: Authorization) -> None:
    @check(claim, f"request with the {form} token")
    def looks(seen: Histories) -> Iterator[Finding]:
        for one in seen.all:
            request = one.exchange.request
            if request.authorization is form and request.operation is Operation.LIST and one.status:
                taken = one.status not in (401, 403)
                yield finding(taken, one, f"the {form} token to be taken", actual_of(one))


_taken("auth.bare-token", Authorization.BARE)
_taken("auth.bearer-token", Authorization.BEARER)


@check("error.token", "request with a missing or a wrong token")
def bad_tokens_are_401(seen: Histories) -> Iterator[Finding]:
    """A request to the API without a token, or with a wrong one, is refused with 401."""
    for one in seen.api:
        form = one.exchange.request.authorization
        if form in (Authorization.NONE, Authorization.WRONG):
            yield finding(one.status == 401, one, f"401 to a token that is {form}", actual_of(one))


@check("unknown-id.404", "request for an unknown generation")
def unknown_ids_are_404(seen: Histories) -> Iterator[Finding]:
    """A generation that was never created is 404, to get and to delete."""
    for one in [*seen.of(Operation.GET), *seen.of(Operation.DELETE)]:
        if seen.run.scope != "recording" and one.exchange.request.generation_id not in seen.jobs:
            holds = one.status == 404 and one.document == {"message": "Generation not found"}
            yield finding(holds, one, '404 {"message": "Generation not found"}', actual_of(one))


@check("error.unknown-model", "create of an unknown model")
def unknown_models_are_400(seen: Histories) -> Iterator[Finding]:
    """An unknown model is refused with 400, and a text that names it."""
    for create, model, _ in seen.creates:
        if model == UNKNOWN_MODEL:
            text = str(create.document)
            holds = create.status == 400 and model in text and "not exists" in text
            yield finding(holds, create, "400 and 'Model name: X not exists'", actual_of(create))


@check("error.model-unavailable", "create that a server error answered")
def unavailable_models_are_500(seen: Histories) -> Iterator[Finding]:
    """A create that fails for want of the model is 500, Service is unavailable."""
    for create, _, _ in seen.creates:
        if create.status >= 500:
            holds = create.status == 500 and "Service is unavailable" in str(create.document)
            yield finding(holds, create, "500 and 'Service is unavailable'", actual_of(create))


@check("error.unknown-route", "request for an unknown route")
def unknown_routes_are_403(seen: Histories) -> Iterator[Finding]:
    """What no route answers is refused by the gateway."""
    for one in seen.api:
        request = one.exchange.request
        if request.method == "GET" and request.operation is Operation.OTHER:
            holds = one.status == 403 and one.document == {"message": "Invalid API key"}
            yield finding(holds, one, '403 {"message": "Invalid API key"}', actual_of(one))


@check("error.platform", "answer of 404 or 422")
def refusals_are_formed_alike(seen: Histories) -> Iterator[Finding]:
    """A 404 holds a message or a detail, a 422 the FastAPI style detail."""
    for one in seen.api:
        if one.status == 404:
            formed = not library.violations("error", one.document)
            yield finding(formed, one, "a message or a detail", actual_of(one))
        elif one.status == 422:
            yield finding(_is_fastapi_style(one), one, "a list of {loc, msg, type}", actual_of(one))


def _is_fastapi_style(one: Observation) -> bool:
    return isinstance(one.field("detail"), list) and not library.violations("error", one.document)


def _posts(seen: Histories) -> Iterator[Observation]:
    """Create requests with a token that are no valid ones."""
    for one in seen.of(Operation.CREATE):
        if requested(one.exchange) is None:
            yield one


def _is_json(one: Observation) -> bool:
    return one.exchange.request.content_type.startswith("application/json")


@check("error.invalid-body", "create with an invalid body")
def invalid_bodies_are_422(seen: Histories) -> Iterator[Finding]:
    """A body that is no create request is refused with 422, FastAPI style."""
    for one in _posts(seen):
        if _is_json(one) and not one.exchange.request.padding:
            holds = one.status == 422 and _is_fastapi_style(one)
            yield finding(holds, one, "422, FastAPI style", actual_of(one))


@check("error.content-type", "create with another content type")
def other_content_types_are_415(seen: Histories) -> Iterator[Finding]:
    """Another content type than JSON is refused with 415."""
    for one in _posts(seen):
        if not _is_json(one):
            yield finding(one.status == 415, one, "415", actual_of(one))


@check("error.too-large", "create with a body of over 10 MiB")
def large_bodies_are_413(seen: Histories) -> Iterator[Finding]:
    """A body over the limit is refused with 413."""
    for one in _posts(seen):
        if one.exchange.request.padding:
            yield finding(one.status == 413, one, "413", actual_of(one))


@check("error.wrong-method", "request with a wrong method")
def wrong_methods_are_405(seen: Histories) -> Iterator[Finding]:
    """A method that a route does not have is refused with 405."""
    for one in seen.api:
        if one.exchange.request.method in ("PUT", "PATCH") and one.status:
            yield finding(one.status == 405, one, "405", actual_of(one))


@check("create.rate-limit", "create")
def creates_are_not_limited(seen: Histories) -> Iterator[Finding]:
    """No create is answered 429."""
    for create, _, _ in seen.creates:
        wait = create.exchange.response.headers.get("retry-after") if create.exchange.response else None
        yield finding(create.status != 429, create, "no rate limit", f"429, Retry-After {wait}")
