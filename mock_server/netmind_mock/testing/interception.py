"""Respond to requests in process while a fake is started, and refuse all others to the real API."""

from __future__ import annotations

import contextlib
import sys
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from wrapt import register_post_import_hook

from netmind_mock.testing import active, for_aiohttp, for_httpx, for_requests, guard, other_mocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import responses

    from netmind_mock.testing.transport import InProcessTransport

# What to install for a library. Most processes import few of them, some of them late, in the code under test.
_INSTALLERS: dict[str, Callable[[Any], None]] = {
    "httpx": for_httpx.install,
    "httpx2": for_httpx.install,
    "aiohttp": for_aiohttp.install,
    "httpcore": guard.install_for_httpcore,
    "httpcore2": guard.install_for_httpcore,
    "requests_mock": for_requests.install_for_requests_mock,
    "respx": other_mocks.install_for_respx,
    "vcr": other_mocks.install_for_vcr,
    "uvloop": guard.install_for_uvloop,
}


@contextlib.contextmanager
def intercepted(transport: InProcessTransport, mock: responses.RequestsMock | None) -> Iterator[None]:
    """Let a transport respond to the requests for its URLs. Blocks may end in any order.

    Args:
        transport: The transport.
        mock: Handles the other URLs of ``requests``; by default ``responses.mock``.
    """
    guard.guard(transport.base_url)
    _install()
    with for_requests.other_requests(mock) as transport.other_requests, active.started(transport):
        yield


def _install() -> None:
    for_requests.install()
    _install_on_import()
    for name in _INSTALLERS:
        if name in sys.modules:  # again, since another mock may have put the original back
            _install_for(name)


@cache
def _install_on_import() -> None:
    for name in _INSTALLERS:
        register_post_import_hook(_installer(name), name)


def _installer(name: str) -> Callable[[Any], None]:
    return lambda _module: _install_for(name)


def _install_for(name: str) -> None:
    # In sys.modules, a module may be half imported by another thread. This waits until it is complete.
    module = import_module(name)
    # A later version may lack a function that is replaced. Then the guard refuses what the fake does not see.
    with contextlib.suppress(AttributeError):
        _INSTALLERS[name](module)
