"""The schemas: they accept every valid example, and reject every invalid one for the right reason."""

import pytest
from jsonschema import Draft202012Validator

from netmind_contracts import examples, schema, schema_names, violations

POSITIVE = list(examples("positive"))
NEGATIVE = list(examples("negative"))


def name_of(example):
    return f"{example.schema}/{example.name}"


@pytest.mark.parametrize("example", POSITIVE, ids=name_of)
def test_a_valid_message_is_accepted(example):
    assert violations(example.schema, example.content) == ()


@pytest.mark.parametrize("example", NEGATIVE, ids=name_of)
def test_an_invalid_message_is_rejected_for_the_right_reason(example):
    found = violations(example.schema, example.content["instance"])
    assert (example.content["where"], example.content["rule"]) in [(one.where, one.rule) for one in found]


@pytest.mark.parametrize("name", schema_names())
def test_every_schema_is_itself_valid(name):
    Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("kind", [POSITIVE, NEGATIVE], ids=["positive", "negative"])
def test_every_schema_has_examples_of_both_kinds(kind):
    assert {example.schema for example in kind} == set(schema_names())


@pytest.mark.parametrize(
    "name", ["create-request", "generation", "generation-list", "deleted", "result-file", "error"]
)
def test_there_is_a_schema_for_each_message(name):
    assert name in schema_names()


def test_additional_fields_are_valid():
    page = next(example.content for example in POSITIVE if example.name == "page-created")
    assert violations("generation", {**page, "queue_position": 3}) == ()
