"""The other mock servers: how each is started, and the requests that create and get a job."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from server import CREATE, FAKE, HERE, TOKEN

from netmind_contracts import library

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROOT = HERE.parent
HEADERS = {"Authorization": TOKEN, "Content-Type": "application/json"}
JOBS = "/v1/generation"
RESPONSE = {"status": "pending", "model": CREATE["model"], "config": CREATE["config"]}


@dataclass(frozen=True)
class Call:
    """A request."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=lambda: dict(HEADERS))
    body: Any = None


@dataclass(frozen=True)
class Served:
    """A server to measure.

    Attributes:
        name: The name in the table.
        package: The package to install; empty for the fake.
        index: The index of the package: ``pypi`` or ``npm``.
        does: The operations that are measured.
        command: Returns the command that starts it, from its installation, an empty folder and a port.
        create: The request that creates a job.
        get: Returns the request that gets a job, from the response to create.
        needs: A program that must be installed.
    """

    name: str
    command: Callable[[Path, Path, int], list[str]]
    does: str = "create and get of the API"
    package: str = ""
    index: str = ""
    create: Call = Call("POST", JOBS, body=CREATE)
    get: Callable[[dict[str, Any]], Call] = lambda response: Call("GET", f"{JOBS}/{response['id']}")
    needs: str = "node"


def fake(name: str, *options: str) -> Served:
    """Return the fake with these options. ``{folder}`` in an option is replaced by an empty folder."""

    def command(_installed: Path, folder: Path, port: int) -> list[str]:
        formatted = [option.format(folder=folder) for option in options]
        return [*FAKE, "--port", str(port), "--duration", "0", *formatted]

    return Served(name, command, needs=sys.executable)


def peers() -> list[Served]:
    """Return the other servers, in the order of the table."""
    return [_moto(), _pytest_httpserver(), _aimock(), _prism(), _mockoon(), _json_server(), _wiremock()]


def _moto() -> Served:
    def request_of(operation: str, body: dict[str, Any]) -> Call:
        scope = "Credential=bench/20260101/us-east-1/textract/aws4_request"
        return Call(
            "POST",
            "/",
            {
                "Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0",
                "Content-Type": "application/x-amz-json-1.1",
                "X-Amz-Target": f"Textract.{operation}",
            },
            body,
        )

    document = {"DocumentLocation": {"S3Object": {"Bucket": "bench", "Name": "coffee.png"}}}
    return Served(
        "moto server",
        lambda installed, _folder, port: [str(installed / "bin" / "moto_server"), "-p", str(port)],
        does="Textract: StartDocumentTextDetection, GetDocumentTextDetection",
        package="moto[server]",
        index="pypi",
        create=request_of("StartDocumentTextDetection", document),
        get=lambda response: request_of("GetDocumentTextDetection", {"JobId": response["JobId"]}),
        needs=sys.executable,
    )


_HTTPSERVER = """
import json, sys, threading
from pytest_httpserver import HTTPServer
document = json.loads(sys.argv[2]) | {"id": "0" * 32}
server = HTTPServer(port=int(sys.argv[1]), threaded=True)
server.expect_request("/v1/generation", method="POST").respond_with_json(document)
server.expect_request("/v1/generation/" + "0" * 32, method="GET").respond_with_json(document)
server.start()
threading.Event().wait()
"""


def _pytest_httpserver() -> Served:
    def command(installed: Path, _folder: Path, port: int) -> list[str]:
        return [str(installed / "bin" / "python"), "-c", _HTTPSERVER, str(port), json.dumps(RESPONSE)]

    return Served(
        "pytest-httpserver",
        command,
        does="two fixed responses; stores no job",
        package="pytest-httpserver",
        index="pypi",
        needs=sys.executable,
    )


def _aimock() -> Served:
    model = "/fal/fal-ai/flux/dev"
    headers = {**HEADERS, "X-Fal-Target-Host": "queue.fal.run"}
    fixture = {"match": {"userMessage": "coffee"}, "response": {"json": {"images": [{"url": "/coffee.png"}]}}}

    def command(installed: Path, folder: Path, port: int) -> list[str]:
        (folder / "fixtures.json").write_text(json.dumps({"fixtures": [fixture]}))
        program = str(_program(installed, "llmock"))
        return [program, "-p", str(port), "-f", "fixtures.json", "--log-level", "silent"]

    return Served(
        "aimock",
        command,
        does="fal's queue: submit, status",
        package="@copilotkit/aimock",
        index="npm",
        create=Call("POST", model, headers, CREATE["config"]),
        get=lambda response: Call("GET", f"{model}/requests/{response['request_id']}/status", headers),
    )


def _prism() -> Served:
    def command(installed: Path, folder: Path, port: int) -> list[str]:
        document = folder / "openapi.json"  # with the examples, which are separate files in this repository
        document.write_text(json.dumps(library.openapi()))
        return [str(_program(installed, "prism")), "mock", "-p", str(port), "-v", "silent", str(document)]

    return Served(
        "Prism",
        command,
        does="this kit's OpenAPI file: its examples; stores no job",
        package="@stoplight/prism-cli",
        index="npm",
        get=lambda _response: Call("GET", f"{JOBS}/{'0' * 32}"),
    )


def _mockoon() -> Served:
    response = {
        "uuid": "00000000-0000-4000-8000-000000000003", "body": "{}", "statusCode": 200, "headers": [],
        "bodyType": "DATABUCKET", "databucketID": "jobs", "crudKey": "id", "default": True, "rules": [],
    }  # fmt: skip
    route = {
        "uuid": "00000000-0000-4000-8000-000000000002", "type": "crud", "method": "",
        "endpoint": JOBS.removeprefix("/"), "responses": [response],
    }  # fmt: skip
    bucket = {"uuid": "00000000-0000-4000-8000-000000000004", "id": "jobs", "name": "jobs", "value": "[]"}
    environment = {
        "uuid": "00000000-0000-4000-8000-000000000001", "lastMigration": 33, "name": "jobs", "port": 3000,
        "routes": [route], "rootChildren": [{"type": "route", "uuid": route["uuid"]}], "folders": [],
        "data": [bucket], "callbacks": [], "headers": [],
    }  # fmt: skip

    def command(installed: Path, folder: Path, port: int) -> list[str]:
        (folder / "jobs.json").write_text(json.dumps(environment))
        options = ["-l", "127.0.0.1", "-p", str(port), "--repair", "--disable-log-to-file"]
        return [str(_program(installed, "mockoon-cli")), "start", "-d", "jobs.json", *options]

    return Served("Mockoon", command, does="a CRUD route", package="@mockoon/cli", index="npm")


def _json_server() -> Served:
    def command(installed: Path, folder: Path, port: int) -> list[str]:
        (folder / "jobs.json").write_text('{"generation": []}')
        (folder / "routes.json").write_text('{"/v1/*": "/$1"}')
        options = ["-H", "127.0.0.1", "-p", str(port), "-r", "routes.json", "--quiet"]
        return [str(_program(installed, "json-server")), *options, "jobs.json"]

    return Served(
        "json-server",
        command,
        does="a collection; its whole file is written at each create",
        package="json-server",
        index="npm",
    )


def _wiremock() -> Served:
    def mapping_of(method: str, url: dict[str, str], job: str) -> dict[str, Any]:
        response = {
            "status": 200, "headers": {"Content-Type": "application/json"},
            "jsonBody": {**RESPONSE, "id": job}, "transformers": ["response-template"],
        }  # fmt: skip
        return {"request": {"method": method, **url}, "response": response}

    mappings = [
        mapping_of("POST", {"urlPath": JOBS}, "{{randomValue type='UUID'}}"),
        mapping_of("GET", {"urlPathPattern": f"{JOBS}/[^/]+"}, "{{request.pathSegments.[2]}}"),
    ]

    def command(installed: Path, folder: Path, port: int) -> list[str]:
        (folder / "mappings").mkdir(exist_ok=True)
        (folder / "mappings" / "jobs.json").write_text(json.dumps({"mappings": mappings}))
        options = ["--port", str(port), "--bind-address", "127.0.0.1", "--disable-request-logging"]
        return [str(_program(installed, "wiremock")), *options, "--disable-banner", "--root-dir", str(folder)]

    return Served(
        "WireMock",
        command,
        does="two templates; stores no job",
        package="wiremock",
        index="npm",
        needs="java",
    )


def _program(installed: Path, name: str) -> Path:
    return installed / "node_modules" / ".bin" / name
