"""The fake as a real HTTP server on a thread, with a new account for each test."""

from __future__ import annotations

import contextlib
import secrets
import threading
from typing import TYPE_CHECKING, Any

from netmind_mock.app import app_of
from netmind_mock.clock import SimulatedClock
from netmind_mock.fake import fake_of
from netmind_mock.jobs.ids import user_id_of
from netmind_mock.options import LIVE, options_from
from netmind_mock.simulation.faults import KINDS
from netmind_mock.testing.handle import Handle
from netmind_mock.testing.mock import environment
from netmind_mock.validation import InvalidInput

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from types import TracebackType

    import uvicorn

    from netmind_mock.fake import Fake

_END_WITHIN_SECONDS = 5.0


class ServerNotRunning(ValueError):
    """The server in this process was not started, was stopped, or has ended by an error."""


class LiveServer:
    """An HTTP server on a free port, in a thread of this process.

    Attributes:
        base_url: Its URL.
    """

    base_url: str

    def __init__(self, **options: Any) -> None:
        """Create a server. It listens once it is started, for example by ``with``.

        Args:
            options: Options of :class:`netmind_mock.options.Options`, such as ``profile="observed"``. Not
                all apply to a server in a test.

        Raises:
            InvalidFile: There is no such option, or its value is not valid.
        """
        self._options = options_from(LIVE, **options)
        self._undo = contextlib.ExitStack()
        self._fake: Fake
        self._end = "it was not started"

    def start(self) -> LiveServer:
        """Start the server. It listens when this returns.

        Raises:
            InvalidFile: The profile, rules or prices are not valid.
        """
        import uvicorn  # noqa: PLC0415 - takes 0.1 s, and only a server needs it

        from netmind_mock.serving.server import config_of, listen  # noqa: PLC0415 - imports uvicorn
        from netmind_mock.serving.worker import Worker  # noqa: PLC0415

        app = app_of(
            self._options,
            clock=SimulatedClock(speed=self._options.speed, start=self._options.start),
            wire_faults=KINDS,
        )
        self._fake = fake_of(app)
        listener = listen("127.0.0.1", 0)
        host, port = listener.getsockname()
        self.base_url = f"http://{host}:{port}"
        server = uvicorn.Server(config_of(self._options, Worker(app)))
        thread = threading.Thread(
            target=self._serve, args=(server, listener), name="netmind-mock", daemon=True
        )
        thread.start()

        def stop() -> None:
            server.should_exit = True
            thread.join(_END_WITHIN_SECONDS)
            server.force_exit = True
            self._end = "it was stopped"

        self._undo.callback(stop)
        self._end = ""
        return self

    def _serve(self, server: uvicorn.Server, listener: socket.socket) -> None:
        try:
            server.run([listener])
        except BaseException as error:
            self._end = f"{type(error).__name__}: {error}"
            raise
        self._end = self._end or "it stopped by itself"

    def stop(self) -> None:
        """Stop the server."""
        self._undo.close()

    def __enter__(self) -> LiveServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def account(self) -> LiveMock:
        """Return a new account, with its own jobs, scenarios, faults, clock and journal.

        Raises:
            ServerNotRunning: The server does not run.
        """
        if self._end:
            raise ServerNotRunning(f"the server at {self.base_url} does not run any more: {self._end}")
        return LiveMock(
            self._fake, self.base_url, f"netmind-mock-{secrets.token_hex(12)}", unused=self._options.unused
        )


class LiveClock:
    """The clock of an account on a server. It runs in real time until it is changed."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def now(self) -> float:
        """Return the time, in seconds since the epoch."""
        now: float = self._call("clock")["now"]
        return now

    def advance(self, seconds: float) -> None:
        """Advance the clock.

        Raises:
            InvalidInput: ``seconds`` is negative, or not a number.
        """
        self._call("change_clock", {"advance": seconds})

    def freeze(self) -> None:
        """Stop the clock. It can still be advanced."""
        self._call("change_clock", {"freeze": True})

    def resume(self) -> None:
        """Let the clock run again."""
        self._call("change_clock", {"freeze": False})

    def patch_sleep(self) -> None:
        """Raise InvalidInput: only the virtual clock of ``netmind_mock`` can replace sleeps.

        Raises:
            InvalidInput: Always.
        """
        raise InvalidInput("clock: netmind_server keeps real time; patch_sleep works with netmind_mock only")

    def set_speed(self, speed: float) -> None:
        """Let ``speed`` simulated seconds pass in each real second.

        Raises:
            InvalidInput: ``speed`` is not a positive number.
        """
        self._call("change_clock", {"speed": speed})


class LiveMock(Handle):
    """An account on a :class:`LiveServer`. In a ``with`` block, environment variables point to it.

    Attributes:
        clock: Its clock.
    """

    clock: LiveClock
    _if_no_requests = (
        "Was the code under test called, and does it read NETMIND_BASE_URL and NETMIND_API_KEY? "
        "Only requests with the API key in NETMIND_API_KEY belong to this test."
    )

    def __init__(self, fake: Fake, base_url: str, api_key: str, *, unused: str = "fail") -> None:
        """Control the account of an API key. It needs no registration: each key is an account."""
        super().__init__(fake, user_id_of(api_key), base_url, api_key)
        self.clock = LiveClock(self._call)
        self._unused = unused
        self._undo = contextlib.ExitStack()

    def in_environment(self) -> contextlib.AbstractContextManager[None]:
        """Return a context manager that sets ``NETMIND_BASE_URL`` and ``NETMIND_API_KEY`` to this account."""
        return environment(**self.environment)

    def __enter__(self) -> LiveMock:
        self._undo.enter_context(self.in_environment())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()
        try:
            if error is None and self._unused == "fail":
                self.assert_all_used()
        finally:
            self.reset()
