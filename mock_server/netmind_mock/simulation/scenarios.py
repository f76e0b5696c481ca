"""The table of scenarios: what can be ordered for a job, and the plan that comes of it.

A scenario is chosen by name, with arguments, in Python or as one line of text (``failed after=3``): a test's
``next_job``, a rule, the tag ``[[mock:failed after=3]]`` in a prompt, the header ``X-Mock-Scenario``.
"""

from __future__ import annotations

import json
import math
import re
import shlex
import types
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from netmind_mock.jobs.job import Plan, Stage, Status
from netmind_mock.jobs.plan import usual_plan
from netmind_mock.validation import (
    Expected,
    InvalidOrder,
    Parameter,
    choice,
    complete,
    integer,
    nearest,
    optional,
    seconds,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from netmind_mock.jobs.plan import Request
    from netmind_mock.jobs.profile import Profile

    Build = Callable[[Plan, Mapping[str, Any], Profile], Plan]
    from netmind_mock.jobs.profile import Profile


# The page's own example took 13 minutes.
_SLOW_SECONDS = 780.0
_MOST_POLLS = 10_000
MOST_ORDER_CHARACTERS = 1000
_WORD = re.compile(r"[A-Za-z0-9 _.-]{1,40}")
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?")


class Order(NamedTuple):
    """A scenario and all its arguments, checked."""

    scenario: str
    arguments: Mapping[str, Any]

    def __str__(self) -> str:
        """As one line of text, which ``parse`` reads; what is as by default is left out."""
        known = SCENARIOS[self.scenario].parameters
        stated = (
            f"{name}={shlex.quote(_spelled(value))}"
            for name, value in self.arguments.items()
            if value != known[name].default
        )
        return " ".join([self.scenario, *stated])


@dataclass(frozen=True, slots=True)
class Scenario:
    """A way that a job can go.

    Attributes:
        name: As it is ordered.
        about: What happens, in one sentence.
        level: How it is known that the real API does so: ``documented``, ``observed`` or ``assumed``.
        parameters: Its arguments.
        build: From the plan that the job would have had, the arguments and the profile to its plan.
    """

    name: str
    about: str
    level: str
    parameters: Mapping[str, Parameter]
    build: Build


def order(scenario: str, /, **arguments: Any) -> Order:
    """An order, checked.

    Raises:
        InvalidOrder: There is no such scenario or argument, or a value cannot be; with the nearest that can.
    """
    found = SCENARIOS.get(scenario)
    if found is None:
        raise InvalidOrder(f"scenario: no such scenario as {scenario[:60]!r}; {nearest(scenario, SCENARIOS)}")
    return Order(scenario, complete(f"scenario {scenario}", arguments, found.parameters))


def parse(line: str) -> Order:
    """An order from one line of text, such as ``failed after=3 reason='out of memory'``.

    Raises:
        InvalidOrder: It is not of that form, or as ``order`` says.
    """
    if len(line) > MOST_ORDER_CHARACTERS:
        raise InvalidOrder(f"scenario: expected a line of at most {MOST_ORDER_CHARACTERS} characters")
    try:
        words = shlex.split(line)
    except ValueError as mistake:
        raise InvalidOrder(
            f"scenario: expected a line such as failed after=3, got {line[:60]!r} ({mistake})"
        ) from None
    pairs = [word.partition("=") for word in words[1:]]
    if not words or not all(separator for _, separator, _ in pairs):
        advice = "arguments are NAME=VALUE, without commas, a VALUE with spaces in quotes"
        example = "failed after=3 reason='too dark'"
        raise InvalidOrder(f"scenario: expected a line such as {example} ({advice}), got {line[:60]!r}")
    return order(words[0], **{name: _value(value) for name, _, value in pairs})


def planned(ordered: Order, usual: Plan, profile: Profile) -> Plan:
    """The plan of an ordered job; ``usual`` is what it would have been."""
    scenario = SCENARIOS[ordered.scenario]
    return replace(scenario.build(usual, ordered.arguments, profile), scenario=scenario.name)


def _value(word: str) -> Any:
    if word.lower() in ("none", "null"):
        return None
    if _NUMBER.fullmatch(word):
        return float(word) if "." in word else int(word)
    return word


def _spelled(value: Any) -> str:
    if value is None:
        return "none"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _status(value: Any) -> str:
    """A status that is not final: one of ours, or a word that nobody knows."""
    if not isinstance(value, str) or not _WORD.fullmatch(value) or value in ("completed", "failed"):
        raise Expected("a status other than completed and failed")
    return Status(value) if value in set(Status) else value


def _passing(plan: Plan) -> tuple[Stage, ...]:
    """The stages on the way."""
    return plan.stages[:-1]


def _failing(plan: Plan, reason: str) -> Plan:
    stages = (*_passing(plan), Stage(Status.FAILED, plan.stages[-1].begins))
    return replace(plan, stages=stages, failure=reason)


def _completed(plan: Plan, _arguments: Mapping[str, Any], _profile: Profile) -> Plan:
    return plan


def _at_once(plan: Plan, _arguments: Mapping[str, Any], _profile: Profile) -> Plan:
    return replace(plan, stages=(plan.stages[0], Stage(Status.COMPLETED, 0.0)))


def _after_polls(plan: Plan, arguments: Mapping[str, Any], _profile: Profile) -> Plan:
    polls = arguments["polls"]
    stages = (plan.stages[0], Stage(Status.COMPLETED, math.inf, polls))
    return replace(plan, stages=stages, counts_polls=polls)


def _by_hand(plan: Plan, _arguments: Mapping[str, Any], _profile: Profile) -> Plan:
    return replace(plan, stages=plan.stages[:1])


def _failed(plan: Plan, arguments: Mapping[str, Any], _profile: Profile) -> Plan:
    return _failing(plan, arguments["reason"])


def _rejected(plan: Plan, arguments: Mapping[str, Any], profile: Profile) -> Plan:
    found = {"loc": ["body", arguments["field"]], "msg": arguments["message"], "type": "value_error"}
    return _failing(plan, profile.worker_error.replace("{detail}", json.dumps({"detail": [found]})))


def _stuck(plan: Plan, arguments: Mapping[str, Any], _profile: Profile) -> Plan:
    status = arguments["status"]
    way = _passing(plan)
    words = [stage.status for stage in way]
    if status in words:
        return replace(plan, stages=way[: words.index(status) + 1])
    return replace(plan, stages=(*way, Stage(status, plan.stages[-1].begins)))


def _unknown_status(plan: Plan, arguments: Mapping[str, Any], _profile: Profile) -> Plan:
    half = plan.stages[-1].begins / 2
    way = tuple(stage for stage in _passing(plan) if stage.begins < half or not stage.begins)
    return replace(plan, stages=(*way, Stage(arguments["status"], half), plan.stages[-1]))


def _backward(plan: Plan, _arguments: Mapping[str, Any], _profile: Profile) -> Plan:
    end = plan.stages[-1]
    third = end.begins / 3
    there_and_back = (Stage(Status.PROCESSING, third), Stage(Status.PENDING, 2 * third))
    return replace(plan, stages=(plan.stages[0], *there_and_back, end))


def _empty_result(plan: Plan, arguments: Mapping[str, Any], _profile: Profile) -> Plan:
    asked = arguments["seconds"]
    return replace(plan, empty_for=math.inf if asked is None else asked)


def _completed_then_failed(plan: Plan, arguments: Mapping[str, Any], _profile: Profile) -> Plan:
    end = Stage(Status.FAILED, plan.stages[-1].begins + arguments["later"])
    return replace(plan, stages=(*plan.stages, end), failure=arguments["reason"])


def _missing_at_first(plan: Plan, arguments: Mapping[str, Any], _profile: Profile) -> Plan:
    return replace(plan, hidden_for=arguments["seconds"])


def _list_behind(plan: Plan, arguments: Mapping[str, Any], _profile: Profile) -> Plan:
    return replace(plan, list_behind=arguments["seconds"])


def _delete_race(plan: Plan, arguments: Mapping[str, Any], _profile: Profile) -> Plan:
    return replace(plan, delete_late=arguments["seconds"])


def _expiring_link(plan: Plan, arguments: Mapping[str, Any], _profile: Profile) -> Plan:
    return replace(plan, link_life=arguments["seconds"])


_AFTER = Parameter(optional(seconds), None, "seconds until it ends; by default the fake's duration")
_REASON = Parameter(text, "The worker ran out of memory", "the last log line")


def _seconds(default: float, about: str) -> Parameter:
    return Parameter(seconds, default, f"seconds {about}")


def _above_zero(value: Any) -> float:
    if seconds(value) == 0:
        raise Expected("a number of seconds above 0")
    return seconds(value)


def _scenario(
    name: str, about: str, level: str, build: Build, **parameters: Parameter
) -> tuple[str, Scenario]:
    return name, Scenario(name, about, level, types.MappingProxyType(parameters), build)


SCENARIOS: Mapping[str, Scenario] = types.MappingProxyType(
    dict(
        [
            _scenario("completed", "Completes after some seconds.", "documented", _completed, after=_AFTER),
            _scenario(
                "slow",
                "Takes 13 minutes, as the page's own example did.",
                "documented",
                _completed,
                after=Parameter(seconds, _SLOW_SECONDS, "seconds until it ends"),
            ),
            _scenario("at_once", "Is completed at the first poll.", "assumed", _at_once),
            _scenario(
                "after_polls",
                "Is completed at the poll of this number, however much time passes.",
                "assumed",
                _after_polls,
                polls=Parameter(
                    integer(1, _MOST_POLLS), 3, "the poll that sees it completed, counted from 1"
                ),
            ),
            _scenario(
                "by_hand", "Stays pending until it is told to complete or to fail.", "assumed", _by_hand
            ),
            _scenario(
                "failed",
                "Fails; the reason is the last log line.",
                "observed",
                _failed,
                after=_AFTER,
                reason=_REASON,
            ),
            _scenario(
                "rejected",
                "Is accepted, and fails since its worker rejects the input.",
                "observed",
                _rejected,
                after=_AFTER,
                field=Parameter(text, "prompt", "the option of the config that is rejected"),
                message=Parameter(text, "The input is not accepted", "what the worker says of it"),
            ),
            _scenario(
                "stuck",
                "Goes as far as a status, and stays there for ever.",
                "assumed",
                _stuck,
                after=_AFTER,
                status=Parameter(_status, Status.PENDING, "the status that it stays in; any word"),
            ),
            _scenario(
                "unknown_status",
                "Passes through a status that nobody knows, and completes.",
                "assumed",
                _unknown_status,
                after=_AFTER,
                status=Parameter(_status, "queued", "the word"),
            ),
            _scenario(
                "backward",
                "Is processing, then pending again, then completed.",
                "assumed",
                _backward,
                after=_AFTER,
            ),
            _scenario(
                "empty_result",
                "Is completed with an empty result, for a while or for ever.",
                "observed",
                _empty_result,
                after=_AFTER,
                seconds=Parameter(optional(seconds), None, "seconds for which it stays empty; none for ever"),
            ),
            _scenario(
                "completed_then_failed",
                "Is completed, and failed later.",
                "assumed",
                _completed_then_failed,
                after=_AFTER,
                later=_seconds(30.0, "from completed to failed"),
                reason=_REASON,
            ),
            _scenario(
                "missing_at_first",
                "Is not known to get just after it was created (404).",
                "assumed",
                _missing_at_first,
                after=_AFTER,
                seconds=_seconds(1.0, "for which it is missing"),
            ),
            _scenario(
                "list_behind",
                "The list shows it as it was some seconds ago, or not yet.",
                "assumed",
                _list_behind,
                after=_AFTER,
                seconds=_seconds(5.0, "by which the list lags"),
            ),
            _scenario(
                "answer_lost",
                "Is created, and the answer to its create never arrives.",
                "assumed",
                _completed,
                after=_AFTER,
                how=Parameter(
                    choice("reset", "hang", "gateway"),
                    "reset",
                    "reset (of the connection), hang, or gateway (a 504)",
                ),
            ),
            _scenario(
                "delete_race",
                "A delete is answered, but the job completes at that moment, and is gone a little later.",
                "assumed",
                _delete_race,
                after=_AFTER,
                seconds=Parameter(_above_zero, 5.0, "seconds for which the deleted job is still seen"),
            ),
            _scenario(
                "expiring_link",
                "The result's link expires; getting the job again gives a fresh one.",
                "assumed",
                _expiring_link,
                after=_AFTER,
                seconds=_seconds(60.0, "for which a link is good"),
            ),
        ]
    )
)


def plan_for(request: Request, profile: Profile, duration: float, order: Order | None = None) -> Plan:
    """What will become of a job that is created by this request.

    Args:
        request: What a client asked for.
        profile: How the imitated API behaves.
        duration: How long the job takes, in seconds, unless the order says otherwise.
        order: What was ordered for this job.
    """
    if order is not None:
        after = order.arguments.get("after")
        usual = usual_plan(request, profile, duration if after is None else after, judged=False)
        return planned(order, usual, profile)
    return usual_plan(request, profile, duration, judged=profile.rejects_bad_input)
