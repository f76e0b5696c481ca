"""The configuration of one account, as a value that a store keeps as JSON.

It is validated when it is configured, and not again when it is read.
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
    """A scenario that waits for the next jobs.

    Attributes:
        scenario: The scenario.
        where: The line of the test that queued it; empty if unknown.
        times: How many more jobs get it.
    """

    scenario: Scenario
    where: str = ""
    times: int = 1


class ActiveFault(Struct, array_like=True):
    """A fault, and how often it was applied.

    Attributes:
        fault: The fault.
        where: The line of the test that added it; empty if unknown.
        seen: How many requests matched it so far.
        applied: To how many of them it was applied.
    """

    fault: Fault
    where: str = ""
    seen: int = 0
    applied: int = 0

    def matches(self, operation: str, job_id: str) -> bool:
        """Return whether a request matches the fault, and the fault may still be applied."""
        fault = self.fault
        if fault.operation != operation or (fault.job is not None and fault.job != job_id):
            return False
        return fault.times is None or self.applied < fault.times

    def applies(self, seed: int, operation: str, job_id: str) -> bool:
        """Count this request if it matches, and return whether the fault is applied to it."""
        if not self.matches(operation, job_id):
            return False
        self.seen += 1
        if not self.fault.applies(seed, self.seen - 1):
            return False
        self.applied += 1
        return True


class Account(Struct):
    """The configuration of one account, or of all accounts.

    Attributes:
        next_jobs: The queued scenarios, the next one first.
        rules: Scenarios for the jobs that they match. The first matching rule is used.
        otherwise: The scenario of jobs that match no rule; None for the default.
        faults: In the order in which they were added.
        numbered: The number of the fault that was added last; 0 if there was none.
    """

    next_jobs: list[QueuedScenario] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    otherwise: Scenario | None = None
    faults: list[ActiveFault] = field(default_factory=list)
    numbered: int = 0

    def take_next_job(self) -> Scenario | None:
        """Remove the next scenario from the queue and return it, or None if no scenario is queued."""
        if not self.next_jobs:
            return None
        first = self.next_jobs.pop(0)
        if first.times > 1:
            self.next_jobs.insert(0, QueuedScenario(first.scenario, first.where, first.times - 1))
        return first.scenario


packed = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Account)


def unpacked(document: bytes | None) -> Account:
    """Return the configuration that ``packed`` encoded; an empty one for None."""
    return Account() if document is None else _decoder.decode(document)


def check_size(document: bytes) -> None:
    """Check the size of an account's encoded configuration.

    Raises:
        InvalidInput: It is larger than ``MAX_BYTES``.
    """
    if len(document) > MAX_BYTES:
        raise InvalidInput(
            f"too many scenarios, rules and faults: expected at most {MAX_BYTES // 1024} KiB per account; "
            "clear the rules and faults that are no longer needed, or reset the account"
        )
