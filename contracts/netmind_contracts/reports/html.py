"""Report verdicts as one self-contained HTML page, without scripts."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING

import jinja2

from netmind_contracts.checks import Outcome
from netmind_contracts.reports.text import exit_code, summary
from netmind_contracts.runs.exchange import parse_json, printable

if TYPE_CHECKING:
    from netmind_contracts.checks import Verdict
    from netmind_contracts.runs.exchange import Exchange, Run

_SHOWN_CHARACTERS = 4000
_SHOWN_FINDINGS = 10

# The order of the report: most urgent first.
_SYMBOLS = {
    Outcome.FAILED: "✗",
    Outcome.ERROR: "!",
    Outcome.KNOWN: "≈",
    Outcome.DIFFERS: "≠",
    Outcome.LEARNED: "✎",
    Outcome.NOT_EXERCISED: "○",
    Outcome.PASSED: "✓",
}


def as_html(run: Run, verdicts: tuple[Verdict, ...]) -> str:
    """Return the verdicts as an HTML page, failures first, followed by every exchange."""
    groups = [
        (outcome, symbol, found)
        for outcome, symbol in _SYMBOLS.items()
        if (found := [verdict for verdict in verdicts if verdict.outcome is outcome])
    ]
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {
        "visible": _visible,
        "request_body": _request_body,
        "response_body": _response_body,
    }
    template = resources.files("netmind_contracts.reports").joinpath("report.html.jinja")
    return environment.from_string(template.read_text(encoding="utf-8")).render(
        run=run,
        groups=groups,
        code=exit_code(run, verdicts),
        summary=summary(run, verdicts),
        shown=_SHOWN_FINDINGS,
    )


def _visible(text: object) -> str:
    """Return the text with unprintable characters escaped, such as those that change the text direction."""
    return "\n".join(printable(line) for line in str(text).split("\n"))


def _request_body(exchange: Exchange) -> str:
    text = _pretty(exchange.request.body)
    padding = exchange.request.padding
    return text + (f"\n(and {padding} bytes of white space)" if padding else "")


def _response_body(exchange: Exchange) -> str:
    response = exchange.response
    if response is None:
        return f"no response: {exchange.failure}"
    if response.head:
        return f"{response.size} bytes that begin with {response.head[:16].hex(' ')}"
    return _pretty(response.body) if response.complete else _cut(response.body)


def _pretty(text: str) -> str:
    document = parse_json(text)
    return _cut(text if document is None else json.dumps(document, indent=2, ensure_ascii=False))


def _cut(text: str) -> str:
    left = len(text) - _SHOWN_CHARACTERS
    return _visible(text if left <= 0 else f"{text[:_SHOWN_CHARACTERS]}…\n({left} more characters)")
