"""Generate the tables of the docs from the code (``make docs-tables``).

A table is between ``<!-- table: NAME -->`` and ``<!-- end of table -->``. A test fails if a table differs
from the code.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from netmind_mock.options import PYTEST, SERVE, options_of
from netmind_mock.simulation.faults import KINDS
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
