"""What was ordered, and for whom: each tenant has a clock, scenarios and faults of its own.

A tenant is an account of the imitated API. What is ordered for nobody in particular holds for everybody; a
tenant's own orders come first. All of it is kept in the store, so that it holds in every process on it; what
is here follows it.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from netmind_mock.clock import ClockState, SimulatedClock
from netmind_mock.errors import InvalidBody
from netmind_mock.jobs.job import prompt_of
from netmind_mock.simulation.account import Account, check_size, packed, unpacked
from netmind_mock.simulation.faults import KINDS, Fault, fault_of
from netmind_mock.simulation.scenarios import MAX_SCENARIO_CHARACTERS, Scenario, parse
from netmind_mock.stores import StoreUnavailable
from netmind_mock.validation import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netmind_mock.clock import Clock
    from netmind_mock.jobs.plan import CreateRequest
    from netmind_mock.simulation.rules import Rule
    from netmind_mock.stores import JobStore

    Result = TypeVar("Result")

SCENARIO_HEADER = "X-Mock-Scenario"

_IN_PROMPT = ["body", "config", "prompt"]
_TAG_BEGINS = "[[mock"
_TAG_ENDS = "]]"
# What is kept, by kind.
CLOCK = "clock"
_ACCOUNT = "orders"

_NOTHING = Account()


class AppliedFault(NamedTuple):
    """A fault that strikes a request, and that request's number among those it was asked about, from 0."""

    fault: Fault
    number: int


class Accounts:
    """All that was ordered. Safe to use from several threads.

    What asks the store may raise :class:`StoreUnavailable`; then nothing is done.
    """

    def __init__(
        self,
        clock: Clock,
        store: JobStore,
        *,
        seed: int = 0,
        wire: frozenset[str] = frozenset(),
        rules: tuple[Rule, ...] = (),
    ) -> None:
        """What is ordered in the store.

        Args:
            clock: The time of whoever has no clock of their own. It goes on from the one that the store has.
            store: Where orders are kept.
            seed: Decides what chance decides.
            wire: The kinds of faults that whatever carries the answers can carry out.
            rules: Standing orders that no reset takes away.
        """
        self._clock = clock
        self._store = store
        self.seed = seed
        self._wire = wire
        self._rules = rules
        self._lock = threading.RLock()
        self._revision = 0
        self._clocks: dict[str, SimulatedClock] = {}
        self._accounts: dict[str, Account] = {}
        self._kept_clocks: dict[str, bytes] = {}  # as they were when this process last had the store's
        with contextlib.suppress(StoreUnavailable):  # what can be read can be served
            self._keep_clock()

    def follow(self) -> None:
        """Learn what was ordered meanwhile, by whatever process."""
        facts = self._store.facts(self._revision)
        if facts is None:
            return
        with self._lock:
            if facts.revision <= self._revision:
                return
            for (kind, user_id), fact in facts.changed.items():
                if kind == CLOCK:
                    self._follow_clock(user_id, fact)
                elif kind == _ACCOUNT and fact is None:
                    self._accounts.pop(user_id, None)
                elif kind == _ACCOUNT:
                    self._accounts[user_id] = unpacked(fact)
            self._revision = facts.revision

    def of(self, user_id: str | None) -> Account:
        """What was ordered for a tenant, or (None) for everybody, to be read."""
        return self._accounts.get(user_id or "", _NOTHING)

    def change(self, user_id: str | None, how: Callable[[Account], object]) -> None:
        """Change what is ordered for a tenant, or (None) for everybody.

        Raises:
            InvalidInput: ``how`` did, or it is too much; then nothing is changed.
        """
        self._change(user_id, how, check_size)

    def _change(
        self,
        user_id: str | None,
        how: Callable[[Account], Result],
        check: Callable[[bytes], object] = lambda _: None,
    ) -> Result:
        """Change what is ordered, and return what ``how`` does."""

        def changed(kept: bytes | None) -> tuple[bytes, Result]:
            account = unpacked(kept)
            result = how(account)
            document = packed(account)
            check(document)
            return document, result

        result = self._store.amend(_ACCOUNT, user_id, changed)
        self.follow()
        return result

    def clock(self, user_id: str | None) -> Clock:
        """A tenant's clock."""
        return self._clocks.get(user_id or "", self._clock) if self._clocks else self._clock

    def has_own_clock(self, user_id: str) -> bool:
        """Whether a tenant's clock was steered by itself."""
        return user_id in self._clocks

    def steer(self, user_id: str | None, how: Callable[[SimulatedClock], None]) -> None:
        """Steer a tenant's clock, which becomes its own, or (None) everybody's.

        Raises:
            InvalidInput: The fake was given a clock that cannot be steered.
            Exception: ``how`` did; then the clock is as it was.
        """
        shown = self.clock(user_id)
        if not isinstance(shown, SimulatedClock):
            raise InvalidInput(f"clock: the fake runs on a {type(shown).__name__}, which cannot be steered")
        name = user_id or ""
        with self._lock:
            before, kept_before = shown.state(), self._kept_clocks.get(name)

            def steered(kept: bytes | None) -> tuple[bytes, bytes]:
                if kept is not None and kept != self._kept_clocks.get(name):  # another process steered it
                    self._follow_clock(name, kept)
                clock = self._own_clock(name)
                how(clock)
                state = _packed_clock(clock)
                return state, state

            own = name in self._clocks
            try:
                self._kept_clocks[name] = self._store.amend(CLOCK, user_id, steered)
            except BaseException:
                if own or not name:
                    shown.set_state(before)
                else:
                    self._clocks.pop(name, None)
                self._kept_clocks.pop(name, None)
                if kept_before is not None:
                    self._kept_clocks[name] = kept_before
                raise

    def can_apply(self, kind: str) -> bool:
        """Whether faults of this kind can be carried out."""
        return not KINDS[kind].needs_wire or kind in self._wire

    def check_wire(self, kind: str) -> None:
        """Do nothing if faults of this kind can be carried out.

        Raises:
            InvalidInput: They cannot.
        """
        if not self.can_apply(kind):
            raise InvalidInput(
                f"fault {kind}: the server of this fake cannot apply faults of the connection; "
                "start it with netmind-mock serve, or in process with netmind_mock.start()"
            )

    def scenario_for(self, user_id: str, request: CreateRequest, header: str | None) -> Scenario | None:
        """What was ordered for the job that this request creates; an order for one job is used up.

        The first counts: the header, a tag in the prompt, the tenant's own next job, everybody's, then rules.

        Raises:
            InvalidBody: A header or tag orders what there is not.
        """
        if header is not None:
            return self._parsed(header, ["header", SCENARIO_HEADER])
        prompt = prompt_of(request.config)
        if (begins := prompt.find(_TAG_BEGINS)) >= 0:
            ends = prompt.find(_TAG_ENDS, begins, begins + MAX_SCENARIO_CHARACTERS)
            tag = prompt[begins:ends].removeprefix(_TAG_BEGINS)
            if ends < 0 or not tag.startswith(":"):
                message = "expected a whole tag, such as [[mock:failed after=3]]"
                raise InvalidBody(detail=[{"loc": _IN_PROMPT, "msg": message, "type": "mock_order"}])
            return self._parsed(tag[1:], _IN_PROMPT)
        if not self._accounts:
            return self._scenario_by_rule(request)
        for owner, account in self._concerned(user_id):
            if account.next_jobs and (scenario := self._change(owner, Account.take_next_job)) is not None:
                return scenario
        for _, account in self._concerned(user_id):
            for rule in account.rules:
                if rule.fits(request):
                    return rule.scenario
            if account.otherwise is not None:
                return account.otherwise
        return self._scenario_by_rule(request)

    def fault_for(self, user_id: str | None, operation: str, job_id: str) -> AppliedFault | None:
        """The fault that strikes this request, if one does."""
        if not self._accounts:
            return None

        def first(account: Account) -> AppliedFault | None:
            for active in account.faults:
                if self.can_apply(active.fault.kind) and active.applies(self.seed, operation, job_id):
                    return AppliedFault(active.fault, active.seen - 1)
            return None

        for owner, account in self._concerned(user_id):
            if any(active.concerns(operation, job_id) for active in account.faults):
                applied = self._change(owner, first)
                if applied is not None:
                    return applied
        return None

    def check_scenario(self, scenario: Scenario) -> Scenario:
        """The order, if it can be carried out.

        Raises:
            InvalidInput: It loses an answer in a way that whatever carries the answers cannot.
        """
        lost = fault_of(scenario)
        if lost is not None:
            self.check_wire(lost.kind)
        return scenario

    def _scenario_by_rule(self, request: CreateRequest) -> Scenario | None:
        return next((rule.scenario for rule in self._rules if rule.fits(request)), None)

    def _parsed(self, line: str, place: list[Any]) -> Scenario:
        try:
            return self.check_scenario(parse(line))
        except InvalidInput as mistake:
            raise InvalidBody(detail=[{"loc": place, "msg": str(mistake), "type": "mock_order"}]) from None

    def _concerned(self, user_id: str | None) -> Iterator[tuple[str | None, Account]]:
        if user_id is not None and (own := self._accounts.get(user_id)) is not None:
            yield user_id, own
        if (everybody := self._accounts.get("")) is not None:
            yield None, everybody

    def _keep_clock(self) -> None:
        """See that everybody's clock is in the store, and go by the one that is there already."""
        clock = self._clock
        if isinstance(clock, SimulatedClock):
            ours = _packed_clock(clock)
            self._store.amend(CLOCK, None, lambda kept: (kept or ours, None))
            self._kept_clocks[""] = ours
        self.follow()

    def _own_clock(self, name: str) -> SimulatedClock:
        """The clock of this name, made from everybody's if there is none; for everybody, theirs."""
        everybody = self._clock
        if not isinstance(everybody, SimulatedClock):  # pragma: no cover - such a one is never kept
            raise TypeError(type(everybody).__name__)
        if not name:
            return everybody
        if name not in self._clocks:
            self._clocks[name] = everybody.copy()
        return self._clocks[name]

    def _follow_clock(self, name: str, fact: bytes | None) -> None:
        """Go by a clock as the store has it; a tenant whose clock was dropped has everybody's."""
        if fact is None:
            dropped = self._clocks.pop(name, None) if name else None
            if dropped is not None:  # what is held by it is sent all the same
                with contextlib.suppress(ValueError):
                    dropped.resume()
            self._kept_clocks.pop(name, None)
        elif fact != self._kept_clocks.get(name) and isinstance(self._clock, SimulatedClock):
            self._own_clock(name).set_state(msgspec.json.decode(fact, type=ClockState))
            self._kept_clocks[name] = fact


def _packed_clock(clock: SimulatedClock) -> bytes:
    return msgspec.json.encode(clock.state())
