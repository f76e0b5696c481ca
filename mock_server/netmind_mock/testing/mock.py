"""The fake in this process, for ``requests`` and ``httpx``: no sockets, no waiting."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import inspect
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from netmind_mock.app import app_of
from netmind_mock.fake import fake_of
from netmind_mock.jobs.profile import Profile
from netmind_mock.options import START, options_from
from netmind_mock.simulation.faults import KINDS
from netmind_mock.testing.handle import Handle
from netmind_mock.testing.poll_limit import PollLimit
from netmind_mock.testing.transport import InProcessTransport
from netmind_mock.testing.virtual_time import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    import responses
    from flask import Flask


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
        self.clock = VirtualClock()
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
        poll_limit = PollLimit(checked.max_polls)
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
            undo.enter_context(environment(NETMIND_BASE_URL=self.base_url, NETMIND_API_KEY=self.api_key))
            undo.enter_context(_our_clients_use(self.clock))
            undo.callback(self.clock.unpatch_sleep)
            if _is_installed("responses") and _is_installed("requests"):
                undo.enter_context(_intercepting_requests(self._transport, self._requests_mock))
            if _is_installed("httpx"):
                undo.enter_context(_intercepting_httpx(self._transport))
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
                    return function(*arguments, **{name: mock}, **options)

        run.__signature__ = signature  # type: ignore[attr-defined]
        return run


def _without_last_argument(function: Callable[..., Any]) -> tuple[inspect.Signature, str]:
    """Return the signature without its last positional parameter, and the name of this parameter.

    pytest would look for a fixture with this name if it stayed in the signature.
    """
    if not inspect.isfunction(function) or inspect.isgeneratorfunction(function):
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


@functools.cache
def _is_installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


@contextlib.contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Set environment variables in a ``with`` block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _our_clients_use(clock: VirtualClock) -> contextlib.AbstractContextManager[None]:
    """Make this kit's clients use this clock, unless they were created with another one."""
    from netmind_client import use_clock  # noqa: PLC0415 - imports requests

    return use_clock(sleep=clock.sleep, monotonic=clock.monotonic)


@contextlib.contextmanager
def _intercepting_requests(
    transport: InProcessTransport, requests_mock: responses.RequestsMock | None
) -> Iterator[None]:
    import responses  # noqa: PLC0415 - an optional library

    from netmind_mock.testing.for_requests import Guard, Interception  # noqa: PLC0415 - imports responses

    registry = requests_mock or responses.mock
    interception = Interception(transport, registry)
    guard = Guard(interception)
    registry.add(interception)
    registry.start()
    # start() replaces HTTPAdapter.send only if the registry is not active yet. If it was, its owner stops it.
    was_active = guard.is_outermost
    try:
        yield
    finally:
        if not was_active:
            registry.stop(allow_assert=False)
            registry.calls.reset()
        guard.undo()
        if interception in registry.registered():
            registry.remove(interception)


@contextlib.contextmanager
def _intercepting_httpx(transport: InProcessTransport) -> Iterator[None]:
    from netmind_mock.testing import for_httpx  # noqa: PLC0415 - an optional library

    for_httpx.start(transport)
    try:
        yield
    finally:
        for_httpx.stop(transport)
