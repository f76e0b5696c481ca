"""Compute what the jobs would have cost, and which of them were billed twice.

NetMind's prices are not included. You configure the prices; by default each create costs 1.
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

# Kinds of faults that delay a response. A client with a shorter timeout does not receive it.
_LATE = ("delay", "dribble")


@dataclass(frozen=True, slots=True)
class Prices:
    """What a create costs, in any currency.

    Attributes:
        by_model: The price of each model.
        default: The price of all other models.
    """

    by_model: Mapping[str, float] = field(default_factory=dict)
    default: float = 1.0

    def of(self, model: str | None) -> float:
        """Return what a create of this model costs."""
        return self.by_model.get(model or "", self.default)


@dataclass(frozen=True, slots=True)
class DoubleBilling:
    """A job that was billed twice: the response to its create was lost, and the client sent the create again.

    Attributes:
        model: The model; None if the request had none.
        first: The number of the create whose response was lost.
        again: The number of the create that repeated it.
        first_job: The job of the first create.
        again_job: The job of the second create.
        fault: Why the response was lost: the fault, or that the client's timeout was over.
    """

    model: str | None
    first: int
    again: int
    first_job: str
    again_job: str
    fault: str

    def __str__(self) -> str:
        return (
            f"request {self.again} created {self.model} again ({self.again_job}): the response to "
            f"request {self.first} was lost ({self.fault}), but its job {self.first_job} exists and is billed"
        )


@dataclass(frozen=True, slots=True)
class Spend:
    """What the created jobs cost.

    Attributes:
        total: The sum, in the currency of the prices.
        creates: How many jobs were created.
        by_model: The sum for each model.
        twice: The jobs that were billed twice.
        dropped: How many entries the journal has dropped. Creates may be among them, and are missing here.
    """

    total: float
    creates: int
    by_model: Mapping[str, float]
    twice: tuple[DoubleBilling, ...]
    dropped: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON, as in the control API."""
        return asdict(self)


def spend_from_json(document: Mapping[str, Any]) -> Spend:
    """Return the spend of a control API response."""
    return Spend(**{**document, "twice": tuple(DoubleBilling(**one) for one in document["twice"])})


def spend(creates: Sequence[Entry], prices: Prices, *, dropped: int = 0, sure: bool = False) -> Spend:
    """Return what some creates cost. It is assumed that failed and deleted jobs cost as much as others.

    Args:
        creates: The creates, oldest first.
        prices: What each costs.
        dropped: How many entries the journal has dropped.
        sure: Whether it is known which responses were received, as in process. Over a socket it is not: the
            client may have given up before a late response was sent.
    """
    paid = [entry for entry in creates if entry.created]
    by_model: dict[str, float] = {}
    for entry in paid:
        model = entry.model or ""
        by_model[model] = by_model.get(model, 0.0) + prices.of(model)
    return Spend(sum(by_model.values()), len(paid), by_model, tuple(_twice(paid, sure=sure)), dropped)


def _twice(paid: Sequence[Entry], *, sure: bool) -> Iterator[DoubleBilling]:
    """Yield the creates that repeat a create whose response was lost.

    Each lost response accounts for one repetition: equal creates may also be sent on purpose.
    """
    lost: list[Entry] = []
    for entry in paid:
        first = next((one for one in lost if one.user_id == entry.user_id and same_request(one, entry)), None)
        if first is not None:
            lost.remove(first)
            why = first.fault or "its client's timeout was over"
            yield DoubleBilling(entry.model, first.number, entry.number, first.job_id, entry.job_id, why)
        if _is_lost(entry, sure=sure):
            lost.append(entry)


def _is_lost(entry: Entry, *, sure: bool) -> bool:
    """Return whether the client may not know about the job of this create."""
    late = not sure and entry.fault_kind in _LATE
    return not entry.arrived or entry.job_id not in entry.response or late


def prices_from(file: Path) -> Prices:
    """Return the prices of a TOML file: a table ``[prices]`` by model, and ``default``.

    Raises:
        InvalidFile: It cannot be read, or a key or price is not valid.
    """
    content = read_toml(file)
    default = checked(file, "default", content.pop("default", 1.0), amount)
    table = content.pop("prices", {})
    for key in content:
        raise InvalidFile(f"{file}: {key}: no such key; expected default or prices")
    if not isinstance(table, dict):
        raise InvalidFile(f"{file}: prices: expected a table [prices], got {type(table).__name__}")
    by_model = {model: checked(file, f"prices.{model}", price, amount) for model, price in table.items()}
    return Prices(by_model, default)
