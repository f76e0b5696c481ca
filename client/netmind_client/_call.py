"""One call of a user's: the time that it may take, and what it has come to so far."""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING, Any, TypeVar

from netmind_client._effects import Flow, NoAnswer, Pause, Receive, Send
from netmind_client.exceptions import ConfigurationError, NetMindError

if TYPE_CHECKING:
    from collections.abc import Callable

    from netmind_client._effects import Answer, Request

LEAST_SECONDS = 0.1  # that a request is given, however little is left: the last look at a job

T = TypeVar("T")


def seconds(name: str, value: Any, least: float = 0) -> float:
    """A length of time, as a user gives it.

    Raises:
        ConfigurationError: It is none, or too little.
    """
    if not isinstance(value, int | float) or not least <= value < math.inf:
        raise ConfigurationError(f"expected a {name} in seconds, {least:g} or more and finite, got {value!r}")
    return float(value)


def whole(name: str, value: Any) -> int:
    """A number of things, as a user gives it.

    Raises:
        ConfigurationError: It is none.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigurationError(f"expected {name} as a whole number, 1 or more, got {value!r}")
    return value


class Call:
    """The one deadline over everything that a call does.

    Time is what the clock says has passed, or what the call itself has certainly spent, whichever is more:
    a clock that stands or goes back cannot make a call go on for ever.
    """

    def __init__(
        self,
        timeout: float,
        each: float,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
        command: str,
    ) -> None:
        """Begin now.

        Args:
            timeout: Seconds, for all of it.
            each: Seconds that one request may take, or a download be without a byte.
            monotonic: The clock.
            wall: What time of which day it is, in seconds since the epoch.
            command: How ``netmind-client`` is called to reach the same API.

        Raises:
            ConfigurationError: The timeout is no time.
        """
        self.timeout = seconds("timeout", timeout)
        self.each = each
        self.attempts = 0
        self.generation_id: str | None = None
        self.resume: str | None = None
        self.wall = wall
        self._command = command
        self._monotonic = monotonic
        self._read_at = monotonic()
        self._passed = 0.0
        self._spent = 0.0  # since the clock was read last

    def elapsed(self) -> float:
        """Seconds since the call began."""
        now = self._monotonic()
        self._passed += max(now - self._read_at, self._spent, 0.0)
        self._read_at, self._spent = now, 0.0
        return self._passed

    def left(self) -> float:
        """Seconds until the deadline; 0 once it has passed."""
        return max(self.timeout - self.elapsed(), 0.0)

    def send(self, request: Request, each: float | None = None) -> Flow[Answer]:
        """Send one request, and give it no more than what is left."""
        within = min(self.left(), self.each if each is None else each)
        return (yield from self._bounded(Send(request, max(within, LEAST_SECONDS))))

    def receive(self, request: Request, begin: Callable[[Answer], Callable[[bytes], object]]) -> Flow[Answer]:
        """Send one request, and hand its body on in parts; likewise."""
        within = max(self.left(), LEAST_SECONDS)
        return (yield from self._bounded(Receive(request, within, min(self.each, within), begin)))

    def _bounded(self, effect: Send | Receive) -> Flow[Answer]:
        self.attempts += 1
        try:
            answer: Answer = yield effect
        except NoAnswer as failure:
            if failure.timed_out:
                self._spent += effect.idle if isinstance(effect, Receive) else effect.within
            raise
        return answer

    def rest(self, seconds: float) -> Flow[None]:
        """Wait, but not beyond the deadline."""
        seconds = min(seconds, self.left())
        yield Pause(seconds)
        self._spent += seconds

    def about(self, command: str, generation_id: str, *options: str) -> None:
        """Note which job this is about, and the command that goes on with it."""
        self.generation_id = generation_id
        self.resume_by(command, generation_id, *options)

    def resume_by(self, *arguments: str) -> None:
        """Note the arguments of ``netmind-client`` that go on where this call was left."""
        self.resume = " ".join([self._command, *map(shlex.quote, arguments)])

    def told(self, flow: Flow[T]) -> Flow[T]:
        """Run a flow, and see to it that whatever it raises says what the call came to."""
        try:
            return (yield from flow)
        except NetMindError as error:
            error.attempts = self.attempts
            error.generation_id = error.generation_id or self.generation_id
            error.resume = error.resume or self.resume
            raise
        except GeneratorExit:
            raise
        except BaseException as error:  # Ctrl-C, a cancelled task, a callback's own
            if self.resume:
                error.add_note(f"To go on: {self.resume}")
            raise
