"""Standing orders: which jobs go which way, ordered one by one or read from a TOML file."""

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
    text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from netmind_mock.jobs.plan import CreateRequest

    Payload = Mapping[str, Any]

_CONDITIONS = {
    "model": Parameter(optional(text), None, "a pattern of model names"),
    "prompt": Parameter(optional(text), None, "words in the prompt"),
    "any_model": Parameter(boolean, False, "whether the model need not be in the catalogue"),
}


class Rule(Struct, frozen=True, array_like=True):
    """A standing order for the jobs that it fits.

    Attributes:
        order: What becomes of them.
        model: A pattern of model names, such as ``Qwen/*``; None for any.
        prompt: Words in the prompt, in upper or lower case; None for any.
    """

    scenario: Scenario
    model: str | None = None
    prompt: str | None = None

    def __str__(self) -> str:
        """Such as ``slow for model Qwen/*``."""
        conditions = [
            f"{name} {value}" for name, value in (("model", self.model), ("prompt", self.prompt)) if value
        ]
        return f"{self.scenario} for {' and '.join(conditions) or 'every job'}"

    def fits(self, request: CreateRequest) -> bool:
        """Whether it is about this request."""
        if self.model is not None and not fnmatch.fnmatchcase(request.model, self.model):
            return False
        return self.prompt is None or self.prompt.lower() in prompt_of(request.config).lower()

    def covers(self, other: Rule) -> bool:
        """Whether it fits whatever the other one fits."""
        model = self.model is None or (
            other.model is not None and fnmatch.fnmatchcase(other.model, self.model)
        )
        prompt = self.prompt is None or (
            other.prompt is not None and self.prompt.lower() in other.prompt.lower()
        )
        return model and prompt


def rules_from(file: Path) -> tuple[Rule, ...]:
    """The rules of a TOML file: a list ``[[rule]]`` of ``{model, prompt, scenario, …}``.

    Raises:
        InvalidFile: It holds a mistake, or a rule that can never match.
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
        except InvalidInput as mistake:
            raise InvalidFile(f"{file}: rule {len(rules) + 1}: {mistake}") from None
    return tuple(rules)


def rule_of(payload: Payload, before: list[Rule]) -> Rule:
    """A rule that can match, after those that come before it.

    Raises:
        InvalidInput: It cannot match, or something in it does not exist.
    """
    asked = dict(payload)
    conditions = complete(
        "rule", {name: asked.pop(name) for name in _CONDITIONS if name in asked}, _CONDITIONS
    )
    model = conditions["model"]
    if model is not None and not conditions["any_model"] and not fnmatch.filter(catalogue(), model):
        hint = nearest(model, catalogue())
        raise InvalidInput(
            f"rule: model: no model of the catalogue is called {model[:60]!r}; {hint} "
            "(any_model = true takes it as it is)"
        )
    kind = SCENARIOS.get(str(asked.get("scenario", "")))
    for name in asked:
        if kind and name != "scenario" and name not in kind.parameters:
            known = dict.fromkeys([*_CONDITIONS, *kind.parameters])
            raise InvalidInput(f"rule: {name}: no such key; {nearest(name, known)}")
    rule = Rule(scenario_of(asked), model, conditions["prompt"])
    for number, earlier in enumerate(before, 1):
        if earlier.covers(rule):
            before_it = f"rule {number} ({earlier}) comes first and fits whatever this one fits"
            raise InvalidInput(f"rule: can never match, since {before_it}")
    return rule


def scenario_of(asked: Payload) -> Scenario:
    """An order from JSON: a scenario by name with its arguments, or as one line.

    Raises:
        InvalidInput: There is no such scenario or argument.
    """
    arguments = dict(asked)
    name = arguments.pop("scenario", None)
    if not isinstance(name, str):
        raise InvalidInput(
            f"scenario: expected the name of a scenario, got {name!r}; {nearest('', SCENARIOS)}"
        )
    return parse(name) if " " in name.strip() and not arguments else make_scenario(name, **arguments)
