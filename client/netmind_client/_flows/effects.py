"""What an operation asks of the world, as values.

The operations of this client are generators: they decide, and ask for what they need by yielding one of
these. A shell does it, over ``requests`` or over ``httpx``, and sends back what came. So each operation is
written once, and knows neither library, nor whether somebody awaits it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeAlias, TypeVar

if TYPE_CHECKING:
    from netmind_client._http import Answer, Request
    from netmind_client._models import Generation


class Stopped(BaseException):
    """Raised into a flow that is not to go on, in the place of doing what it asks for."""


class Send(NamedTuple):
    """Send a request, follow no redirect, and hand on each part of the answer's body as it comes, undecoded.

    The answer is handed back without its body. ``begin`` is given it before the body, and returns what takes
    the parts; either may raise. Raises :class:`NoAnswer` where no answer came, or not all of it.
    """

    request: Request
    within: float  # seconds, for everything from looking up the host to the last byte
    idle: float  # seconds that may pass without a byte
    begin: Callable[[Answer], Callable[[bytes], object]]


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
    """A flow on its way.

    Attributes:
        effect: What it asks for now; None once it has returned.
        result: What it returned.
    """

    result: T

    def __init__(self, flow: Flow[T]) -> None:
        self._flow = flow
        self.effect: Effect | None = None
        self._go_on(lambda: next(flow))

    def send(self, came: Any) -> None:
        """Hand back what was asked for."""
        self._go_on(lambda: self._flow.send(came))

    def throw(self, error: BaseException) -> None:
        """Tell that what was asked for failed."""
        self._go_on(lambda: self._flow.throw(error))

    def close(self) -> None:
        """End it, wherever it is."""
        self._flow.close()

    def _go_on(self, step: Callable[[], Effect]) -> None:
        try:
            self.effect = step()
        except StopIteration as ended:
            self.effect = None
            self.result = ended.value
