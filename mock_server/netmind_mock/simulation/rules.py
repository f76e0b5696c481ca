"""Rules: which jobs get which scenario. They are added with the control API, or read from a TOML file."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from netmind_mock.jobs.catalogue import catalogue
from netmind_mock.jobs.job import prompt_of
from netmind_mock.simulation.scenarios import SCENARIOS, Scenario, make_scenario, parse
from netmind_mock.validation import (
    InvalidFile,
    InvalidInput,
    Parameter,
    boolean,
    complete,
    nearest,
    optional,
    read_toml,
    shown,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from netmind_mock.jobs.plan import CreateRequest

    Payload = Mapping[str, Any]

# Thousands of rules are compared with a prompt of megabytes in milliseconds then.
_SEARCHED_CHARACTERS = 64_000

_CONDITIONS = {
    "model": Parameter(optional(text), None, "a pattern of model names"),
    "prompt": Parameter(optional(text), None, "words in the prompt"),
    "any_model": Parameter(boolean, False, "whether the model need not be in the catalogue"),
}


class Rule(Struct, frozen=True, array_like=True):
    """A scenario for all jobs that match some conditions.

    Attributes:
        scenario: The scenario of these jobs.
        model: A pattern of model names, such as ``Qwen/*``; None for any.
        prompt: Text that the first 64,000 characters of the prompt contain, in upper or lower case; None for
            any.
    """

    scenario: Scenario
    model: str | None = None
    prompt: str | None = None

    def __str__(self) -> str:
        """Return text such as ``slow for model Qwen/*``."""
        conditions = [
            f"{name} {value}" for name, value in (("model", self.model), ("prompt", self.prompt)) if value
        ]
        return f"{self.scenario} for {' and '.join(conditions) or 'every job'}"

    def fits(self, model: str, prompt: str) -> bool:
        """Return whether it matches a create request, by its model and its prompt in small letters."""
        if self.model is not None and not fnmatch.fnmatchcase(model, self.model):
            return False
        return self.prompt is None or self.prompt.lower() in prompt

    def covers(self, other: Rule) -> bool:
        """Return whether it matches every request that the other one matches."""
        model = self.model is None or (
            other.model is not None and fnmatch.fnmatchcase(other.model, self.model)
        )
        prompt = self.prompt is None or (
            other.prompt is not None and self.prompt.lower() in other.prompt.lower()
        )
        return model and prompt


def scenario_for(request: CreateRequest, rules: Iterable[Rule]) -> Scenario | None:
    """Return the scenario of the first rule that matches a create request; None without one."""
    prompt = prompt_of(request.config)[:_SEARCHED_CHARACTERS].lower()
    return next((rule.scenario for rule in rules if rule.fits(request.model, prompt)), None)


def rules_from(file: Path) -> tuple[Rule, ...]:
    """Return the rules of a TOML file: a list ``[[rule]]`` of ``{model, prompt, scenario, …}``.

    Raises:
        InvalidFile: It cannot be read, a rule is not valid, or a rule can never match.
    """
    content = read_toml(file)
    entries = content.pop("rule", [])
    for key in content:
        raise InvalidFile(f"{file}: {key}: no such key; write each rule as a table [[rule]]")
    if not isinstance(entries, list):
        raise InvalidFile(f"{file}: rule: expected tables [[rule]], got {type(entries).__name__}")
    rules: list[Rule] = []
    for entry in entries:
        if not isinstance(entry, dict):
            place = f"{file}: rule {len(rules) + 1}"
            raise InvalidFile(f"{place}: expected a table with a scenario, got {entry!r}")
        try:
            rules.append(rule_of(entry, rules))
        except InvalidInput as error:
            raise InvalidFile(f"{file}: rule {len(rules) + 1}: {error}") from None
    return tuple(rules)


def rule_of(payload: Payload, before: list[Rule]) -> Rule:
    """Return a validated rule.

    Args:
        payload: Its conditions and scenario, from JSON or TOML.
        before: The rules before it.

    Raises:
        InvalidInput: It is not valid, or can never match because an earlier rule matches all its jobs.
    """
    payload = dict(payload)
    conditions = complete(
        "rule", {name: payload.pop(name) for name in _CONDITIONS if name in payload}, _CONDITIONS
    )
    model = conditions["model"]
    if model is not None and not conditions["any_model"] and not fnmatch.filter(catalogue(), model):
        hint = nearest(model, catalogue())
        raise InvalidInput(
            f"rule: model: the catalogue has no model {model[:60]!r}; {hint} "
            "(any_model = true allows models that are not in the catalogue)"
        )
    kind = SCENARIOS.get(str(payload.get("scenario", "")))
    for name in payload:
        if kind and name != "scenario" and name not in kind.parameters:
            known = dict.fromkeys([*_CONDITIONS, *kind.parameters])
            raise InvalidInput(f"rule: {name}: no such key; {nearest(name, known)}")
    rule = Rule(scenario_of(payload), model, conditions["prompt"])
    for number, earlier in enumerate(before, 1):
        if earlier.covers(rule):
            reason = f"rule {number} ({earlier}) comes first and matches every job that this one matches"
            raise InvalidInput(f"rule: can never match, since {reason}")
    return rule


def scenario_of(payload: Payload) -> Scenario:
    """Return the scenario of a JSON object: a name with its arguments, or one line of text as the name.

    Raises:
        InvalidInput: There is no such scenario or argument, or a value is not valid.
    """
    arguments = dict(payload)
    name = arguments.pop("scenario", None)
    if not isinstance(name, str):
        actual = "" if name is None else f", got {shown(name)}"
        raise InvalidInput(f"scenario: expected the name of a scenario{actual}; {nearest('', SCENARIOS)}")
    return parse(name) if " " in name.strip() and not arguments else make_scenario(name, **arguments)
