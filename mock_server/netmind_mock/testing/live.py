"""A served fake for clients in any language: a server on a thread, and an account for every test."""

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
    from collections.abc import Callable
    from types import TracebackType

    from netmind_mock.fake import Fake

_END_WITHIN_SECONDS = 5.0


class LiveServer:
    """A server on a port of its own, on a thread of this process.

    Attributes:
        base_url: Where it is.
    """

    base_url: str

    def __init__(self, **options: Any) -> None:
        """Set up a server; it listens once it is started, such as by ``with``.

        Args:
            options: The options of :class:`netmind_mock.options.Options` that it can have, such as
                ``profile="observed"``.

        Raises:
            InvalidFile: There is no such option, or it does not take the value.
        """
        self._options = options_from(LIVE, **options)
        self._undo = contextlib.ExitStack()
        self._fake: Fake

    def start(self) -> LiveServer:
        """Listen, and respond from now on.

        Raises:
            InvalidFile: A profile, rules or prices hold a mistake.
        """
        import uvicorn  # noqa: PLC0415 - 0.1 s, which only a served fake needs

        from netmind_mock.serving.server import config_of, listen  # noqa: PLC0415 - brings the above along
        from netmind_mock.serving.worker import Worker  # noqa: PLC0415

        app = app_of(self._options, clock=SimulatedClock(speed=self._options.speed), wire_faults=KINDS)
        self._fake = fake_of(app)
        listener = listen("127.0.0.1", 0)
        host, port = listener.getsockname()
        self.base_url = f"http://{host}:{port}"
        server = uvicorn.Server(config_of(self._options, Worker(app)))
        thread = threading.Thread(target=server.run, args=([listener],), name="netmind-mock", daemon=True)
        thread.start()

        def stop() -> None:
            server.should_exit = True
            thread.join(_END_WITHIN_SECONDS)

        self._undo.callback(stop)
        return self

    def stop(self) -> None:
        """Respond no more."""
        self._undo.close()

    def __enter__(self) -> LiveServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def account(self) -> LiveMock:
        """Return a new account on it, whose jobs, scenarios, faults, clock and journal are its own."""
        return LiveMock(
            self._fake, self.base_url, f"netmind-mock-{secrets.token_hex(12)}", unused=self._options.unused
        )


class LiveClock:
    """An account's clock on a served fake. It runs in real time until it is steered."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def now(self) -> float:
        """Return the time, in seconds since the epoch."""
        now: float = self._call("clock")["now"]
        return now

    def advance(self, seconds: float) -> None:
        """Send the clock forward.

        Raises:
            InvalidInput: ``seconds`` is negative, or not a number.
        """
        self._call("change_clock", {"advance": seconds})

    def freeze(self) -> None:
        """Stop the clock; it can still be sent forward."""
        self._call("change_clock", {"freeze": True})

    def resume(self) -> None:
        """Let the clock run again."""
        self._call("change_clock", {"freeze": False})

    def patch_sleep(self) -> None:
        """Refuse: there is no such thing on a served fake.

        Raises:
            InvalidInput: Always.
        """
        raise InvalidInput(
            "clock: a served fake keeps real time; patch_sleep is for netmind_mock, in process"
        )

    def set_speed(self, speed: float) -> None:
        """Let ``speed`` simulated seconds pass in a real one.

        Raises:
            InvalidInput: ``speed`` is not a positive number.
        """
        self._call("change_clock", {"speed": speed})


class LiveMock(Handle):
    """An account on a served fake. Within a ``with`` block, the environment points to it.

    Attributes:
        clock: Its time.
    """

    clock: LiveClock
    _if_nothing_came = (
        "does the code under test read NETMIND_BASE_URL and NETMIND_API_KEY, and was it called? "
        "Each token is an account of its own, and this is about that of NETMIND_API_KEY"
    )

    def __init__(self, fake: Fake, base_url: str, api_key: str, *, unused: str = "fail") -> None:
        """Control the account of an API key; it exists by being used."""
        super().__init__(fake, user_id_of(api_key), base_url, api_key)
        self.clock = LiveClock(self._call)
        self._unused = unused
        self._undo = contextlib.ExitStack()

    def pointed_to(self) -> contextlib.AbstractContextManager[None]:
        """Within a ``with`` block, ``NETMIND_BASE_URL`` and ``NETMIND_API_KEY`` lead here."""
        return environment(NETMIND_BASE_URL=self.base_url, NETMIND_API_KEY=self.api_key)

    def __enter__(self) -> LiveMock:
        self._undo.enter_context(self.pointed_to())
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
