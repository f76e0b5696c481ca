"""Numbered tasks on daemon threads, which do not delay the end of the caller or the process."""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

_GRACE_SECONDS = 5.0  # for tasks that are busy when the ``with`` block is left early
_CHECK_SECONDS = 0.02


@contextlib.contextmanager
def results(
    count: int,
    concurrency: int,
    do: Callable[[int, threading.Event], T],
    is_busy: Callable[[], bool],
) -> Iterator[Iterator[tuple[int, T]]]:
    """Run tasks on threads, and yield an iterator over their numbers and results, in the order they end.

    When the ``with`` block is left early, also by Ctrl-C, no further task is started, and the event passed to
    the running ones is set. They run on daemon threads and are not waited for, except for up to five seconds
    while ``is_busy`` returns True.

    Args:
        count: The number of tasks. They are numbered from 0.
        concurrency: How many run at a time.
        do: The function of a task. It takes the task's number and the event.
        is_busy: Returns whether any task is doing work that should not be interrupted.
    """
    todo, ended = queue.SimpleQueue[int](), queue.SimpleQueue[tuple[int, T | BaseException]]()
    stop = threading.Event()
    for number in range(count):
        todo.put(number)

    def work() -> None:
        while not stop.is_set():
            try:
                number = todo.get_nowait()
            except queue.Empty:
                return
            try:
                ended.put((number, do(number, stop)))
            except BaseException as error:  # noqa: BLE001 - raised again by the iterator
                ended.put((number, error))

    def in_order_of_end() -> Iterator[tuple[int, T]]:
        for _ in range(count):
            number, result = ended.get()
            if isinstance(result, BaseException):
                raise result
            yield number, result

    try:
        for _ in range(min(concurrency, count)):
            threading.Thread(target=work, name="netmind-generate", daemon=True).start()
        yield in_order_of_end()
    finally:
        stop.set()
        for _ in range(int(_GRACE_SECONDS / _CHECK_SECONDS)):
            if not is_busy():
                break
            threading.Event().wait(_CHECK_SECONDS)
