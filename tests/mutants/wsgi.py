"""Mutants: a WSGI application that wraps the fake and changes its responses."""

import io
import json
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Request, Response


@dataclass
class MutantRequest:
    """A request, and a dictionary in which a mutant stores values between requests."""

    operation: str
    path: str
    model: str
    config: dict[str, Any]
    authorization: str
    memory: dict[str, Any]


@dataclass(frozen=True)
class MutantResponse:
    """A response: its JSON document, or its content if it is not JSON."""

    status: int
    document: Any
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def is_success(self):
        return self.status < 300

    def but(self, document=None, **changes):
        """Return a copy with another document or other attributes."""
        return replace(self, **({"document": document} if document is not None else {}), **changes)


class Mutant(NamedTuple):
    """A fake that violates a claim.

    Attributes:
        claim: The id of the claim that it violates.
        also: The ids of other claims that the same change violates.
        change: A function of the request and the response that returns another response, or None.
        before: A function of the request that returns a response without calling the fake, or None.
        rewrite: A function that returns the path to use instead of the requested one.
        duration: The duration of a job, in seconds.
    """

    name: str
    claim: str
    also: frozenset[str] = frozenset()
    change: Any = lambda request, response: None  # noqa: ARG005
    before: Any = lambda request: None  # noqa: ARG005
    rewrite: Any = str
    duration: float = 20

    def wrap(self, app):
        """Return a WSGI application that applies the mutant to another one."""
        memory: dict[str, Any] = {}

        def application(environ, start_response):
            body = environ["wsgi.input"].read() if environ.get("CONTENT_LENGTH") else b""
            environ["wsgi.input"] = io.BytesIO(body)
            request = _mutant_request(Request(environ), body, memory)
            if early := self.before(request):
                return _wsgi_response(early)(environ, start_response)
            environ["PATH_INFO"] = self.rewrite(environ["PATH_INFO"])
            content, status, headers = run_wsgi_app(app, environ, buffered=True)
            response = _mutant_response(b"".join(content), int(status.split()[0]), headers)
            changed = self.change(request, response) or response
            return _wsgi_response(changed)(environ, start_response)

        return application


def _mutant_request(request, body, memory):
    path = request.path
    below = path.removeprefix("/v1/generation")
    operation = "other"
    if path.startswith("/files/"):
        operation = "file"
    elif path == "/v1/generation":
        operation = {"POST": "create", "GET": "list"}.get(request.method, "other")
    elif path.startswith("/v1/generation/") and below.count("/") == 1:
        operation = {"GET": "get", "DELETE": "delete"}.get(request.method, "other")
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    model = document.get("model") if isinstance(document, dict) else ""
    config = document.get("config") if isinstance(document, dict) else {}
    return MutantRequest(
        operation,
        path,
        model if isinstance(model, str) else "",
        config if isinstance(config, dict) else {},
        request.headers.get("Authorization", ""),
        memory,
    )


def _mutant_response(content, status, headers):
    named = {name.lower(): value for name, value in headers if name.lower() != "content-length"}
    document = None
    if named.get("content-type", "").startswith("application/json"):
        document = json.loads(content)
    return MutantResponse(status, document, content, named)


def _wsgi_response(response):
    content = response.content
    if response.document is not None:
        content = json.dumps(response.document).encode()
    return Response(content, response.status, response.headers)
