"""What was asked for on one account, as a value that a store can keep. Pure.

Nothing in it is checked again when it is read: it was checked when it was asked for.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct, field

from netmind_mock.simulation.faults import Fault
from netmind_mock.simulation.rules import Rule
from netmind_mock.simulation.scenarios import Scenario
from netmind_mock.validation import InvalidInput

MAX_BYTES = 256 * 1024


class QueuedScenario(Struct, frozen=True, array_like=True):
    """A scenario for the next creates.

    Attributes:
        order: The scenario.
        where: Where the test asked for it; empty if that is not known.
        times: For how many creates it still is.
    """

    scenario: Scenario
    where: str = ""
    times: int = 1


class ActiveFault(Struct, array_like=True):
    """A fault, where the test asked for it, and how many requests it has counted and was applied to."""

    fault: Fault
    where: str = ""
    seen: int = 0
    applied: int = 0

    def concerns(self, operation: str, job_id: str) -> bool:
        """Return whether this request counts for it."""
        fault = self.fault
        if fault.operation != operation or (fault.job is not None and fault.job != job_id):
            return False
        return fault.times is None or self.applied < fault.times

    def applies(self, seed: int, operation: str, job_id: str) -> bool:
        """Return whether it is applied to this request, which counts."""
        if not self.concerns(operation, job_id):
            return False
        self.seen += 1
        if not self.fault.applies(seed, self.seen - 1):
            return False
        self.applied += 1
        return True


class Account(Struct):
    """What was asked for on one account, or on all of them.

    Attributes:
        next_jobs: Scenarios for the next creates.
        rules: Scenarios for the jobs that they match; the first that matches counts.
        otherwise: The scenario of jobs that nothing else was asked for.
        faults: In the order in which they were asked for.
        numbered: How many faults were asked for.
    """

    next_jobs: list[QueuedScenario] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    otherwise: Scenario | None = None
    faults: list[ActiveFault] = field(default_factory=list)
    numbered: int = 0

    def take_next_job(self) -> Scenario | None:
        """Return the scenario for the next create, which is used up; None if there is none."""
        if not self.next_jobs:
            return None
        first = self.next_jobs.pop(0)
        if first.times > 1:
            self.next_jobs.insert(0, QueuedScenario(first.scenario, first.where, first.times - 1))
        return first.scenario


packed = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Account)


def unpacked(document: bytes | None) -> Account:
    """Return what ``packed`` packed; an account without anything where nothing is kept."""
    return Account() if document is None else _decoder.decode(document)


def check_size(document: bytes) -> None:
    """Check that there is room for what was asked for.

    Raises:
        InvalidInput: It is more than ``MAX_BYTES``.
    """
    if len(document) > MAX_BYTES:
        raise InvalidInput(
            f"too much is ordered: expected at most {MAX_BYTES // 1024} KiB of orders for an account; "
            "clear the faults and rules that are no longer needed, or reset"
        )
