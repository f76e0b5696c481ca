"""What was ordered, and for whom: each tenant has a clock, scenarios and faults of its own.

A tenant is an account of the imitated API. What is ordered for nobody in particular holds for everybody; a
tenant's own orders come first. The imitated routes only ask here.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from netmind_mock.clock import SteerableClock
from netmind_mock.errors import InvalidBody
from netmind_mock.faults import KINDS, Fault, fault_of
from netmind_mock.plans.orders import InvalidOrder
from netmind_mock.plans.scenarios import MOST_ORDER_CHARACTERS, Order, parse
from netmind_mock.rules import Rule, prompt_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netmind_mock.clock import Clock
    from netmind_mock.plans import Request

SCENARIO_HEADER = "X-Mock-Scenario"

_IN_PROMPT = ["body", "config", "prompt"]
_TAG_BEGINS = "[[mock"
_TAG_ENDS = "]]"


class Ordered(NamedTuple):
    """An order, and where it was written; empty if nobody said."""

    order: Order
    where: str = ""


@dataclass(slots=True)
class ActiveFault:
    """A fault, where it was written, and how many requests it was asked about and struck."""

    fault: Fault
    where: str = ""
    seen: int = 0
    struck: int = 0

    def strikes(self, seed: int, operation: str, job_id: str) -> bool:
        """Whether it strikes this request, which counts."""
        fault = self.fault
        if fault.operation != operation or (fault.job is not None and fault.job != job_id):
            return False
        if fault.times is not None and self.struck >= fault.times:
            return False
        self.seen += 1
        if not fault.strikes(seed, self.seen - 1):
            return False
        self.struck += 1
        return True


@dataclass(slots=True)
class Tenant:
    """What was ordered for one tenant, or for everybody.

    Attributes:
        clock: A clock of its own, once it was steered.
        next_jobs: Orders for the next creates, each for one.
        rules: Standing orders; the first that fits counts.
        otherwise: What becomes of jobs that nothing else is ordered for.
        faults: In the order in which they were ordered.
        numbered: How many faults were ordered.
    """

    clock: SteerableClock | None = None
    next_jobs: deque[Ordered] = field(default_factory=deque)
    rules: list[Rule] = field(default_factory=list)
    otherwise: Order | None = None
    faults: list[ActiveFault] = field(default_factory=list)
    numbered: int = 0


class Struck(NamedTuple):
    """A fault that strikes a request, and that request's number among those it was asked about, from 0."""

    fault: Fault
    number: int


class Tenants:
    """All that was ordered. Safe to use from several threads."""

    def __init__(
        self, clock: Clock, *, seed: int = 0, wire: frozenset[str] = frozenset(), rules: tuple[Rule, ...] = ()
    ) -> None:
        """Nothing ordered yet.

        Args:
            clock: The time of whoever has no clock of their own.
            seed: Decides what chance decides.
            wire: The kinds of faults that whatever carries the answers can carry out.
            rules: Standing orders that no reset takes away.
        """
        self._clock = clock
        self.seed = seed
        self._wire = wire
        self._standing = rules
        self._lock = threading.Lock()
        self._own: dict[str, Tenant] = {}
        self._everyone = Tenant()

    def of(self, user_id: str | None) -> Tenant:
        """What was ordered for a tenant, or (None) for everybody, to be added to."""
        if user_id is None:
            return self._everyone
        with self._lock:
            return self._own.setdefault(user_id, Tenant())

    def forget(self, user_id: str | None) -> None:
        """Drop what was ordered for a tenant, or (None) for all of them."""
        with self._lock:
            if user_id is None:
                self._own, self._everyone = {}, Tenant()
            else:
                self._own.pop(user_id, None)

    def clock(self, user_id: str | None) -> Clock:
        """A tenant's clock."""
        own = self._own.get(user_id) if self._own and user_id is not None else None
        return self._clock if own is None or own.clock is None else own.clock

    def steerable(self, user_id: str | None) -> SteerableClock:
        """A tenant's clock, to be steered; it becomes the tenant's own.

        Raises:
            InvalidOrder: The fake was given a clock that cannot be steered.
        """
        before = self.clock(user_id)
        if not isinstance(before, SteerableClock):
            raise InvalidOrder(f"clock: the fake runs on a {type(before).__name__}, which cannot be steered")
        if user_id is None:
            return before
        tenant = self.of(user_id)
        with self._lock:
            if tenant.clock is None:
                tenant.clock = before.copy()
            return tenant.clock

    def take_clock(self, user_id: str | None, clock: SteerableClock) -> None:
        """Let a tenant, or (None) everybody who has no own, go by this clock."""
        if user_id is None:
            self._clock = clock
        else:
            self.of(user_id).clock = clock

    def can_carry(self, kind: str) -> bool:
        """Whether faults of this kind can be carried out."""
        return not KINDS[kind].needs_wire or kind in self._wire

    def check_wire(self, kind: str) -> None:
        """Do nothing if faults of this kind can be carried out.

        Raises:
            InvalidOrder: They cannot.
        """
        if not self.can_carry(kind):
            raise InvalidOrder(
                f"fault {kind}: whatever carries this fake's answers cannot do that; "
                "start it with netmind-mock serve --wire-faults, or in process with netmind_mock.start()"
            )

    def order_for(self, user_id: str, asked: Request, header: str | None) -> Order | None:
        """What was ordered for the job that this request creates; an order for one job is used up.

        The first counts: the header, a tag in the prompt, the tenant's own next job, everybody's, then rules.

        Raises:
            InvalidBody: A header or tag orders what there is not.
        """
        if header is not None:
            return self._parsed(header, ["header", SCENARIO_HEADER])
        prompt = prompt_of(asked)
        if (begins := prompt.find(_TAG_BEGINS)) >= 0:
            ends = prompt.find(_TAG_ENDS, begins, begins + MOST_ORDER_CHARACTERS)
            tag = prompt[begins:ends].removeprefix(_TAG_BEGINS)
            if ends < 0 or not tag.startswith(":"):
                message = "expected a whole tag, such as [[mock:failed after=3]]"
                raise InvalidBody(detail=[{"loc": _IN_PROMPT, "msg": message, "type": "mock_order"}])
            return self._parsed(tag[1:], _IN_PROMPT)
        for tenant in self._concerned(user_id):
            try:
                return tenant.next_jobs.popleft().order
            except IndexError:
                continue
        for tenant in self._concerned(user_id):
            for rule in tenant.rules:
                if rule.fits(asked):
                    return rule.order
            if tenant.otherwise is not None:
                return tenant.otherwise
        return next((rule.order for rule in self._standing if rule.fits(asked)), None)

    def strike(self, user_id: str | None, operation: str, job_id: str) -> Struck | None:
        """The fault that strikes this request, if one does."""
        if not self._own and not self._everyone.faults:
            return None
        for tenant in self._concerned(user_id):
            if not tenant.faults:
                continue
            with self._lock:
                for active in tenant.faults:
                    if active.strikes(self.seed, operation, job_id):
                        return Struck(active.fault, active.seen - 1)
        return None

    def checked(self, order: Order) -> Order:
        """The order, if it can be carried out.

        Raises:
            InvalidOrder: It loses an answer in a way that whatever carries the answers cannot.
        """
        lost = fault_of(order)
        if lost is not None:
            self.check_wire(lost.kind)
        return order

    def _parsed(self, line: str, place: list[Any]) -> Order:
        try:
            return self.checked(parse(line))
        except InvalidOrder as mistake:
            raise InvalidBody(detail=[{"loc": place, "msg": str(mistake), "type": "mock_order"}]) from None

    def _concerned(self, user_id: str | None) -> Iterator[Tenant]:
        if user_id is not None and (own := self._own.get(user_id)) is not None:
            yield own
        yield self._everyone
