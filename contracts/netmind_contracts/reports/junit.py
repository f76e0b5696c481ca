"""Report verdicts as JUnit XML, with a test case for each claim."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from netmind_contracts.checks import Outcome
from netmind_contracts.reports.text import evidence
from netmind_contracts.runs.exchange import printable

if TYPE_CHECKING:
    from netmind_contracts.checks import Verdict
    from netmind_contracts.runs.exchange import Run

# Characters that XML 1.0 does not allow: https://www.w3.org/TR/xml/#charsets
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_junit(run: Run, verdicts: tuple[Verdict, ...]) -> str:
    """Return the verdicts as XML.

    A failed claim is a failure, one that was not exercised is skipped, and one that differs, was learned or
    is known is in system-out.
    """
    outcomes = [verdict.outcome for verdict in verdicts]
    last = run.exchanges[-1] if run.exchanges else None
    seconds = last.at + last.seconds - run.exchanges[0].at if last else 0.0
    counts = {
        "tests": len(verdicts),
        "failures": outcomes.count(Outcome.FAILED),
        "errors": outcomes.count(Outcome.ERROR),
        "skipped": outcomes.count(Outcome.NOT_EXERCISED),
    }
    numbers = {name: str(count) for name, count in counts.items()} | {"time": f"{seconds:.3f}"}
    suites = ET.Element("testsuites", numbers)
    suite = ET.SubElement(
        suites,
        "testsuite",
        {"name": "netmind_contracts", "timestamp": _xml(run.started.rstrip("Z")), **numbers},
    )
    properties = ET.SubElement(suite, "properties")
    ET.SubElement(properties, "property", {"name": "base_url", "value": _xml(run.base_url)})
    for verdict in verdicts:
        suite.append(_case(run, verdict))
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _case(run: Run, verdict: Verdict) -> ET.Element:
    claim = verdict.claim
    case = ET.Element(
        "testcase", {"classname": f"netmind_contracts.{claim.level}", "name": claim.id, "time": "0"}
    )
    text = _xml("\n".join(line.strip() for line in evidence(run, verdict)))
    match verdict.outcome:
        case Outcome.FAILED:
            ET.SubElement(case, "failure", {"message": claim.sentence}).text = text
        case Outcome.ERROR:
            ET.SubElement(case, "error", {"message": _xml(verdict.reason)}).text = text
        case Outcome.NOT_EXERCISED:
            ET.SubElement(case, "skipped", {"message": _xml(verdict.reason)})
        case Outcome.DIFFERS | Outcome.LEARNED | Outcome.KNOWN:
            ET.SubElement(case, "system-out").text = f"{verdict.outcome}: {text}"
    return case


def _xml(text: str) -> str:
    return "\n".join(_NO_XML.sub("\ufffd", printable(line)) for line in text.split("\n"))
