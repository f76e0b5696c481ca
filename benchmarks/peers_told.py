"""The tables of ``make bench-peers``: the figures, and whether each aim is met."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scale import Scale

MIB = 2**20
MB = 10**6
_FAST_STARTERS = ("aimock", "pytest-httpserver")


class Figures(NamedTuple):
    """A row: requests per second, seconds to the first response, bytes of memory and disk; 0 if unknown."""

    name: str
    does: str
    version: str
    create: float
    get: float
    start: float
    memory: float
    size: int


class Aim(NamedTuple):
    """An aim, the measured value, and whether the aim is met; None if it was not measured."""

    text: str
    measured: str
    met: bool | None


def tables(figures: Sequence[Figures], bare: Figures, absent: Sequence[str], scale: Scale) -> list[str]:
    """Return the lines of the section.

    The first figure is the fake's. Names that begin with its name are further configurations of the fake.
    """
    ours = [row for row in figures if row.name.startswith(figures[0].name)]
    others = [row for row in figures if row not in ours]
    lines = ["| | create per second | get per second | start to first response | memory, idle | installed |"]
    lines.append("|---" * 6 + "|")
    lines += [_row(row) for row in [bare, *ours, *others]]
    lines += ["", "| | requests |", "|---|---|"]
    lines += [f"| {row.name} | {row.does} |" for row in others]
    if absent:
        lines += ["", "Absent:", "", *(f"- {one}" for one in absent)]
    lines += ["", "| aim | measured | |", "|---|---|---|"]
    for aim in [*_against_peers(ours, others, bare), *_at_scale(scale)]:
        verdict = {True: "met", False: "**missed**", None: "not measured"}[aim.met]
        measured = f"**{aim.measured}**" if aim.met is False else aim.measured
        lines.append(f"| {aim.text} | {measured} | {verdict} |")
    return lines


def _row(row: Figures) -> str:
    cells = [
        f"{row.name} {row.version}".strip(),
        f"{row.create:,.0f}",
        f"{row.get:,.0f}",
        f"{row.start:.2f} s" if row.start else "",
        f"{row.memory / MIB:,.0f} MiB" if row.memory else "",
        f"{row.size / MIB:,.0f} MiB" if row.size else "",
    ]
    return f"| {' | '.join(cells)} |"


def _against_peers(ours: Sequence[Figures], others: Sequence[Figures], bare: Figures) -> list[Aim]:
    us = ours[0]
    create, get = (max(others, key=lambda row: row.create), max(others, key=lambda row: row.get))
    soonest = min((row for row in others if row.name in _FAST_STARTERS), key=lambda row: row.start)
    by_name = {row.name.removeprefix(f"{us.name}, "): row for row in ours}
    sqlite, two = by_name.get("SQLite"), by_name.get("SQLite, 2 workers")
    return [
        _ratio(
            f"create: at least 1.5 times the fastest peer's ({create.name})", us.create / create.create, 1.5
        ),
        _ratio(f"get: at least 1.5 times the fastest peer's ({get.name})", us.get / get.get, 1.5),
        _ratio("get: at least 0.5 of the bare function's", us.get / bare.get, 0.5),
        _ratio("get with SQLite: at least 0.7 of the memory store's", sqlite.get / us.get, 0.7)
        if sqlite
        else Aim("get with SQLite", "", None),
        _ratio("get with SQLite of 2 workers: at least 1.3 times that of one", two.get / sqlite.get, 1.3)
        if sqlite and two
        else Aim("get with SQLite of 2 workers", "", None),
        _most(
            f"first response: at most 1.3 times the time of the soonest ({soonest.name})",
            us.start / soonest.start,
            1.3,
            "times",
        ),
        _most("memory, idle: at most 60 MiB", us.memory / MIB, 60, "MiB"),
    ]


def _at_scale(scale: Scale) -> list[Aim]:
    first, again = scale.first_listing / scale.serialising, scale.listing / scale.serialising
    return [
        _most("a list of 10,000 jobs: at most 10 times the time of its JSON", first, 10, "times"),
        _most("the same list again: at most 1.2 times", again, 1.2, "times"),
        _most("1,000,000 jobs in memory: at most 450 MB more", scale.grown / MB, 450, "MB"),
        _most(
            "the garbage collector's longest pause meanwhile: at most 15 ms",
            scale.longest_pause * 1e3,
            15,
            "ms",
        ),
    ]


def _most(text: str, value: float, most: float, unit: str) -> Aim:
    return Aim(text, f"{value:.{0 if value >= 20 else 1}f} {unit}", value <= most)


def _ratio(text: str, ratio: float, least: float) -> Aim:
    return Aim(text, f"{ratio:.2f}", ratio >= least)
