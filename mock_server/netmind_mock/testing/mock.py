"""The fake in this process, for ``requests`` and ``httpx``: no sockets, no waiting."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, overload

from netmind_mock.app import app_of
from netmind_mock.fake import fake_of
from netmind_mock.jobs.profile import Profile
from netmind_mock.options import START, options_from
from netmind_mock.simulation.faults import KINDS
from netmind_mock.testing.handle import Handle
from netmind_mock.testing.interception import intercepted
from netmind_mock.testing.poll_limit import PollLimit
from netmind_mock.testing.transport import InProcessTransport
from netmind_mock.testing.virtual_time import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    import responses
    from flask import Flask


_A = TypeVar("_A")
_B = TypeVar("_B")
_R = TypeVar("_R")

API_KEY = "netmind-mock-token"


class Mock(Handle):
    """A fake in this process. While it is started, it intercepts ``requests`` and ``httpx`` for its base URL.

    A context manager, and a decorator that passes the fake to the function as its last argument.

    Args:
        profile: How the API behaves: ``documented``, ``observed``, the path of a TOML file, or a Profile.
        requests_mock: The ``responses.RequestsMock`` to register with; by default ``responses.mock``.
        options: Some options of :class:`netmind_mock.options.Options`: ``duration`` (in seconds of the
            virtual clock), ``seed``, ``rules``, ``prices``, ``base_url``, ``api_key``, ``strict_models``,
            ``max_polls``, ``journal``, ``unused`` and ``patch_sleep``.

    Raises:
        InvalidFile: There is no such option, its value is not valid, or the profile, rules or prices are not
            valid.

    Attributes:
        clock: Its virtual clock, which advances only when code sleeps or a test advances it.
    """

    clock: VirtualClock
    _if_no_requests = (
        "Was the code under test called, and does it read NETMIND_BASE_URL? "
        "Only requests and httpx are intercepted."
    )

    def __init__(
        self,
        *,
        profile: str | Profile | None = None,
        requests_mock: responses.RequestsMock | None = None,
        **options: Any,
    ) -> None:
        """Create a fake. It intercepts requests once it is started, for example by ``with``."""
        self._arguments = {"profile": profile, "requests_mock": requests_mock, **options}
        if isinstance(profile, str):
            options["profile"] = profile
        checked = options_from(START, **{"seed": 0, **options})
        self.clock = VirtualClock(checked.start)
        self.app: Flask = app_of(
            replace(checked, public_url=checked.base_url),
            profile=profile if isinstance(profile, Profile) else None,
            clock=self.clock,
            wire_faults=KINDS,
            knows_losses=True,
        )
        self._is_used = self._is_started = False
        fake = fake_of(self.app)
        keys = checked.api_key
        super().__init__(fake, None, checked.base_url, keys[0] if keys else API_KEY)
        poll_limit = PollLimit(checked.max_polls, self.clock)
        self._transport = InProcessTransport(self.app, self.clock, poll_limit, fake.journal, self.base_url)
        self._unused = checked.unused
        self._patch_sleep = checked.patch_sleep
        self._requests_mock = requests_mock
        self._undo = contextlib.ExitStack()

    @property
    def wsgi_app(self) -> Callable[..., Iterable[bytes]]:
        """Return the fake as a WSGI application. Connection-level faults raise exceptions in it."""
        self._is_used = True
        return self.app

    def _check_used(self) -> None:
        if not self._is_used:
            advice = "use it in a with block, as a decorator, or call its start()"
            raise RuntimeError(f"this fake was never started, so it received no requests; {advice}")

    def start(self) -> Mock:
        """Start intercepting requests, and set ``NETMIND_BASE_URL`` and ``NETMIND_API_KEY``.

        Raises:
            RuntimeError: It is already started.
        """
        if self._is_started:
            raise RuntimeError("this fake is already started: stop it first, or create another one")
        with contextlib.ExitStack() as undo:
            undo.enter_context(environment(**self.environment))
            undo.enter_context(_our_clients_use(self.clock))
            undo.callback(self.clock.unpatch_sleep)
            undo.enter_context(intercepted(self._transport, self._requests_mock))
            if self._patch_sleep:
                self.clock.patch_sleep()
            self._undo = undo.pop_all()
        self._is_used = self._is_started = True
        return self

    def stop(self) -> None:
        """Stop intercepting requests, and restore the environment variables and the clocks."""
        self._is_started = False
        self._undo.close()

    def __enter__(self) -> Mock:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is None and self._unused == "fail":
            self.assert_all_used()

    @overload
    def __call__(self, function: Callable[[Mock], _R]) -> Callable[[], _R]: ...
    @overload
    def __call__(self, function: Callable[[_A, Mock], _R]) -> Callable[[_A], _R]: ...
    @overload
    def __call__(self, function: Callable[[_A, _B, Mock], _R]) -> Callable[[_A, _B], _R]: ...
    @overload
    def __call__(self, function: Callable[..., _R]) -> Callable[..., _R]: ...
    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a function, sync or async. Each call gets a new fake with the same options.

        Raises:
            TypeError: It is not a function, it is a generator, or it has no positional parameter.
        """
        signature, name = _without_last_argument(function)
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_async(*arguments: Any, **options: Any) -> Any:
                with Mock(**self._arguments) as mock:
                    return await function(*arguments, **{name: mock}, **options)

            run: Callable[..., Any] = run_async
        else:

            @functools.wraps(function)
            def run(*arguments: Any, **options: Any) -> Any:
                with Mock(**self._arguments) as mock:
                    returned = function(*arguments, **{name: mock}, **options)
                if inspect.iscoroutine(returned):  # it would run after the fake was stopped
                    returned.close()
                    raise TypeError(
                        f"netmind_mock.start() decorates {function.__name__}(), which returns a coroutine: "
                        "define it with `async def`"
                    )
                return returned

        run.__signature__ = signature  # type: ignore[attr-defined]
        return run


def _without_last_argument(function: Callable[..., Any]) -> tuple[inspect.Signature, str]:
    """Return the signature without its last positional parameter, and the name of this parameter.

    pytest would look for a fixture with this name if it stayed in the signature.
    """
    is_generator = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    if not inspect.isfunction(function) or is_generator:
        raise TypeError(
            f"netmind_mock.start() can only decorate a function that is not a generator, not {function!r}"
        )
    signature = inspect.signature(function)
    last = [one for one in signature.parameters.values() if one.kind is one.POSITIONAL_OR_KEYWORD][-1:]
    if not last:
        raise TypeError(
            f"netmind_mock.start() passes the fake to {function.__name__}(), which has no parameter for it"
        )
    kept = [one for one in signature.parameters.values() if one not in last]
    return signature.replace(parameters=kept), last[0].name


_environment: dict[str, list[tuple[object, str]]] = {}  # the values that fakes have set, the last one is used
_original: dict[str, str | None] = {}  # the value of each of these variables before


@contextlib.contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Set environment variables in a ``with`` block. Several blocks may end in any order."""
    owner = object()
    for name, value in variables.items():
        values = _environment.setdefault(name, [])
        if not values:
            _original[name] = os.environ.get(name)
        values.append((owner, value))
        os.environ[name] = value
    try:
        yield
    finally:
        for name in variables:
            values = _environment[name]
            is_ours = os.environ.get(name) == values[-1][1]
            values[:] = [entry for entry in values if entry[0] is not owner]
            if is_ours:  # otherwise the test has set it, and that value stays
                _set_variable(name, values[-1][1] if values else _original[name])


def _set_variable(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def _our_clients_use(clock: VirtualClock) -> contextlib.AbstractContextManager[None]:
    """Make this kit's clients use this clock, unless they were created with another one."""
    from netmind_client import use_clock  # noqa: PLC0415 - imports requests

    return use_clock(sleep=clock.sleep, monotonic=clock.monotonic, async_sleep=clock.async_sleep)
