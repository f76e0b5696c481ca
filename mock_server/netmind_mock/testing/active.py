"""The fakes that are started, and the test that each thread and task belongs to."""

from __future__ import annotations

import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from netmind_mock.testing.patching import wrap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netmind_mock.testing.transport import InProcessTransport

_active: list[tuple[InProcessTransport, str]] = []  # each with the test that started it
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
    wrap(ThreadPoolExecutor, "submit", _submit)
    started_by = transport, current_test() or NO_TEST
    with _changing:
        _active.append(started_by)
    _starters.set((*_starters.get(), started_by))
    try:
        yield
    finally:
        with _changing:
            _active.remove(started_by)
        _starters.set(tuple(one for one in _starters.get() if one is not started_by))


def transport_for(url: str) -> InProcessTransport | None:
    """Return the transport that responds to a URL: of several, the one that was started last.

    None if no fake responds to it, or if the code that sends it has outlived the test that started it.
    """
    for transport, _ in reversed(_active):
        if transport.handles(url):
            return None if has_outlived_its_test() else transport
    return None


def last_started() -> InProcessTransport | None:
    """Return the transport that was started last; None if no fake is started."""
    return _active[-1][0] if _active else None


def current_test() -> str:
    """Return the id of the test that pytest runs now; empty outside of a test."""
    return os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]


def origin() -> str:
    """Return the test that started this task or thread while it used a fake; empty for any other one."""
    starters = _starters.get()
    return starters[-1][1] if starters else getattr(threading.current_thread(), _ORIGIN_OF_THREAD, "")


def has_outlived_its_test() -> bool:
    """Return whether this task or thread was started while a fake was in use that is stopped now."""
    starter = origin()
    return bool(starter) and all(starter != test for _, test in _active)


def _submit(
    submit: Callable[..., Any], executor: Any, function: Any, /, *arguments: Any, **options: Any
) -> Any:
    """Submit a call to an executor, whose threads may be older than the test that submits it."""
    starter = origin()

    def call() -> Any:
        thread = threading.current_thread()
        before = getattr(thread, _ORIGIN_OF_THREAD, "")
        setattr(thread, _ORIGIN_OF_THREAD, starter)
        try:
            return function(*arguments, **options)
        finally:
            setattr(thread, _ORIGIN_OF_THREAD, before)

    return submit(executor, call)


def _start_thread(start: Callable[..., Any], thread: threading.Thread) -> Any:
    if _active or origin():
        setattr(thread, _ORIGIN_OF_THREAD, origin() or current_test() or NO_TEST)
    return start(thread)
