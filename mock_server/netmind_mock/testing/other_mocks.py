"""Make mocks of HTTP libraries leave requests to the fake alone, whichever of them was started first.

Most need nothing, since the fake intercepts requests above them. ``for_requests`` has those for ``requests``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from netmind_mock.testing import active
from netmind_mock.testing.patching import wrap

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


def install_for_vcr(_library: ModuleType) -> None:
    """Make cassettes of ``vcrpy`` ignore requests to a fake, as those to a host in ``ignore_hosts``.

    So no response of the fake and no API key is written to a cassette, as if it were the real API's.
    """
    cassette: Any = import_module("vcr.cassette").Cassette
    for name in ("append", "filter_request", "can_play_response_for"):
        wrap(cassette, name, _ignore)


def _ignore(function: Callable[..., Any], cassette: Any, request: Any, *arguments: Any) -> Any:
    is_for_a_fake = active.transport_for(str(request.uri)) is not None
    return None if is_for_a_fake else function(cassette, request, *arguments)


def install_for_respx(_library: ModuleType) -> None:
    """Make routers of ``respx`` pass requests to a fake through, where they are above its interception."""
    router: Any = import_module("respx.router").Router
    passed_through: Any = import_module("respx.models").PassThrough

    def pass_through(function: Callable[..., Any], own: Any, request: Any) -> Any:
        if active.transport_for(str(request.url)) is None:
            return function(own, request)
        raise passed_through("a fake responds to this URL", request=request, origin=None)

    for name in ("handler", "async_handler"):
        wrap(router, name, pass_through)
