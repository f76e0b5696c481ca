"""Sentences about what happened in a run: why an endpoint cannot be probed, and what is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netmind_contracts.probing.calls import JobRequest
    from netmind_contracts.runs.exchange import Exchange

_SHOWN_CHARACTERS = 200


def status_of(document: Any) -> str:
    """Return the status of a generation, in words."""
    if not isinstance(document, dict):
        return "without a response"
    return str(document.get("status", "without a status"))


def unknown_outcome(request: JobRequest, actual: str) -> str:
    """Return that a generation may exist: its create got no response."""
    return (
        f"It is not known whether {request.shows} was created (and charged): {actual}. "
        "It was not sent again, and cannot be deleted. Look for it in the list of generations."
    )


def problem_of(exchange: Exchange, document: Any) -> str:
    """Return why an endpoint with this response to list cannot be probed; empty if it can."""
    response = exchange.response
    if response is None:
        return f": {exchange.failure}; check the URL, and that the endpoint is running"
    if response.status in (401, 403):
        body = response.body[:_SHOWN_CHARACTERS] or "empty body"
        check = "check --api-key (NETMIND_API_KEY) and the base URL"
        return f" rejects the API key ({response.status}: {body}); {check}"
    if 300 <= response.status <= 399:
        location = response.headers.get("location", "another URL")
        return f" redirects to {location}, and the API key is not sent there; use that URL if it is correct"
    if response.body.lstrip()[:1] == "<":
        return f" returned HTML ({response.status}) instead of JSON; check the base URL, and proxies"
    if exchange.failed_in_transit:
        return f" returned {response.status} several times; try later"
    if not response.is_success or (response.complete and not _has_a_list(document)):
        body = response.body[:_SHOWN_CHARACTERS] or "empty body"
        return f" returned no list of generations ({response.status}: {body}); check the base URL"
    return ""


def _has_a_list(document: Any) -> bool:
    """Return whether a document is a list or contains one: it may have another name than documented."""
    parts = document.values() if isinstance(document, dict) else [document]
    return any(isinstance(part, list) for part in parts)
