"""The journal on its page: each request, what of it breaks the contract, and what was created twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from netmind_contracts import library
from netmind_mock.control.dashboard.views import PAGE_LENGTH, moment, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from netmind_mock.fake import Fake
    from netmind_mock.journal.entries import Entry

_MAX_VIOLATIONS = 5
# The schema of a successful response, by operation.
_RESPONSES = {
    "create": "generation-fields",
    "get": "generation-fields",
    "list": "generation-list",
    "delete": "deleted",
}


class Violation(NamedTuple):
    """A violation of the contract: in which message, where, which rule, the expected and the actual value."""

    message: str
    where: str
    rule: str
    expected: str
    actual: str


class ShownRequest(NamedTuple):
    """A request in the table."""

    number: int
    at: str
    operation: str
    method: str
    path: str
    status: str
    milliseconds: str
    job_id: str
    fault: str
    broken: list[Violation]
    same_as: int
    body: str
    response: str


class Requests(NamedTuple):
    """A page of the journal, newest first; ``before`` is the last one's number, if there are more."""

    asked: list[ShownRequest]
    matching: int
    dropped: int
    before: int


def requests_of(fake: Fake, query: Mapping[str, str]) -> Requests:
    """The requests that fit ``operation``, ``status`` (such as 4 for 4xx) and ``text``, before ``before``."""
    operation = query.get("operation") or None
    everything = fake.journal.entries(operation=operation)
    same = _duplicates(everything)
    fitting = [entry for entry in reversed(everything) if _fits(entry, query)]
    before = query.get("before", "")
    if before.isdecimal():
        fitting = [entry for entry in fitting if entry.number < int(before)]
    page = fitting[:PAGE_LENGTH]
    return Requests(
        [_asked(entry, same.get(entry.number, 0)) for entry in page],
        len(fitting),
        fake.journal.dropped(),
        page[-1].number if len(fitting) > PAGE_LENGTH else 0,
    )


def _fits(entry: Entry, query: Mapping[str, str]) -> bool:
    status, text = query.get("status", ""), query.get("text", "").lower()
    if status and not str(entry.status).startswith(status):
        return False
    return not text or text in f"{entry.path} {entry.body} {entry.response} {entry.fault}".lower()


def _duplicates(entries: Iterable[Entry]) -> dict[int, int]:
    """Creates of an account that ask for what an earlier one did, and the number of that one."""
    first: dict[tuple[str | None, str], int] = {}
    same = {}
    for entry in entries:
        if not entry.created:
            continue
        earlier = first.setdefault((entry.user_id, entry.body), entry.number)
        if earlier != entry.number:
            same[entry.number] = earlier
    return same


def _asked(entry: Entry, same_as: int) -> ShownRequest:
    return ShownRequest(
        entry.number,
        moment(entry.at),
        entry.operation,
        entry.method,
        shortened(entry.path),
        str(entry.status) if entry.arrived else f"{entry.status}, not received",
        f"{entry.seconds * 1000:.1f}",
        entry.job_id,
        entry.fault,
        list(_broken(entry)),
        same_as,
        entry.body,
        entry.response,
    )


def _broken(entry: Entry) -> Iterable[Violation]:
    """What of the request and of a successful response violates its schema."""
    if entry.operation == "create":
        yield from _violations("request", "create-request", entry.json)
    schema = _RESPONSES.get(entry.operation)
    if schema is not None and 200 <= entry.status < 300 and entry.method != "HEAD":
        yield from _violations("response", schema, entry.response_json)


def _violations(message: str, schema: str, document: Any) -> Iterable[Violation]:
    for one in library.violations(schema, document)[:_MAX_VIOLATIONS]:
        yield Violation(message, one.where, one.rule, one.expected, one.actual)
