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
from netmind_mock.simulation.account import Account, ActiveFault, Ordered
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

    from netmind_mock.fake import Fake
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
    run: Callable[[Fake, str | None, Payload], Any]


def call(fake: Fake, user_id: str | None, name: str, payload: Payload) -> Any:
    """Do what a test asks for.

    Raises:
        InvalidOrder: It cannot be done; the message says what can. ``NotThere`` if its object does not exist.
    """
    fake.accounts.follow()
    return OPERATIONS_BY_NAME[name].run(fake, user_id, payload)


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


def _health(fake: Fake, _user_id: str | None, _payload: Payload) -> Any:
    jobs, evicted = fake.store.counts()
    return {
        "status": "ok",
        "version": version("netmind-testkit"),
        "profile": fake.profile.name,
        "store": fake.store.name,
        "jobs": jobs,
        "evicted": evicted,
        "faults": [kind for kind in KINDS if fake.accounts.can_carry(kind)],
    }


def _reset(fake: Fake, user_id: str | None, _payload: Payload) -> Any:
    fake.journal.collect()  # else what another process has not written yet would come back
    fake.store.forget(user_id, but=CLOCK)  # everybody's time goes on
    fake.journal.forget(user_id)
    fake.accounts.follow()
    return {"for": _whom(user_id)}


def _whom(user_id: str | None) -> str:
    """Whom an operation was about, for people who forgot their token."""
    return "every account" if user_id is None else "this account"


def _clock(fake: Fake, user_id: str | None, _payload: Payload) -> Any:
    clock = fake.accounts.clock(user_id)
    now = clock.now()
    shown = {"now": now, "utc": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S")}
    if isinstance(clock, SteerableClock):
        shown |= {"frozen": clock.frozen, "speed": clock.speed}
    return shown


def _steer_clock(fake: Fake, user_id: str | None, payload: Payload) -> Any:
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
        fake.accounts.steer(user_id, steer)
    except InvalidOrder:
        raise
    except ValueError as mistake:
        raise InvalidOrder(f"clock: {mistake}") from None
    return _clock(fake, user_id, {})


def _add_next_job(fake: Fake, user_id: str | None, payload: Payload) -> Any:
    asked = dict(payload)
    if conditions := sorted({"model", "prompt"} & set(asked)):
        raise InvalidOrder(
            f"next job: takes no {conditions[0]}, since it is for the next create; a rule does (every_job)"
        )
    options = complete("next-job", {name: asked.pop(name) for name in _NEXT if name in asked}, _NEXT)
    ordered = Ordered(fake.accounts.checked(order_of(asked)), options["where"], options["times"])
    fake.accounts.order(user_id, lambda tenant: tenant.next_jobs.append(ordered))
    return _next_jobs(fake, user_id, {})


def _next_jobs(fake: Fake, user_id: str | None, _payload: Payload) -> Any:
    waiting = fake.accounts.of(user_id).next_jobs
    shown = [
        {"scenario": str(order), "where": where} for order, where, times in waiting for _ in range(times)
    ]
    return {"for": _whom(user_id), "next_jobs": shown}


def _scenarios(_fake: Fake, _user_id: str | None, _payload: Payload) -> Any:
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


def _add_rule(fake: Fake, user_id: str | None, payload: Payload) -> Any:
    asked = dict(payload)
    is_rest = complete("rule", {"otherwise": asked.pop("otherwise", False)}, _OTHERWISE)["otherwise"]

    def add(tenant: Account) -> None:
        rule = rule_of(asked, [] if is_rest else tenant.rules)
        fake.accounts.checked(rule.order)
        if is_rest:
            tenant.otherwise = rule.order
        else:
            tenant.rules.append(rule)

    fake.accounts.order(user_id, add)
    return _rules(fake, user_id, {})


def _rules(fake: Fake, user_id: str | None, _payload: Payload) -> Any:
    tenant = fake.accounts.of(user_id)
    return {
        "for": _whom(user_id),
        "rules": [
            {"scenario": str(one.order), "model": one.model, "prompt": one.prompt} for one in tenant.rules
        ],
        "otherwise": None if tenant.otherwise is None else str(tenant.otherwise),
    }


def _clear_rules(fake: Fake, user_id: str | None, _payload: Payload) -> Any:
    def clear(tenant: Account) -> None:
        tenant.rules.clear()
        tenant.otherwise = None

    fake.accounts.order(user_id, clear)
    return _rules(fake, user_id, {})


def _add_fault(fake: Fake, user_id: str | None, payload: Payload) -> Any:
    asked = dict(payload)
    operation, kind, where = asked.pop("operation", None), asked.pop("kind", None), asked.pop("where", "")

    def add(tenant: Account) -> None:
        made = fault(tenant.numbered + 1, operation, kind, **asked)
        fake.accounts.check_wire(made.kind)
        tenant.numbered += 1
        tenant.faults.append(ActiveFault(made, str(where)[:_SHOWN_CHARACTERS]))

    fake.accounts.order(user_id, add)
    return _faults(fake, user_id, {})


def _faults(fake: Fake, user_id: str | None, _payload: Payload) -> Any:
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
            for active in fake.accounts.of(user_id).faults
        ],
    }


def _clear_faults(fake: Fake, user_id: str | None, _payload: Payload) -> Any:
    fake.accounts.order(user_id, lambda tenant: tenant.faults.clear())
    return _faults(fake, user_id, {})


def _jobs(fake: Fake, user_id: str | None, _payload: Payload) -> Any:
    jobs = fake.store.page(user_id)
    return {"jobs": [_job(fake, job) for job in reversed(jobs)]}


def _job(fake: Fake, job: Job) -> dict[str, Any]:
    now = fake.accounts.clock(job.user_id).now()
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


def _found(fake: Fake, user_id: str | None, job_id: Any) -> Job:
    job = fake.store.get(job_id) if isinstance(job_id, str) and ids.is_job_id(job_id) else None
    if job is None or user_id not in (None, job.user_id):
        raise NotThere(f"job: no such generation as {str(job_id)[:60]!r} on this account")
    return job


def _end(fake: Fake, user_id: str | None, job_id: Any, failure: str | None) -> Any:
    job = _found(fake, user_id, job_id)
    clock = fake.accounts.clock(job.user_id)

    def end(before: Job) -> Job:
        now = clock.now()  # only here, for somebody else may have ended it until a moment ago
        status = status_at(before, now).status
        if status in ("completed", "failed") or before.deleted_at is not None:
            state = "deleted" if before.deleted_at is not None else status
            raise InvalidOrder(f"job: generation {job.id} is {state} already")
        return ended(before, now, failure)

    fake.store.change(job.id, end)
    _move_up(fake, job.user_id, clock.now())
    return _job(fake, _found(fake, user_id, job_id))


def _move_up(fake: Fake, user_id: str, now: float) -> None:
    if fake.queue is not None:
        with contextlib.suppress(StoreUnavailable):  # the next create that has to wait tries again
            fake.queue.move_up(user_id, now)


def _complete(fake: Fake, user_id: str | None, payload: Payload) -> Any:
    return _end(fake, user_id, complete("complete", payload, _ONE)["id"], None)


def _fail(fake: Fake, user_id: str | None, payload: Payload) -> Any:
    asked = complete("fail", payload, _FAIL)
    return _end(fake, user_id, asked["id"], asked["reason"])


def _delete(fake: Fake, user_id: str | None, payload: Payload) -> Any:
    job = _found(fake, user_id, complete("delete", payload, _ONE)["id"])
    clock = fake.accounts.clock(job.user_id)
    fake.store.change(job.id, lambda before: deleted(before, clock.now()))
    _move_up(fake, job.user_id, clock.now())
    return _job(fake, _found(fake, user_id, job.id))


def _expire_links(fake: Fake, user_id: str | None, payload: Payload) -> Any:
    job = _found(fake, user_id, complete("expire-links", payload, _ONE)["id"])
    now = fake.accounts.clock(job.user_id).now()
    fake.store.change(job.id, lambda before: without_links(before, now))
    return _job(fake, _found(fake, user_id, job.id))


def _entries(fake: Fake, user_id: str | None, payload: Payload) -> list[Entry]:
    asked = complete("journal", payload, _JOURNAL)
    operation, limit = asked["operation"], asked["limit"]
    if operation is not None and operation not in (*OPERATIONS, "other"):
        known = dict.fromkeys((*OPERATIONS, "other"))
        raise InvalidOrder(f"journal: no such operation as {operation[:60]!r}; {nearest(operation, known)}")
    return fake.journal.entries(user_id, operation=operation, last=limit)


def _journal(fake: Fake, user_id: str | None, payload: Payload) -> Any:
    entries = [entry.as_json() for entry in _entries(fake, user_id, payload)]
    return {"dropped": fake.journal.dropped(user_id), "entries": entries}


def _har(fake: Fake, user_id: str | None, payload: Payload) -> Any:
    return har.har_of(_entries(fake, user_id, payload), version("netmind-testkit"))


def _spend(fake: Fake, user_id: str | None, _payload: Payload) -> Any:
    creates = fake.journal.entries(user_id, operation="create")
    dropped = fake.journal.dropped(user_id)
    return spend(creates, fake.prices, dropped=dropped, sure=fake.knows_losses).as_json()


def _polling(fake: Fake, user_id: str | None, payload: Payload) -> Any:
    asked = complete("polling", payload, _ONE)
    job = _found(fake, user_id, asked["id"])
    entries = fake.journal.entries(job.user_id, job_id=job.id)
    words = {status.value: word for status, word in fake.profile.words.items()}
    return judge_polling(job.id, entries, words, dropped=fake.journal.dropped(job.user_id)).as_json()


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
