"""The OpenAPI document: it is valid, describes the four operations, and has what generators of clients need."""

from typing import Any, NamedTuple

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from openapi_spec_validator.readers import read_from_filename
from support import ROOT

from netmind_contracts import examples, openapi, violations

FILE = ROOT / "contracts/netmind_contracts/data/openapi.json"
COMPONENTS = openapi()["components"]["schemas"]


class ResponseExample(NamedTuple):
    operation: str
    status: str
    schema: str
    message: Any


def keys(node):
    """Yield every key in a document, at any depth."""
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from keys(part)
    yield from node if isinstance(node, dict) else ()


def references(node):
    """Yield every reference in a document."""
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from references(part)
    if isinstance(node, dict) and "$ref" in node:
        yield node["$ref"]


def responses():
    """Yield every response of every operation, with the id of the operation and the status."""
    document = openapi()
    for methods in document["paths"].values():
        for operation in (one for method, one in methods.items() if method != "parameters"):
            for status, response in operation["responses"].items():
                name = response.get("$ref", "").rpartition("/")[2]
                yield (
                    operation["operationId"],
                    status,
                    document["components"]["responses"].get(name, response),
                )


RESPONSE_EXAMPLES = [
    ResponseExample(operation, status, content["schema"]["$ref"].rpartition("/")[2], example["value"])
    for operation, status, response in responses()
    for content in response["content"].values()
    for example in content.get("examples", {}).values()
]


def test_the_file_is_valid():
    document, base_uri = read_from_filename(str(FILE))
    validate(document, base_uri=base_uri, cls=OpenAPIV31SpecValidator)


def test_the_complete_document_is_valid():
    validate(openapi(), cls=OpenAPIV31SpecValidator)


def test_it_has_the_four_operations():
    operations = {
        operation["operationId"]: (method.upper(), path)
        for path, methods in openapi()["paths"].items()
        for method, operation in methods.items()
        if method != "parameters"
    }
    assert operations == {
        "create": ("POST", "/v1/generation"),
        "list": ("GET", "/v1/generation"),
        "get": ("GET", "/v1/generation/{generation_id}"),
        "delete": ("DELETE", "/v1/generation/{generation_id}"),
    }


def test_its_components_are_the_messages():
    assert list(openapi()["components"]["schemas"]) == [
        "create-request",
        "deleted",
        "error",
        "generation",
        "generation-list",
    ]


def test_the_complete_document_references_no_file():
    assert "externalValue" not in str(openapi())
    assert {place for place in references(openapi()) if not place.startswith("#/components/")} == set()


def test_a_component_has_no_condition():
    assert {"if", "then", "else", "allOf", "oneOf", "not", "$id", "$schema"} & set(keys(COMPONENTS)) == set()


@pytest.mark.parametrize("name", COMPONENTS)
def test_every_valid_example_is_valid_by_its_component(name):
    validator = Draft202012Validator({**openapi(), "$ref": f"#/components/schemas/{name}"})
    messages = [example.content for example in examples("positive") if example.schema == name]
    assert messages
    assert [error.message for message in messages for error in validator.iter_errors(message)] == []


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_component_rejects_a_message_without_a_required_field(name):
    validator = Draft202012Validator({**openapi(), "$ref": f"#/components/schemas/{name}"})
    message = next(example.content for example in examples("positive") if example.schema == name)
    for field in COMPONENTS[name].get("required", ()):
        assert not validator.is_valid({key: value for key, value in message.items() if key != field}), field


def test_the_component_of_a_generation_has_the_fields_of_every_status():
    generation = COMPONENTS["generation"]
    assert generation["required"] == [
        "id",
        "user_id",
        "status",
        "created_at",
        "updated_at",
        "deleted_at",
        "is_deleted",
        "result",
    ]
    assert generation["properties"]["deleted_at"]["type"] == ["string", "null"]
    entry = generation["properties"]["result"]["properties"]["data"]["items"]
    assert list(entry["properties"]) == ["url", "file_id", "file_name", "file_type", "text"]
    assert "required" not in entry  # a text has no URL


@pytest.mark.parametrize(("component", "field"), [("create-request", "config"), ("generation", "result")])
def test_an_object_with_unknown_keys_says_so(component, field):
    assert COMPONENTS[component]["properties"][field]["additionalProperties"] is True


class TestExamples:
    def test_every_response_has_valid_examples(self):
        assert {(operation, status) for operation, status, _, _ in RESPONSE_EXAMPLES} == {
            (operation, status) for operation, status, _ in responses()
        }
        for operation, status, schema, message in RESPONSE_EXAMPLES:
            assert violations(schema, message) == (), (operation, status)

    @pytest.mark.parametrize(("operation", "status"), [("create", "pending"), ("get", "completed")])
    def test_a_server_of_examples_creates_a_pending_generation_and_returns_it_completed(
        self, operation, status
    ):
        first = next(one.message for one in RESPONSE_EXAMPLES if one[:2] == (operation, "200"))
        assert first["status"] == status

    def test_the_generation_that_is_created_is_the_one_that_get_and_list_return(self):
        first = {}
        for operation, status, _, message in RESPONSE_EXAMPLES:
            first.setdefault((operation, status), message)
        assert (
            first["create", "200"]["id"]
            == first["get", "200"]["id"]
            == first["list", "200"]["generation_list"][0]["id"]
        )
