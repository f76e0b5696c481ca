"""A model of the API as a Hypothesis state machine: responses must be consistent in any order of requests.

``machine_for`` creates the class for an endpoint. An assertion message names the claim that failed.

Hypothesis runs a failing example again, and expects the same. A real endpoint does not do the same again, and
may charge for it. So after the first failure nothing is sent: the same requests get the recorded responses,
and examples with other requests end. Only an endpoint that is ``timeless`` is used again, to find a shorter
example.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, rule

from netmind_contracts import library
from netmind_contracts.probing.budget import Budget, allowance
from netmind_contracts.probing.calls import ProbeCall
from netmind_contracts.probing.recorder import Recorder, RecorderClock
from netmind_contracts.runs.histories import FINAL_STATUSES, results_of
from netmind_contracts.runs.known import GENERATIONS, UNKNOWN_ID, generation_path
from netmind_contracts.runs.responses import is_marked_deleted
from netmind_contracts.strategies import create_requests

if TYPE_CHECKING:
    from collections.abc import Callable

    from netmind_contracts.probing.transport import Transport
    from netmind_contracts.runs.exchange import Exchange

_WITHIN_SECONDS = 30.0
_TRIES = 4
_JOBS: Bundle[str] = Bundle("jobs")
_ACCOUNTS = st.integers(0, 7)

# The id of a generation that was not created, because of the limit.
_NO_JOB = "not-created"

# On this machine a generation costs nothing.
_UNLIMITED = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The endpoint for one example.

    Attributes:
        api_keys: One per account, at least one.
        wait: A function that waits a number of seconds, in real or virtual time.
        timeless: Whether time passes only in ``wait``. Then list and get must return exactly the same.
    """

    transport: Transport
    base_url: str
    api_keys: tuple[str, ...]
    wait: Callable[[float], None]
    timeless: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectations:
    """Assumptions about an endpoint. None means unknown: then any behaviour is accepted.

    Attributes:
        unknown: The HTTP status for a generation that does not exist, or belongs to another account.
        leaves: What a delete leaves: ``gone``, or a ``tombstone`` that can still be read.
        newest_first: The order of the list.
    """

    unknown: int | None = 404
    leaves: str | None = "gone"
    newest_first: bool | None = True


@dataclass(slots=True)
class _Memory:
    """What all examples of a machine share.

    Attributes:
        budget: The limit on created generations.
        replays: Whether to replay the first failure instead of trying again.
        calls: The requests of the example that failed first, each with its response; empty before that.
    """

    budget: Budget
    replays: bool
    calls: list[tuple[tuple[object, ...], Exchange, Any]] = field(default_factory=list)


class _Ended(Exception):
    """The example cannot go on: a request got no response of the API, or is not in the replayed example."""


def _step(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a rule's method that does nothing once the example has ended, and keeps the first failure.

    What Hypothesis draws must not depend on responses. So a rule that is not possible does nothing.
    """

    @wraps(method)
    def step(self: _Machine, *arguments: Any, **named: Any) -> Any:
        if self.ended or named.get("generation_id") == _NO_JOB:
            return None
        try:
            return method(self, *arguments, **named)
        except _Ended:
            self.ended = True
            return None
        except AssertionError as error:
            self.keep(error)
            raise

    return step


@dataclass(slots=True)
class _KnownJob:
    """A generation as last returned."""

    account: int
    document: dict[str, Any]
    deleted: bool = False
    statuses: list[str] = field(default_factory=list)


def machine_for(
    endpoint: Callable[[], Endpoint],
    *,
    expectations: Expectations = Expectations(),
    live: bool = False,
    max_creates: int | None = None,
    requests: st.SearchStrategy[dict[str, Any]] | None = None,
) -> type[RuleBasedStateMachine]:
    """Return a state machine for an endpoint, to use with ``run_state_machine_as_test`` or as ``.TestCase``.

    Args:
        endpoint: A function that returns the endpoint, called at the start of each example.
        expectations: Assumptions about undocumented behaviour.
        live: Allow an endpoint that is not on this machine, and may charge for generations.
        max_creates: The maximum number of generations for all examples together; required with ``live``.
        requests: A strategy of create requests; None for ``strategies.create_requests``.

    Raises:
        EndpointError: The endpoint may charge, and ``live`` or ``max_creates`` is not set.
    """
    drawn = create_requests() if requests is None else requests
    drawn = drawn.filter(lambda request: request["config"].get("sync_mode") is not True)  # it would block
    unlimited = None if live else _UNLIMITED
    limit = unlimited if max_creates is None else max_creates
    budget = allowance(endpoint().base_url, live=live, max_creates=limit, free_only=False)

    memory = _Memory(budget, replays=max_creates is not None or not endpoint().timeless)

    class GenerationMachine(_Machine):
        def __init__(self) -> None:
            super().__init__(endpoint(), expectations, memory)

        @rule(target=_JOBS, request=drawn, account=_ACCOUNTS)
        def create(self, request: dict[str, Any], account: int) -> str:
            return self.create_one(request, account) or _NO_JOB

        @rule(seconds=st.sampled_from([0.5, 5.0, 60.0]) if max_creates is None else st.just(1.0))
        @_step
        def wait(self, seconds: float) -> None:
            if not self.is_replay:
                self.endpoint.wait(seconds)

    return GenerationMachine


class _Machine(RuleBasedStateMachine):
    """The rules that do not depend on the arguments of ``machine_for``."""

    jobs = _JOBS

    def __init__(self, endpoint: Endpoint, expectations: Expectations, memory: _Memory) -> None:
        super().__init__()
        self.endpoint, self.expectations, self.memory = endpoint, expectations, memory
        self.known: dict[str, _KnownJob] = {}
        self.is_replay = bool(memory.calls)
        self.ended = False
        self._calls: list[tuple[tuple[object, ...], Exchange, Any]] = []
        clock = RecorderClock()
        self._recorders = [
            Recorder(endpoint.transport, endpoint.base_url, api_key, clock) for api_key in endpoint.api_keys
        ]

    def keep(self, failure: AssertionError) -> None:
        """Keep the first failure, with the requests before it."""
        failure.add_note("\n".join(["The requests:", *(str(exchange) for _, exchange, _ in self._calls)]))
        if self.memory.replays and not self.is_replay:
            self.memory.calls = self._calls

    def teardown(self) -> None:
        """Delete the generations of the example."""
        for generation_id, job in self.known.items():
            if not job.deleted and not self.is_replay:
                self._send("DELETE", generation_path(generation_id), job.account)

    def request(self, method: str, path: str, account: int, body: str = "") -> tuple[Exchange, Any]:
        """Send a request as an account, or replay it. Return the exchange and the JSON of the response."""
        key = (method, path, account, body)
        if self.is_replay:
            place = len(self._calls)
            if place == len(self.memory.calls) or self.memory.calls[place][0] != key:
                raise _Ended
            exchange, document = self.memory.calls[place][1:]
        else:
            exchange, document = self._send(method, path, account, body)
        self._calls.append((key, exchange, document))
        if exchange.failed_in_transit:
            raise _Ended
        return exchange, document

    def _send(self, method: str, path: str, account: int, body: str = "") -> tuple[Exchange, Any]:
        """Send a request. Send it again if the network or a gateway failed, unless it is a create."""
        call = ProbeCall(method, path, content_type="application/json" if body else "", body=body)
        recorder = self._recorders[account % len(self._recorders)]
        exchange, document = recorder.send(call, within=_WITHIN_SECONDS)
        for attempt in range(_TRIES - 1 if method != "POST" else 0):
            if not exchange.failed_in_transit:
                break
            self.endpoint.wait(2.0**attempt)
            failed = exchange
            exchange, document = recorder.send(call, within=_WITHIN_SECONDS)
            if method == "DELETE" and exchange.status == 404:
                return failed, None  # the first delete may have deleted it
        return exchange, document

    @_step
    def create_one(self, request: dict[str, Any], account: int) -> str | None:
        """Create a generation and return its id; None if the limit is reached."""
        if not self.is_replay and not self.memory.budget.reserve():
            return None
        exchange, document = self.request("POST", GENERATIONS, account, json.dumps(request))
        _hold("create.request", "a generation", exchange, exchange.succeeded and isinstance(document, dict))
        _valid("create.request", exchange, document)
        _hold("create.new-id", "an id of its own", exchange, document["id"] not in self.known)
        # From here on the generation is known, and is deleted if the example fails.
        self.known[document["id"]] = _KnownJob(account % len(self.endpoint.api_keys), document)
        _hold("create.pending", "status pending", exchange, document["status"] == "pending")
        _hold("create.empty-result", "result {}", exchange, document["result"] == {})
        same = document["created_at"] == document["updated_at"]
        _hold("create.updated-at", "updated_at to equal created_at", exchange, same)
        return str(document["id"])

    @rule(generation_id=_JOBS)
    @_step
    def get(self, generation_id: str) -> None:
        """Get a job, and check that it is the same and has only moved forward."""
        job = self.known[generation_id]
        exchange, document = self.request("GET", generation_path(generation_id), job.account)
        succeeded = exchange.succeeded and isinstance(document, dict)
        _hold("get.completed", f"generation {generation_id}", exchange, succeeded)
        self._check_forward(exchange, job, document)

    @rule(generation_id=_JOBS)
    @_step
    def get_as_another(self, generation_id: str) -> None:
        """Check that another account can neither read nor delete the job."""
        owner = self.known[generation_id].account
        for account in range(len(self.endpoint.api_keys)):
            if account != owner:
                self.expect_absent(self.request("GET", generation_path(generation_id), account))
                self.expect_absent(self.request("DELETE", generation_path(generation_id), account))
        self.get(generation_id)

    @rule(account=_ACCOUNTS)
    @_step
    def list_(self, account: int) -> None:
        """Check that the list has each job of the account once, and no job of another account."""
        account %= len(self.endpoint.api_keys)
        exchange, document = self.request("GET", GENERATIONS, account)
        entries = document.get("generation_list") if isinstance(document, dict) else None
        _hold("list.generation-list", "a generation_list", exchange, isinstance(entries, list))
        entries = [
            entry for entry in entries or [] if isinstance(entry, dict) and isinstance(entry.get("id"), str)
        ]
        listed = [entry["id"] for entry in entries]
        for generation_id, job in self.known.items():
            times = listed.count(generation_id)
            if job.account != account:
                _hold("unknown-id.404", "no job of another account", exchange, times == 0)
            elif not job.deleted:
                _hold("list.has-jobs", f"generation {generation_id}", exchange, times > 0)
                _hold("list.once", f"generation {generation_id} once", exchange, times == 1)
            elif self.expectations.leaves == "gone":
                _hold("delete.gone", "a list without the job", exchange, times == 0)
            else:
                marked = [is_marked_deleted(entry) for entry in entries if entry["id"] == generation_id]
                _hold("delete.message", "a job that is gone or marked", exchange, all(marked))
        self._check_order(exchange, [name for name in listed if name in self.known])
        for entry in entries:
            known = self.known.get(entry["id"])
            if known is not None and not known.deleted:
                self._check_entry(exchange, known, entry)

    @rule(generation_id=consumes(_JOBS))
    @_step
    def delete(self, generation_id: str) -> None:
        """Delete a job, and check that it is gone, or left as a tombstone."""
        job = self.known[generation_id]
        exchange, document = self.request("DELETE", generation_path(generation_id), job.account)
        confirmed = isinstance(document, dict) and document.get("message") == "Generation deleted"
        _hold("delete.message", "the message Generation deleted", exchange, exchange.succeeded and confirmed)
        job.deleted = True
        after, left = self.request("GET", generation_path(generation_id), job.account)
        if self.expectations.leaves == "tombstone":
            gone = isinstance(left, dict) and left.get("is_deleted") is True
            _hold("delete.gone", "a tombstone", after, gone)
        elif self.expectations.leaves == "gone":
            self.expect_absent((after, left), "delete.gone")
            self.expect_absent(
                self.request("DELETE", generation_path(generation_id), job.account), "delete.gone"
            )
        marked = not after.succeeded or is_marked_deleted(left)
        _hold("delete.message", "a job that is gone or marked", after, marked)

    @rule(account=_ACCOUNTS)
    @_step
    def get_unknown(self, account: int) -> None:
        """Get a generation that was never created, and check that it does not exist."""
        self.expect_absent(self.request("GET", generation_path(UNKNOWN_ID), account))

    def expect_absent(self, actual: tuple[Exchange, Any], claim: str = "unknown-id.404") -> None:
        """Check that the response says that there is no such generation."""
        exchange, unknown = actual[0], self.expectations.unknown
        if unknown is None:
            _hold(claim, "a refusal", exchange, 400 <= exchange.status <= 499)
        else:
            _hold(claim, f"{unknown}", exchange, exchange.status == unknown)

    def _check_forward(self, exchange: Exchange, job: _KnownJob, document: dict[str, Any]) -> None:
        """Check that the document is possible after the previous responses."""
        _valid("get.completed", exchange, document)
        kept = document["deleted_at"] is None and document["is_deleted"] is False
        _hold("generation.not-deleted", "deleted_at null and is_deleted false", exchange, kept)
        before = job.document
        for name in ("id", "user_id", "created_at"):
            claim = "get.completed" if name == "id" else "generation.constant"
            _hold(claim, f"{name} {before[name]}", exchange, document[name] == before[name])
        forward = document["updated_at"] >= before["updated_at"]
        _hold("generation.updated-at-forward", f"{before['updated_at']} or later", exchange, forward)
        moved = document["status"] != before["status"]
        if moved:
            job.statuses.append(before["status"])
        stays = before["status"] in FINAL_STATUSES and moved
        back = document["status"] in job.statuses
        _hold("status.forward", f"{before['status']} or what follows", exchange, not stays and not back)
        if results_of(before):
            same = document["result"] == before["result"]
            _hold("result.constant", "the same results", exchange, same)
        job.document = document

    def _check_entry(self, exchange: Exchange, job: _KnownJob, entry: dict[str, Any]) -> None:
        if self.endpoint.timeless:
            got, document = self.request("GET", generation_path(entry["id"]), job.account)
            _hold("list.agrees", "the same as get returns", got, document == entry)
        self._check_forward(exchange, job, entry)

    def _check_order(self, exchange: Exchange, listed: list[str]) -> None:
        if self.expectations.newest_first is not None:
            order = list(self.known)
            places = [order.index(name) for name in listed]
            expected = sorted(places, reverse=self.expectations.newest_first)
            _hold("list.order", "the order of creation", exchange, places == expected)


def _valid(claim: str, exchange: Exchange, document: Any) -> None:
    found = library.violations("generation", document)
    _hold(claim, "a valid generation", exchange, not found, str(found[0]) if found else "")


def _hold(claim: str, expected: str, exchange: Exchange, holds: object, actual: str = "") -> None:
    """Raise an AssertionError that names the claim if ``holds`` is false."""
    if not holds:
        body = exchange.response.body[:200] if exchange.response else exchange.failure
        raise AssertionError(f"{claim}: {exchange}: expected {expected}, got {actual or body}")
