"""ajv, the usual validator in JavaScript: it reads the schemas that the command prints, and agrees with jsonschema."""

import json

import pytest
from click.testing import CliRunner

from netmind_contracts import examples, schema_names
from netmind_contracts.cli import main

pytestmark = pytest.mark.slow

VALIDATE = """
import { readFileSync } from "node:fs";
import Ajv from "ajv/dist/2020.js";

const { schemas, messages } = JSON.parse(readFileSync(process.argv[2]));
const compiled = Object.entries(schemas).map(([name, schema]) => [name, new Ajv({ strict: true }).compile(schema)]);
const validate = Object.fromEntries(compiled);
console.log(JSON.stringify(messages.map(([name, message]) => validate[name](message))));
"""


def printed(name):
    return json.loads(CliRunner().invoke(main, ["schema", name]).output)


def test_ajv_compiles_every_printed_schema_in_strict_mode_and_judges_every_example_as_jsonschema_does(
    npm, run, tmp_path
):
    valid = [(one.schema, one.content) for one in examples("positive")]
    invalid = [(one.schema, one.content["instance"]) for one in examples("negative")]
    data = {"schemas": {name: printed(name) for name in schema_names()}, "messages": valid + invalid}
    (tmp_path / "data.json").write_text(json.dumps(data))
    (npm / "validate.mjs").write_text(VALIDATE)
    verdicts = json.loads(run("node", "validate.mjs", tmp_path / "data.json", folder=npm))
    assert verdicts == [True] * len(valid) + [False] * len(invalid)
