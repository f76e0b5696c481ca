"""One call of a client's method: its deadline, and what is known for its error messages."""

from __future__ import annotations

import inspect
import logging
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from netmind_client import _clock
from netmind_client._flows.effects import Flow, Pause, Running, Send, Stopped
from netmind_client._http import Body, NoResponse
from netmind_client.exceptions import ConfigurationError, NetMindError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from netmind_client._api import Api
    from netmind_client._http import Request, Response

# The least timeout of a request, even if less time is left, so that the last poll can succeed.
LEAST_SECONDS = 0.1

T = TypeVar("T")

_log = logging.getLogger("netmind_client")

# The largest response kept in memory. 2 MiB hold a transcript of several days, 8 MiB a list of ten thousand
# generations.
MAX_BYTES = 2 * 1024 * 1024
MAX_LIST_BYTES = 8 * 1024 * 1024
_LONGEST = 1e9  # seconds; close to the longest timeout that a socket accepts


def seconds(name: str, value: Any, least: float = 0) -> float:
    """Return a number of seconds from the user as a float.

    Raises:
        ConfigurationError: It is not a number, or not between ``least`` and 1e9.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= _LONGEST:
        expected = f"a {name} in seconds, from {least:g} to {_LONGEST:g}"
        raise ConfigurationError(f"expected {expected}, got {value!r}")
    return float(value)


def check_positive_integer(name: str, value: Any) -> None:
    """Check a count from the user.

    Raises:
        ConfigurationError: It is not an integer, or is less than 1.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigurationError(f"expected {name} as a whole number, 1 or more, got {value!r}")


def check_callback(name: str, value: Any) -> None:
    """Check an optional callback from the user.

    Raises:
        ConfigurationError: It cannot be called, or is a coroutine function.
    """
    if value is not None and (not callable(value) or inspect.iscoroutinefunction(value)):
        got = "a coroutine function, which is not awaited" if callable(value) else type(value).__name__
        raise ConfigurationError(f"expected {name} as a function, got {got}")


class Client(NamedTuple):
    """The settings of a client, and the state that its calls share.

    Attributes:
        api: The API's base URL and Authorization header.
        request_timeout: The most seconds for one request of a longer call.
        poll_interval: Seconds between polls; None for an interval that grows with the time waited.
        monotonic: Returns the time in seconds.
        sleeps_in_real_time: Whether the client sleeps with the default clock. That takes real time, unless
            ``use_clock`` has replaced the default clock.
        find: Searches for the generation of a create that got no response. It takes the seconds since the
            create was sent, the model, and a timeout.
        created: The ids of the generations that this client is known to have created.
    """

    api: Api
    request_timeout: float
    poll_interval: float | None
    monotonic: Callable[[], float]
    sleeps_in_real_time: bool
    find: Callable[[float, str | None, float], Any]
    created: set[str]


class Call:
    """One call of a client's method. It has one deadline, and collects details for its error.

    The elapsed time is the sum of many short intervals. Each interval counts as what the client's clock
    measured, or as the pauses and requests within it took, whichever is more. A clock that is stopped or goes
    back can therefore not extend the call.

    Attributes:
        client: The client's settings.
        api: The API's base URL and Authorization header.
        timeout: Seconds for the whole call.
        attempts: The number of requests sent.
        creates: Whether the call may have created a generation.
        generation_id: The id of the generation concerned, if it is known.
        resume: The command that continues where this call stopped, if there is one.
    """

    def __init__(self, client: Client, timeout: float, request_timeout: float | None = None) -> None:
        """Start the call now.

        Args:
            client: The client's settings.
            timeout: Seconds for the whole call.
            request_timeout: The most seconds for one request, or between two bytes of a download. Defaults to
                the timeout of the call.

        Raises:
            ConfigurationError: The timeout is not a number of seconds.
        """
        self.client = client
        self.api = client.api
        self.timeout = seconds("timeout", timeout)
        self.attempts = 0
        self.creates = False
        self.generation_id: str | None = None
        self.resume: str | None = None
        self._request_timeout = self.timeout if request_timeout is None else request_timeout
        # Requests are measured in real time, even if the client's clock is stopped, unless time is virtual.
        measures_real_time = client.sleeps_in_real_time and not _clock.is_virtual()
        self._network_clock = _clock.real if measures_real_time else client.monotonic
        self._read_at = client.monotonic()
        self._passed = 0.0
        self._spent = 0.0  # by pauses and requests, since the clock was last read

    def elapsed(self) -> float:
        """Return the seconds since the call began."""
        now = self.client.monotonic()
        self._passed += max(now - self._read_at, self._spent, 0.0)
        self._read_at, self._spent = now, 0.0
        return self._passed

    def left(self) -> float:
        """Return the seconds until the deadline; 0 once it has passed."""
        return max(self.timeout - self.elapsed(), 0.0)

    def send(
        self, request: Request, request_timeout: float | None = None, *, max_bytes: int = MAX_BYTES
    ) -> Flow[Response]:
        """Send one request, limited by its timeout and the time left, and return the complete response."""
        most = self._request_timeout if request_timeout is None else request_timeout
        within = max(min(self.left(), most), LEAST_SECONDS)
        body = Body(max_bytes)
        head = yield from self._send(Send(request, within, within, body.begin))
        return body.response(head)

    def receive(
        self, request: Request, begin: Callable[[Response], Callable[[bytes], object]]
    ) -> Flow[Response]:
        """Send one request, limited by the time left, and pass on the parts of the response's body."""
        within = max(self.left(), LEAST_SECONDS)
        return (yield from self._send(Send(request, within, min(self._request_timeout, within), begin)))

    def _send(self, effect: Send) -> Flow[Response]:
        self.attempts += 1
        begun, least = self._network_clock(), 0.0
        try:
            response: Response = yield effect
        except NoResponse as failure:
            if failure.timed_out:
                least = effect.idle
            raise
        finally:
            self._spent += max(self._network_clock() - begun, least)
        return response

    def pause(self, seconds: float) -> Flow[None]:
        """Sleep, but not beyond the deadline."""
        seconds = min(seconds, self.left())
        yield Pause(seconds)
        self._spent += seconds

    def set_generation(self, command: str, generation_id: str, *options: str) -> None:
        """Set the generation concerned, and the command that continues with it."""
        self.generation_id = generation_id
        self.set_resume(command, generation_id, *options)

    def set_resume(self, *arguments: str) -> None:
        """Set the arguments of ``netmind-client`` that continue where this call stopped."""
        self.resume = " ".join([self.api.command, *map(shlex.quote, arguments)])

    def running(self, flow: Flow[T]) -> Running[T]:
        """Start a flow of this call. Details of the call are added to the exception that ends it."""
        return Running(flow, self.annotate)

    def annotate(self, error: BaseException) -> None:
        """Add the attempts, the generation's id and the resume command to an exception."""
        if isinstance(error, NetMindError):
            if isinstance(error, NotFoundError | ConfigurationError):
                self.resume = None  # the command would fail with the same error
            error.attempts = self.attempts
            error.generation_id = error.generation_id or self.generation_id
            error.resume = error.resume or self.resume
        elif self.resume:  # Ctrl-C, a cancelled task, or an exception of a callback
            error.add_note(f"To continue: {self.resume}")
            # asyncio.run drops the notes of a cancelled task, so log the command as well.
            if self.creates and not isinstance(error, Exception | KeyboardInterrupt | Stopped):
                _log.warning("cancelled, but a generation may exist. To continue: %s", self.resume)
