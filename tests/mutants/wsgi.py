"""What a mutant is made of: a WSGI application before another, and one function that changes what is answered."""

import io
import json
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Request, Response


@dataclass
class Asked:
    """A request, and what the mutant remembers of earlier ones."""

    operation: str
    path: str
    model: str
    config: dict[str, Any]
    authorization: str
    memory: dict[str, Any]


@dataclass(frozen=True)
class Answered:
    """An answer: its JSON if it is one, else its bytes."""

    status: int
    document: Any
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def is_success(self):
        return self.status < 300

    def but(self, document=None, **changes):
        """The same with another JSON, or other parts."""
        return replace(self, **({"document": document} if document is not None else {}), **changes)


class Mutant(NamedTuple):
    """A fake that breaks a claim.

    Attributes:
        claim: The claim that it breaks.
        also: Other claims that speak of the same thing, so that the change touches them, too.
        change: Takes what was asked and answered; returns what is answered instead, or None for no change.
        before: Takes what was asked; returns what is answered without asking the application, or None.
        rewrite: What the application is asked for instead of a path.
        duration: How long a job takes, in seconds.
    """

    name: str
    claim: str
    also: frozenset[str] = frozenset()
    change: Any = lambda asked, answered: None  # noqa: ARG005
    before: Any = lambda asked: None  # noqa: ARG005
    rewrite: Any = str
    duration: float = 20

    def wrap(self, app):
        """The mutant before a WSGI application."""
        memory: dict[str, Any] = {}

        def application(environ, start_response):
            body = environ["wsgi.input"].read() if environ.get("CONTENT_LENGTH") else b""
            environ["wsgi.input"] = io.BytesIO(body)
            asked = _asked(Request(environ), body, memory)
            if early := self.before(asked):
                return _response(early)(environ, start_response)
            environ["PATH_INFO"] = self.rewrite(environ["PATH_INFO"])
            content, status, headers = run_wsgi_app(app, environ, buffered=True)
            answered = _answered(b"".join(content), int(status.split()[0]), headers)
            made = self.change(asked, answered) or answered
            return _response(made)(environ, start_response)

        return application


def _asked(request, body, memory):
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
    return Asked(
        operation,
        path,
        model if isinstance(model, str) else "",
        config if isinstance(config, dict) else {},
        request.headers.get("Authorization", ""),
        memory,
    )


def _answered(content, status, headers):
    named = {name.lower(): value for name, value in headers if name.lower() != "content-length"}
    document = None
    if named.get("content-type", "").startswith("application/json"):
        document = json.loads(content)
    return Answered(status, document, content, named)


def _response(answered):
    content = answered.content
    if answered.document is not None:
        content = json.dumps(answered.document).encode()
    return Response(content, answered.status, answered.headers)
