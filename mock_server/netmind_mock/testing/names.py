"""The names of scenarios, faults and their arguments as types, for editors and type checkers.

Generated from the code by ``make docs-tables``.
"""

from typing import Literal, TypedDict

ScenarioName = Literal[
    "completed",
    "slow",
    "at_once",
    "after_polls",
    "by_hand",
    "failed",
    "rejected",
    "stuck",
    "unknown_status",
    "backward",
    "empty_result",
    "completed_then_failed",
    "missing_at_first",
    "list_behind",
    "response_lost",
    "delete_race",
    "expiring_link",
]
FaultKind = Literal[
    "status",
    "delay",
    "hang",
    "dribble",
    "reset",
    "truncate",
    "malformed_json",
    "html",
    "content_type",
    "redirect",
    "short",
    "corrupt",
]
FaultOperation = Literal[
    "create",
    "get",
    "list",
    "delete",
    "file",
]
Operation = Literal[
    "create",
    "get",
    "list",
    "delete",
    "file",
    "other",
]


class ScenarioArguments(TypedDict, total=False):
    """The arguments of all scenarios. Each scenario has some of them."""

    after: float | None
    field: str
    how: str
    later: float
    message: str
    polls: int
    reason: str
    seconds: float | None
    status: str


class FaultArguments(TypedDict, total=False):
    """The arguments of all faults. Each kind has some of them."""

    code: int
    count: int
    job: str
    location: str
    message: str | None
    probability: float
    reaches: bool
    retry_after: float | None
    seconds: float | None
    share: float
    skip: int
    times: int | None
    type: str
    when: str
