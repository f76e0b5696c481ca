"""Load the schemas, and validate messages against them.

The schemas are open, since an endpoint may add fields. ``closed=True`` also reports fields that the schema
does not define.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from importlib.resources.abc import Traversable

    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError
    from referencing import Registry

WHOLE_BODY = "(the whole body)"

_SCALARS: dict[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}
_SHOWN_CHARACTERS = 60


class UnknownSchema(LookupError):
    """There is no schema of this name."""


class ContractViolation(ValueError):
    """A message violates its schema.

    Attributes:
        violations: Where and how it does.
    """

    def __init__(self, name: str, found: tuple[Violation, ...]) -> None:
        super().__init__(f"not a valid {name}:\n" + "\n".join(f"  {violation}" for violation in found))
        self.violations = found


@dataclass(frozen=True, slots=True)
class Violation:
    """One violation of a schema.

    Attributes:
        path: Where it is, as keys and list indexes: ``("result", "data", 0, "url")``.
        rule: The violated JSON Schema keyword, such as ``required``; ``unknown`` for a field that the schema
            does not define (with ``closed=True``).
        expected: What the schema expects, in words.
        actual: The actual value in words, truncated.
    """

    path: tuple[str | int, ...]
    rule: str
    expected: str
    actual: str

    @property
    def where(self) -> str:
        """The path as a string: ``result.data[0].url``."""
        text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return text.removeprefix(".") or WHOLE_BODY

    def __str__(self) -> str:
        return f"{self.where}: expected {self.expected}, got {self.actual}"


class Example(NamedTuple):
    """An example file: the name of its schema, its own name, and its content."""

    schema: str
    name: str
    content: Any


def _data() -> Traversable:
    return resources.files("netmind_contracts").joinpath("data")


def _read_json(file: Traversable) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


@cache
def schema_names() -> tuple[str, ...]:
    """Return the names of all schemas, sorted, such as ``create-request``."""
    files = _data().joinpath("schemas").iterdir()
    return tuple(sorted(file.name.removesuffix(".json") for file in files))


@cache
def schema(name: str) -> dict[str, Any]:
    """Return a JSON Schema (2020-12) as a document.

    Raises:
        UnknownSchema: There is no schema of this name.
    """
    if name not in schema_names():
        raise UnknownSchema(f"unknown schema {name!r}; expected one of {', '.join(schema_names())}")
    document: dict[str, Any] = _read_json(_data().joinpath("schemas", f"{name}.json"))
    return document


def openapi() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document. It is self-contained: the schemas are among its components."""
    document: dict[str, Any] = _read_json(_data().joinpath("openapi.json"))
    components = {name: {**schema(name)} for name in schema_names()}
    for component in components.values():
        component.pop("$schema")
    document["components"]["schemas"] = components
    for media_type in document["paths"]["/v1/generation"]["post"]["requestBody"]["content"].values():
        for example in media_type["examples"].values():
            example["value"] = _read_json(_data().joinpath(*example.pop("externalValue").split("/")))
    whole: dict[str, Any] = json.loads(json.dumps(document), object_hook=_refer_to_component)
    return whole


def _refer_to_component(node: dict[str, Any]) -> dict[str, Any]:
    """Turn a reference to a schema file into one to its component; return any other object unchanged."""
    path, dot, extension = node.get("$ref", "").rpartition(".")
    name = path.rpartition("/")[2]
    return {"$ref": f"#/components/schemas/{name}"} if dot and extension == "json" else node


def examples(kind: Literal["positive", "negative"]) -> Iterator[Example]:
    """Yield every example file of one kind.

    A positive example is a valid message. A negative one is ``{"where", "rule", "instance"}``: an invalid
    message, the path of the invalid field, and the violated JSON Schema keyword.
    """
    folders = sorted(_data().joinpath("examples", kind).iterdir(), key=lambda entry: entry.name)
    for folder in folders:
        for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
            yield Example(folder.name, file.name.removesuffix(".json"), _read_json(file))


def violations(name: str, instance: object, *, closed: bool = False) -> tuple[Violation, ...]:
    """Return every violation of the schema ``name`` by ``instance``, sorted by path.

    Args:
        name: A name of :func:`schema_names`.
        instance: A message as returned by ``json.loads``.
        closed: Also report fields that the schema does not define.

    Raises:
        UnknownSchema: There is no schema of this name.
    """
    document = schema(name)
    errors = sorted(_validator(name).iter_errors(instance), key=lambda error: error.json_path)
    found = [violation for error in errors for violation in _violations_of(error)]
    if closed:
        found.extend(_unknown_fields(instance, document, ()))
    return tuple(dict.fromkeys(found))


def check(name: str, instance: object, *, closed: bool = False) -> None:
    """Raise an exception if ``instance`` is not valid.

    Raises:
        ContractViolation: It is not valid. The message lists each field with its expected and actual value.
        UnknownSchema: There is no schema of this name.
    """
    found = violations(name, instance, closed=closed)
    if found:
        raise ContractViolation(name, found)


@cache
def _validator(name: str) -> Draft202012Validator:
    # jsonschema takes 100 ms to import, and a server needs it only once it validates a message.
    from jsonschema import Draft202012Validator  # noqa: PLC0415

    return Draft202012Validator({"$ref": f"{name}.json"}, registry=_registry())


@cache
def _registry() -> Registry[Any]:
    from referencing import Registry, Resource  # noqa: PLC0415 - as in _validator

    return Registry().with_resources(
        (f"{name}.json", Resource.from_contents(schema(name))) for name in schema_names()
    )


def _violations_of(error: ValidationError) -> Iterator[Violation]:
    path, rule = tuple(error.absolute_path), str(error.validator)
    if rule != "required":
        yield Violation(path, rule, _expectation(error), describe(error.instance))
        return
    # jsonschema reports an error for each missing field, but names the field only in its message.
    instance, required = cast("dict[str, Any]", error.instance), cast("list[str]", error.validator_value)
    for field in required:
        if field not in instance:
            yield Violation((*path, field), rule, "the field to be present", "nothing")


def _expectation(error: ValidationError) -> str:
    value: Any = error.validator_value
    match error.validator:
        case "type":
            return " or ".join(_with_article(kind) for kind in ([value] if isinstance(value, str) else value))
        case "const":
            return describe(value)
        case "enum":
            return "one of " + ", ".join(json.dumps(choice) for choice in value)
        case "pattern" | "maxLength" if isinstance(error.schema, dict) and "examples" in error.schema:
            return f"a string like {json.dumps(error.schema['examples'][0])}"
        case "oneOf" | "anyOf":
            return " or ".join(sorted({_expectation(part) for part in error.context or ()}))
        case "maxProperties":
            return "an empty object" if value == 0 else f"at most {value} fields"
        case "minItems":
            return f"at least {_count(value, 'item')}"
        case rule:
            return f"{rule} {json.dumps(value)}"


def describe(value: object) -> str:
    """Return a JSON value in words, truncated: ``the string "abc"``, ``an object with 3 fields``."""
    if isinstance(value, dict):
        return f"an object with {_count(len(value), 'field')}" if value else "an empty object"
    if isinstance(value, list):
        return f"an array of {_count(len(value), 'item')}" if value else "an empty array"
    if value is None:
        return "null"
    text = json.dumps(value, ensure_ascii=False)
    if len(text) > _SHOWN_CHARACTERS:
        text = text[:_SHOWN_CHARACTERS] + "…"
    return f"the {_SCALARS[type(value)]} {text}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _with_article(noun: str) -> str:
    return "null" if noun == "null" else f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _unknown_fields(
    instance: object, part: dict[str, Any], path: tuple[str | int, ...]
) -> Iterator[Violation]:
    """Yield a violation for each field that no applicable subschema defines, in any branch."""
    subschemas = list(_subschemas(part))
    if isinstance(instance, list):
        items = [sub["items"] for sub in subschemas if "items" in sub]
        for index, item in enumerate(instance):
            yield from _unknown_fields(item, {"allOf": items}, (*path, index))
    elif isinstance(instance, dict):
        known: dict[str, list[Any]] = {}
        for sub in subschemas:
            for field, field_schema in sub.get("properties", {}).items():
                known.setdefault(field, []).append(field_schema)
        for field, value in instance.items():
            if field in known:
                yield from _unknown_fields(value, {"allOf": known[field]}, (*path, field))
            elif known:
                names = ", ".join(sorted(known))
                yield Violation((*path, field), "unknown", f"only the fields {names}", describe(value))


def _subschemas(part: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """Yield ``part`` and every subschema that applies to the same place in the message."""
    yield part
    if "$ref" in part:
        yield from _subschemas(schema(part["$ref"].removesuffix(".json")))
    for keyword in ("then", "else"):
        if keyword in part:
            yield from _subschemas(part[keyword])
    for keyword in ("allOf", "anyOf", "oneOf"):
        for sub in part.get(keyword, ()):
            yield from _subschemas(sub)
