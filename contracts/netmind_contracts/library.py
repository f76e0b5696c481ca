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
    from collections.abc import Callable, Iterable, Iterator
    from importlib.resources.abc import Traversable

    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError
    from referencing import Registry

WHOLE_BODY = "(the whole body)"

_SCALARS: dict[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}
_SHOWN_CHARACTERS = 60
_BRANCHES = ("if", "then", "else")


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
def schema(name: str, *, bundle: bool = False) -> dict[str, Any]:
    """Return a JSON Schema (2020-12) as a document.

    Args:
        name: A name of :func:`schema_names`.
        bundle: Include the schemas that it refers to, in ``$defs``. Without this, it refers to them by file
            name, such as ``result-file.json``.

    Raises:
        UnknownSchema: There is no schema of this name.
    """
    if name not in schema_names():
        raise UnknownSchema(f"unknown schema {name!r}; expected one of {', '.join(schema_names())}")
    document: dict[str, Any] = _read_json(_data().joinpath("schemas", f"{name}.json"))
    if not bundle:
        return document
    needed = _needed(document, schema)
    return _complete({**document, "$defs": needed} if needed else document, "#/$defs")


def openapi() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document. It needs no files: it has the example messages, and components.

    The components are derived from the schemas, for generators of clients: without conditions. They know each
    field and its type, but not, for example, that the result of a pending generation is empty. To validate a
    message, use its schema.
    """
    document: dict[str, Any] = _read_json(_data().joinpath("openapi.json"))
    document["components"]["schemas"] = _needed(document, _without_conditions)
    return _complete(document, "#/components/schemas")


def _needed(document: dict[str, Any], read: Callable[[str], dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the schemas that a document refers to, directly or through another schema, sorted by name."""
    schemas: dict[str, dict[str, Any]] = {}
    waiting = _references(document)
    while waiting:
        name = waiting.pop()
        schemas[name] = {key: value for key, value in read(name).items() if key not in ("$schema", "$id")}
        waiting |= _references(schemas[name]) - schemas.keys()
    return dict(sorted(schemas.items()))


def _references(node: object) -> set[str]:
    """Return the names of the schemas that a document or a part of it refers to."""
    if isinstance(node, list):
        return set().union(*map(_references, node))
    if not isinstance(node, dict):
        return set()
    name = _referenced(node)
    return {name} if name else set().union(*map(_references, node.values()))


def _referenced(part: dict[str, Any]) -> str:
    """Return the name of the schema whose file a part refers to; an empty string if it refers to none."""
    folder_and_name, dot, extension = str(part.get("$ref", "")).rpartition(".")
    return folder_and_name.rpartition("/")[2] if dot and extension == "json" else ""


def _complete(document: dict[str, Any], place: str) -> dict[str, Any]:
    """Return a copy of a document that needs no files: its schemas are at ``place``, and it has examples."""

    def embed(node: dict[str, Any]) -> dict[str, Any]:
        if name := _referenced(node):
            return {"$ref": f"{place}/{name}"}
        if "externalValue" in node:
            node["value"] = _read_json(_data().joinpath(*node.pop("externalValue").split("/")))
        return node

    complete: dict[str, Any] = json.loads(json.dumps(document), object_hook=embed)
    return complete


def _without_conditions(name: str) -> dict[str, Any]:
    """Return a schema without ``if``, ``allOf`` and ``anyOf``, for programs that generate code."""
    return _flat(schema(name))


def _flat(part: dict[str, Any]) -> dict[str, Any]:
    """Return a part of a schema without conditions: it has the fields of every branch, none of them required.

    The fields that are required without a condition stay required.
    """
    if "if" in part and "type" not in part:
        return _flat_choice(part)
    flat: dict[str, Any] = {}
    for sub in part.get("allOf", ()):
        if name := _referenced(sub):
            flat |= _without_conditions(name)
    required = [*flat.get("required", ()), *part.get("required", ())]
    # Without anyOf, which only the items of an error's loc have: in Python, the client of openapi-generator
    # cannot read a choice within a choice.
    flat |= {key: part[key] for key in part if key not in (*_BRANCHES, "allOf", "anyOf", "properties")}
    if required:
        flat["required"] = required
    if "items" in flat:
        flat["items"] = _flat(flat["items"])
    for condition in (part, *part.get("allOf", ())):
        for branch in (condition, condition.get("then", {}), condition.get("else", {})):
            _add_fields(flat, branch)
    return flat


def _flat_choice(part: dict[str, Any]) -> dict[str, Any]:
    """Return the choice between two kinds of a value without its condition.

    Two kinds of objects become one with the fields of both, because many generators cannot distinguish
    objects by their fields.
    """
    flat = {key: part[key] for key in part if key not in _BRANCHES}
    branches = (part.get("then", part["if"]), part["else"])
    kinds = [_flat(schema(name) if (name := _referenced(branch)) else branch) for branch in branches]
    if any(kind["type"] != "object" for kind in kinds):
        return {**flat, "anyOf": kinds}
    flat["type"] = "object"
    for kind in reversed(kinds):
        _add_fields(flat, kind)
    return flat


def _add_fields(flat: dict[str, Any], branch: dict[str, Any]) -> None:
    """Add the fields of a branch that are not known yet, at any depth."""
    for name, field in branch.get("properties", {}).items():
        fields = flat.setdefault("properties", {})
        if name in fields:
            _add_fields(fields[name], field)
        else:
            fields[name] = _flat(field)


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

    return Draft202012Validator(schema(name), registry=_registry())


@cache
def _registry() -> Registry[Any]:
    from referencing import Registry, Resource  # noqa: PLC0415 - as in _validator

    return Registry().with_resources(
        (document["$id"], Resource.from_contents(document)) for document in map(schema, schema_names())
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
