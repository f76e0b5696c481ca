"""All accounts: each has its own clock, scenarios, rules and faults.

An account is what one API key sees. A configuration without an account applies to all accounts; the account's
own configuration comes first.

Several processes may serve one store, and must act as one fake. So the store has the configuration, and each
process has a copy of it in memory:

- A change is made in the store (``amend``): it reads the stored value, changes it and writes it back in one
  transaction. So two processes never use the same queued scenario, and no count of a fault is lost.
- Each change gets the next revision of the store. Before a request, ``follow`` reads the values with a higher
  revision than the last one that this process has read, and replaces its copies.

So a request uses every change that was made before the request began. Clocks are values of the same kind: a
clock's state says what it showed and when, from which every process computes the same time.
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
from netmind_mock.simulation.rules import scenario_for
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
# The kinds of values in the store.
CLOCK = "clock"
_ACCOUNT = "account"

_NOTHING = Account()


class AppliedFault(NamedTuple):
    """A fault that applies to a request, and the number of the request among the matching ones, from 0."""

    fault: Fault
    number: int


class Accounts:
    """The configuration of all accounts. Safe to use from several threads.

    Methods that read or write the store may raise :class:`StoreUnavailable`; then nothing was changed.
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
        """Start from the configuration in the store.

        Args:
            clock: The clock of accounts without their own. It continues from the state in the store.
            store: Keeps the configuration.
            seed: The seed for everything random.
            wire: The kinds of wire faults that the server can apply.
            rules: Rules that a reset does not remove.
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
        # The clocks' states as this process last read or wrote them. A different state in the store comes
        # from another process.
        self._stored_clocks: dict[str, bytes] = {}
        with contextlib.suppress(StoreUnavailable):  # a store that is read-only can still be served
            self._store_clock()

    def follow(self) -> None:
        """Read what changed in the store since the last call, in this process or in others."""
        # Without the lock, since it may wait for a database. Two threads may read the same changes.
        facts = self._store.facts(self._revision)
        if facts is None:
            return
        with self._lock:
            if facts.revision <= self._revision:  # another thread has applied these changes, or later ones
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
        """Return the configuration of an account, or (None) of all accounts. Do not change it."""
        return self._accounts.get(user_id or "", _NOTHING)

    def change(self, user_id: str | None, how: Callable[[Account], object]) -> None:
        """Change the configuration of an account, or (None) of all accounts.

        Raises:
            InvalidInput: ``how`` raised it, or the configuration became too large; then nothing is changed.
        """
        self._change(user_id, how, check_size)

    def _change(
        self,
        user_id: str | None,
        how: Callable[[Account], Result],
        check: Callable[[bytes], object] = lambda _: None,
    ) -> Result:
        """Change the configuration in the store, read it back, and return what ``how`` returns.

        ``check`` is called with the encoded configuration before it is stored.
        """

        def changed(stored: bytes | None) -> tuple[bytes, Result]:
            account = unpacked(stored)
            result = how(account)
            document = packed(account)
            check(document)
            return document, result

        result = self._store.amend(_ACCOUNT, user_id, changed)
        self.follow()
        return result

    def clock(self, user_id: str | None) -> Clock:
        """Return an account's clock."""
        return self._clocks.get(user_id or "", self._clock) if self._clocks else self._clock

    def has_own_clock(self, user_id: str) -> bool:
        """Return whether an account has its own clock. It has if its clock was changed."""
        return user_id in self._clocks

    def change_clock(self, user_id: str | None, how: Callable[[SimulatedClock], None]) -> None:
        """Change the clock of an account, or (None) of all accounts. The account then has its own clock.

        Raises:
            InvalidInput: The fake was given a clock that cannot be changed.
            Exception: ``how`` raised it; then the clock is as it was.
        """
        shown = self.clock(user_id)
        if not isinstance(shown, SimulatedClock):
            raise InvalidInput(f"clock: the fake runs on a {type(shown).__name__}, which cannot be changed")
        name = user_id or ""
        with self._lock:
            before, stored_before = shown.state(), self._stored_clocks.get(name)

            def changed(stored: bytes | None) -> tuple[bytes, bytes]:
                if stored is not None and stored != self._stored_clocks.get(name):
                    self._follow_clock(name, stored)  # another process changed it
                clock = self._own_clock(name)
                how(clock)
                state = _packed_clock(clock)
                return state, state

            has_own = name in self._clocks
            try:
                self._stored_clocks[name] = self._store.amend(CLOCK, user_id, changed)
            except BaseException:
                # The store still has the old state, so the clock in memory goes back to it.
                if has_own or not name:
                    shown.set_state(before)
                else:
                    self._clocks.pop(name, None)
                self._stored_clocks.pop(name, None)
                if stored_before is not None:
                    self._stored_clocks[name] = stored_before
                raise

    def can_apply(self, kind: str) -> bool:
        """Return whether the server can apply faults of this kind."""
        return not KINDS[kind].needs_wire or kind in self._wire

    def check_wire(self, kind: str) -> None:
        """Check that the server can apply faults of this kind.

        Raises:
            InvalidInput: It cannot.
        """
        if not self.can_apply(kind):
            raise InvalidInput(
                f"fault {kind}: this server cannot apply connection-level faults; "
                "start it with netmind-mock serve, or in process with netmind_mock.start()"
            )

    def scenario_for(self, user_id: str, request: CreateRequest, header: str | None) -> Scenario | None:
        """Return the scenario for the job that this request creates; None for the default.

        The first of these that exists: the header, a tag in the prompt, the account's queue, the queue of all
        accounts, the account's rules, the rules of all accounts, the rules that a reset does not remove. A
        queued scenario is removed from its queue.

        Args:
            user_id: The account.
            request: The create request.
            header: The value of the header ``X-Mock-Scenario``, if it was sent.

        Raises:
            InvalidBody: The header or the tag is not valid.
        """
        if header is not None:
            return self._parsed(header, ["header", SCENARIO_HEADER])
        prompt = prompt_of(request.config)
        if (begins := prompt.find(_TAG_BEGINS)) >= 0:
            ends = prompt.find(_TAG_ENDS, begins, begins + MAX_SCENARIO_CHARACTERS)
            tag = prompt[begins:ends].removeprefix(_TAG_BEGINS)
            if ends < 0 or not tag.startswith(":"):
                message = "expected a complete tag such as [[mock:failed after=3]]"
                raise InvalidBody(detail=[{"loc": _IN_PROMPT, "msg": message, "type": "mock_scenario"}])
            return self._parsed(tag[1:], _IN_PROMPT)
        if not self._accounts:  # the common case, without the cost of the rest
            return self._scenario_by_rule(request)
        for owner, account in self._configurations(user_id):
            # The copy may be old, so the store decides whether there still is a queued scenario.
            if account.next_jobs and (scenario := self._change(owner, Account.take_next_job)) is not None:
                return scenario
        for _, account in self._configurations(user_id):
            if account.rules and (scenario := scenario_for(request, account.rules)) is not None:
                return scenario
            if account.otherwise is not None:
                return account.otherwise
        return self._scenario_by_rule(request)

    def fault_for(self, user_id: str | None, operation: str, job_id: str) -> AppliedFault | None:
        """Return the fault that applies to this request and count the request; None if none applies."""
        if not self._accounts:
            return None

        def first(account: Account) -> AppliedFault | None:
            for active in account.faults:
                if self.can_apply(active.fault.kind) and active.applies(self.seed, operation, job_id):
                    return AppliedFault(active.fault, active.seen - 1)
            return None

        for owner, account in self._configurations(user_id):
            # Only a request that matches in the copy is counted in the store: that costs a transaction.
            if any(active.matches(operation, job_id) for active in account.faults):
                applied = self._change(owner, first)
                if applied is not None:
                    return applied
        return None

    def check_scenario(self, scenario: Scenario) -> Scenario:
        """Return the scenario if the server can apply it.

        Raises:
            InvalidInput: It needs a wire fault that the server cannot apply.
        """
        lost = fault_of(scenario)
        if lost is not None:
            self.check_wire(lost.kind)
        return scenario

    def _scenario_by_rule(self, request: CreateRequest) -> Scenario | None:
        return scenario_for(request, self._rules) if self._rules else None

    def _parsed(self, line: str, place: list[Any]) -> Scenario:
        try:
            return self.check_scenario(parse(line))
        except InvalidInput as error:
            raise InvalidBody(detail=[{"loc": place, "msg": str(error), "type": "mock_scenario"}]) from None

    def _configurations(self, user_id: str | None) -> Iterator[tuple[str | None, Account]]:
        """Yield the configurations that apply to an account, its own first, each with its owner."""
        if user_id is not None and (own := self._accounts.get(user_id)) is not None:
            yield user_id, own
        if (all_accounts := self._accounts.get("")) is not None:
            yield None, all_accounts

    def _store_clock(self) -> None:
        """Store the clock of all accounts, or continue from the one in the store."""
        clock = self._clock
        if isinstance(clock, SimulatedClock):
            own_state = _packed_clock(clock)
            self._store.amend(CLOCK, None, lambda stored: (stored or own_state, None))
            self._stored_clocks[""] = own_state  # if the store has another one, follow() sets the clock to it
        self.follow()

    def _own_clock(self, name: str) -> SimulatedClock:
        """Return an account's own clock, or (an empty name) the clock of all accounts.

        If the account has none, it is copied from the clock of all accounts.
        """
        shared = self._clock
        if not isinstance(shared, SimulatedClock):  # pragma: no cover - other clocks are not stored
            raise TypeError(type(shared).__name__)
        if not name:
            return shared
        if name not in self._clocks:
            self._clocks[name] = shared.copy()
        return self._clocks[name]

    def _follow_clock(self, name: str, fact: bytes | None) -> None:
        """Set a clock to the state in the store.

        An account whose clock was dropped uses the clock of all accounts.
        """
        if fact is None:
            dropped = self._clocks.pop(name, None) if name else None
            if (
                dropped is not None
            ):  # responses may wait for it: if it stayed frozen, they would never be sent
                with contextlib.suppress(ValueError):
                    dropped.resume()
            self._stored_clocks.pop(name, None)
        elif fact != self._stored_clocks.get(name) and isinstance(self._clock, SimulatedClock):
            self._own_clock(name).set_state(msgspec.json.decode(fact, type=ClockState))
            self._stored_clocks[name] = fact


def _packed_clock(clock: SimulatedClock) -> bytes:
    return msgspec.json.encode(clock.state())
