"""Generate the tables of the docs, and the types of names, from the code (``make docs-tables``).

A table is between ``<!-- table: NAME -->`` and ``<!-- end of table -->``. A test fails if a table, or the
module of types, differs from the code.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from netmind_mock.options import PYTEST, SERVE, options_of
from netmind_mock.simulation.faults import KINDS, OPERATIONS
from netmind_mock.simulation.scenarios import SCENARIOS
from netmind_mock.validation import Parameter

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = (ROOT / "README.md", ROOT / "docs" / "testing.md")

_TABLE = re.compile(r"<!-- table: ([a-z ]+) -->\n.*?<!-- end of table -->", re.DOTALL)


def scenarios() -> str:
    """Return the table of scenarios."""
    rows = [(f"`{one.name}`", one.about, one.level, _arguments(one.parameters)) for one in SCENARIOS.values()]
    return _table(("scenario", "what happens to the job", "level", "arguments"), rows)


def faults() -> str:
    """Return the table of faults."""
    rows = [
        (f"`{name}`", one.about, ", ".join(one.operations), _arguments(one.parameters))
        for name, one in KINDS.items()
    ]
    return _table(("kind", "what happens to the response", "of", "arguments"), rows)


def serve_options() -> str:
    """Return the table of the options of ``netmind-mock serve``."""
    rows = [
        (f"`{one.flag}`", one.default_shown or _shown(one.default), one.about)
        for one in options_of(SERVE).values()
    ]
    return _table(("option", "default", "what it does"), rows)


def pytest_options() -> str:
    """Return the table of the options of the fixtures."""
    rows = [
        (f"`{name}`", one.default_shown or _shown(one.default), one.about)
        for name, one in options_of(PYTEST).items()
    ]
    return _table(("option", "default", "what it does"), rows)


NAMES = ROOT / "mock_server" / "netmind_mock" / "testing" / "names.py"


def names() -> str:
    """Return the module with the names of scenarios and faults as types."""
    scenario_types: dict[str, set[str]] = {"after": {"float", "None"}}
    for one in SCENARIOS.values():
        _add_types(scenario_types, one.build, one.parameters)
    fault_types = {"times": {"int", "None"}, "skip": {"int"}, "probability": {"float"}, "job": {"str"}}
    for kind in KINDS.values():
        _add_types(fault_types, kind.change, kind.parameters)
    return f'''"""The names of scenarios, faults and their arguments as types, for editors and type checkers.

Generated from the code by ``make docs-tables``.
"""

from typing import Literal, TypedDict

ScenarioName = {_literal(SCENARIOS)}
FaultKind = {_literal(KINDS)}
FaultOperation = {_literal(OPERATIONS)}
Operation = {_literal([*OPERATIONS, "other"])}


class ScenarioArguments(TypedDict, total=False):
    """The arguments of all scenarios. Each scenario has some of them."""

{_fields(scenario_types)}


class FaultArguments(TypedDict, total=False):
    """The arguments of all faults. Each kind has some of them."""

{_fields(fault_types)}
'''


def _add_types(
    types: dict[str, set[str]], function: Callable[..., object], parameters: Mapping[str, Parameter]
) -> None:
    """Add the types of a function's parameters, as it is annotated with them."""
    signature = inspect.signature(function)
    for name in parameters:
        if name in signature.parameters:
            annotation = signature.parameters[name].annotation.replace("Status | ", "")
            types.setdefault(name, set()).update(annotation.split(" | "))
        else:
            types.setdefault(name, {"bool"})


def _literal(options: Iterable[str]) -> str:
    lines = "".join(f'    "{name}",\n' for name in options)
    return f"Literal[\n{lines}]"


def _fields(types: Mapping[str, set[str]]) -> str:
    return "\n".join(
        f"    {name}: {' | '.join(sorted(kinds, key=lambda kind: kind == 'None'))}"
        for name, kinds in sorted(types.items())
    )


TABLES = {
    "scenarios": scenarios,
    "faults": faults,
    "serve options": serve_options,
    "pytest options": pytest_options,
}


def with_tables(text: str) -> str:
    """Return a document with its tables generated again."""
    return _TABLE.sub(
        lambda found: f"<!-- table: {found[1]} -->\n{TABLES[found[1]]()}<!-- end of table -->", text
    )


def _arguments(parameters: Mapping[str, Parameter]) -> str:
    return "; ".join(f"`{name}{_default(one.default)}`: {one.about}" for name, one in parameters.items())


def _default(value: object) -> str:
    return "" if value is None else f"={_shown(value)}"


def _shown(value: object) -> str:
    if value is None or value is False:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    for document in DOCUMENTS:
        document.write_text(with_tables(document.read_text(encoding="utf-8")), encoding="utf-8")
    NAMES.write_text(names(), encoding="utf-8")
