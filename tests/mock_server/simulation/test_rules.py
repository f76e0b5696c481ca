"""Rules in a file: which jobs they match, and errors that name the file and the rule."""

import pytest

from netmind_mock import InvalidFile, rules_from
from netmind_mock.jobs.plan import CreateRequest
from netmind_mock.simulation.rules import Rule, scenario_for
from netmind_mock.simulation.scenarios import make_scenario


@pytest.fixture
def read(tmp_path):
    """Return a function that reads rules from a file with a text."""

    def read(text):
        (tmp_path / "rules.toml").write_text(text)
        return rules_from(tmp_path / "rules.toml")

    return read


def create_request(model="Qwen/Qwen-Image", **config):
    return CreateRequest(model, config)


def test_rules_are_read_in_the_order_of_the_file(read):
    rules = read(
        '[[rule]]\nmodel = "google/*"\nscenario = "failed"\nafter = 3\n\n[[rule]]\nscenario = "slow after=60"\n'
    )
    assert rules == (
        Rule(make_scenario("failed", after=3), "google/*", None),
        Rule(make_scenario("slow", after=60), None, None),
    )


@pytest.mark.parametrize(
    ("rule", "request_", "fits"),
    [
        (Rule(make_scenario("slow")), create_request(), True),
        (Rule(make_scenario("slow"), model="Qwen/*"), create_request(), True),
        (Rule(make_scenario("slow"), model="qwen/*"), create_request(), False),
        (Rule(make_scenario("slow"), prompt="COFFEE"), create_request(prompt="A cup of coffee"), True),
        (Rule(make_scenario("slow"), prompt="tea"), create_request(prompt="A cup of coffee"), False),
        (Rule(make_scenario("slow"), prompt="tea"), create_request(), False),
        (Rule(make_scenario("slow"), prompt="tea"), create_request(text="green tea"), True),
        (Rule(make_scenario("slow"), model="google/*", prompt="tea"), create_request(prompt="tea"), False),
    ],
)
def test_a_rule_matches_by_model_and_prompt(rule, request_, fits):
    assert scenario_for(request_, [rule]) == (rule.scenario if fits else None)


def test_the_first_64_000_characters_of_a_prompt_are_searched():
    rule = Rule(make_scenario("slow"), prompt="tea")
    assert scenario_for(create_request(prompt="x" * 63_997 + "TEA"), [rule]) == rule.scenario
    assert scenario_for(create_request(prompt="x" * 63_998 + "TEA"), [rule]) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[rules]]\nscenario = "slow"', "rules: no such key; write each rule as a table [[rule]]"),
        ('[rule]\nscenario = "slow"', "rule: expected tables [[rule]], got dict"),
        ("rule = [1]", "rule 1: expected a table with a scenario, got 1"),
        ("[[rule]]\nafter = 3", "rule 1: scenario: expected the name of a scenario; available: completed, "),
        ('[[rule]]\nscenario = "slow"\n[[rule]]\nscenario = "failed"', "rule 2: rule: can never match, since rule 1 (slow for every job) comes first"),
        ('[[rule]]\nscenario = "slow"\nmodel = 3', "rule 1: rule: model: expected a string, got 3"),
        ('[[rule]]\nscenario = "slow"\nmodle = "x"', "rule 1: rule: modle: no such key; did you mean model?"),
        ('[[rule]]\nscenario = "slow"\nmodel = "unknown"', "rule 1: rule: model: the catalogue has no model 'unknown'"),
        ("[[rule", "not valid TOML"),
    ],
)  # fmt: skip
def test_an_error_names_the_file_and_the_rule(read, tmp_path, text, message):
    with pytest.raises(InvalidFile) as refused:
        read(text)
    assert str(refused.value).startswith(f"{tmp_path / 'rules.toml'}: {message}")
