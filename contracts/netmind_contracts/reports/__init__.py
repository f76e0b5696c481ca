"""Report verdicts: ``text`` for a terminal, ``html`` for people, ``json`` for programs, ``junit`` for CI.

``changes`` reports what changed between two runs, and ``files`` checks that reports can be written.
"""

from netmind_contracts.reports.html import as_html
from netmind_contracts.reports.json import as_json
from netmind_contracts.reports.junit import as_junit

__all__ = ["as_html", "as_json", "as_junit"]
