"""What a run would have cost, and what was paid for twice.

Nobody has published what the API charges. The prices are whatever you say; without any, each create costs 1.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from netmind_mock.journal.entries import same_request
from netmind_mock.validation import InvalidFile, amount, checked, read_toml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from netmind_mock.journal.entries import Entry

# Kinds of faults by which a client whose timeout is shorter may lose a response.
_LATE = ("delay", "dribble")


@dataclass(frozen=True, slots=True)
class Prices:
    """What a create costs, by model, in a currency of your own."""

    by_model: Mapping[str, float] = field(default_factory=dict)
    default: float = 1.0

    def of(self, model: str | None) -> float:
        """What a create of this model costs."""
        return self.by_model.get(model or "", self.default)


@dataclass(frozen=True, slots=True)
class Twice:
    """A job that was paid for again: the answer to its create was lost, and the same was created again."""

    model: str | None
    first: int
    again: int
    first_job: str
    again_job: str
    fault: str

    def __str__(self) -> str:
        return (
            f"request {self.again} created {self.model} again (job {self.again_job}): the answer to request "
            f"{self.first} was lost ({self.fault}), but its job {self.first_job} exists and is paid for"
        )


@dataclass(frozen=True, slots=True)
class Spend:
    """What was created, and what it costs.

    Attributes:
        total: The sum, in the currency of the prices.
        creates: How many jobs were created.
        by_model: The sum of each model.
        twice: What was paid for twice.
        dropped: How many requests the journal had no room for, so that creates may be missing here.
    """

    total: float
    creates: int
    by_model: Mapping[str, float]
    twice: tuple[Twice, ...]
    dropped: int = 0

    def as_json(self) -> dict[str, Any]:
        """As the control API has it."""
        return asdict(self)


def spend_from_json(document: Mapping[str, Any]) -> Spend:
    """A spend from the control API's JSON."""
    return Spend(**{**document, "twice": tuple(Twice(**one) for one in document["twice"])})


def spend(creates: Sequence[Entry], prices: Prices, *, dropped: int = 0, sure: bool = False) -> Spend:
    """What these creates cost. That failed and deleted jobs cost as much as others is assumed.

    Args:
        creates: The creates, in their order.
        prices: What each costs.
        dropped: How many requests the journal had no room for, creates maybe among them.
        sure: Whether it is known which answers were received, as it is in process. Elsewhere an answer that
            came late may have been given up.
    """
    paid = [entry for entry in creates if entry.created]
    by_model: dict[str, float] = {}
    for entry in paid:
        model = entry.model or ""
        by_model[model] = by_model.get(model, 0.0) + prices.of(model)
    return Spend(sum(by_model.values()), len(paid), by_model, tuple(_twice(paid, sure=sure)), dropped)


def _twice(paid: Sequence[Entry], *, sure: bool) -> Iterator[Twice]:
    """Creates that repeat one whose answer was lost; each loss explains one repeat."""
    lost: list[Entry] = []
    for entry in paid:
        first = next((one for one in lost if same_request(one, entry)), None)
        if first is not None:
            lost.remove(first)
            why = first.fault or "its client's timeout was over"
            yield Twice(entry.model, first.number, entry.number, first.job_id, entry.job_id, why)
        if _is_lost(entry, sure=sure):
            lost.append(entry)


def _is_lost(entry: Entry, *, sure: bool) -> bool:
    """Whether the client may not have learned of the job."""
    late = not sure and entry.fault_kind in _LATE
    return not entry.arrived or entry.job_id not in entry.response or late


def prices_from(file: Path) -> Prices:
    """Prices from a TOML file: a table ``[prices]`` by model, and ``default``.

    Raises:
        InvalidFile: It holds a mistake.
    """
    content = read_toml(file)
    default = checked(file, "default", content.pop("default", 1.0), amount)
    table = content.pop("prices", {})
    for key in content:
        raise InvalidFile(f"{file}: {key}: no such key; there are default and prices")
    if not isinstance(table, dict):
        raise InvalidFile(f"{file}: prices: expected a table [prices], got {type(table).__name__}")
    by_model = {model: checked(file, f"prices.{model}", price, amount) for model, price in table.items()}
    return Prices(by_model, default)
