"""The fakes that are started, and the test that each thread and task belongs to."""

from __future__ import annotations

import contextlib
import os
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from netmind_mock.testing.patching import wrap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netmind_mock.testing.transport import InProcessTransport

_active: list[InProcessTransport] = []
_changing = threading.Lock()

# The tests that started the fakes in use when a task or a thread began, each with its transport. A task
# inherits the variable from the code that created it. A thread does not, so it gets an attribute.
_starters: ContextVar[tuple[tuple[InProcessTransport, str], ...]] = ContextVar("starters", default=())
_ORIGIN_OF_THREAD = "_netmind_mock_origin"
NO_TEST = "code outside of a test"


@contextlib.contextmanager
def started(transport: InProcessTransport) -> Iterator[None]:
    """Let a transport respond to the requests for its URLs. Blocks may end in any order."""
    wrap(threading.Thread, "start", _start_thread)
    with _changing:
        _active.append(transport)
    _starters.set((*_starters.get(), (transport, current_test() or NO_TEST)))
    try:
        yield
    finally:
        with _changing:
            _active.remove(transport)
        _starters.set(tuple(one for one in _starters.get() if one[0] is not transport))


def transport_for(url: str) -> InProcessTransport | None:
    """Return the transport that responds to a URL: of several, the one that was started last."""
    for transport in reversed(_active):
        if transport.handles(url):
            return transport
    return None


def last_started() -> InProcessTransport | None:
    """Return the transport that was started last; None if no fake is started."""
    return _active[-1] if _active else None


def current_test() -> str:
    """Return the id of the test that pytest runs now; empty outside of a test."""
    return os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]


def origin() -> str:
    """Return the test that started this task or thread while it used a fake; empty for any other one."""
    starters = _starters.get()
    return starters[-1][1] if starters else getattr(threading.current_thread(), _ORIGIN_OF_THREAD, "")


def _start_thread(start: Callable[..., Any], thread: threading.Thread) -> Any:
    if _active or origin():
        setattr(thread, _ORIGIN_OF_THREAD, origin() or current_test() or NO_TEST)
    return start(thread)
