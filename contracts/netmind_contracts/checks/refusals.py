"""Checks of rejected requests: which are rejected, and with which status and body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netmind_contracts import library
from netmind_contracts.checks.registry import Finding, actual_of, check, finding, unseen
from netmind_contracts.runs.exchange import Authorization, Operation
from netmind_contracts.runs.histories import Histories, requested
from netmind_contracts.runs.known import UNKNOWN_ID, UNKNOWN_MODEL
from netmind_contracts.runs.responses import is_refused_for_another_reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netmind_contracts.runs.histories import Observation


def _accepted(claim: str, form: Authorization) -> None:
    @check(claim, f"request with the {form} API key")
    def check_form(histories: Histories) -> Iterator[Finding]:
        for operation in (Operation.CREATE, Operation.GET, Operation.LIST, Operation.DELETE):
            observations = [
                observation
                for observation in histories.of(operation)
                if operation in (Operation.CREATE, Operation.LIST)
                or observation.exchange.request.generation_id in histories.jobs
            ]
            # A refusal of every form is one of the account's rights.
            some = any(observation.succeeded for observation in observations)
            for observation in observations:
                if observation.exchange.request.authorization is not form:
                    continue
                refused = observation.status in (401, 403)
                no_right = observation.status == 403 and operation is Operation.CREATE
                if refused and (no_right or not some):
                    yield unseen(observation, actual_of(observation))
                else:
                    expected = f"the {form} API key to be accepted"
                    yield finding(not refused, observation, expected, actual_of(observation))


_accepted("auth.bare-token", Authorization.BARE)
_accepted("auth.bearer-token", Authorization.BEARER)


@check("error.token", "request with a missing or a wrong API key")
def bad_tokens_are_401(histories: Histories) -> Iterator[Finding]:
    """Check that a request without an API key, or with a wrong one, gets a 401."""
    for observation in histories.api:
        form = observation.exchange.request.authorization
        if form in (Authorization.NONE, Authorization.WRONG):
            yield finding(
                observation.status == 401,
                observation,
                f"401 for a {'missing' if form is Authorization.NONE else 'wrong'} API key",
                actual_of(observation),
            )


@check("unknown-id.404", "request for an unknown generation")
def unknown_ids_are_404(histories: Histories) -> Iterator[Finding]:
    """Check that get and delete return 404 for a generation that was never created."""
    for observation in [*histories.of(Operation.GET), *histories.of(Operation.DELETE)]:
        if observation.exchange.request.generation_id == UNKNOWN_ID and not observation.is_unread:
            holds = observation.status == 404 and observation.document == {"message": "Generation not found"}
            yield finding(
                holds, observation, '404 {"message": "Generation not found"}', actual_of(observation)
            )


@check("error.unknown-model", "create of an unknown model")
def unknown_models_are_400(histories: Histories) -> Iterator[Finding]:
    """Check that an unknown model gets a 400 with a text that names it."""
    for create, model, _ in histories.creates:
        if model == UNKNOWN_MODEL and not create.succeeded and is_refused_for_another_reason(create.exchange):
            yield unseen(create, actual_of(create))
        elif model == UNKNOWN_MODEL:
            text = str(create.document)
            holds = create.status == 400 and model in text and "not exists" in text
            yield finding(holds, create, "400 and 'Model name: X not exists'", actual_of(create))


@check("error.model-unavailable", "create that got a server error")
def unavailable_models_are_500(histories: Histories) -> Iterator[Finding]:
    """Check that a create of an unavailable model gets a 500 with 'Service is unavailable'."""
    for create, _, _ in histories.creates:
        if create.status >= 500:
            holds = create.status == 500 and "Service is unavailable" in str(create.document)
            yield finding(holds, create, "500 and 'Service is unavailable'", actual_of(create))


@check("error.unknown-route", "request for an unknown route")
def unknown_routes_are_403(histories: Histories) -> Iterator[Finding]:
    """Check that the gateway rejects a request for an unknown route."""
    for observation in histories.api:
        request = observation.exchange.request
        if request.method == "GET" and request.operation is Operation.OTHER:
            holds = observation.status == 403 and observation.document == {"message": "Invalid API key"}
            yield finding(holds, observation, '403 {"message": "Invalid API key"}', actual_of(observation))


@check("error.platform", "response of 404 or 422")
def refusals_are_formed_alike(histories: Histories) -> Iterator[Finding]:
    """Check that a 404 has a message or a detail, and a 422 the FastAPI-style detail."""
    for observation in histories.api:
        if observation.status == 404:
            formed = not library.violations("error", observation.document)
            yield finding(formed, observation, "a message or a detail", actual_of(observation))
        elif observation.status == 422:
            yield finding(
                _is_fastapi_style(observation),
                observation,
                "a list of {loc, msg, type}",
                actual_of(observation),
            )


def _is_fastapi_style(observation: Observation) -> bool:
    return isinstance(observation.field("detail"), list) and not library.violations(
        "error", observation.document
    )


def _posts(histories: Histories) -> Iterator[Observation]:
    """Yield the invalid create requests that sent an API key and got a response about their content."""
    for observation in histories.of(Operation.CREATE):
        refused = is_refused_for_another_reason(observation.exchange)
        if requested(observation.exchange) is None and not refused and not observation.is_unread:
            yield observation


def _is_json(observation: Observation) -> bool:
    return observation.exchange.request.content_type.startswith("application/json")


@check("error.invalid-body", "create with an invalid body")
def invalid_bodies_are_422(histories: Histories) -> Iterator[Finding]:
    """Check that an invalid body gets a 422 with the FastAPI-style detail."""
    for observation in _posts(histories):
        if _is_json(observation) and not observation.exchange.request.padding:
            holds = observation.status == 422 and _is_fastapi_style(observation)
            yield finding(holds, observation, "422, FastAPI style", actual_of(observation))


@check("error.content-type", "create with another content type")
def other_content_types_are_415(histories: Histories) -> Iterator[Finding]:
    """Check that a content type other than JSON gets a 415."""
    for observation in _posts(histories):
        if not _is_json(observation):
            yield finding(observation.status == 415, observation, "415", actual_of(observation))


@check("error.too-large", "create with a body of over 10 MiB")
def large_bodies_are_413(histories: Histories) -> Iterator[Finding]:
    """Check that a body over the limit gets a 413."""
    for observation in _posts(histories):
        if observation.exchange.request.padding:
            yield finding(observation.status == 413, observation, "413", actual_of(observation))


@check("error.wrong-method", "request with a wrong method")
def wrong_methods_are_405(histories: Histories) -> Iterator[Finding]:
    """Check that a wrong method gets a 405."""
    for observation in histories.api:
        if observation.exchange.request.method in ("PUT", "PATCH") and observation.status:
            yield finding(observation.status == 405, observation, "405", actual_of(observation))


@check("create.rate-limit", "create")
def creates_are_not_limited(histories: Histories) -> Iterator[Finding]:
    """Check that no create gets a 429."""
    for create, _, _ in histories.creates:
        wait = create.exchange.response.headers.get("retry-after") if create.exchange.response else None
        yield finding(create.status != 429, create, "no rate limit", f"429, Retry-After {wait}")
