"""Scenarios: how a job can go. Each is a function that changes the default plan of a job.

A scenario is given by its name and arguments, in Python or as one line of text (``failed after=3``). It comes
from a test's ``next_job``, a rule, the tag ``[[mock:failed after=3]]`` in a prompt, or the header
``X-Mock-Scenario``.

To add a scenario, write a function at the end of this module. Its name is the name of the scenario, and its
docstring is the description in ``netmind-mock scenarios``, the control API and the docs.
"""

from __future__ import annotations

import inspect
import json
import math
import re
import shlex
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from netmind_mock.jobs.job import Plan, Stage, Status
from netmind_mock.jobs.plan import default_plan
from netmind_mock.validation import (
    Expected,
    InvalidInput,
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

    from netmind_mock.jobs.plan import CreateRequest
    from netmind_mock.jobs.profile import Profile

    Build = Callable[..., Plan]

MAX_SCENARIO_CHARACTERS = 1000
_WORD = re.compile(r"[A-Za-z0-9 _.-]{1,40}")
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?")


class Scenario(Struct, frozen=True, array_like=True):
    """A scenario with its arguments.

    Attributes:
        name: A key of ``SCENARIOS``.
        arguments: All its arguments, validated.
    """

    name: str
    arguments: dict[str, Any]

    def __str__(self) -> str:
        """Return it as one line of text that ``parse`` reads, without arguments that have their defaults."""
        known = SCENARIOS[self.name].parameters
        changed = (
            f"{argument}={shlex.quote(_spelled(value))}"
            for argument, value in self.arguments.items()
            if value != known[argument].default
        )
        return " ".join([self.name, *changed])


@dataclass(frozen=True, slots=True)
class ScenarioKind:
    """The definition of a scenario.

    Attributes:
        name: Its name.
        about: What happens, in one sentence.
        level: How certain it is that the real API does this: ``documented``, ``observed`` or ``assumed``.
        parameters: Its arguments.
        build: Returns the job's plan, from the default plan, the profile and the arguments.
    """

    name: str
    about: str
    level: str
    parameters: Mapping[str, Parameter]
    build: Build


SCENARIOS: dict[str, ScenarioKind] = {}


def scenario(level: str, **parameters: Parameter) -> Callable[[Build], Build]:
    """Register a function as a scenario.

    Args:
        level: How certain it is that the real API does this: ``documented``, ``observed`` or ``assumed``.
        parameters: Its arguments. The function gets all of them by name, except ``after``: the default plan
            that it gets already ends by then.
    """

    def register(build: Build) -> Build:
        name, about = build.__name__, inspect.getdoc(build) or ""
        SCENARIOS[name] = ScenarioKind(name, about, level, types.MappingProxyType(parameters), build)
        return build

    return register


def make_scenario(name: str, /, **arguments: Any) -> Scenario:
    """Return a validated scenario.

    Raises:
        InvalidInput: There is no such scenario or argument, or a value is not valid. The message suggests the
            nearest name.
    """
    found = SCENARIOS.get(name)
    if found is None:
        raise InvalidInput(f"scenario: no such scenario as {name[:60]!r}; {nearest(name, SCENARIOS)}")
    return Scenario(name, complete(f"scenario {name}", arguments, found.parameters))


def parse(line: str) -> Scenario:
    """Return the scenario of one line of text, such as ``failed after=3 reason='out of memory'``.

    Raises:
        InvalidInput: The line has another form, or ``make_scenario`` raised it.
    """
    if len(line) > MAX_SCENARIO_CHARACTERS:
        raise InvalidInput(f"scenario: expected a line of at most {MAX_SCENARIO_CHARACTERS} characters")
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise InvalidInput(
            f"scenario: expected a line such as failed after=3, got {line[:60]!r} ({error})"
        ) from None
    pairs = [word.partition("=") for word in words[1:]]
    if not words or not all(separator for _, separator, _ in pairs):
        advice = "write arguments as NAME=VALUE without commas, and quote a VALUE with spaces"
        example = "failed after=3 reason='too dark'"
        raise InvalidInput(f"scenario: expected a line such as {example} ({advice}), got {line[:60]!r}")
    return make_scenario(words[0], **{name: _value(value) for name, _, value in pairs})


def plan_for(
    request: CreateRequest, profile: Profile, duration: float, scenario: Scenario | None = None
) -> Plan:
    """Return the plan of the job that a request creates.

    Args:
        request: The create request.
        profile: How the API behaves.
        duration: How long the job takes, in seconds, unless the scenario has ``after``.
        scenario: The scenario; None for the default.
    """
    if scenario is None:
        return default_plan(request, profile, duration, judged=profile.rejects_bad_input)
    arguments = dict(scenario.arguments)
    after = arguments.pop("after", None)
    default = default_plan(request, profile, duration if after is None else after, judged=False)
    found = SCENARIOS[scenario.name]
    return replace(found.build(default, profile, **arguments), scenario=found.name)


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


# Shared by the scenarios below


def _status(value: Any) -> str:
    """Return a status that is not final: a known one, or any other word."""
    if not isinstance(value, str) or not _WORD.fullmatch(value) or value in ("completed", "failed"):
        raise Expected("a status other than completed and failed")
    return Status(value) if value in set(Status) else value


def _above_zero(value: Any) -> float:
    if seconds(value) == 0:
        raise Expected("a number of seconds above 0")
    return seconds(value)


def _seconds(default: float | None, about: str) -> Parameter:
    return Parameter(optional(seconds) if default is None else seconds, default, f"seconds {about}")


_AFTER = _seconds(None, "until it ends; by default the fake's duration")
_REASON = Parameter(text, "The worker ran out of memory", "the last log line")


def _failing(plan: Plan, reason: str) -> Plan:
    stages = (*plan.stages[:-1], Stage(Status.FAILED, plan.stages[-1].begins))
    return replace(plan, stages=stages, failure=reason)


# The scenarios


@scenario("documented", after=_AFTER)
def completed(plan: Plan, _: Profile) -> Plan:
    """Completes after some seconds."""
    return plan


@scenario("documented", after=_seconds(780.0, "until it ends"))
def slow(plan: Plan, _: Profile) -> Plan:
    """Takes 13 minutes, as the example in the vendor documentation does."""
    return plan


@scenario("assumed")
def at_once(plan: Plan, _: Profile) -> Plan:
    """Is completed at the first poll."""
    return replace(plan, stages=(plan.stages[0], Stage(Status.COMPLETED, 0.0)))


@scenario(
    "assumed", polls=Parameter(integer(1, 10_000), 3, "the number of the poll that gets completed, from 1")
)
def after_polls(plan: Plan, _: Profile, polls: int) -> Plan:
    """Completes at a given poll, however much time passes."""
    stages = (plan.stages[0], Stage(Status.COMPLETED, math.inf, polls))
    return replace(plan, stages=stages, counts_polls=polls)


@scenario("assumed")
def by_hand(plan: Plan, _: Profile) -> Plan:
    """Stays pending until a test completes it or makes it fail."""
    return replace(plan, stages=plan.stages[:1])


@scenario("observed", after=_AFTER, reason=_REASON)
def failed(plan: Plan, _: Profile, reason: str) -> Plan:
    """Fails; the reason is the last log line."""
    return _failing(plan, reason)


@scenario(
    "observed",
    after=_AFTER,
    field=Parameter(text, "prompt", "the option of the config that is rejected"),
    message=Parameter(text, "The input is not accepted", "the error message of the worker"),
)
def rejected(plan: Plan, profile: Profile, field: str, message: str) -> Plan:
    """Is accepted, and fails because its worker rejects the input."""
    found = {"loc": ["body", field], "msg": message, "type": "value_error"}
    return _failing(plan, profile.worker_error.replace("{detail}", json.dumps({"detail": [found]})))


@scenario(
    "assumed",
    after=_AFTER,
    status=Parameter(_status, Status.PENDING, "the status that it stays in; any word"),
)
def stuck(plan: Plan, _: Profile, status: str) -> Plan:
    """Reaches a status, and stays in it forever."""
    passing = plan.stages[:-1]
    words = [stage.status for stage in passing]
    if status in words:
        return replace(plan, stages=passing[: words.index(status) + 1])
    return replace(plan, stages=(*passing, Stage(status, plan.stages[-1].begins)))


@scenario("assumed", after=_AFTER, status=Parameter(_status, "queued", "the undocumented status"))
def unknown_status(plan: Plan, _: Profile, status: str) -> Plan:
    """Passes through an undocumented status, and completes."""
    half = plan.stages[-1].begins / 2
    passing = tuple(stage for stage in plan.stages[:-1] if stage.begins < half or not stage.begins)
    return replace(plan, stages=(*passing, Stage(status, half), plan.stages[-1]))


@scenario("assumed", after=_AFTER)
def backward(plan: Plan, _: Profile) -> Plan:
    """Is processing, then pending again, then completed."""
    third = plan.stages[-1].begins / 3
    forth_and_back = (Stage(Status.PROCESSING, third), Stage(Status.PENDING, 2 * third))
    return replace(plan, stages=(plan.stages[0], *forth_and_back, plan.stages[-1]))


@scenario("observed", after=_AFTER, seconds=_seconds(None, "for which it stays empty; without it, forever"))
def empty_result(plan: Plan, _: Profile, seconds: float | None) -> Plan:
    """Is completed with an empty result, for a while or forever."""
    return replace(plan, empty_for=math.inf if seconds is None else seconds)


@scenario("assumed", after=_AFTER, later=_seconds(30.0, "between completed and failed"), reason=_REASON)
def completed_then_failed(plan: Plan, _: Profile, later: float, reason: str) -> Plan:
    """Is completed, and changes to failed later."""
    end = Stage(Status.FAILED, plan.stages[-1].begins + later)
    return replace(plan, stages=(*plan.stages, end), failure=reason)


@scenario("assumed", after=_AFTER, seconds=_seconds(1.0, "for which it is not found"))
def missing_at_first(plan: Plan, _: Profile, seconds: float) -> Plan:
    """Is not found by get at first after its create (404)."""
    return replace(plan, hidden_for=seconds)


@scenario("assumed", after=_AFTER, seconds=_seconds(5.0, "by which the list lags"))
def list_behind(plan: Plan, _: Profile, seconds: float) -> Plan:
    """Appears in the list as it was some seconds ago, so at first not at all."""
    return replace(plan, list_behind=seconds)


@scenario(
    "assumed",
    after=_AFTER,
    how=Parameter(
        choice("reset", "hang", "gateway"), "reset", "reset (of the connection), hang, or gateway (a 504)"
    ),
)
def response_lost(plan: Plan, _: Profile, how: str) -> Plan:  # noqa: ARG001 - the middleware loses the response
    """Is created, and the response to its create never arrives."""
    return plan


@scenario(
    "assumed",
    after=_AFTER,
    seconds=Parameter(_above_zero, 5.0, "seconds for which the deleted job can still be read"),
)
def delete_race(plan: Plan, _: Profile, seconds: float) -> Plan:
    """Completes at the moment of its delete, which succeeds; the job disappears a little later."""
    return replace(plan, delete_late=seconds)


@scenario("assumed", after=_AFTER, seconds=_seconds(60.0, "for which a link works"))
def expiring_link(plan: Plan, _: Profile, seconds: float) -> Plan:
    """Has a result whose link expires; getting the job again gives a new link."""
    return replace(plan, link_life=seconds)
