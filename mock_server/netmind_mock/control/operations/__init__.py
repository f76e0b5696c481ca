"""The operations of the control API: what a test, an operator or the dashboard can do to the fake."""

from netmind_mock.control.operations import jobs, reports, simulation  # noqa: F401 - they fill the table
from netmind_mock.control.operations.table import OPERATIONS_BY_NAME, ControlOperation, NotThere, call

__all__ = ["OPERATIONS_BY_NAME", "ControlOperation", "NotThere", "call"]
