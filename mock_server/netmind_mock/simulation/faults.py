"""The table of faults: what can go wrong with an answer on its way, as pure changes of it.

A fault turns the ``Delivery`` of an answer into another; whatever carries the answers (a socket,
``requests``, ``httpx``) reads from the delivery when each byte arrives, and whether it does.
"""

from __future__ import annotations

import hashlib
import math
import random
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from netmind_mock.validation import (
    Check,
    Expected,
    InvalidOrder,
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
    from netmind_mock.simulation.scenarios import Order

OPERATIONS = ("create", "get", "list", "delete", "file")
_JSON_OPERATIONS = OPERATIONS[:-1]
_FILES = ("file",)

Headers = list[tuple[str, str]]


class Delivery(NamedTuple):
    """An answer, and how it arrives.

    Attributes:
        status: The HTTP status.
        headers: Names and values.
        body: All of it.
        wait: Seconds before the first byte; infinite if none ever comes.
        over: Seconds that the body takes.
        sent: After how many bytes of the body the connection ends; -1 before the head, None not at all.
        reset: Whether it ends by a reset rather than in order.
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
        """Whether it arrives as any answer does."""
        return self.wait == 0 and self.over == 0 and self.sent is None

    @property
    def arrives(self) -> bool:
        """Whether all of it arrives, be it late."""
        return self.wait < math.inf and (self.sent is None or self.sent >= len(self.body))


Strike = Callable[[Delivery, Mapping[str, Any], random.Random], Delivery]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    Attributes:
        about: What happens, in one sentence.
        operations: Those that it can be ordered for.
        parameters: Its arguments. ``reaches`` says whether the request is carried out first.
        strike: From the delivery, the arguments and a source of chance to what is delivered instead.
        needs_wire: Whether more than the answer's content changes, so that whatever carries it has to help.
    """

    about: str
    operations: tuple[str, ...]
    parameters: Mapping[str, Parameter]
    strike: Strike
    needs_wire: bool


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault as it was ordered.

    Attributes:
        number: Counts what its tenant ordered, from 1.
        operation: One of ``OPERATIONS``.
        kind: A key of ``KINDS``.
        arguments: All of them, checked.
        times: How many requests it strikes; None for all.
        skip: How many requests it lets pass first.
        probability: How likely it is to strike a request, from 0 to 1.
        job: The only generation that it is about, if there is one.
    """

    number: int
    operation: str
    kind: str
    arguments: Mapping[str, Any]
    times: int | None = 1
    skip: int = 0
    probability: float = 1.0
    job: str | None = None

    def __str__(self) -> str:
        """Such as ``fault 1: status of create (code=503)``."""
        stated = ", ".join(f"{name}={value}" for name, value in self.arguments.items() if value is not None)
        return f"fault {self.number}: {self.kind} of {self.operation}" + (f" ({stated})" if stated else "")

    @property
    def reaches(self) -> bool:
        """Whether the request is carried out, though its answer suffers."""
        return bool(self.arguments.get("reaches", self.arguments.get("when") != "request"))

    def strikes(self, seed: int, count: int) -> bool:
        """Whether it strikes the request of this number among those that it is about, counted from 0."""
        if count < self.skip:
            return False
        return self.probability >= 1 or _chance(seed, self.number, count).random() < self.probability

    def struck(self, delivery: Delivery, seed: int, count: int) -> Delivery:
        """What is delivered instead."""
        return KINDS[self.kind].strike(delivery, self.arguments, _chance(seed, -self.number, count))


def _chance(seed: int, number: int, count: int) -> random.Random:
    """The same chance for the same seed, fault and request, whatever else happens meanwhile."""
    digest = hashlib.blake2b(f"{seed} {number} {count}".encode(), digest_size=8).digest()
    return random.Random(int.from_bytes(digest, "big"))  # noqa: S311 - not a secret


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise Expected("a number from 0 to 1")
    return float(value)


_OPTIONS: Mapping[str, Parameter] = types.MappingProxyType(
    {
        "times": Parameter(
            optional(integer(1, 1_000_000)), None, "how many requests it strikes; none for all"
        ),
        "skip": Parameter(integer(0, 1_000_000), 0, "how many requests it lets pass first"),
        "probability": Parameter(_share, 1.0, "how likely it is to strike, from 0 to 1"),
        "job": Parameter(optional(text), None, "the only generation that it is about"),
    }
)


def fault(number: int, operation: Any, kind: Any, /, **arguments: Any) -> Fault:
    """A fault, checked. Without ``times`` and ``probability`` it strikes the next request.

    Raises:
        InvalidOrder: There is no such operation, kind or argument, or they do not fit; with the nearest.
    """
    if operation not in OPERATIONS:
        hint = nearest(str(operation), dict.fromkeys(OPERATIONS))
        raise InvalidOrder(f"fault: no such operation as {str(operation)[:60]!r}; {hint}")
    known = KINDS.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise InvalidOrder(f"fault: no such kind as {str(kind)[:60]!r}; {nearest(str(kind), KINDS)}")
    if operation not in known.operations:
        raise InvalidOrder(f"fault {kind}: is for {' and '.join(known.operations)}, not for {operation}")
    label = f"fault {kind}"
    checked = complete(label, arguments, {**_OPTIONS, **known.parameters})
    options = {name: checked[name] for name in _OPTIONS}
    if "times" not in arguments and "probability" not in arguments:
        options["times"] = 1
    return Fault(
        number,
        operation,
        kind,
        types.MappingProxyType({name: checked[name] for name in known.parameters}),
        **options,
    )


def fault_of(order: Order) -> Fault | None:
    """The fault that belongs to a scenario: how the answer to a create is lost."""
    how = order.arguments.get("how")
    if order.scenario != "answer_lost" or how is None:
        return None
    losses: dict[str, tuple[str, dict[str, Any]]] = {
        "reset": ("reset", {"when": "before"}),
        "hang": ("hang", {}),
        "gateway": ("html", {"code": 504, "reaches": True}),
    }
    kind, arguments = losses[how]
    return fault(0, "create", kind, **arguments)


def _header(value: Any) -> str:
    if (
        not isinstance(value, str)
        or not value
        or not value.isascii()
        or not value.isprintable()
        or len(value) > 500
    ):
        raise Expected("a header's value of at most 500 printable ASCII characters")
    return value


def _with_content(
    delivery: Delivery, status: int, content_type: str, body: bytes, *extra: tuple[str, str]
) -> Delivery:
    headers = [("Content-Type", content_type), ("Content-Length", str(len(body))), *extra]
    return delivery._replace(status=status, headers=headers, body=body)


def _with_body(delivery: Delivery, body: bytes) -> Delivery:
    headers = [(name, value) for name, value in delivery.headers if name.lower() != "content-length"]
    return delivery._replace(headers=[*headers, ("Content-Length", str(len(body)))], body=body)


def _status(delivery: Delivery, arguments: Mapping[str, Any], _chance: random.Random) -> Delivery:
    code, retry_after = arguments["code"], arguments["retry_after"]
    body = orjson.dumps({"message": arguments["message"] or _phrase(code)})
    extra = () if retry_after is None else (("Retry-After", _plain(retry_after)),)
    return _with_content(delivery, code, "application/json", body, *extra)


def _plain(seconds: float) -> str:
    return str(int(seconds)) if seconds == int(seconds) else str(seconds)


def _phrase(code: int) -> str:
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return f"Status {code}"


def _delay(delivery: Delivery, arguments: Mapping[str, Any], _chance: random.Random) -> Delivery:
    return delivery._replace(wait=delivery.wait + arguments["seconds"])


def _hang(delivery: Delivery, arguments: Mapping[str, Any], _chance: random.Random) -> Delivery:
    asked = arguments["seconds"]
    return delivery._replace(wait=math.inf if asked is None else asked, sent=-1)


def _dribble(delivery: Delivery, arguments: Mapping[str, Any], _chance: random.Random) -> Delivery:
    return delivery._replace(over=arguments["seconds"])


def _reset(delivery: Delivery, arguments: Mapping[str, Any], _chance: random.Random) -> Delivery:
    sent = {"request": -1, "before": -1, "during": len(delivery.body) // 2, "after": len(delivery.body)}
    return delivery._replace(sent=sent[arguments["when"]], reset=True)


def _truncate(delivery: Delivery, arguments: Mapping[str, Any], _chance: random.Random) -> Delivery:
    return delivery._replace(sent=_part(delivery, arguments))


def _part(delivery: Delivery, arguments: Mapping[str, Any]) -> int:
    """A share of the body's bytes, at least one less than all."""
    return max(min(int(len(delivery.body) * arguments["share"]), len(delivery.body) - 1), 0)


def _short(delivery: Delivery, arguments: Mapping[str, Any], _chance: random.Random) -> Delivery:
    return _with_body(delivery, delivery.body[: _part(delivery, arguments)])


def _malformed_json(delivery: Delivery, _arguments: Mapping[str, Any], _chance: random.Random) -> Delivery:
    return _with_body(delivery, delivery.body[: len(delivery.body) // 2] or b"{")


def _html(delivery: Delivery, arguments: Mapping[str, Any], _chance: random.Random) -> Delivery:
    title = f"{arguments['code']} {_phrase(arguments['code'])}"
    page = f"<!doctype html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return _with_content(delivery, arguments["code"], "text/html", page.encode())


def _content_type(delivery: Delivery, arguments: Mapping[str, Any], _chance: random.Random) -> Delivery:
    headers = [(name, value) for name, value in delivery.headers if name.lower() != "content-type"]
    return delivery._replace(headers=[("Content-Type", arguments["type"]), *headers])


def _redirect(delivery: Delivery, arguments: Mapping[str, Any], _chance: random.Random) -> Delivery:
    return _with_content(delivery, arguments["code"], "text/plain", b"", ("Location", arguments["location"]))


def _corrupt(delivery: Delivery, arguments: Mapping[str, Any], chance: random.Random) -> Delivery:
    content = bytearray(delivery.body)
    for _ in range(arguments["count"] if content else 0):
        content[chance.randrange(len(content))] ^= chance.randint(1, 255)
    return delivery._replace(body=bytes(content))


def _kind(
    about: str,
    strike: Strike,
    operations: tuple[str, ...] = OPERATIONS,
    *,
    wire: bool = False,
    **parameters: Parameter,
) -> Kind:
    return Kind(about, operations, types.MappingProxyType(parameters), strike, wire)


def _code(default: int, lowest: int = 400, highest: int = 599) -> Parameter:
    return Parameter(integer(lowest, highest), default, f"the HTTP status, {lowest} to {highest}")


def _reaches(default: bool) -> Parameter:
    return Parameter(boolean, default, "whether the request is carried out, though this is answered")


def _wait(check: Check, default: float | None, about: str) -> Parameter:
    return Parameter(check, default, about)


_SHARE = Parameter(_share, 0.5, "the share of the body that arrives")

KINDS: Mapping[str, Kind] = types.MappingProxyType(
    {
        "status": _kind(
            "Answers an HTTP status, with Retry-After if asked.",
            _status,
            code=_code(503, 100 + 100),
            retry_after=Parameter(optional(seconds), None, "seconds for a Retry-After header"),
            message=Parameter(optional(text), None, "the body's message"),
            reaches=_reaches(False),
        ),
        "delay": _kind("Answers late.", _delay, wire=True, seconds=_wait(seconds, 5.0, "seconds")),
        "hang": _kind(
            "Never answers; or closes the connection after some seconds.",
            _hang,
            wire=True,
            seconds=_wait(optional(seconds), None, "seconds after which the connection is closed"),
            reaches=_reaches(True),
        ),
        "dribble": _kind(
            "Sends the body a few bytes at a time.",
            _dribble,
            wire=True,
            seconds=_wait(seconds, 30.0, "seconds for all"),
        ),
        "reset": _kind(
            "Resets the connection.",
            _reset,
            wire=True,
            when=Parameter(
                choice("request", "before", "during", "after"),
                "before",
                "request (it is not carried out), or before, during or after the answer",
            ),
        ),
        "truncate": _kind(
            "Announces the whole body, and closes the connection early.", _truncate, wire=True, share=_SHARE
        ),
        "malformed_json": _kind("Answers JSON that breaks off.", _malformed_json, _JSON_OPERATIONS),
        "html": _kind(
            "Answers an HTML page, as a gateway does.", _html, code=_code(502, 200), reaches=_reaches(False)
        ),
        "content_type": _kind(
            "Answers with another Content-Type.",
            _content_type,
            type=Parameter(_header, "text/html", "the Content-Type"),
        ),
        "redirect": _kind(
            "Redirects.",
            _redirect,
            code=_code(302, 300, 399),
            location=Parameter(_header, "/login", "the Location"),
            reaches=_reaches(False),
        ),
        "short": _kind("Sends a part of the file as if it were all.", _short, _FILES, share=_SHARE),
        "corrupt": _kind(
            "Changes some bytes of the file.",
            _corrupt,
            _FILES,
            count=Parameter(integer(1, 1_000_000), 16, "how many bytes"),
        ),
    }
)
