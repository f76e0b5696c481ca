"""What an operation asks of the world, as values.

The operations of this client are generators: they decide, and ask for what they need by yielding one of
these. A shell does it, over ``requests`` or over ``httpx``, and sends back what came. So each operation is
written once, and knows neither library, nor whether somebody awaits it.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeAlias, TypeVar

if TYPE_CHECKING:
    from netmind_client._http import Request, Response
    from netmind_client._models import Generation


class Stopped(BaseException):
    """Raised into a flow that is not to go on, in the place of doing what it asks for."""


class Send(NamedTuple):
    """Send a request, follow no redirect, and hand on each part of the answer's body as it comes, undecoded.

    The answer is handed back without its body. ``begin`` is given it before the body, and returns what takes
    the parts; either may raise. Raises :class:`NoResponse` where no answer came, or not all of it.
    """

    request: Request
    within: float  # seconds, for everything from looking up the host to the last byte
    idle: float  # seconds that may pass without a byte
    begin: Callable[[Response], Callable[[bytes], object]]


class Pause(NamedTuple):
    """Wait."""

    seconds: float


class Do(NamedTuple):
    """Call a function that takes its time, and hand back what it returns: work on the disk."""

    function: Callable[[], Any]


class Show(NamedTuple):
    """Hand a state to whoever iterates over them; nobody else looks."""

    generation: Generation


Effect: TypeAlias = Send | Pause | Do | Show

T = TypeVar("T")
Flow: TypeAlias = Generator[Effect, Any, T]


class Running(Generic[T]):
    """A flow under way, as an iterator over its effects. Do each within ``failures``, and ``send`` its value.

    Attributes:
        result: What the flow returned, once there are no more effects.
    """

    result: T

    def __init__(self, flow: Flow[T]) -> None:
        self._flow = flow
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
        """Let the flow go on with what the effect came to."""
        self._resume = functools.partial(self._flow.send, value)

    @contextlib.contextmanager
    def failures(self) -> Iterator[None]:
        """Let the flow go on with whatever is raised within, which is not raised here."""
        try:
            yield
        except BaseException as error:  # noqa: BLE001 - the flow's, which raises it again
            self._resume = functools.partial(self._flow.throw, error)
