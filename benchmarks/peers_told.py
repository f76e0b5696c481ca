"""The tables of ``make bench-peers``: the figures, and whether each aim is met."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scale import Scale

MIB = 2**20
MB = 10**6


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
    us, (create, get) = (
        ours[0],
        (max(others, key=lambda row: row.create), max(others, key=lambda row: row.get)),
    )
    fastest = min((row for row in others if row.name != "aimock"), key=lambda row: row.start)
    aims = [
        _ratio(
            f"create: at least 1.3 times the fastest peer's ({create.name})", us.create / create.create, 1.3
        ),
        _ratio(f"get: at least 1.3 times the fastest peer's ({get.name})", us.get / get.get, 1.3),
        _ratio("get: at least 0.4 of the bare function's", us.get / bare.get, 0.4),
    ]
    two = next((row for row in ours if "2 workers" in row.name), None)
    aimock = next((row for row in others if row.name == "aimock"), None)
    text = "get of 2 workers on SQLite: at least aimock's"
    aims.append(_ratio(text, two.get / aimock.get, 1.0) if two and aimock else Aim(text, "", None))
    aims.append(
        Aim(
            f"first response no later than any peer's except aimock's (fastest: {fastest.name})",
            f"{us.start:.2f} s and {fastest.start:.2f} s",
            us.start <= fastest.start,
        )
    )
    return aims


def _at_scale(scale: Scale) -> list[Aim]:
    times, grown, pause = scale.listing / scale.serialising, scale.grown / MB, scale.longest_pause * 1000
    return [
        Aim(
            "a list of 10,000 jobs: at most 3 times the time of serialising its JSON",
            f"{times:.1f} times",
            times <= 3,
        ),
        Aim("1,000,000 jobs in memory: at most 500 MB more", f"{grown:,.0f} MB", grown <= 500),
        Aim("the garbage collector's longest pause meanwhile: at most 20 ms", f"{pause:.0f} ms", pause <= 20),
    ]


def _ratio(text: str, ratio: float, least: float) -> Aim:
    return Aim(text, f"{ratio:.2f}", ratio >= least)
