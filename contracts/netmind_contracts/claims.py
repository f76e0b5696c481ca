"""The claims about the API, and how each is known."""

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources


class Level(StrEnum):
    """How a fact is known."""

    DOCUMENTED = "documented"
    OBSERVED = "observed"
    ASSUMED = "assumed"


class Cost(StrEnum):
    """Whether checking a claim costs money at an endpoint that charges."""

    FREE = "free"
    PAID = "paid"


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement about the API.

    Attributes:
        id: A stable name, such as ``create.pending``.
        sentence: The statement.
        level: How it is known.
        source: Where it was documented or reported.
        date: When: ``YYYY-MM-DD``, ``YYYY-MM``, or ``undated``.
        cost: Whether checking it needs a generation.
    """

    id: str
    sentence: str
    level: Level
    source: str
    date: str
    cost: Cost


@cache
def load_claims() -> tuple[Claim, ...]:
    """Return every claim of ``claims.toml``, in the order of the file."""
    text = resources.files("netmind_contracts").joinpath("data", "claims.toml").read_text(encoding="utf-8")
    return tuple(
        Claim(**{**entry, "level": Level(entry["level"]), "cost": Cost(entry["cost"])})
        for entry in tomllib.loads(text)["claim"]
    )
