"""What changed between two snapshots of an endpoint.

Only facts that both show are compared. Times change only if they differ by more than their noise: twice the
pauses between polls, and a factor of two, since the duration of a job also depends on its queue.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from netmind_contracts.claims import Level
from netmind_contracts.watching.snapshot import MISSING, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netmind_contracts.watching.snapshot import Fact

_FACTOR = 2.0
_NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Change:
    """A fact that changed.

    Attributes:
        key: Such as ``errors.unknown_route.status``.
        level: How the fact was known.
        old: The value before, as text.
        new: The value now, as text.
        last_seen: The day on which the old value was seen last.
        first_seen: The day on which the new value was seen first.
    """

    key: str
    level: Level
    old: str
    new: str
    last_seen: str
    first_seen: str

    @property
    def is_news(self) -> bool:
        """Whether it is more than the outcome of a documented claim, which has an exit code of its own."""
        return self.level is not Level.DOCUMENTED

    def __str__(self) -> str:
        """Return the change in one line."""
        return (
            f"{self.key} ({self.level}): {self.old} (last seen {self.last_seen}) "
            f"→ {self.new} (first seen {self.first_seen})"
        )


def compare(old: Snapshot, new: Snapshot) -> tuple[Change, ...]:
    """Return what changed, in the order of the old facts."""
    return tuple(
        Change(part, before.level, was, is_, before.last_seen, after.first_seen)
        for key, before in old.facts.items()
        if (after := new.facts.get(key)) is not None
        for part, was, is_ in _differences(key, before, after)
    )


def merged(old: Snapshot, new: Snapshot) -> Snapshot:
    """Return the new facts, and the old ones that the new run did not show, each with its days."""
    facts = {**old.facts, **new.facts}
    for key in old.facts.keys() & new.facts.keys():
        before, after = old.facts[key], new.facts[key]
        if not list(_differences(key, before, after)):
            facts[key] = replace(before, last_seen=after.last_seen)
    return Snapshot(new.base_url, new.started, facts)


def _differences(key: str, before: Fact, after: Fact) -> Iterator[tuple[str, str, str]]:
    """Yield the key of each part of a fact that changed, with its old and its new value as text."""
    kind = key.partition(".")[0]
    noise = 2 * (before.noise + after.noise)
    if kind == "types":
        yield from _of_fields(key, before.value, after.value)
    elif kind == "order":
        was, is_ = _common_order(before.value, after.value, noise)
        if was != is_:
            yield key, ", ".join(was), ", ".join(is_)
    elif kind == "duration":
        small, large = sorted((before.value, after.value))
        if large - small > noise + 1 and large > small * _FACTOR:
            yield key, f"{before.value:g} s", f"{after.value:g} s"
    else:
        yield from _of_values(key, before.value, after.value)


def _of_fields(
    key: str, old: dict[str, list[str]], new: dict[str, list[str]]
) -> Iterator[tuple[str, str, str]]:
    """Yield the fields that appeared, that disappeared, or that have a new type."""
    for name in dict.fromkeys((*old, *new)):
        was, is_ = set(old.get(name, [MISSING])), set(new.get(name, [MISSING]))
        if is_ - was - {MISSING} or (MISSING not in was and is_ == {MISSING}):
            yield f"{key}.{name}", " or ".join(sorted(was)), " or ".join(sorted(is_))


def _common_order(old: list[Any], new: list[Any], noise: float) -> tuple[list[str], list[str]]:
    """Return the statuses of both, without those that were so short that the other run could miss them."""
    words = [{word for word, _ in one} for one in (old, new)]
    was = [word for word, lasted in old[:-1] if word in words[1] or lasted > noise]
    is_ = [word for word, lasted in new[:-1] if word in words[0] or lasted > noise]
    return [*was, old[-1][0]], [*is_, new[-1][0]]


def _of_values(key: str, old: Any, new: Any) -> Iterator[tuple[str, str, str]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys((*old, *new)):
            yield from _of_values(f"{key}.{name}", old.get(name, _NOTHING), new.get(name, _NOTHING))
    elif old != new or isinstance(old, bool) is not isinstance(new, bool):
        yield key, _shown(old), _shown(new)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text or "(empty)"
