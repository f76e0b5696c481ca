"""Tests of the OpenAPI document of the control API: it is valid, complete, and matches the API."""

import json

import jsonschema
import pytest
from openapi_spec_validator import validate
from support import AUTHORIZED

from netmind_mock.control.openapi import openapi_document
from netmind_mock.control.operations import OPERATIONS_BY_NAME
from netmind_mock.simulation.faults import OPERATIONS

OPERATIONS_OF_CONTROL = OPERATIONS_BY_NAME.items()


@pytest.fixture
def document():
    return json.loads(json.dumps(openapi_document()))


@pytest.fixture
def api(make):
    return make()


def described(document, one):
    return document["paths"][f"/__mock/{one.path}"][one.method.lower()]


def strict(schema):
    """Return a schema that also refuses fields that it does not define."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: strict(one) for name, one in schema.items()}
    if "properties" in closed and isinstance(closed.get("type"), str):
        closed.setdefault("additionalProperties", False)
    return closed


def assert_is(document, name, value):
    schema = {"$ref": f"#/components/schemas/{name}", "components": strict(document["components"])}
    jsonschema.Draft202012Validator(schema).validate(value)


def test_the_document_is_valid(document):
    validate(document)


def test_the_document_is_served(api, document):
    assert api.get("/__mock/openapi.json").json == document


def test_the_document_has_every_operation_and_no_other(document):
    found = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    served = {(one.method, f"/__mock/{one.path}") for one in OPERATIONS_BY_NAME.values()}
    assert found == served | {("GET", f"/__mock/{name}") for name in ("openapi.json", "metrics", "ready")}


def test_every_schema_and_every_response_is_used(document):
    text = json.dumps(document)
    kept = [("schemas", name) for name in document["components"]["schemas"]]
    kept += [("responses", name) for name in document["components"]["responses"]]
    assert [name for kind, name in kept if f'"#/components/{kind}/{name}"' not in text] == []


@pytest.mark.parametrize(("name", "one"), OPERATIONS_OF_CONTROL)
def test_an_operation_is_described_by_its_name_its_docstring_and_its_schemas(document, name, one):
    shown = described(document, one)
    assert (shown["operationId"], f"{shown['summary']}.") == (name, one.about)
    content = shown["responses"]["200"]["content"]["application/json"]
    assert content["schema"] == {"$ref": f"#/components/schemas/{one.response}"}
    assert ("requestBody" in shown) == (one.method == "POST")


@pytest.mark.parametrize(("name", "one"), OPERATIONS_OF_CONTROL)
def test_every_argument_of_an_operation_is_described(document, name, one):
    shown = described(document, one)
    sent = {argument["name"]: argument for argument in shown.get("parameters", [])}
    if one.request is not None:
        sent |= document["components"]["schemas"][one.request]["properties"]
    assert set(one.parameters) <= set(sent), name
    for argument, parameter in one.parameters.items():
        assert sent[argument]["description"] == parameter.about
        assert parameter.about.endswith(".")


@pytest.mark.parametrize(("name", "one"), OPERATIONS_OF_CONTROL)
def test_an_operation_lists_its_error_responses(document, name, one):
    expected = {"200", "401", "403", "422"}
    expected |= {"400", "413", "415"} if one.method == "POST" else set()
    expected |= {"404"} if "{id}" in one.path else set()
    assert set(described(document, one)["responses"]) == expected, name


@pytest.mark.parametrize(("name", "one"), OPERATIONS_OF_CONTROL)
def test_the_response_of_an_operation_matches_its_schema(api, create, document, name, one):
    """Use a fake with jobs, rules, faults, requests, and two equal creates."""
    job, again = create(api), create(api)
    api.get(f"/v1/generation/{job['id']}", headers=AUTHORIZED)
    for path, payload in [
        ("next-job", {"scenario": "slow"}),
        ("rules", {"scenario": "failed", "model": "google/*"}),
        ("rules", {"scenario": "slow", "otherwise": True}),
        ("faults", {"operation": "get", "kind": "status", "code": 503}),
    ]:
        assert api.post(f"/__mock/{path}", json=payload, headers=AUTHORIZED).status_code == 200
    sent = {"json": dict(one.example)} if one.method == "POST" else {}
    path = f"/__mock/{one.path.replace('{id}', again['id'])}"
    response = api.open(path, method=one.method, headers=AUTHORIZED, **sent)
    assert response.status_code == 200, (name, response.text)
    assert_is(document, one.response, response.json)


@pytest.mark.parametrize(("name", "one"), [one for one in OPERATIONS_OF_CONTROL if one[1].request])
def test_an_example_body_is_accepted_and_matches_its_schema(api, create, document, name, one):
    path = f"/__mock/{one.path.replace('{id}', create(api)['id'])}"
    assert one.example, name
    assert api.post(path, json=dict(one.example), headers=AUTHORIZED).status_code == 200
    assert_is(document, one.request, dict(one.example))


def test_the_operations_of_the_api_are_enumerated(document):
    schemas = document["components"]["schemas"]
    assert schemas["Fault"]["properties"]["operation"]["enum"] == list(OPERATIONS)
    assert schemas["Operation"]["enum"] == [*OPERATIONS, "other"]
