"""The values of the journal page: requests, violations of the API contract, and repeated creates."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from netmind_contracts import library
from netmind_mock.control.dashboard.views import PAGE_LENGTH, moment, shortened
from netmind_mock.journal.spend import spend

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
    """A violation of the contract: the message, the place in it, the rule, the expected and actual value."""

    message: str
    where: str
    rule: str
    expected: str
    actual: str


class ShownRequest(NamedTuple):
    """A row of the table of requests.

    Attributes:
        same_as: The number of the account's earlier create that this one repeats; 0 if it is no repeat.
        billed_twice: Whether the response to the earlier one was lost, as ``spend`` reports.
    """

    number: int
    at: str
    operation: str
    method: str
    path: str
    status: str
    milliseconds: str
    job_id: str
    fault: str
    violations: list[Violation]
    same_as: int
    billed_twice: bool
    body: str
    response: str


class Requests(NamedTuple):
    """A page of the journal, newest first.

    Attributes:
        shown: The requests on this page.
        matching: The number of requests that match the filters, from this page on.
        dropped: The number of requests that the journal dropped because it was full.
        before: The number of the last request on this page if more follow; otherwise 0.
    """

    shown: list[ShownRequest]
    matching: int
    dropped: int
    before: int


def requests_of(fake: Fake, query: Mapping[str, str]) -> Requests:
    """Return a page of the requests that match a query.

    Args:
        fake: The fake whose journal it is.
        query: The filters ``operation``, ``status`` (``4`` for 4xx) and ``text``. With ``before``, only
            requests with a lower number.
    """
    operation = query.get("operation") or None
    entries = fake.journal.entries(operation=operation)
    same_as = _duplicates(entries)
    billed_twice = _billed_twice(fake, entries)
    same_as |= billed_twice
    matching = [entry for entry in reversed(entries) if _matches(entry, query)]
    before = query.get("before", "")
    if before.isdecimal():
        matching = [entry for entry in matching if entry.number < int(before)]
    page = matching[:PAGE_LENGTH]
    return Requests(
        [_shown(entry, same_as.get(entry.number, 0), entry.number in billed_twice) for entry in page],
        len(matching),
        fake.journal.dropped(),
        page[-1].number if len(matching) > PAGE_LENGTH else 0,
    )


def _matches(entry: Entry, query: Mapping[str, str]) -> bool:
    status, text = query.get("status", ""), query.get("text", "").lower()
    if status and not str(entry.status).startswith(status):
        return False
    return not text or text in f"{entry.path} {entry.body} {entry.response} {entry.fault}".lower()


def _duplicates(entries: Iterable[Entry]) -> dict[int, int]:
    """Return the creates that repeat an earlier one of their account: their numbers, with the first one's."""
    first: dict[tuple[str | None, str], int] = {}
    same_as = {}
    for entry in entries:
        if not entry.created:
            continue
        earlier = first.setdefault((entry.user_id, entry.body), entry.number)
        if earlier != entry.number:
            same_as[entry.number] = earlier
    return same_as


def _billed_twice(fake: Fake, entries: Iterable[Entry]) -> dict[int, int]:
    """Return the creates that ``spend`` reports as billed twice: their numbers, with the first one's.

    A create that repeats one whose response was received is not among them: the client may want two results.
    """
    creates: dict[str | None, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.operation == "create":
            creates[entry.user_id].append(entry)
    spends = [spend(of_account, fake.prices, sure=fake.knows_losses) for of_account in creates.values()]
    return {twice.again: twice.first for one in spends for twice in one.twice}


def _shown(entry: Entry, same_as: int, billed_twice: bool) -> ShownRequest:
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
        list(_violations_of(entry)),
        same_as,
        billed_twice,
        entry.body,
        entry.response,
    )


def _violations_of(entry: Entry) -> Iterable[Violation]:
    """Yield the violations of the request's schema, and of a successful response's schema."""
    if entry.operation == "create":
        yield from _violations("request", "create-request", entry.json)
    schema = _RESPONSES.get(entry.operation)
    if schema is not None and 200 <= entry.status < 300 and entry.method != "HEAD":
        yield from _violations("response", schema, entry.response_json)


def _violations(message: str, schema: str, document: Any) -> Iterable[Violation]:
    for one in library.violations(schema, document)[:_MAX_VIOLATIONS]:
        yield Violation(message, one.where, one.rule, one.expected, one.actual)
