"""One call of a user's: the time that it may take, and what it has come to so far."""

from __future__ import annotations

import inspect
import logging
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from netmind_client import _clock
from netmind_client._flows.effects import Flow, Pause, Send, Stopped
from netmind_client._http import Body, NoResponse
from netmind_client.exceptions import ConfigurationError, NetMindError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from netmind_client._api import Api
    from netmind_client._http import Request, Response

LEAST_SECONDS = 0.1  # that a request is given, however little is left: the last look at a job

T = TypeVar("T")

_log = logging.getLogger("netmind_client")  # for what is lost with a task that is cancelled

# Of an answer that is kept in memory: a transcript of days, and a list of ten thousand jobs.
MAX_BYTES = 2 * 1024 * 1024
MAX_LIST_BYTES = 8 * 1024 * 1024
_LONGEST = 1e9  # seconds; sockets take not many more


def seconds(name: str, value: Any, least: float = 0) -> float:
    """Return a length of time, as a user gives it.

    Raises:
        ConfigurationError: It is not a number of seconds, or too little.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= _LONGEST:
        expected = f"a {name} in seconds, from {least:g} to {_LONGEST:g}"
        raise ConfigurationError(f"expected {expected}, got {value!r}")
    return float(value)


def check_whole(name: str, value: Any) -> None:
    """Check a number of things, as a user gives it.

    Raises:
        ConfigurationError: It is not a whole number, or less than 1.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigurationError(f"expected {name} as a whole number, 1 or more, got {value!r}")


def check_callback(name: str, value: Any) -> None:
    """Check what is to be called, if anything is, as a user gives it.

    Raises:
        ConfigurationError: It cannot be called, or returns what somebody has to await.
    """
    if value is not None and (not callable(value) or inspect.iscoroutinefunction(value)):
        got = "a coroutine function, which nobody awaits" if callable(value) else type(value).__name__
        raise ConfigurationError(f"expected {name} as a function, got {got}")


class Client(NamedTuple):
    """The settings of a client, and what all its calls share.

    Attributes:
        api: Where the API is.
        request_timeout: Seconds that one request of a longer call may take.
        poll_interval: Seconds between the polls of a wait; None to poll less and less often.
        monotonic: Returns the time, in seconds since some moment.
        waits: Whether its pauses take time, unless a virtual clock is in use.
        find: Searches for the job of a create that got no response. It takes the seconds since the create was
            sent, the model, and a timeout.
        created: The ids of the jobs that this client has created.
    """

    api: Api
    request_timeout: float
    poll_interval: float | None
    monotonic: Callable[[], float]
    waits: bool
    find: Callable[[float, str | None, float], Any]
    created: set[str]


class Call:
    """The one deadline over everything that a call does, and what the call has come to so far.

    Time is what the clock says has passed, or what the call itself has certainly spent, whichever is more:
    a clock that stands or goes back cannot make a call go on for ever.
    """

    def __init__(self, client: Client, timeout: float, each: float | None = None) -> None:
        """Begin now.

        Args:
            client: Whose call this is.
            timeout: Seconds, for all of it.
            each: Seconds that one request may take, or a download be without a byte; by default all of them.

        Raises:
            ConfigurationError: The timeout is not a number of seconds.
        """
        self.client = client
        self.api = client.api
        self.timeout = seconds("timeout", timeout)
        self.attempts = 0
        self.creates = False  # so that a job may be there that nobody else knows of
        self.generation_id: str | None = None
        self.resume: str | None = None
        self._each = self.timeout if each is None else each
        # What a network takes, whatever the client's clock says, except where time is virtual.
        self._network = _clock.real if client.waits and not _clock.is_virtual() else client.monotonic
        self._read_at = client.monotonic()
        self._passed = 0.0
        self._spent = 0.0  # since the clock was read last

    def elapsed(self) -> float:
        """Seconds since the call began."""
        now = self.client.monotonic()
        self._passed += max(now - self._read_at, self._spent, 0.0)
        self._read_at, self._spent = now, 0.0
        return self._passed

    def left(self) -> float:
        """Seconds until the deadline; 0 once it has passed."""
        return max(self.timeout - self.elapsed(), 0.0)

    def send(
        self, request: Request, each: float | None = None, *, max_bytes: int = MAX_BYTES
    ) -> Flow[Response]:
        """Send one request, and give it no more than what is left."""
        within = max(min(self.left(), self._each if each is None else each), LEAST_SECONDS)
        body = Body(max_bytes)
        head = yield from self._sent(Send(request, within, within, body.begin))
        return body.response(head)

    def receive(
        self, request: Request, begin: Callable[[Response], Callable[[bytes], object]]
    ) -> Flow[Response]:
        """Send one request, and hand its body on in parts, within what is left."""
        within = max(self.left(), LEAST_SECONDS)
        return (yield from self._sent(Send(request, within, min(self._each, within), begin)))

    def _sent(self, effect: Send) -> Flow[Response]:
        self.attempts += 1
        begun, least = self._network(), 0.0
        try:
            response: Response = yield effect
        except NoResponse as failure:
            if failure.timed_out:
                least = effect.idle
            raise
        finally:
            self._spent += max(self._network() - begun, least)
        return response

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
        self.resume = " ".join([self.api.command, *map(shlex.quote, arguments)])

    def annotated(self, flow: Flow[T]) -> Flow[T]:
        """Run a flow, and add to whatever it raises what the call has come to, and how to go on."""
        try:
            return (yield from flow)
        except NetMindError as error:
            if isinstance(error, NotFoundError | ConfigurationError):
                self.resume = None  # it would come to the same
            error.attempts = self.attempts
            error.generation_id = error.generation_id or self.generation_id
            error.resume = error.resume or self.resume
            raise
        except GeneratorExit:
            raise
        except BaseException as error:  # Ctrl-C, a cancelled task, a callback's own
            if self.resume:
                error.add_note(f"To go on: {self.resume}")
                if self.creates and not isinstance(error, Exception | KeyboardInterrupt | Stopped):
                    _log.warning("cancelled, but there may be a job. To go on: %s", self.resume)
            raise
