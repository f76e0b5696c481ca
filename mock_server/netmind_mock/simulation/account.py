"""What was ordered for one tenant, as a value that a store can keep. Pure.

Nothing in it is checked again when it is read: what was ordered was checked when it was.
"""

from __future__ import annotations

import json
import types
from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from netmind_mock.simulation.faults import Fault
from netmind_mock.simulation.rules import Rule
from netmind_mock.simulation.scenarios import Order
from netmind_mock.validation import InvalidOrder

MOST_BYTES = 256 * 1024


class Ordered(NamedTuple):
    """An order for the next creates.

    Attributes:
        order: What becomes of the jobs.
        where: Where it was written; empty if nobody said.
        times: For how many of them it still is.
    """

    order: Order
    where: str = ""
    times: int = 1


@dataclass(slots=True)
class ActiveFault:
    """A fault, where it was written, and how many requests it was asked about and struck."""

    fault: Fault
    where: str = ""
    seen: int = 0
    struck: int = 0

    def concerns(self, operation: str, job_id: str) -> bool:
        """Whether this request counts for it."""
        fault = self.fault
        if fault.operation != operation or (fault.job is not None and fault.job != job_id):
            return False
        return fault.times is None or self.struck < fault.times

    def strikes(self, seed: int, operation: str, job_id: str) -> bool:
        """Whether it strikes this request, which counts."""
        if not self.concerns(operation, job_id):
            return False
        self.seen += 1
        if not self.fault.strikes(seed, self.seen - 1):
            return False
        self.struck += 1
        return True


@dataclass(slots=True)
class Account:
    """What was ordered for one tenant, or for everybody.

    Attributes:
        next_jobs: Orders for the next creates.
        rules: Standing orders; the first that fits counts.
        otherwise: What becomes of jobs that nothing else is ordered for.
        faults: In the order in which they were ordered.
        numbered: How many faults were ordered.
    """

    next_jobs: deque[Ordered] = field(default_factory=deque)
    rules: list[Rule] = field(default_factory=list)
    otherwise: Order | None = None
    faults: list[ActiveFault] = field(default_factory=list)
    numbered: int = 0

    def take_next_job(self) -> Order | None:
        """The order for the next create, which is used up; None if there is none."""
        if not self.next_jobs:
            return None
        order, where, times = self.next_jobs.popleft()
        if times > 1:
            self.next_jobs.appendleft(Ordered(order, where, times - 1))
        return order


def packed(tenant: Account) -> bytes:
    """What ``unpacked`` reads."""
    return json.dumps(
        {
            "next_jobs": [[*_packed_order(order), where, times] for order, where, times in tenant.next_jobs],
            "rules": [[*_packed_order(rule.order), rule.model, rule.prompt] for rule in tenant.rules],
            "otherwise": tenant.otherwise and _packed_order(tenant.otherwise),
            "faults": [[_packed_fault(one.fault), one.where, one.seen, one.struck] for one in tenant.faults],
            "numbered": tenant.numbered,
        },
        separators=(",", ":"),
    ).encode()


def check_size(document: bytes) -> None:
    """Do nothing if there is room for these orders.

    Raises:
        InvalidOrder: They are more than ``MOST_BYTES``.
    """
    if len(document) > MOST_BYTES:
        raise InvalidOrder(
            f"too much is ordered: expected at most {MOST_BYTES // 1024} KiB of orders for an account; "
            "clear the faults and rules that are no longer needed, or reset"
        )


def unpacked(document: bytes | None) -> Account:
    """What was ordered; nothing where nothing is kept."""
    if document is None:
        return Account()
    kept = json.loads(document)
    otherwise = kept["otherwise"]
    return Account(
        deque(Ordered(_order(*order), where, times) for *order, where, times in kept["next_jobs"]),
        [Rule(_order(*order), model, prompt) for *order, model, prompt in kept["rules"]],
        otherwise and _order(*otherwise),
        [ActiveFault(_fault(fault), *rest) for fault, *rest in kept["faults"]],
        kept["numbered"],
    )


def _packed_order(order: Order) -> list[Any]:
    return [order.scenario, dict(order.arguments)]


def _order(scenario: str, arguments: dict[str, Any]) -> Order:
    return Order(scenario, types.MappingProxyType(arguments))


def _packed_fault(fault: Fault) -> list[Any]:
    return [
        fault.number,
        fault.operation,
        fault.kind,
        dict(fault.arguments),
        fault.times,
        fault.skip,
        fault.probability,
        fault.job,
    ]


def _fault(packed: list[Any]) -> Fault:
    number, operation, kind, arguments, *options = packed
    return Fault(number, operation, kind, types.MappingProxyType(arguments), *options)
