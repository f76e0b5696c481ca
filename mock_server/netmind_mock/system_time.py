"""The time of the system, also in a test that has frozen or patched the module ``time``.

freezegun and monkeypatch replace functions of the module ``time``, and freezegun replaces them wherever they
were imported. A clock that was created meanwhile would keep the replacements. So the clocks of the fake use a
second instance of Python's built-in module ``time``, which no other code can refer to.
"""

from __future__ import annotations

from importlib.machinery import BuiltinImporter
from importlib.util import module_from_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import time as system_time
else:
    _builtin: Any = BuiltinImporter
    _spec = _builtin.find_spec("time")
    system_time = module_from_spec(_spec)
    _builtin.exec_module(system_time)

__all__ = ["system_time"]
