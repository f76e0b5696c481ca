"""A served fake for clients in any language: one process, and a tenant of its own for every test."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netmind_mock.testing.handle import Handle, HttpControl
from netmind_mock.testing.mock import environment
from netmind_mock.validation import InvalidOrder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

_READY_WITHIN_SECONDS = 30.0
_END_WITHIN_SECONDS = 5.0


class NotStarted(RuntimeError):
    """The server did not start; the message holds what it printed."""


class LiveServer:
    """A server process on a port of its own, which listens before it starts, so that nobody can take it.

    Attributes:
        base_url: Where it is.
    """

    base_url: str

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        """Not started yet.

        Args:
            options: Of ``netmind-mock serve``, such as ``{"profile": "observed", "strict_models": True}``.
        """
        self._options = dict(options or {})
        self._undo = contextlib.ExitStack()

    def start(self) -> LiveServer:
        """Start, and return once it answers.

        Raises:
            NotStarted: It did not; with its own words, such as what is wrong with a profile.
        """
        with contextlib.ExitStack() as undo:
            listener = undo.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))
            folder = Path(undo.enter_context(tempfile.TemporaryDirectory()))
            output = undo.enter_context((folder / "output").open("w+"))
            command = [sys.executable, "-m", "netmind_mock", "serve", "--wire-faults", *_flags(self._options)]
            command.append("--end-with-stdin")
            command += ["--fd", str(listener.fileno()), "--ready-file", str(folder / "ready")]
            variables = {
                name: value for name, value in os.environ.items() if not name.startswith("NETMIND_MOCK_")
            }
            process = undo.enter_context(
                subprocess.Popen(  # noqa: S603 - our own command
                    command,
                    pass_fds=[listener.fileno()],
                    stdin=subprocess.PIPE,  # which ends with this process, however that ends
                    stdout=output,
                    stderr=output,
                    env=variables,
                )
            )
            undo.callback(_end, process)
            self.base_url = _wait_until_ready(process, folder)
            self._undo = undo.pop_all()
        return self

    def stop(self) -> None:
        """End the process."""
        self._undo.close()

    def __enter__(self) -> LiveServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def tenant(self) -> LiveMock:
        """A new account on it, whose jobs, orders, clock and journal are its own."""
        return LiveMock(self.base_url, f"netmind-mock-{secrets.token_hex(12)}")


class RemoteClock:
    """A tenant's clock on a served fake. It runs in real time until it is steered."""

    def __init__(self, control: HttpControl) -> None:
        self._control = control

    def now(self) -> float:
        """The time, in seconds since the epoch."""
        now: float = self._control.call("clock")["now"]
        return now

    def advance(self, seconds: float) -> None:
        """Send the clock forward.

        Raises:
            InvalidOrder: ``seconds`` is negative, or no number.
        """
        self._control.call("steer_clock", {"advance": seconds})

    def freeze(self) -> None:
        """Let the clock stand; it can still be sent forward."""
        self._control.call("steer_clock", {"freeze": True})

    def resume(self) -> None:
        """Let the clock run again."""
        self._control.call("steer_clock", {"freeze": False})

    def patch_sleep(self) -> None:
        """There is no such thing on a served fake.

        Raises:
            InvalidOrder: Always.
        """
        raise InvalidOrder(
            "clock: a served fake keeps real time; patch_sleep is for netmind_mock, in process"
        )

    def set_speed(self, speed: float) -> None:
        """Let ``speed`` seconds pass in a real one.

        Raises:
            InvalidOrder: ``speed`` is not a positive number.
        """
        self._control.call("steer_clock", {"speed": speed})


class LiveMock(Handle):
    """An account on a served fake. Within a ``with`` block, the environment points to it.

    Attributes:
        clock: Its time.
    """

    clock: RemoteClock
    _if_nothing_came = (
        "does the code under test read NETMIND_BASE_URL and NETMIND_API_KEY, and was it called? "
        "Each token is an account of its own, and this is about that of NETMIND_API_KEY"
    )

    def __init__(self, base_url: str, api_key: str, *, unused: str = "fail") -> None:
        """An account on the server at ``base_url``; it exists by being used."""
        control = HttpControl(base_url, api_key)
        super().__init__(control, base_url, api_key)
        self.clock = RemoteClock(control)
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


def _flags(options: Mapping[str, Any]) -> Iterator[str]:
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            yield flag
        elif value not in (None, False):
            for one in value if isinstance(value, list | tuple) else [value]:
                yield from (flag, str(one))


def _wait_until_ready(process: subprocess.Popen[bytes], folder: Path) -> str:
    deadline = time.monotonic() + _READY_WITHIN_SECONDS
    file = folder / "ready"
    while not file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            words = (folder / "output").read_text(errors="replace").strip()
            raise NotStarted(f"the fake did not start: {words or 'it said nothing'}")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.01)
    return file.read_text().strip()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_END_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
