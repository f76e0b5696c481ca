"""Numbered tasks on threads that hold nobody up at the end."""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

_PATIENCE = 5.0  # seconds for what must not be left half done
_LOOK = 0.02


@contextlib.contextmanager
def results(
    count: int,
    concurrency: int,
    do: Callable[[int, threading.Event], T],
    is_busy: Callable[[], bool],
) -> Iterator[Iterator[tuple[int, T]]]:
    """What each task comes to, as they end, with its number.

    Whatever leaves the ``with`` block early, Ctrl-C too, stops them: none is begun, and those under way are
    told so by the event. They are daemons, and left behind where they wait; only for as long as some are at
    what ``is_busy`` tells of, they are given five seconds.
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
            except BaseException as error:  # noqa: BLE001 - raised again, for whoever iterates
                ended.put((number, error))

    def as_they_end() -> Iterator[tuple[int, T]]:
        for _ in range(count):
            number, actual = ended.get()
            if isinstance(actual, BaseException):
                raise actual
            yield number, actual

    try:
        for _ in range(min(concurrency, count)):
            threading.Thread(target=work, name="netmind-generate", daemon=True).start()
        yield as_they_end()
    finally:
        stop.set()
        for _ in range(int(_PATIENCE / _LOOK)):
            if not is_busy():
                break
            threading.Event().wait(_LOOK)
