"""Profiles: how the API behaves, as data. Each fact has a level and a source.

A profile is a TOML file. Each fact is a table ``{value, level, source}``. A file inherits other facts from
the profile that it ``extends``. The profiles ``documented`` and ``observed`` are shipped.
"""

from __future__ import annotations

import re
import types
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from netmind_mock.errors import REFUSALS
from netmind_mock.jobs.job import Status
from netmind_mock.validation import (
    Check,
    Expected,
    InvalidFile,
    boolean,
    checked,
    choice,
    integer,
    optional,
    read_toml,
    seconds,
    shown,
    text,
    texts,
    unknown_key,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable


SHIPPED = ("documented", "observed")

# Fields of a generation that other facts describe.
_OWN_FIELDS = frozenset(
    ["id", "user_id", "status", "created_at", "updated_at", "deleted_at", "is_deleted", "result", "logs",
     "pending_duration", "processing_duration"]
)  # fmt: skip

_LEVELS = ("documented", "observed", "assumed")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


class Fact(NamedTuple):
    """A fact in a profile: its value, how certain it is (level), and where it is from (source)."""

    value: Any
    level: str
    source: str


class Refusal(NamedTuple):
    """The response of a refusal: a status, and a JSON body with placeholders such as ``{model}``."""

    status: int
    body: Any


class Share(NamedTuple):
    """A status before the end, and its share of the job's duration. The sum of all shares is 1."""

    status: Status
    share: float


def _fact(key: str, check: Check) -> Any:
    return field(metadata={"key": key, "check": check})


def _words(value: Any) -> Mapping[Status, str]:
    names = [status.value for status in Status]
    if (
        not isinstance(value, dict)
        or sorted(value) != sorted(names)
        or not all(isinstance(word, str) and word for word in value.values())
        or len(set(value.values())) != len(names)
    ):
        raise Expected(f"a table with a different word for each of {', '.join(names)}")
    return types.MappingProxyType({Status(name): word for name, word in value.items()})


def _stages(value: Any) -> tuple[Share, ...]:
    passing = [status.value for status in Status if not status.is_final]
    problem = Expected(
        f"a list of {{status, share}} that begins with pending, each status of {', '.join(passing)} "
        "at most once, and shares that are numbers above 0"
    )
    if not isinstance(value, list) or not value:
        raise problem
    for entry in value:
        if not isinstance(entry, dict) or set(entry) != {"status", "share"} or entry["status"] not in passing:
            raise problem
        if (
            isinstance(entry["share"], bool)
            or not isinstance(entry["share"], int | float)
            or not 0 < entry["share"] < 1e9
        ):
            raise problem
    statuses = [entry["status"] for entry in value]
    if statuses[0] != Status.PENDING or len(set(statuses)) != len(statuses):
        raise problem
    whole = sum(entry["share"] for entry in value)
    return tuple(Share(Status(entry["status"]), entry["share"] / whole) for entry in value)


def _template(*placeholders: str, needed: str = "", path: bool = False) -> Check:
    def check(value: Any) -> Any:
        used = set(_PLACEHOLDER.findall(value)) if isinstance(value, str) else None
        if used is None or not used <= set(placeholders) or (needed and needed not in used):
            content = f" that contains {{{needed}}}" if needed else ""
            raise Expected(
                f"a string{content}; placeholders are {', '.join(f'{{{name}}}' for name in placeholders)}"
            )
        if path and not re.fullmatch(r"/[A-Za-z0-9_.~-]+(/([A-Za-z0-9_.~-]+|\{[a-z_]+\}))+", value):
            raise Expected(
                "a path such as /files/{file_id}: two parts or more, the first one without a placeholder, "
                "and each placeholder a whole part"
            )
        if path and value.startswith(("/v1/", "/__mock")):
            raise Expected("a path outside /v1/ and /__mock")
        if path and len(_PLACEHOLDER.findall(value)) != len(used):
            raise Expected("a path that contains each placeholder once")
        if not path and "kind" in placeholders and not re.fullmatch(r"[A-Za-z0-9._{}-]*", value):
            raise Expected("a name of letters, digits, dots, dashes and underscores")
        return value

    return check


def _refusal(value: Any) -> Refusal:
    if not isinstance(value, dict) or set(value) != {"status", "body"} or not isinstance(value["body"], dict):
        raise Expected("a table {status, body} whose body is a table")
    _json_body(value["body"])
    return Refusal(integer(400, 599)(value["status"]), value["body"])


def _json_body(value: Any) -> None:
    """Check that JSON can hold the value. TOML also has dates and larger numbers."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        _json_body(part)
    known = isinstance(value, dict | list | str | bool | int | float)
    if not known or (isinstance(value, int) and abs(value) >> 63):
        raise Expected("a body that JSON can hold, with numbers of at most 64 bits")


def _extra(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not _OWN_FIELDS.isdisjoint(value):
        raise Expected(f"a table of fields other than {', '.join(sorted(_OWN_FIELDS))}")
    _json_body(value)
    return types.MappingProxyType(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How the API behaves.

    Attributes:
        name: The name of the profile.
        description: A description for users.
        facts: Each fact with its level and source, by its key, such as ``delete.message``.
        errors: The response of each refusal in ``errors.REFUSALS``, by its key.
    """

    name: str
    description: str
    facts: Mapping[str, Fact]
    errors: Mapping[str, Refusal]
    success_status: int = _fact("success.status", integer(200, 299))
    words: Mapping[Status, str] = _fact("statuses.words", _words)
    stages: tuple[Share, ...] = _fact("statuses.stages", _stages)
    logs: bool = _fact("fields.logs", boolean)
    durations: bool = _fact("fields.durations", boolean)
    extra: Mapping[str, Any] = _fact("fields.extra", _extra)
    url_path: str = _fact(
        "result.url_path", _template("user_id", "file_id", "file_name", needed="file_id", path=True)
    )
    file_name: str = _fact("result.file_name", _template("kind", "extension"))
    text_inline: bool = _fact("result.text_inline", boolean)
    empty_for: float = _fact("result.empty_for", seconds)
    sync_mode_models: tuple[str, ...] = _fact("create.sync_mode_models", texts)
    rejects_bad_input: bool = _fact("worker.rejects_bad_input", boolean)
    worker_error: str = _fact("worker.error_text", _template("detail", needed="detail"))
    unknown_models: str = _fact("models.unknown", choice("accept", "refuse"))
    unavailable_models: tuple[str, ...] = _fact("models.unavailable", texts)
    delete_message: str = _fact("delete.message", text)
    delete_leaves: str = _fact("delete.leaves", choice("gone", "tombstone"))
    list_order: str = _fact("list.order", choice("newest_first", "oldest_first"))


_ATTRIBUTES = {entry.metadata["key"]: entry.name for entry in fields(Profile) if entry.metadata}
_CHECKS: dict[str, Check] = {
    **{entry.metadata["key"]: entry.metadata["check"] for entry in fields(Profile) if entry.metadata},
    **{f"errors.{key}": _refusal for key in REFUSALS},
}


def load_profile(name_or_file: str) -> Profile:
    """Return the shipped profile with a name, or the profile in a TOML file.

    Raises:
        InvalidFile: There is no such profile, or its file is not valid. The message names the file, the key,
            the expected and the actual value.
    """
    return _shipped(name_or_file) if name_or_file in SHIPPED else _profile(name_or_file)


@cache
def _shipped(name: str) -> Profile:
    return _profile(name)


def shipped_profile(name: str) -> Traversable:
    """Return the file of a shipped profile."""
    return resources.files("netmind_mock.jobs").joinpath("profiles", f"{name}.toml")


def _profile(name_or_file: str) -> Profile:
    """Load a profile and the profiles that it extends, and check that their values fit together."""
    loaded = _load(name_or_file, seen=())
    values = loaded.values
    profile = Profile(
        name=loaded.name,
        description=loaded.description,
        facts=types.MappingProxyType(loaded.facts),
        errors=types.MappingProxyType({key: values[f"errors.{key}"] for key in REFUSALS}),
        **{attribute: values[key] for key, attribute in _ATTRIBUTES.items()},
    )
    if "{file_name}" in profile.url_path and not profile.file_name:
        expected = "a name, since result.url_path contains {file_name}"
        raise InvalidFile(f"{name_or_file}: result.file_name.value: expected {expected}, got ''")
    return profile


class _Loaded(NamedTuple):
    """The facts of a file and of the profiles that it extends, and their checked values, by key."""

    name: str
    description: str
    facts: dict[str, Fact]
    values: dict[str, Any]


def _load(label: str, seen: tuple[str, ...]) -> _Loaded:
    """Load a profile by its name or file, and the profiles that it extends.

    ``seen`` has the profiles that extend it.
    """
    if label in SHIPPED:
        source: Path | Traversable = shipped_profile(label)
    elif (source := Path(label)).suffix != ".toml" and not source.exists():
        raise InvalidFile(f"{label}: {_no_such_profile(label)}")
    place = label if label in SHIPPED else str(Path(label).resolve())
    if place in seen:
        raise InvalidFile(f"{label}: extends: expected a profile that does not extend this one")
    content = read_toml(source)
    name = checked(label, "name", content.pop("name", Path(label).stem), text)
    description = checked(label, "description", content.pop("description", ""), text)
    usual = None if label == "documented" else "documented"
    extends = checked(label, "extends", content.pop("extends", usual), optional(text))
    facts = _facts(label, content, "")
    values = {key: checked(label, f"{key}.value", fact.value, _CHECKS[key]) for key, fact in facts.items()}
    if extends is None:
        missing = sorted(set(_CHECKS) - set(facts))
        if missing:
            raise InvalidFile(
                f"{label}: {missing[0]}: expected this fact, or extends = a profile that has it"
            )
        return _Loaded(name, description, facts, values)
    file = Path(label).parent / extends
    if extends not in SHIPPED and not file.exists():
        raise InvalidFile(f"{label}: extends: {shown(extends)}: {_no_such_profile(extends)}")
    base = _load(extends if extends in SHIPPED else str(file), (*seen, place))
    return _Loaded(name, description, {**base.facts, **facts}, {**base.values, **values})


def _no_such_profile(name: str) -> str:
    import difflib  # noqa: PLC0415 - imported only for an error

    near = difflib.get_close_matches(name, SHIPPED, n=1)
    suggestion = f" (did you mean {near[0]}?)" if near else ""
    return f"no such profile; give {' or '.join(SHIPPED)}, or a TOML file{suggestion}"


def _facts(label: str, table: dict[str, Any], prefix: str) -> dict[str, Fact]:
    """Return all facts in a table, by dotted key."""
    found: dict[str, Fact] = {}
    for name, entry in table.items():
        key = f"{prefix}{name}"
        if key in _CHECKS:
            found[key] = _stated(label, key, entry)
        elif isinstance(entry, dict) and any(known.startswith(f"{key}.") for known in _CHECKS):
            found.update(_facts(label, entry, f"{key}."))
        else:
            raise unknown_key(label, key, _CHECKS)
    return found


def _stated(label: str, key: str, entry: Any) -> Fact:
    if not isinstance(entry, dict) or "value" not in entry:
        raise InvalidFile(
            f"{label}: {key}: expected a table with value, level and source, got {shown(entry)}"
        )
    for part in entry:
        if part not in Fact._fields:
            raise unknown_key(label, f"{key}.{part}", [f"{key}.{known}" for known in Fact._fields])
    for part, expected in (("level", f"one of {', '.join(_LEVELS)}"), ("source", "a string")):
        if part not in entry:
            raise InvalidFile(f"{label}: {key}.{part}: it is missing; expected {expected}")
    level = checked(label, f"{key}.level", entry["level"], choice(*_LEVELS))
    return Fact(entry["value"], level, checked(label, f"{key}.source", entry["source"], text))
