"""Flows and effects: how an operation is written once for both clients.

An operation of this client is a *flow*: a generator that makes the decisions. When it needs I/O, it yields an
*effect*, a value that describes what to do. The synchronous client performs the effect with ``requests``, the
asynchronous client with ``httpx2``, and sends the result back into the generator. A flow therefore knows
nothing of either library, or of ``await``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeAlias, TypeVar

if TYPE_CHECKING:
    from netmind_client._http import Request, Response
    from netmind_client._models import Generation


class Stopped(BaseException):
    """Raised in a flow that must stop, instead of performing its next effect."""


class Send(NamedTuple):
    """Send a request without following redirects. The result is the response without its body.

    :class:`NoResponse` is raised in the flow if there is no complete response.

    Attributes:
        request: The request.
        within: The most seconds for all of it, from looking up the host to the last byte.
        idle: The most seconds between two bytes.
        begin: Called with the response before its body. Returns a function that is called with each part of
            the body, undecoded. Both functions may raise.
    """

    request: Request
    within: float
    idle: float
    begin: Callable[[Response], Callable[[bytes], object]]


class Pause(NamedTuple):
    """Sleep for a number of seconds."""

    seconds: float


class Do(NamedTuple):
    """Call a function that may block, such as work on the disk. The result is what it returns."""

    function: Callable[[], Any]


class Show(NamedTuple):
    """Yield a state to a caller that iterates over the states. Other calls ignore this effect."""

    generation: Generation


Effect: TypeAlias = Send | Pause | Do | Show

T = TypeVar("T")
Flow: TypeAlias = Generator[Effect, Any, T]


class Running(Generic[T]):
    """A running flow, as an iterator over its effects.

    Perform each effect, and ``send`` its result or ``throw`` its exception. Call ``end`` with any other
    exception: Ctrl-C may arrive at every line, so also between the steps of the flow, or after the last one.

    Attributes:
        result: What the flow returned. It is set when the iteration has ended.
    """

    result: T

    def __init__(self, flow: Flow[T], annotate: Callable[[BaseException], None]) -> None:
        """Start a flow.

        Args:
            flow: The flow.
            annotate: Adds details of the call to the exception that ends it.
        """
        self._flow = flow
        self._annotate = annotate
        self._resume: Callable[[], Effect] = functools.partial(next, flow)

    def __iter__(self) -> Iterator[Effect]:
        return self

    def __next__(self) -> Effect:
        try:
            return self._resume()
        except StopIteration as ended:
            self.result = ended.value
            raise

    def send(self, value: Any) -> None:
        """Set the effect's result, with which the next iteration resumes the flow."""
        self._resume = functools.partial(self._flow.send, value)

    def throw(self, error: BaseException) -> None:
        """Set the effect's exception, which the next iteration raises in the flow."""
        self._resume = functools.partial(self._flow.throw, error)

    def end(self, error: BaseException) -> None:
        """End the flow because of an exception, and add the details of the call to it."""
        self._annotate(error)
        self._flow.close()
