"""Verdicts as files: a page for people, JSON for programs, JUnit XML for CI."""

from netmind_contracts.reports.html import as_html
from netmind_contracts.reports.json import as_json
from netmind_contracts.reports.junit import as_junit

__all__ = ["as_html", "as_json", "as_junit"]
