"""A proxy between the probe and the fake, for faithful variations of the endpoint."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

from probing import BASE_URL, WsgiTransport, fake, probe_of

from netmind_contracts.probing.budget import EndpointError
from netmind_contracts.probing.transport import RawResponse

VARIATIONS: list["Variation"] = []

JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Variation:
    """A faithful variation.

    Attributes:
        vary: A function of the request and of ``proceed``, which sends the request to the fake.
        code: The exit code that is expected: 0, or 2 where the endpoint does not let the kit look.
        says: A part of a note, of a reason, or of the error that is expected.
        budget: How many generations may be created.
        options: Options of the fake and of the probe.
    """

    name: str
    vary: Any
    code: int
    says: str
    budget: int = 3
    timeout: float = 1200
    options: dict[str, Any] = field(default_factory=dict)

    def run(self):
        """Return the run over the varied fake or the error that prevented it, and the transport."""
        options = {"profile": "observed", "strict_models": True, **self.options}
        app, clock = fake(**options)
        transport = Proxy(app, clock, self.vary)
        try:
            return probe_of(
                app, clock, transport=transport, budget=self.budget, timeout=self.timeout
            ).run(), transport
        except EndpointError as error:
            return error, transport


@dataclass(frozen=True)
class Request:
    """A request to the proxy.

    Attributes:
        operation: create, get, list, delete, file, invalid (a create that is not valid) or other.
        nth: How many requests of the same method and URL there were, with this one.
        now: Seconds on the virtual clock.
        memory: A dictionary in which a variation stores values between requests.
    """

    operation: str
    method: str
    url: str
    headers: dict[str, str]
    body: Any
    nth: int
    now: float
    memory: dict[str, Any]

    @property
    def id(self):
        return self.url.rpartition("/")[2]


class Proxy(WsgiTransport):
    """Sends requests through a variation to the fake.

    Attributes:
        created: The spend ledger: the ids of all generations that the fake created.
        posts: The body and the content type of each POST.
    """

    def __init__(self, app, clock, vary):
        super().__init__(app, clock)
        self.vary, self.memory, self.counts, self.created, self.posts = vary, {}, {}, [], []

    def send(self, method, url, headers, body, **limits):
        key = (method, url, headers.get("Authorization", ""), body)
        self.counts[key] = self.counts.get(key, 0) + 1
        if method == "POST":
            self.posts.append((body, headers.get("Content-Type")))
        request = Request(
            operation_of(method, url, body), method, url, dict(headers), read(body), self.counts[key],
            self.clock.now(), self.memory,
        )  # fmt: skip

        def proceed(url=url):
            response = super(Proxy, self).send(method, url, headers, body, **limits)
            if method == "POST" and response.status < 300:
                self.created.append(read(response.content)["id"])
            return response

        return self.vary(request, proceed)


def operation_of(method, url, body):
    path = url.removeprefix(BASE_URL).partition("?")[0]
    if path == "/v1/generation":
        valid = isinstance(document := read(body), dict) and isinstance(document.get("config"), dict)
        return {"POST": "create" if valid else "invalid", "GET": "list"}.get(method, "other")
    if path.startswith("/v1/generation/"):
        return {"GET": "get", "DELETE": "delete"}.get(method, "other")
    return "other" if path.startswith("/v1/") else "file"


def read(content):
    """Return the JSON of a body, or None."""
    try:
        return json.loads(content or b"")
    except ValueError:
        return None


def response(status, document=None, content=b"", **headers):
    """Return a response with a JSON document or a content."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if document is not None:
        return RawResponse(status, {**JSON, **named}, json.dumps(document).encode())
    return RawResponse(status, named, content)


def page(status, title="Bad gateway"):
    return response(status, content=f"<html><h1>{title}</h1></html>".encode(), content_type="text/html")


def but(original, change):
    """Return a response with its JSON changed, if it has any."""
    document = read(original.content)
    changed = change(document) if isinstance(document, dict) else None
    return original if changed is None else replace(original, content=json.dumps(changed).encode())


def each_generation(original, change):
    """Return a response to create, get or list with every generation changed."""

    def changed(document):
        if "generation_list" in document:
            return {**document, "generation_list": [change(entry) for entry in document["generation_list"]]}
        return change(document) if "is_deleted" in document else None

    return but(original, changed)


def listed(original, change):
    """Return a list with its entries changed."""
    return but(
        original, lambda document: {**document, "generation_list": change(document["generation_list"])}
    )


def variation(*, code=0, says="", **options):
    """Register ``vary(request, proceed)`` as a faithful variation. See :class:`Variation`."""

    def register(vary):
        names = {"budget", "timeout"} & options.keys()
        of_fake = {name: value for name, value in options.items() if name not in names}
        VARIATIONS.append(
            Variation(
                vary.__name__, vary, code, says, options=of_fake, **{name: options[name] for name in names}
            )
        )
        return vary

    return register
