"""The OpenAPI document: it is valid, and describes the four operations."""

from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from openapi_spec_validator.readers import read_from_filename
from support import ROOT

from netmind_contracts import openapi, schema_names

FILE = ROOT / "contracts/netmind_contracts/data/openapi.json"


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


def test_the_complete_document_holds_every_schema():
    assert set(openapi()["components"]["schemas"]) == set(schema_names())


def test_the_complete_document_references_no_file():
    assert ".json" not in str(openapi()).replace("draft/2020-12", "")
