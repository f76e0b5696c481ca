"""Write a profile for the fake as TOML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import tomlkit

from netmind_contracts.learn.facts import learn, unmet_words
from netmind_contracts.learn.omissions import omissions
from netmind_contracts.runs.exchange import printable

if TYPE_CHECKING:
    from netmind_contracts.runs.exchange import Run

_LONGEST_COMMENT = 400


def profile_of(run: Run) -> str:
    """Return a profile as TOML text. Each fact is ``observed``; its source is the endpoint and the date.

    Comments at the end say what was observed and left out, and why.
    """
    host, day = urlsplit(run.base_url).netloc, run.started[:10]
    document: dict[str, Any] = {
        "name": f"learned from {host}",
        "description": f"Behaviour of {host} on {day}. What was not observed is as documented.",
        "extends": "documented",
    }
    for key, value in learn(run).items():
        group, _, name = key.partition(".")
        source = f"learned from {host} on {day}"
        if key == "statuses.words" and (unmet := unmet_words(run, value)):
            source += f"; not observed, and so assumed: {', '.join(unmet)}"
        facts = document.setdefault(group, tomlkit.table(is_super_table=True))
        facts[name] = {"value": _inline(value), "level": "observed", "source": source}
    left_out = "".join(f"# - {printable(sentence)[:_LONGEST_COMMENT]}\n" for sentence in omissions(run))
    return tomlkit.dumps(document) + (f"\n# Observed, and left out:\n{left_out}" if left_out else "")


def _inline(value: Any) -> Any:
    """Return a value as a tomlkit item that is written on one line."""
    if isinstance(value, dict):
        table = tomlkit.inline_table()
        for key, part in value.items():
            table.append(key, _inline(part))
        return table
    if isinstance(value, list):
        array = tomlkit.array()
        for part in value:
            array.append(_inline(part))
        return array
    return value
