"""What the header ``X-Mock-Hint`` says on a refusal: what was wrong, and where to read on.

The refusal itself is the imitated API's; the hint is the fake's own, for whoever looks at the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from netmind_mock.errors import ApiError

HINT: Final = "X-Mock-Hint"

_PAGE = "docs/mock_server.md"
_SHOWN_CHARACTERS = 300

_HINTS = {
    "missing_token": "no token came: send Authorization: Bearer TOKEN, or the bare token",
    "bad_token": "this token is not accepted: it is one word, bare or after Bearer, and one of --api-key "
    "where the server was given any",
    "unknown_generation": "no such generation on this token's account: each token is an account of its own, "
    "and what was deleted, reset or evicted is gone",
    "unknown_model": "the model {model} is not in the catalogue (netmind-mock models), "
    "and --strict-models refuses such",
    "model_unavailable": "the profile lists the model {model} as unavailable",
    "unknown_route": "nothing is here: the API has /v1/generation and /v1/generation/ID; "
    "/__mock/openapi.json describes how to steer the fake",
    "wrong_method": "this path takes {allowed}",
    "body_too_large": "the body is over {limit} bytes",
    "wrong_content_type": "expected {expected}, got {came}",
    "unknown_file": "no such result file, or its job is not completed, or was deleted: "
    "take the url from the generation as it is now",
    "expired_link": "this link was ordered to expire: get the generation again for a fresh one",
}


def hint(error: ApiError) -> str:
    """The hint for a refusal."""
    if error.key == "invalid_body":
        return _page("; ".join(_detail(one) for one in error.facts["detail"][:3]))
    text = _HINTS[error.key]
    for name, fact in error.facts.items():
        text = text.replace(f"{{{name}}}", ", ".join(fact) if isinstance(fact, list) else str(fact))
    return _page(text)


def hint_of_fault(fault: object) -> str:
    """The hint on an answer that a fault brought."""
    return _page(f"{fault}, as ordered", "docs/testing.md")


def hint_of_status(name: str) -> str:
    """The hint for a refusal that HTTP itself asks for, such as a range that is not in the file."""
    return _page(f"HTTP refuses this request: {name}")


def hint_of_store(message: str) -> str:
    """The hint on an answer that the store could not give; the API's own 503 is another."""
    return _page(f"{message}; nothing was done", "docs/serving.md")


def hint_of_control(message: str) -> str:
    """The hint on a refusal of the control plane."""
    return _page(message, "docs/control.md")


def _detail(detail: dict[str, object]) -> str:
    place = detail["loc"]
    where = ".".join(map(str, place)) if isinstance(place, list) else str(place)
    if detail.get("type") == "json_invalid":
        where = where.replace(".", ", character ", 1)
    return f"{where}: {detail['msg']}"


def _page(text: str, page: str = _PAGE) -> str:
    """One line of printable ASCII, since what came from a request is hostile text."""
    shown = "".join(character if 32 <= ord(character) < 127 else "?" for character in text)
    return f"{shown[:_SHOWN_CHARACTERS]} (read {page})"
