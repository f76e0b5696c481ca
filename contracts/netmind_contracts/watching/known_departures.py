"""Known departures: claims that an endpoint is known to contradict, so that this is no news.

They are a TOML file with a table ``[[departure]]`` for each. Its keys are ``claim``, ``reason``, ``since``
(the first day) and, if it is known, ``until`` (the last day).
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from datetime import date
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from netmind_contracts.checks import Outcome, Verdict
from netmind_contracts.claims import load_claims
from netmind_contracts.runs.exchange import InvalidRun

if TYPE_CHECKING:
    from pathlib import Path

    from netmind_contracts.runs.exchange import Run

_KEYS = ("claim", "reason", "since", "until")
_CONTRADICTED = (Outcome.FAILED, Outcome.DIFFERS, Outcome.LEARNED)


@dataclass(frozen=True, slots=True)
class KnownDeparture:
    """A claim that an endpoint is known to contradict.

    Attributes:
        claim: The id of the claim.
        reason: Why it is accepted, for people.
        since: The first day, as ``YYYY-MM-DD``.
        until: The last day; empty if it is not known.
    """

    claim: str
    reason: str
    since: str
    until: str = ""

    @property
    def dates(self) -> str:
        """The days, in words."""
        return f"since {self.since}" + (f" until {self.until}" if self.until else "")


def load_known(file: Path) -> tuple[KnownDeparture, ...]:
    """Read known departures.

    Raises:
        InvalidRun: The file cannot be read, or is not valid. The message says where and why.
    """
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InvalidRun(f"{file}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InvalidRun(f"{file}: expected TOML: {error}") from None
    tables = document.pop("departure", [])
    if document or not isinstance(tables, list):
        raise InvalidRun(f"{file}: expected only tables [[departure]], each with {', '.join(_KEYS)}")
    return tuple(_departure(table, f"{file}: departure {number}") for number, table in enumerate(tables, 1))


def apply_known(
    run: Run, verdicts: tuple[Verdict, ...], departures: tuple[KnownDeparture, ...]
) -> tuple[Run, tuple[Verdict, ...]]:
    """Mark the known departures among the verdicts. Add a note to the run for each that no longer applies."""
    day, notes = run.started[:10], []
    marked = {verdict.claim.id: verdict for verdict in verdicts}
    for departure in departures:
        verdict = marked[departure.claim]
        known = f"The departure from {departure.claim} that is known {departure.dates}"
        if verdict.outcome in _CONTRADICTED and departure.since <= day <= (departure.until or day):
            reason = f"known {departure.dates}: {departure.reason}"
            marked[departure.claim] = replace(verdict, outcome=Outcome.KNOWN, reason=reason)
        elif verdict.outcome in _CONTRADICTED:
            notes.append(f"{known} does not apply to {day}: check it again, and change its dates.")
        elif verdict.outcome is Outcome.PASSED:
            notes.append(f"{known} no longer occurs: remove it from the known departures.")
    return replace(run, notes=(*run.notes, *notes)), tuple(marked.values())


def _departure(table: Any, label: str) -> KnownDeparture:
    if not isinstance(table, dict):
        raise InvalidRun(f"{label}: expected a table with {', '.join(_KEYS)}")
    if unknown := sorted(set(table) - set(_KEYS)):
        raise InvalidRun(f"{label}: unknown key {unknown[0]}; expected {', '.join(_KEYS)}")
    for key in _KEYS[:2]:
        if not isinstance(table.get(key), str) or not table[key].strip():
            raise InvalidRun(f"{label}: {key}: expected a text that is not empty")
    ids = [claim.id for claim in load_claims()]
    if table["claim"] not in ids:
        near = get_close_matches(table["claim"], ids, 1)
        advice = f"did you mean {near[0]}?" if near else "netmind-contracts claims lists all"
        raise InvalidRun(f"{label}: claim: there is no claim {table['claim']!r}; {advice}")
    until = _day(table, "until", label) if "until" in table else ""
    departure = KnownDeparture(table["claim"], table["reason"].strip(), _day(table, "since", label), until)
    if until and until < departure.since:
        raise InvalidRun(f"{label}: until: expected {departure.since} or later, got {until}")
    return departure


def _day(table: dict[str, Any], key: str, label: str) -> str:
    value = table.get(key)
    try:
        day = value if isinstance(value, date) else date.fromisoformat(str(value))
        return day.isoformat()[:10]
    except ValueError:
        raise InvalidRun(f"{label}: {key}: expected a date such as 2026-11-24") from None
