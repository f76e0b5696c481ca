"""Operations that change the simulation: the clock, queued scenarios, rules, faults, and reset."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from netmind_mock.clock import LAST_SECOND, SimulatedClock
from netmind_mock.control.operations.table import operation, scope_of
from netmind_mock.simulation.account import Account, ActiveFault, QueuedScenario
from netmind_mock.simulation.accounts import CLOCK
from netmind_mock.simulation.faults import OPERATIONS, fault
from netmind_mock.simulation.rules import rule_of, scenario_of
from netmind_mock.validation import InvalidInput, Parameter, boolean, integer, optional, seconds, text

if TYPE_CHECKING:
    from netmind_mock.control.operations.table import Arguments
    from netmind_mock.fake import Fake

_MAX_CLOCK_SECONDS = 1e9
_SHOWN_CHARACTERS = 200


@operation("POST", "reset", response="Reset")
def reset(fake: Fake, user_id: str | None, _arguments: Arguments) -> Any:
    """Drop the jobs, the journal, and all scenarios, rules and faults."""
    fake.journal.collect()  # otherwise entries that other processes have not written yet would reappear
    fake.store.forget(user_id, keep_kind=CLOCK)  # the clock of all accounts goes on
    fake.journal.forget(user_id)
    fake.accounts.follow()
    fake.listeners.call()
    return {"for": scope_of(user_id)}


@operation("GET", "clock", response="Clock")
def clock(fake: Fake, user_id: str | None, _arguments: Arguments) -> Any:
    """Return the simulated time."""
    shown_by = fake.accounts.clock(user_id)
    now = shown_by.now()
    shown = {"now": now, "utc": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S")}
    if isinstance(shown_by, SimulatedClock):
        shown |= {"frozen": shown_by.frozen, "speed": shown_by.speed}
    return shown


@operation(
    "POST",
    "clock",
    response="Clock",
    request="ClockChange",
    example={"advance": 600},
    parameters={
        "advance": Parameter(optional(seconds), None, "Seconds to advance the clock by."),
        "freeze": Parameter(optional(boolean), None, "true to stop the clock, false to let it run."),
        "speed": Parameter(optional(seconds), None, "Simulated seconds per real second."),
    },
)
def change_clock(fake: Fake, user_id: str | None, arguments: Arguments) -> Any:
    """Advance the clock, freeze or resume it, or set its speed."""
    advance, speed = arguments["advance"] or 0.0, arguments["speed"]
    if advance > _MAX_CLOCK_SECONDS or (speed is not None and not 0 < speed <= _MAX_CLOCK_SECONDS):
        raise InvalidInput(
            "clock: expected advance as seconds from 0 to 1e9, and speed above 0 and at most 1e9"
        )

    def change(clock: SimulatedClock) -> None:
        if clock.now() + advance > LAST_SECOND:
            raise InvalidInput("clock: expected a time before the year 9000")
        if arguments["freeze"] is not None:
            (clock.freeze if arguments["freeze"] else clock.resume)()
        if speed is not None:
            clock.set_speed(speed)
        if advance:
            clock.advance(advance)

    try:
        fake.accounts.change_clock(user_id, change)
    except InvalidInput:
        raise
    except ValueError as mistake:
        raise InvalidInput(f"clock: {mistake}") from None
    return clock(fake, user_id, {})


@operation("GET", "next-job", response="NextJobs")
def next_jobs(fake: Fake, user_id: str | None, _arguments: Arguments) -> Any:
    """Return the queued scenarios."""
    waiting = fake.accounts.of(user_id).next_jobs
    shown = [{"scenario": str(one.scenario), "where": one.where} for one in waiting for _ in range(one.times)]
    return {"for": scope_of(user_id), "next_jobs": shown}


@operation(
    "POST",
    "next-job",
    response="NextJobs",
    request="NextJob",
    example={"scenario": "failed", "reason": "no GPU"},
    parameters={
        "times": Parameter(integer(1, 10_000), 1, "How many jobs it is used for, one after the other."),
        "where": Parameter(text, "", "The line of the test that queued it, shown if it is not used."),
    },
    takes_more=True,
)
def add_next_job(fake: Fake, user_id: str | None, arguments: Arguments) -> Any:
    """Queue a scenario for the next job."""
    scenario = dict(arguments)
    where, times = scenario.pop("where"), scenario.pop("times")
    if conditions := sorted({"model", "prompt"} & set(scenario)):
        raise InvalidInput(
            f"next-job: {conditions[0]} is not supported: it is for the next create; add a rule (every_job)"
        )
    queued = QueuedScenario(fake.accounts.check_scenario(scenario_of(scenario)), where, times)
    fake.accounts.change(user_id, lambda account: account.next_jobs.append(queued))
    return next_jobs(fake, user_id, {})


@operation("GET", "rules", response="Rules")
def rules(fake: Fake, user_id: str | None, _arguments: Arguments) -> Any:
    """Return the rules, and the scenario of all other jobs."""
    account = fake.accounts.of(user_id)
    return {
        "for": scope_of(user_id),
        "rules": [
            {"scenario": str(one.scenario), "model": one.model, "prompt": one.prompt} for one in account.rules
        ],
        "otherwise": None if account.otherwise is None else str(account.otherwise),
    }


@operation(
    "POST",
    "rules",
    response="Rules",
    request="Rule",
    example={"model": "Qwen/*", "prompt": "coffee", "scenario": "slow"},
    parameters={
        "otherwise": Parameter(boolean, False, "For jobs without a queued scenario or a matching rule.")
    },
    takes_more=True,
)
def add_rule(fake: Fake, user_id: str | None, arguments: Arguments) -> Any:
    """Add a rule: a scenario for all jobs that match it."""
    condition_and_scenario = dict(arguments)
    is_otherwise = condition_and_scenario.pop("otherwise")

    def add(account: Account) -> None:
        rule = rule_of(condition_and_scenario, [] if is_otherwise else account.rules)
        fake.accounts.check_scenario(rule.scenario)
        if is_otherwise:
            account.otherwise = rule.scenario
        else:
            account.rules.append(rule)

    fake.accounts.change(user_id, add)
    return rules(fake, user_id, {})


@operation("DELETE", "rules", response="Rules")
def clear_rules(fake: Fake, user_id: str | None, _arguments: Arguments) -> Any:
    """Remove all rules, and the scenario of all other jobs."""

    def clear(account: Account) -> None:
        account.rules.clear()
        account.otherwise = None

    fake.accounts.change(user_id, clear)
    return rules(fake, user_id, {})


@operation("GET", "faults", response="Faults")
def faults(fake: Fake, user_id: str | None, _arguments: Arguments) -> Any:
    """Return the faults, and how often each was applied."""
    return {
        "for": scope_of(user_id),
        "operations": OPERATIONS,
        "faults": [
            {
                "number": active.fault.number,
                "operation": active.fault.operation,
                "kind": active.fault.kind,
                "arguments": dict(active.fault.arguments),
                "times": active.fault.times,
                "skip": active.fault.skip,
                "probability": active.fault.probability,
                "job": active.fault.job,
                "where": active.where,
                "seen": active.seen,
                "applied": active.applied,
            }
            for active in fake.accounts.of(user_id).faults
        ],
    }


@operation(
    "POST",
    "faults",
    response="Faults",
    request="Fault",
    example={"operation": "get", "kind": "status", "code": 503, "retry_after": 2, "times": 3},
    parameters={"where": Parameter(text, "", "The line of the test that added it, shown if it is not used.")},
    takes_more=True,
)
def add_fault(fake: Fake, user_id: str | None, arguments: Arguments) -> Any:
    """Add a fault for the next requests of an API operation."""
    arguments = dict(arguments)
    where = arguments.pop("where")[:_SHOWN_CHARACTERS]
    api_operation, kind = arguments.pop("operation", None), arguments.pop("kind", None)

    def add(account: Account) -> None:
        new = fault(account.numbered + 1, api_operation, kind, **arguments)
        fake.accounts.check_wire(new.kind)
        account.numbered += 1
        account.faults.append(ActiveFault(new, where))

    fake.accounts.change(user_id, add)
    return faults(fake, user_id, {})


@operation("DELETE", "faults", response="Faults")
def clear_faults(fake: Fake, user_id: str | None, _arguments: Arguments) -> Any:
    """Remove all faults."""
    fake.accounts.change(user_id, lambda account: account.faults.clear())
    return faults(fake, user_id, {})
