"""Find what a run shows and a profile cannot express, with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netmind_contracts.learn.facts import all_facts, passed_words, refused_as
from netmind_contracts.runs.exchange import Operation, path_of
from netmind_contracts.runs.histories import KNOWN_FIELDS, ON_THE_WAY, Histories

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netmind_contracts.runs.exchange import Run

_PAGING = ("next", "next_page", "next_cursor", "cursor", "has_more", "page", "total_pages")


def omissions(run: Run) -> Iterator[str]:
    """Yield sentences: what was observed and is not in the profile, and why."""
    histories = Histories(run)
    yield from _of_values(histories)
    yield from _of_refusals(histories)
    yield from _of_statuses(histories)
    yield from _of_fields(histories)
    links = [entry["url"] for _, _, entry in histories.results if isinstance(entry.get("url"), str)]
    if links and "result.url_path" not in all_facts(histories, is_toml=True):
        path = path_of(links[0])
        yield f"result.url_path: the fake cannot serve {path}; it needs a fixed first part and the file id."
    for observation in histories.lists[:1]:
        paging = [name for name in _PAGING if observation.field(name) is not None]
        if paging:
            yield f"list: it has pages ({', '.join(paging)}); a profile's list has none."


def _of_values(histories: Histories) -> Iterator[str]:
    for key, value in all_facts(histories, is_toml=False).items():
        if value is not None:
            yield f"{key}: its value has a null, a number of over 64 bits or half a character, unlike TOML."


def _of_refusals(histories: Histories) -> Iterator[str]:
    seen: set[str] = set()
    for observation in histories.api:
        key = refused_as(observation.exchange)
        if (
            key
            and key not in seen
            and observation.status >= 400
            and not isinstance(observation.document, dict)
        ):
            response = observation.exchange.response
            kind = response.headers.get("content-type", "") if response else ""
            yield f"errors.{key}: its body is not a JSON object ({kind or 'without a content type'})."
            seen.add(key)


def _of_statuses(histories: Histories) -> Iterator[str]:
    passed = passed_words(histories)
    if len(passed) > len(ON_THE_WAY):
        yield f"statuses.words: {', '.join(passed)}: a profile has at most 3 statuses before the end."
    statuses = {
        operation: sorted({one.status for one in histories.of(operation) if one.succeeded})
        for operation in (Operation.CREATE, Operation.GET, Operation.LIST, Operation.DELETE)
    }
    if len({status for found in statuses.values() for status in found}) > 1:
        shown = ", ".join(
            f"{operation} {' or '.join(map(str, found))}" for operation, found in statuses.items() if found
        )
        yield f"success.status: {shown}: a profile has one status for all successes."


def _of_fields(histories: Histories) -> Iterator[str]:
    for name in sorted({name for one in histories.responses for name in one.document} - KNOWN_FIELDS):
        values = [one.document[name] for one in histories.responses if name in one.document]
        if any(value != values[-1] for value in values):
            yield f"fields.extra: {name} changes between responses; the profile has its last value."
