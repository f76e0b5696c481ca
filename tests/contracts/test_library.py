"""Violations of the schemas, and their messages."""

import pytest

from netmind_contracts import ContractViolation, UnknownSchema, check, examples, schema, violations
from netmind_contracts.library import describe

CREATED = next(example.content for example in examples("positive") if example.name == "page-created")
COMPLETED = next(example.content for example in examples("positive") if example.name == "page-completed")


def messages(name, message, **options):
    return [str(violation) for violation in violations(name, message, **options)]


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ({"model": "m", "config": "x"}, 'config: expected an object, got the string "x"'),
        ({"model": 7, "config": {}}, "model: expected a string, got the integer 7"),
        ({"model": "m"}, "config: expected the field to be present, got nothing"),
        ([], "(the whole body): expected an object, got an empty array"),
        (None, "(the whole body): expected an object, got null"),
        ({"model": True, "config": {}}, "model: expected a string, got the boolean true"),
        ({"model": [1], "config": {}}, "model: expected a string, got an array of 1 item"),
    ],
)
def test_a_violation_names_the_field_the_expected_and_the_actual_value(message, sentence):
    assert messages("create-request", message) == [sentence]


def test_each_missing_field_is_named():
    assert messages("create-request", {}) == [
        "model: expected the field to be present, got nothing",
        "config: expected the field to be present, got nothing",
    ]


def test_a_nested_field_is_named_by_its_path():
    invalid = {**COMPLETED, "result": {"data": [{**COMPLETED["result"]["data"][0], "file_type": 1}]}}
    assert messages("generation", invalid) == [
        "result.data[0].file_type: expected a string, got the integer 1"
    ]


def test_a_pattern_is_explained_by_an_example():
    invalid = {**CREATED, "created_at": "yesterday"}
    assert messages("generation", invalid) == [
        'created_at: expected a string like "2025-09-18 09:14:20", got the string "yesterday"'
    ]


def test_a_constant_is_quoted():
    assert messages("deleted", {"message": "ok"}) == [
        'message: expected the string "Generation deleted", got the string "ok"'
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"result": {"data": []}}, "result.data: expected at least 1 item, got an empty array"),
        ({"deleted_at": 3}, "deleted_at: expected a string or null, got the integer 3"),
        (
            {"deleted_at": "now"},
            'deleted_at: expected a string like "2025-09-18 09:14:20", got the string "now"',
        ),
    ],
)
def test_other_rules_are_described_in_words(change, sentence):
    assert sentence in messages("generation", {**COMPLETED, **change})


def test_a_pending_job_has_an_empty_result():
    assert messages("generation", {**CREATED, "result": {"data": []}}) == [
        "result: expected an empty object, got an object with 1 field"
    ]


def test_an_actual_value_is_truncated():
    assert describe("x" * 1000) == 'the string "' + "x" * 59 + "…"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({}, "an empty object"),
        ({"a": 1, "b": 2}, "an object with 2 fields"),
        ([1, 2], "an array of 2 items"),
        (1.5, "the number 1.5"),
    ],
)
def test_a_value_is_described_in_words(value, words):
    assert describe(value) == words


def test_a_rule_without_a_description_is_quoted():
    observed = {**COMPLETED, "logs": [], "pending_duration": -1, "processing_duration": 0}
    assert messages("generation-observed", observed) == [
        "pending_duration: expected minimum 0, got the integer -1"
    ]


def test_check_raises_with_every_violation():
    with pytest.raises(
        ContractViolation, match=r"not a valid create-request:\n  model: .*\n  config: "
    ) as caught:
        check("create-request", {})
    assert [violation.where for violation in caught.value.violations] == ["model", "config"]


def test_check_accepts_a_valid_message():
    check("generation", CREATED)


def test_an_unknown_schema_is_named_with_the_known_ones():
    with pytest.raises(UnknownSchema, match="unknown schema 'job'; expected one of create-request, deleted"):
        schema("job")


class TestClosed:
    def test_an_unknown_field_is_reported(self):
        assert messages("create-request", {"model": "m", "config": {"any": 1}, "extra": 1}, closed=True) == [
            "extra: expected only the fields config, model, got the integer 1"
        ]

    def test_an_unknown_field_deep_inside_is_reported(self):
        file = {**COMPLETED["result"]["data"][0], "size": 5}
        listed = {"generation_list": [{**COMPLETED, "result": {"data": [file]}}]}
        assert [one.where for one in violations("generation-list", listed, closed=True)] == [
            "generation_list[0].result.data[0].size"
        ]

    def test_known_fields_of_every_branch_are_not_reported(self):
        assert (
            violations("generation", {**COMPLETED, "result": {"data": [{"text": "hi"}]}}, closed=True) == ()
        )

    def test_the_durations_of_a_completed_job_are_known(self):
        observed = {**COMPLETED, "logs": [], "pending_duration": 1, "processing_duration": 2}
        assert violations("generation-observed", observed, closed=True) == ()
