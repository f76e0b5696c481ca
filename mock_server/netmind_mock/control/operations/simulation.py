"""What is asked for: the time, how the next jobs go, rules for all jobs, faults; and to start again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from netmind_mock.clock import SimulatedClock
from netmind_mock.control.operations.table import operation, whom
from netmind_mock.simulation.account import Account, ActiveFault, QueuedScenario
from netmind_mock.simulation.accounts import CLOCK
from netmind_mock.simulation.faults import OPERATIONS, fault
from netmind_mock.simulation.rules import rule_of, scenario_of
from netmind_mock.validation import InvalidInput, Parameter, boolean, integer, optional, seconds, text

if TYPE_CHECKING:
    from netmind_mock.control.operations.table import Arguments
    from netmind_mock.fake import Fake

_MAX_STEERED_SECONDS = 1e9
_LAST_SECOND = 221_845_392_000.0  # the year 9000, which calendars still have
_SHOWN_CHARACTERS = 200


@operation("POST", "reset", response="Reset")
def reset(fake: Fake, user_id: str | None, _asked: Arguments) -> Any:
    """Drop the jobs, the journal, and all scenarios, rules and faults."""
    fake.journal.collect()  # else what another process has not written yet would come back
    fake.store.forget(user_id, but=CLOCK)  # the clock of all accounts goes on
    fake.journal.forget(user_id)
    fake.accounts.follow()
    return {"for": whom(user_id)}


@operation("GET", "clock", response="Clock")
def clock(fake: Fake, user_id: str | None, _asked: Arguments) -> Any:
    """Return the time."""
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
        "advance": Parameter(optional(seconds), None, "Seconds to send the clock forward by."),
        "freeze": Parameter(optional(boolean), None, "true to stop the clock, false to let it run."),
        "speed": Parameter(optional(seconds), None, "Seconds of the clock in a second of real time."),
    },
)
def change_clock(fake: Fake, user_id: str | None, asked: Arguments) -> Any:
    """Send the clock forward, freeze it, or let it run at another speed."""
    advance, speed = asked["advance"] or 0.0, asked["speed"]
    if advance > _MAX_STEERED_SECONDS or (speed is not None and not 0 < speed <= _MAX_STEERED_SECONDS):
        raise InvalidInput(
            "clock: expected advance as seconds from 0 to 1e9, and speed above 0 and at most 1e9"
        )

    def steer(clock: SimulatedClock) -> None:
        if clock.now() + advance > _LAST_SECOND:
            raise InvalidInput("clock: goes no further than the year 9000")
        if asked["freeze"] is not None:
            (clock.freeze if asked["freeze"] else clock.resume)()
        if speed is not None:
            clock.set_speed(speed)
        if advance:
            clock.advance(advance)

    try:
        fake.accounts.steer(user_id, steer)
    except InvalidInput:
        raise
    except ValueError as mistake:
        raise InvalidInput(f"clock: {mistake}") from None
    return clock(fake, user_id, {})


@operation("GET", "next-job", response="NextJobs")
def next_jobs(fake: Fake, user_id: str | None, _asked: Arguments) -> Any:
    """Return the scenarios that wait for a create."""
    waiting = fake.accounts.of(user_id).next_jobs
    shown = [{"scenario": str(one.scenario), "where": one.where} for one in waiting for _ in range(one.times)]
    return {"for": whom(user_id), "next_jobs": shown}


@operation(
    "POST",
    "next-job",
    response="NextJobs",
    request="NextJob",
    example={"scenario": "failed", "reason": "no GPU"},
    parameters={
        "times": Parameter(integer(1, 10_000), 1, "For how many jobs, one after the other."),
        "where": Parameter(text, "", "Where this was asked for, as shown with what is left."),
    },
    takes_more=True,
)
def add_next_job(fake: Fake, user_id: str | None, asked: Arguments) -> Any:
    """Queue a scenario for the next job."""
    scenario = dict(asked)
    where, times = scenario.pop("where"), scenario.pop("times")
    if conditions := sorted({"model", "prompt"} & set(scenario)):
        raise InvalidInput(
            f"next job: takes no {conditions[0]}, since it is for the next create; a rule does (every_job)"
        )
    ordered = QueuedScenario(fake.accounts.check_scenario(scenario_of(scenario)), where, times)
    fake.accounts.change(user_id, lambda account: account.next_jobs.append(ordered))
    return next_jobs(fake, user_id, {})


@operation("GET", "rules", response="Rules")
def rules(fake: Fake, user_id: str | None, _asked: Arguments) -> Any:
    """Return the rules."""
    account = fake.accounts.of(user_id)
    return {
        "for": whom(user_id),
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
    parameters={"otherwise": Parameter(boolean, False, "For jobs that no scenario or rule is for.")},
    takes_more=True,
)
def add_rule(fake: Fake, user_id: str | None, asked: Arguments) -> Any:
    """Add a rule: a scenario for all jobs that match it."""
    rule_asked = dict(asked)
    is_otherwise = rule_asked.pop("otherwise")

    def add(account: Account) -> None:
        rule = rule_of(rule_asked, [] if is_otherwise else account.rules)
        fake.accounts.check_scenario(rule.scenario)
        if is_otherwise:
            account.otherwise = rule.scenario
        else:
            account.rules.append(rule)

    fake.accounts.change(user_id, add)
    return rules(fake, user_id, {})


@operation("DELETE", "rules", response="Rules")
def clear_rules(fake: Fake, user_id: str | None, _asked: Arguments) -> Any:
    """Remove all rules."""

    def clear(account: Account) -> None:
        account.rules.clear()
        account.otherwise = None

    fake.accounts.change(user_id, clear)
    return rules(fake, user_id, {})


@operation("GET", "faults", response="Faults")
def faults(fake: Fake, user_id: str | None, _asked: Arguments) -> Any:
    """Return the faults, and how often each was applied."""
    return {
        "for": whom(user_id),
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
    parameters={"where": Parameter(text, "", "Where this was asked for, as shown with what was not used.")},
    takes_more=True,
)
def add_fault(fake: Fake, user_id: str | None, asked: Arguments) -> Any:
    """Add a fault for the next requests of an operation of the API."""
    arguments = dict(asked)
    where = arguments.pop("where")[:_SHOWN_CHARACTERS]
    api_operation, kind = arguments.pop("operation", None), arguments.pop("kind", None)

    def add(account: Account) -> None:
        made = fault(account.numbered + 1, api_operation, kind, **arguments)
        fake.accounts.check_wire(made.kind)
        account.numbered += 1
        account.faults.append(ActiveFault(made, where))

    fake.accounts.change(user_id, add)
    return faults(fake, user_id, {})


@operation("DELETE", "faults", response="Faults")
def clear_faults(fake: Fake, user_id: str | None, _asked: Arguments) -> Any:
    """Remove all faults."""
    fake.accounts.change(user_id, lambda account: account.faults.clear())
    return faults(fake, user_id, {})
