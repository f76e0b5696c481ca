"""The operations of the control API, callable from Python.

``table`` defines an operation. ``jobs`` changes single jobs, ``simulation`` has clock, scenarios, rules,
faults and reset, ``reports`` reads the journal and the verdicts, ``verification`` judges the client.
"""

from netmind_mock.control.operations import jobs, reports, simulation, verification  # noqa: F401 - they fill the table
from netmind_mock.control.operations.table import OPERATIONS_BY_NAME, ControlOperation, NotThere, call

__all__ = ["OPERATIONS_BY_NAME", "ControlOperation", "NotThere", "call"]
