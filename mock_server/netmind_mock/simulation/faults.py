"""Faults: what can go wrong with a response. Each kind of fault is a pure function.

A fault changes the ``Delivery`` of a response: its content, and when each of its bytes arrives. The modules
that send responses (to a socket, ``requests`` or ``httpx``) read the delivery and do not know about faults.

To add a kind, write a function at the end of this module. Its name is the name of the kind, and its docstring
is the description in ``netmind-mock scenarios``, the control API and the docs.
"""

from __future__ import annotations

import hashlib
import inspect
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import Struct

from netmind_mock.errors import phrase_of
from netmind_mock.validation import (
    Expected,
    InvalidInput,
    Parameter,
    boolean,
    choice,
    complete,
    integer,
    nearest,
    optional,
    seconds,
    text,
)

if TYPE_CHECKING:
    from netmind_mock.simulation.scenarios import Scenario

OPERATIONS = ("create", "get", "list", "delete", "file")
_JSON_OPERATIONS = OPERATIONS[:-1]
_FILES = ("file",)

_PARTS = 20  # into which the body of a dribble is divided

Headers = list[tuple[str, str]]


class Delivery(NamedTuple):
    """A response, and how it arrives.

    Attributes:
        status: The HTTP status.
        headers: Names and values.
        body: The whole body, even if only a part of it is sent.
        wait: Seconds before the first byte; infinite if no byte is ever sent.
        over: Seconds that sending the body takes.
        sent: After how many bytes of the body the connection ends; -1 before the head; None if it stays open.
        reset: Whether the connection ends with a reset.
    """

    status: int
    headers: Headers
    body: bytes
    wait: float = 0.0
    over: float = 0.0
    sent: int | None = None
    reset: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether it is sent whole and without delay."""
        return self.wait == 0 and self.over == 0 and self.sent is None

    @property
    def arrives(self) -> bool:
        """Whether all of it arrives, even if late."""
        return self.wait < math.inf and (self.sent is None or self.sent >= len(self.body))

    def parts(self) -> tuple[float, list[bytes]]:
        """Return the seconds to wait before each part of the body, and the parts."""
        sent = self.body if self.sent is None else self.body[: max(self.sent, 0)]
        size = max(math.ceil(len(self.body) / _PARTS), 1) if self.over else max(len(sent), 1)
        pause = self.over * size / max(len(self.body), 1)
        return pause, [sent[start : start + size] for start in range(0, len(sent) or 1, size)]


Change = Callable[..., Delivery]


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A kind of fault.

    Attributes:
        about: What happens, in one sentence.
        operations: The operations that it can be applied to.
        parameters: Its arguments. ``reaches`` says whether the fake processes the request first.
        change: Returns the changed delivery, from the delivery, random numbers and the arguments.
        needs_wire: Whether it is a wire fault: it changes more than the content of the response, so the
            module that sends the response has to support it.
    """

    about: str
    operations: tuple[str, ...]
    parameters: Mapping[str, Parameter]
    change: Change
    needs_wire: bool


KINDS: dict[str, FaultKind] = {}


def kind(
    operations: tuple[str, ...] = OPERATIONS,
    *,
    wire: bool = False,
    **parameters: Parameter,
) -> Callable[[Change], Change]:
    """Register a function as a kind of fault.

    Args:
        operations: The operations that it can be applied to.
        wire: Whether it is a wire fault.
        parameters: Its arguments. The function gets all of them by name, except ``reaches``.
    """

    def register(change: Change) -> Change:
        about = inspect.getdoc(change) or ""
        KINDS[change.__name__] = FaultKind(about, operations, MappingProxyType(parameters), change, wire)
        return change

    return register


class Fault(Struct, frozen=True, array_like=True):
    """A fault that a test or an operator added.

    Attributes:
        number: Counts the account's faults, from 1.
        operation: One of ``OPERATIONS``.
        kind: A key of ``KINDS``.
        arguments: All arguments of the kind, validated.
        times: How many requests it applies to; None for all.
        skip: How many matching requests it ignores first.
        probability: How likely it applies to a matching request, from 0 to 1.
        job: The id of the only job that it applies to; None for all.
    """

    number: int
    operation: str
    kind: str
    arguments: dict[str, Any]
    times: int | None = 1
    skip: int = 0
    probability: float = 1.0
    job: str | None = None

    def __str__(self) -> str:
        """Return text such as ``fault 1: status of create (code=503)``."""
        stated = ", ".join(f"{name}={value}" for name, value in self.arguments.items() if value is not None)
        return f"fault {self.number}: {self.kind} of {self.operation}" + (f" ({stated})" if stated else "")

    @property
    def reaches(self) -> bool:
        """Whether the fake processes the request, although the response is lost or changed."""
        return bool(self.arguments.get("reaches", self.arguments.get("when") != "request"))

    def applies(self, seed: int, count: int) -> bool:
        """Return whether it applies to the matching request of this number, counted from 0."""
        if count < self.skip:
            return False
        return self.probability >= 1 or _chance(seed, self.number, count).random() < self.probability

    def apply(self, delivery: Delivery, seed: int, count: int) -> Delivery:
        """Return the changed delivery."""
        arguments = {name: value for name, value in self.arguments.items() if name != "reaches"}
        return KINDS[self.kind].change(delivery, _chance(seed, -self.number, count), **arguments)


def _chance(seed: int, number: int, count: int) -> random.Random:
    """Return random numbers that depend only on the seed, the fault and the number of the request."""
    digest = hashlib.blake2b(f"{seed} {number} {count}".encode(), digest_size=8).digest()
    return random.Random(int.from_bytes(digest, "big"))  # noqa: S311 - not a secret


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise Expected("a number from 0 to 1")
    return float(value)


_OPTIONS: Mapping[str, Parameter] = MappingProxyType(
    {
        "times": Parameter(
            optional(integer(1, 1_000_000)), None, "how many requests it applies to; none for all"
        ),
        "skip": Parameter(integer(0, 1_000_000), 0, "how many matching requests it ignores first"),
        "probability": Parameter(_share, 1.0, "how likely it applies, from 0 to 1"),
        "job": Parameter(optional(text), None, "the only generation it applies to"),
    }
)


def fault(number: int, operation: Any, kind: Any, /, **arguments: Any) -> Fault:
    """Return a validated fault. Without ``times`` and ``probability`` it applies to the next request only.

    Raises:
        InvalidInput: The operation, kind or argument does not exist, or they do not go together. The message
            suggests the nearest name.
    """
    if operation not in OPERATIONS:
        hint = nearest(str(operation), dict.fromkeys(OPERATIONS))
        raise InvalidInput(f"fault: no such operation as {str(operation)[:60]!r}; {hint}")
    known = KINDS.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise InvalidInput(f"fault: no such kind as {str(kind)[:60]!r}; {nearest(str(kind), KINDS)}")
    if operation not in known.operations:
        raise InvalidInput(
            f"fault {kind}: cannot be applied to {operation}; expected {' or '.join(known.operations)}"
        )
    label = f"fault {kind}"
    checked = complete(label, arguments, {**_OPTIONS, **known.parameters})
    options = {name: checked[name] for name in _OPTIONS}
    if "times" not in arguments and "probability" not in arguments:
        options["times"] = 1
    return Fault(
        number,
        operation,
        kind,
        {name: checked[name] for name in known.parameters},
        **options,
    )


def fault_of(scenario: Scenario) -> Fault | None:
    """Return the fault by which a scenario loses the response to its create; None for other scenarios."""
    how = scenario.arguments.get("how")
    if scenario.name != "response_lost" or how is None:
        return None
    losses: dict[str, tuple[str, dict[str, Any]]] = {
        "reset": ("reset", {"when": "before"}),
        "hang": ("hang", {}),
        "gateway": ("html", {"code": 504, "reaches": True}),
    }
    kind, arguments = losses[how]
    return fault(0, "create", kind, **arguments)


# Shared by the kinds below


def _header(value: Any) -> str:
    if (
        not isinstance(value, str)
        or not value
        or not value.isascii()
        or not value.isprintable()
        or len(value) > 500
    ):
        raise Expected("a header value of at most 500 printable ASCII characters")
    return value


def _code(default: int, lowest: int, highest: int = 599) -> Parameter:
    return Parameter(integer(lowest, highest), default, f"the HTTP status, {lowest} to {highest}")


def _reaches(default: bool) -> Parameter:
    return Parameter(boolean, default, "whether the fake processes the request first")


_SHARE = Parameter(_share, 0.5, "the share of the body that arrives")


def _with_content(
    delivery: Delivery, status: int, content_type: str, body: bytes, *extra: tuple[str, str]
) -> Delivery:
    headers = [("Content-Type", content_type), ("Content-Length", str(len(body))), *extra]
    return delivery._replace(status=status, headers=headers, body=body)


def _with_body(delivery: Delivery, body: bytes) -> Delivery:
    headers = [(name, value) for name, value in delivery.headers if name.lower() != "content-length"]
    return delivery._replace(headers=[*headers, ("Content-Length", str(len(body)))], body=body)


def _part(delivery: Delivery, share: float) -> int:
    """Return a share of the body's length, and at most all but one byte."""
    return max(min(int(len(delivery.body) * share), len(delivery.body) - 1), 0)


def _plain(seconds: float) -> str:
    return str(int(seconds)) if seconds == int(seconds) else str(seconds)


# The kinds


@kind(
    code=_code(503, 200),
    retry_after=Parameter(optional(seconds), None, "seconds for a Retry-After header"),
    message=Parameter(optional(text), None, "the body's message"),
    reaches=_reaches(False),
)
def status(
    delivery: Delivery, _: random.Random, code: int, retry_after: float | None, message: str | None
) -> Delivery:
    """Responds with an HTTP status, with Retry-After if given."""
    body = msgspec.json.encode({"message": message or phrase_of(code)})
    extra = () if retry_after is None else (("Retry-After", _plain(retry_after)),)
    return _with_content(delivery, code, "application/json", body, *extra)


@kind(wire=True, seconds=Parameter(seconds, 5.0, "seconds"))
def delay(delivery: Delivery, _: random.Random, seconds: float) -> Delivery:
    """Responds late."""
    return delivery._replace(wait=delivery.wait + seconds)


@kind(
    wire=True,
    seconds=Parameter(optional(seconds), None, "seconds after which the connection is closed"),
    reaches=_reaches(True),
)
def hang(delivery: Delivery, _: random.Random, seconds: float | None) -> Delivery:
    """Never responds, or closes the connection after some seconds."""
    return delivery._replace(wait=math.inf if seconds is None else seconds, sent=-1)


@kind(wire=True, seconds=Parameter(seconds, 30.0, "seconds for all"))
def dribble(delivery: Delivery, _: random.Random, seconds: float) -> Delivery:
    """Sends the body a few bytes at a time."""
    return delivery._replace(over=seconds)


@kind(
    wire=True,
    when=Parameter(
        choice("request", "before", "during", "after"),
        "before",
        "request (it is not processed), or before, during or after the response",
    ),
)
def reset(delivery: Delivery, _: random.Random, when: str) -> Delivery:
    """Resets the connection."""
    sent = {"request": -1, "before": -1, "during": len(delivery.body) // 2, "after": len(delivery.body)}
    return delivery._replace(sent=sent[when], reset=True)


@kind(wire=True, share=_SHARE)
def truncate(delivery: Delivery, _: random.Random, share: float) -> Delivery:
    """Announces the whole body, and closes the connection early."""
    return delivery._replace(sent=_part(delivery, share))


@kind(_JSON_OPERATIONS)
def malformed_json(delivery: Delivery, _: random.Random) -> Delivery:
    """Responds with JSON that is cut in the middle."""
    return _with_body(delivery, delivery.body[: len(delivery.body) // 2] or b"{")


@kind(code=_code(502, 200), reaches=_reaches(False))
def html(delivery: Delivery, _: random.Random, code: int) -> Delivery:
    """Responds with an HTML page, as a gateway does."""
    title = f"{code} {phrase_of(code)}"
    page = f"<!doctype html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return _with_content(delivery, code, "text/html", page.encode())


@kind(type=Parameter(_header, "text/html", "the Content-Type"))
def content_type(delivery: Delivery, _: random.Random, type: str) -> Delivery:  # noqa: A002 - the public name
    """Responds with another Content-Type."""
    headers = [(name, value) for name, value in delivery.headers if name.lower() != "content-type"]
    return delivery._replace(headers=[("Content-Type", type), *headers])


@kind(
    code=_code(302, 300, 399), location=Parameter(_header, "/login", "the Location"), reaches=_reaches(False)
)
def redirect(delivery: Delivery, _: random.Random, code: int, location: str) -> Delivery:
    """Redirects."""
    return _with_content(delivery, code, "text/plain", b"", ("Location", location))


@kind(_FILES, share=_SHARE)
def short(delivery: Delivery, _: random.Random, share: float) -> Delivery:
    """Sends a part of the file as if it were the whole file."""
    return _with_body(delivery, delivery.body[: _part(delivery, share)])


@kind(_FILES, count=Parameter(integer(1, 1_000_000), 16, "how many bytes"))
def corrupt(delivery: Delivery, chance: random.Random, count: int) -> Delivery:
    """Changes some bytes of the file."""
    content = bytearray(delivery.body)
    for _ in range(count if content else 0):
        content[chance.randrange(len(content))] ^= chance.randint(1, 255)
    return delivery._replace(body=bytes(content))
