"""What a test may do to the fake: one table of operations, over HTTP and in Python alike.

An operation takes a tenant (None for everybody) and a payload of JSON, and returns JSON. ``routes/control``
serves the table under ``/__mock/``; the fixtures call it without HTTP.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

from netmind_mock.clock import SteerableClock
from netmind_mock.jobs import ids
from netmind_mock.jobs.job import Job, Kind, deleted, ended, stages_until, status_at, without_links
from netmind_mock.journal import har
from netmind_mock.journal.polling import judge_polling
from netmind_mock.journal.spend import spend
from netmind_mock.simulation.account import ActiveFault, Ordered, Tenant
from netmind_mock.simulation.accounts import CLOCK
from netmind_mock.simulation.faults import KINDS, OPERATIONS, fault
from netmind_mock.simulation.rules import order_of, rule_of
from netmind_mock.simulation.scenarios import SCENARIOS
from netmind_mock.stores import StoreUnavailable
from netmind_mock.validation import (
    Check,
    InvalidOrder,
    Parameter,
    boolean,
    complete,
    integer,
    nearest,
    optional,
    seconds,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from netmind_mock.fake import World
    from netmind_mock.journal.entries import Entry

    Payload = Mapping[str, Any]


_MOST_STEERED_SECONDS = 1e9
_LAST_SECOND = 221_845_392_000.0  # the year 9000, which calendars still have
_SHOWN_CHARACTERS = 200


class NotThere(InvalidOrder):
    """What an operation is about does not exist, such as a generation."""


class Operation(NamedTuple):
    """Something that can be done: over HTTP by a method and a path below ``/__mock/``, and as a function."""

    method: str
    path: str
    run: Callable[[World, str | None, Payload], Any]


def call(world: World, user_id: str | None, name: str, payload: Payload) -> Any:
    """Do what a test asks for.

    Raises:
        InvalidOrder: It cannot be done; the message says what can. ``NotThere`` if its object does not exist.
    """
    world.tenants.follow()
    return OPERATIONS_BY_NAME[name].run(world, user_id, payload)


def _parameter(check: Check, default: Any = None) -> Parameter:
    return Parameter(optional(check) if default is None else check, default, "")


_CLOCK = {
    "advance": _parameter(seconds),
    "freeze": _parameter(boolean),
    "speed": _parameter(seconds),
}
_FAIL = {"id": _parameter(text), "reason": _parameter(text, "Failed by hand")}
_OTHERWISE = {"otherwise": _parameter(boolean, default=False)}
_ONE = {"id": _parameter(text)}
_JOURNAL = {"operation": _parameter(text), "limit": _parameter(integer(1, 1_000_000))}
_NEXT = {"times": _parameter(integer(1, 10_000), 1), "where": _parameter(text, "")}


def _health(world: World, _user_id: str | None, _payload: Payload) -> Any:
    jobs, evicted = world.store.counts()
    return {
        "status": "ok",
        "version": version("netmind-testkit"),
        "profile": world.profile.name,
        "store": world.store.name,
        "jobs": jobs,
        "evicted": evicted,
        "faults": [kind for kind in KINDS if world.tenants.can_carry(kind)],
    }


def _reset(world: World, user_id: str | None, _payload: Payload) -> Any:
    world.journal.collect()  # else what another process has not written yet would come back
    world.store.forget(user_id, but=CLOCK)  # everybody's time goes on
    world.journal.forget(user_id)
    world.tenants.follow()
    return {"for": _whom(user_id)}


def _whom(user_id: str | None) -> str:
    """Whom an operation was about, for people who forgot their token."""
    return "every account" if user_id is None else "this account"


def _clock(world: World, user_id: str | None, _payload: Payload) -> Any:
    clock = world.tenants.clock(user_id)
    now = clock.now()
    shown = {"now": now, "utc": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S")}
    if isinstance(clock, SteerableClock):
        shown |= {"frozen": clock.frozen, "speed": clock.speed}
    return shown


def _steer_clock(world: World, user_id: str | None, payload: Payload) -> Any:
    asked = complete("clock", payload, _CLOCK)
    advance, speed = asked["advance"] or 0.0, asked["speed"]
    if advance > _MOST_STEERED_SECONDS or (speed is not None and not 0 < speed <= _MOST_STEERED_SECONDS):
        raise InvalidOrder(
            "clock: expected advance as seconds from 0 to 1e9, and speed above 0 and at most 1e9"
        )

    def steer(clock: SteerableClock) -> None:
        if clock.now() + advance > _LAST_SECOND:
            raise InvalidOrder("clock: goes no further than the year 9000")
        if asked["freeze"] is not None:
            (clock.freeze if asked["freeze"] else clock.resume)()
        if speed is not None:
            clock.set_speed(speed)
        if advance:
            clock.advance(advance)

    try:
        world.tenants.steer(user_id, steer)
    except InvalidOrder:
        raise
    except ValueError as mistake:
        raise InvalidOrder(f"clock: {mistake}") from None
    return _clock(world, user_id, {})


def _add_next_job(world: World, user_id: str | None, payload: Payload) -> Any:
    asked = dict(payload)
    if conditions := sorted({"model", "prompt"} & set(asked)):
        raise InvalidOrder(
            f"next job: takes no {conditions[0]}, since it is for the next create; a rule does (every_job)"
        )
    options = complete("next-job", {name: asked.pop(name) for name in _NEXT if name in asked}, _NEXT)
    ordered = Ordered(world.tenants.checked(order_of(asked)), options["where"], options["times"])
    world.tenants.order(user_id, lambda tenant: tenant.next_jobs.append(ordered))
    return _next_jobs(world, user_id, {})


def _next_jobs(world: World, user_id: str | None, _payload: Payload) -> Any:
    waiting = world.tenants.of(user_id).next_jobs
    shown = [
        {"scenario": str(order), "where": where} for order, where, times in waiting for _ in range(times)
    ]
    return {"for": _whom(user_id), "next_jobs": shown}


def _scenarios(_world: World, _user_id: str | None, _payload: Payload) -> Any:
    return {
        "scenarios": [
            {
                "name": one.name,
                "about": one.about,
                "level": one.level,
                "arguments": _described(one.parameters),
            }
            for one in SCENARIOS.values()
        ],
        "faults": [
            {
                "kind": name,
                "about": kind.about,
                "operations": kind.operations,
                "arguments": _described(kind.parameters),
            }
            for name, kind in KINDS.items()
        ],
    }


def _described(parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    return {name: {"about": one.about, "default": one.default} for name, one in parameters.items()}


def _add_rule(world: World, user_id: str | None, payload: Payload) -> Any:
    asked = dict(payload)
    is_rest = complete("rule", {"otherwise": asked.pop("otherwise", False)}, _OTHERWISE)["otherwise"]

    def add(tenant: Tenant) -> None:
        rule = rule_of(asked, [] if is_rest else tenant.rules)
        world.tenants.checked(rule.order)
        if is_rest:
            tenant.otherwise = rule.order
        else:
            tenant.rules.append(rule)

    world.tenants.order(user_id, add)
    return _rules(world, user_id, {})


def _rules(world: World, user_id: str | None, _payload: Payload) -> Any:
    tenant = world.tenants.of(user_id)
    return {
        "for": _whom(user_id),
        "rules": [
            {"scenario": str(one.order), "model": one.model, "prompt": one.prompt} for one in tenant.rules
        ],
        "otherwise": None if tenant.otherwise is None else str(tenant.otherwise),
    }


def _clear_rules(world: World, user_id: str | None, _payload: Payload) -> Any:
    def clear(tenant: Tenant) -> None:
        tenant.rules.clear()
        tenant.otherwise = None

    world.tenants.order(user_id, clear)
    return _rules(world, user_id, {})


def _add_fault(world: World, user_id: str | None, payload: Payload) -> Any:
    asked = dict(payload)
    operation, kind, where = asked.pop("operation", None), asked.pop("kind", None), asked.pop("where", "")

    def add(tenant: Tenant) -> None:
        made = fault(tenant.numbered + 1, operation, kind, **asked)
        world.tenants.check_wire(made.kind)
        tenant.numbered += 1
        tenant.faults.append(ActiveFault(made, str(where)[:_SHOWN_CHARACTERS]))

    world.tenants.order(user_id, add)
    return _faults(world, user_id, {})


def _faults(world: World, user_id: str | None, _payload: Payload) -> Any:
    return {
        "for": _whom(user_id),
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
                "struck": active.struck,
            }
            for active in world.tenants.of(user_id).faults
        ],
    }


def _clear_faults(world: World, user_id: str | None, _payload: Payload) -> Any:
    world.tenants.order(user_id, lambda tenant: tenant.faults.clear())
    return _faults(world, user_id, {})


def _jobs(world: World, user_id: str | None, _payload: Payload) -> Any:
    jobs = world.store.page(user_id)
    return {"jobs": [_job(world, job) for job in reversed(jobs)]}


def _job(world: World, job: Job) -> dict[str, Any]:
    now = world.tenants.clock(job.user_id).now()
    return {
        "id": job.id,
        "user_id": job.user_id,
        "model": job.model[:_SHOWN_CHARACTERS],
        "status": status_at(job, now).status,
        "stages": [{"status": stage.status, "after": stage.begins} for stage in stages_until(job, now)],
        "created_at": job.created_at,
        "deleted_at": job.deleted_at,
        "scenario": job.plan.scenario,
        "kinds": sorted({Kind(output.kind).value for output in job.plan.outputs}),
    }


def _found(world: World, user_id: str | None, job_id: Any) -> Job:
    job = world.store.get(job_id) if isinstance(job_id, str) and ids.is_job_id(job_id) else None
    if job is None or user_id not in (None, job.user_id):
        raise NotThere(f"job: no such generation as {str(job_id)[:60]!r} on this account")
    return job


def _end(world: World, user_id: str | None, job_id: Any, failure: str | None) -> Any:
    job = _found(world, user_id, job_id)
    clock = world.tenants.clock(job.user_id)

    def end(before: Job) -> Job:
        now = clock.now()  # only here, for somebody else may have ended it until a moment ago
        status = status_at(before, now).status
        if status in ("completed", "failed") or before.deleted_at is not None:
            state = "deleted" if before.deleted_at is not None else status
            raise InvalidOrder(f"job: generation {job.id} is {state} already")
        return ended(before, now, failure)

    world.store.change(job.id, end)
    _move_up(world, job.user_id, clock.now())
    return _job(world, _found(world, user_id, job_id))


def _move_up(world: World, user_id: str, now: float) -> None:
    if world.queue is not None:
        with contextlib.suppress(StoreUnavailable):  # the next create that has to wait tries again
            world.queue.move_up(user_id, now)


def _complete(world: World, user_id: str | None, payload: Payload) -> Any:
    return _end(world, user_id, complete("complete", payload, _ONE)["id"], None)


def _fail(world: World, user_id: str | None, payload: Payload) -> Any:
    asked = complete("fail", payload, _FAIL)
    return _end(world, user_id, asked["id"], asked["reason"])


def _delete(world: World, user_id: str | None, payload: Payload) -> Any:
    job = _found(world, user_id, complete("delete", payload, _ONE)["id"])
    clock = world.tenants.clock(job.user_id)
    world.store.change(job.id, lambda before: deleted(before, clock.now()))
    _move_up(world, job.user_id, clock.now())
    return _job(world, _found(world, user_id, job.id))


def _expire_links(world: World, user_id: str | None, payload: Payload) -> Any:
    job = _found(world, user_id, complete("expire-links", payload, _ONE)["id"])
    now = world.tenants.clock(job.user_id).now()
    world.store.change(job.id, lambda before: without_links(before, now))
    return _job(world, _found(world, user_id, job.id))


def _entries(world: World, user_id: str | None, payload: Payload) -> list[Entry]:
    asked = complete("journal", payload, _JOURNAL)
    operation, limit = asked["operation"], asked["limit"]
    if operation is not None and operation not in (*OPERATIONS, "other"):
        known = dict.fromkeys((*OPERATIONS, "other"))
        raise InvalidOrder(f"journal: no such operation as {operation[:60]!r}; {nearest(operation, known)}")
    return world.journal.entries(user_id, operation=operation, last=limit)


def _journal(world: World, user_id: str | None, payload: Payload) -> Any:
    entries = [entry.as_json() for entry in _entries(world, user_id, payload)]
    return {"dropped": world.journal.dropped(user_id), "entries": entries}


def _har(world: World, user_id: str | None, payload: Payload) -> Any:
    return har.har_of(_entries(world, user_id, payload), version("netmind-testkit"))


def _spend(world: World, user_id: str | None, _payload: Payload) -> Any:
    creates = world.journal.entries(user_id, operation="create")
    dropped = world.journal.dropped(user_id)
    return spend(creates, world.prices, dropped=dropped, sure=world.told_of_losses).as_json()


def _polling(world: World, user_id: str | None, payload: Payload) -> Any:
    asked = complete("polling", payload, _ONE)
    job = _found(world, user_id, asked["id"])
    entries = world.journal.entries(job.user_id, job_id=job.id)
    words = {status.value: word for status, word in world.profile.words.items()}
    return judge_polling(job.id, entries, words, dropped=world.journal.dropped(job.user_id)).as_json()


OPERATIONS_BY_NAME: Mapping[str, Operation] = {
    "health": Operation("GET", "health", _health),
    "reset": Operation("POST", "reset", _reset),
    "clock": Operation("GET", "clock", _clock),
    "steer_clock": Operation("POST", "clock", _steer_clock),
    "scenarios": Operation("GET", "scenarios", _scenarios),
    "next_jobs": Operation("GET", "next-job", _next_jobs),
    "add_next_job": Operation("POST", "next-job", _add_next_job),
    "rules": Operation("GET", "rules", _rules),
    "add_rule": Operation("POST", "rules", _add_rule),
    "clear_rules": Operation("DELETE", "rules", _clear_rules),
    "faults": Operation("GET", "faults", _faults),
    "add_fault": Operation("POST", "faults", _add_fault),
    "clear_faults": Operation("DELETE", "faults", _clear_faults),
    "jobs": Operation("GET", "jobs", _jobs),
    "complete": Operation("POST", "jobs/{id}/complete", _complete),
    "fail": Operation("POST", "jobs/{id}/fail", _fail),
    "delete": Operation("DELETE", "jobs/{id}", _delete),
    "expire_links": Operation("POST", "jobs/{id}/expire-links", _expire_links),
    "journal": Operation("GET", "journal", _journal),
    "har": Operation("GET", "journal.har", _har),
    "spend": Operation("GET", "spend", _spend),
    "polling": Operation("GET", "polling/{id}", _polling),
}
