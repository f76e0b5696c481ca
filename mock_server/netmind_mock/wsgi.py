"""Calls a WSGI application, and takes its answer whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Application = Callable[..., Iterable[bytes]]
    Headers = list[tuple[str, str]]
    Whole = tuple[str, Headers, bytes]  # the status line, headers and body


def whole_answer(application: Application, environ: dict[str, Any]) -> Whole:
    """The status line, headers and body of an application's answer."""
    head: list[Any] = []
    answer = application(environ, lambda status, headers, _exc_info=None: head.extend((status, headers)))
    if type(answer) is list and len(answer) == 1:  # as nearly all are; a list has nothing to close
        return head[-2], head[-1], answer[0]
    try:
        body = b"".join(answer)
    finally:
        if close := getattr(answer, "close", None):
            close()
    return head[-2], head[-1], body
