"""The command netmind-contracts."""

import json

import pytest
from click.testing import CliRunner

from netmind_contracts.cli import main


@pytest.fixture
def run():
    return lambda *arguments, **options: CliRunner().invoke(main, arguments, **options)


def test_claims_are_listed_with_level_source_and_date(run):
    result = run("claims")
    assert "create.pending  [documented; vendor's page, Create generation; 2025-09-18]" in result.output
    assert "    Create answers with status pending." in result.output


def test_claims_can_be_listed_by_level(run):
    lines = [line for line in run("claims", "--level", "assumed").output.splitlines() if "[" in line]
    assert len(lines) == 10
    assert all("[assumed; " in line for line in lines)


def test_the_schemas_names_are_listed(run):
    assert "create-request\ndeleted\nerror\n" in run("schema").output


def test_a_schema_is_printed(run):
    assert json.loads(run("schema", "deleted").output)["title"] == "Deleted"


def test_the_openapi_document_is_printed(run):
    assert json.loads(run("openapi").output)["openapi"] == "3.1.0"


def test_a_valid_message_exits_with_0(run):
    result = run("validate", "deleted", "-", input='{"message": "Generation deleted"}')
    assert (result.exit_code, result.output) == (0, "valid: deleted\n")


def test_an_invalid_message_exits_with_1_and_says_why(run, tmp_path):
    file = tmp_path / "message.json"
    file.write_text('{"message": "gone"}')
    result = run("validate", "deleted", str(file))
    assert (result.exit_code, result.output) == (
        1,
        'message: expected the string "Generation deleted", got the string "gone"\n',
    )


def test_closed_reports_unknown_fields(run):
    result = run("validate", "--closed", "deleted", "-", input='{"message": "Generation deleted", "x": 1}')
    assert (result.exit_code, result.output) == (
        1,
        "x: expected only the fields message, got the integer 1\n",
    )


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "\udc80"])
def test_what_is_not_json_exits_with_2_and_no_traceback(run, text, tmp_path):
    file = tmp_path / "message.json"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    result = run("validate", "deleted", str(file))
    assert result.exit_code == 2
    assert "message.json: not JSON that can be read:" in result.output
