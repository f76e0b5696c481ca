"""Values that a probe sends and that checks recognize: paths, and ids and names that do not exist."""

from __future__ import annotations

UNKNOWN_ID = "0123456789abcdef0123456789abcdef"
UNKNOWN_MODEL = "netmind-testkit/no-such-model"
UNREACHABLE_URL = "https://netmind-testkit.invalid/no-such.wav"

GENERATIONS = "/v1/generation"


def generation_path(generation_id: str) -> str:
    """Return the path of one generation."""
    return f"{GENERATIONS}/{generation_id}"
