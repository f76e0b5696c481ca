"""The schemas: they accept every valid example, and reject every invalid one for the right reason."""

import json

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from netmind_contracts import examples, schema, schema_names, violations
from netmind_contracts.cli import main

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


@pytest.mark.parametrize("name", schema_names())
def test_the_id_of_a_schema_ends_with_its_file_name(name):
    assert schema(name)["$id"] == f"https://netmind-testkit.invalid/schemas/{name}.json"


class TestBundle:
    @pytest.mark.parametrize("name", schema_names())
    def test_it_judges_every_example_as_the_schema_does_without_any_other_file(self, name):
        validator = Draft202012Validator(schema(name, bundle=True))
        assert all(validator.is_valid(example.content) for example in POSITIVE if example.schema == name)
        assert not any(
            validator.is_valid(example.content["instance"]) for example in NEGATIVE if example.schema == name
        )

    def test_it_has_the_schemas_that_it_refers_to_and_those_that_they_refer_to(self):
        assert list(schema("generation-list", bundle=True)["$defs"]) == [
            "generation",
            "generation-fields",
            "result-file",
            "result-text",
        ]

    def test_a_schema_that_refers_to_no_other_has_no_definitions(self):
        assert schema("deleted", bundle=True) == schema("deleted")

    def test_the_schema_is_not_changed_by_bundling(self):
        schema("generation", bundle=True)
        assert schema("generation")["allOf"][0] == {"$ref": "generation-fields.json"}

    @pytest.mark.parametrize(
        ("options", "bundle"), [([], True), (["--bundle"], True), (["--no-bundle"], False)]
    )
    def test_the_command_prints_it_unless_no_bundle_is_given(self, options, bundle):
        printed = CliRunner().invoke(main, ["schema", "generation", *options]).output
        assert json.loads(printed) == schema("generation", bundle=bundle)
