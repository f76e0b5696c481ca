"""The OpenAPI document of the control API, built from the table of operations and ``schemas.json``.

``schemas.json`` has the components: the schemas of the bodies, and the error responses. The descriptions of
operations and of their arguments are in the table.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import msgspec

from netmind_mock.control.operations import OPERATIONS_BY_NAME

if TYPE_CHECKING:
    from netmind_mock.control.operations import ControlOperation

_HEAD: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "netmind-mock control API",
        "version": "1",
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        "description": "Changes and inspects the fake of NetMind's generation API. It is not part of "
        "NetMind's API. With an Authorization header, a request applies to the account of that API key; "
        "without one, to all accounts.",
    },
    "servers": [{"url": "http://127.0.0.1:8000"}],
    "security": [{}, {"account": []}, {"key": []}, {"account": [], "key": []}],
}
_REFUSALS = {"401": "Unauthorized", "403": "Forbidden"}
_REFUSALS_OF_BODIES = {"400": "NotAnObject", "413": "TooLarge", "415": "NotJson"}


@cache
def openapi_document() -> dict[str, Any]:
    """Return the document. It is cached, so callers must not change it."""
    file = resources.files("netmind_mock.control").joinpath("schemas.json")
    components = msgspec.json.decode(file.read_bytes())
    paths: dict[str, dict[str, Any]] = {
        "/__mock/metrics": _get(
            "metrics", "Return the metrics in the Prometheus format", "text/plain", "string"
        ),
        "/__mock/ready": _get(
            "ready",
            "Return 200 if the fake can serve, 503 while its store cannot be read; needs no key",
            "application/json",
            "object",
        ),
        "/__mock/openapi.json": _get("openapi", "Return this OpenAPI document", "application/json", "object"),
    }
    for name, one in OPERATIONS_BY_NAME.items():
        paths.setdefault(f"/__mock/{one.path}", {})[one.method.lower()] = _operation(name, one)
        if one.request is not None:
            _describe(components["schemas"][one.request]["properties"], one)
    return {**_HEAD, "paths": dict(sorted(paths.items())), "components": components}


def _operation(name: str, one: ControlOperation) -> dict[str, Any]:
    refusals = {**_REFUSALS, "422": "Mistake"}
    document: dict[str, Any] = {"operationId": name, "summary": one.about.removesuffix(".")}
    if parameters := [
        {
            "name": argument,
            "in": "path" if _in_path(argument, one) else "query",
            "required": _in_path(argument, one),
            "description": parameter.about,
            "schema": _schema(argument.capitalize()),
        }
        for argument, parameter in one.parameters.items()
        if one.method != "POST" or _in_path(argument, one)
    ]:
        document["parameters"] = parameters
    if one.method == "POST":
        schema = {"type": "object"} if one.request is None else _schema(one.request)
        content = {"application/json": {"schema": schema, "example": dict(one.example)}}
        document["requestBody"] = {"required": False, "content": content}
        refusals |= _REFUSALS_OF_BODIES
    if "{" in one.path:
        refusals["404"] = "NotFound"
    document["responses"] = _responses("application/json", _schema(one.response), refusals)
    return document


def _in_path(argument: str, one: ControlOperation) -> bool:
    return f"{{{argument}}}" in one.path


def _describe(properties: dict[str, Any], one: ControlOperation) -> None:
    """Add the descriptions and defaults in the table to the schema of the request body."""
    for argument, parameter in one.parameters.items():
        if not _in_path(argument, one):
            properties[argument]["description"] = parameter.about
            if parameter.default is not None:
                properties[argument]["default"] = parameter.default


def _get(name: str, about: str, content_type: str, kind: str) -> dict[str, Any]:
    """Return the OpenAPI description of a path that is not in the table of operations."""
    responses = _responses(content_type, {"type": kind}, _REFUSALS)
    return {"get": {"operationId": name, "summary": about, "responses": responses}}


def _responses(content_type: str, schema: dict[str, Any], refusals: dict[str, str]) -> dict[str, Any]:
    done = {"description": "Done.", "content": {content_type: {"schema": schema}}}
    refused = {status: {"$ref": f"#/components/responses/{name}"} for status, name in refusals.items()}
    return {"200": done, **dict(sorted(refused.items()))}


def _schema(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
