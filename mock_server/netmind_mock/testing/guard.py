"""Refuse connections to the real API, from the first fake on until the process ends.

Requests of ``requests``, ``httpx``, ``httpx2`` and ``aiohttp`` get their responses in process. Other
libraries, and threads and tasks that outlive their test, would send theirs to the real API, where creates are
billed. So the names of its hosts are neither looked up nor connected to, no TLS begins with them, and no
request for them is sent on a connection that is open already or leads to a proxy.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import http.client
import socket
import ssl
import sys
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from netmind_mock.hosts import is_loopback
from netmind_mock.options import OPTIONS
from netmind_mock.testing import active
from netmind_mock.testing.patching import wrap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType, ModuleType

    from netmind_mock.testing.transport import InProcessTransport

# The hosts of result files: the first is in examples of the vendor documentation, the second was observed.
_API_HOST = urlsplit(OPTIONS["base_url"].default).hostname
_RESULT_HOSTS = ("netmind-files-prod.s3.amazonaws.com", "files.netmind.ai")
_KEPT_REFUSALS = 100

INTERCEPTED = ("requests", "httpx", "httpx2", "aiohttp")

# Libraries that send requests, by their packages, and those that also run the code that calls a library.
_LIBRARIES = {
    name: name
    for name in (
        "aiohttp", "botocore", "grpc", "httpcore", "httpcore2", "httpx", "httpx2", "niquests", "requests",
        "tornado", "urllib", "urllib3", "urllib3_future", "websockets",
    )
} | {"http": "http.client"}  # fmt: skip
_RUNNERS = ("anyio", "asyncio", "trio")


class RealRequestRefused(ConnectionRefusedError):
    """A request to the real API was refused, because this process uses a fake of it."""

    __module__ = "netmind_mock"  # the public name, which reports show

    def __init__(self, message: str) -> None:
        super().__init__(errno.ECONNREFUSED, message)  # aiohttp shows the second argument only

    def __str__(self) -> str:
        return str(self.strerror)


class Refusal(NamedTuple):
    """A connection that was refused.

    Attributes:
        test: The test during which it was refused; empty outside of a test.
        message: Why, as the exception says.
        is_late: Whether the code that sent it has outlived the test that started it.
    """

    test: str
    message: str
    is_late: bool


class _Endpoint(NamedTuple):
    """A host that is guarded, on one port or (None) on all."""

    name: str
    port: int | None


_guarded: set[_Endpoint] = set()
_refusals: deque[Refusal] = deque(maxlen=_KEPT_REFUSALS)
_allowed = [0]


def guard(base_url: str) -> None:
    """Refuse connections to the host of a URL, and to the hosts of result files, from now on."""
    parts = urlsplit(base_url)
    name = _normalized(parts.hostname or "")
    if is_loopback(name):  # a server of the user's own, in place of the API
        _guarded.add(_Endpoint("localhost", parts.port or {"http": 80, "https": 443}[parts.scheme]))
    else:
        _guarded.add(_Endpoint(name, None))
    if name == _API_HOST:
        _guarded.update(_Endpoint(host, None) for host in _RESULT_HOSTS)
    install()


@contextlib.contextmanager
def allow_real_api() -> Iterator[None]:
    """Allow requests to the real API in a ``with`` block. Creates are billed.

    Once a fake was started, requests to the real API are refused until the process ends. Threads and tasks
    that a test started while it used a fake are refused in this block, too. Fakes that are started respond to
    the requests for their URLs as before.
    """
    _allowed[0] += 1
    try:
        yield
    finally:
        _allowed[0] -= 1


def refusals(test: str | None = None) -> list[Refusal]:
    """Return the last refused connections, oldest first; only those of a test if it is given."""
    return [one for one in _refusals if test is None or one.test == test]


def late_refusals() -> list[Refusal]:
    """Return the last refused connections of threads and tasks that have outlived their test."""
    return [one for one in _refusals if one.is_late]


def check(host: object, port: object = None) -> None:
    """Raise if a connection to this host must not be made.

    Args:
        host: A name or an IP address, as text or bytes; other types are not checked.
        port: The port, if it is known.

    Raises:
        RealRequestRefused: The host is guarded.
    """
    if isinstance(host, bytes | bytearray):
        host = host.decode("latin-1")
    if not isinstance(host, str):
        return
    name = _normalized(host)
    is_local = is_loopback(name)
    if _Endpoint("localhost" if is_local else name, _number(port) if is_local else None) not in _guarded:
        return
    fake, starter, is_late = active.last_started(), active.origin(), active.has_outlived_its_test()
    if fake is None and not starter and (is_local or _allowed[0]):
        return
    message = f"refused to connect to {host}: {_why(None if is_late else fake, starter)}"
    _refusals.append(Refusal(active.current_test(), message, is_late))
    raise RealRequestRefused(message)


def _why(fake: InProcessTransport | None, starter: str) -> str:
    if fake is not None:
        library = _library()
        if library in INTERCEPTED:
            return (
                f"the fake that is started responds to URLs below {fake.base_url} only, and not to adapters "
                f"of your own that do not call those of {library}"
            )
        return (
            f"netmind_mock responds to {', '.join(INTERCEPTED)}, not to {library}. "
            "Use the fixture netmind_server, a real HTTP server"
        )
    if starter:
        return (
            f"a thread or task that was started in {starter} has outlived it. "
            "End it in the test: join the thread, or await or cancel the task"
        )
    return (
        "this process has used a fake, and none is started now. Use the fixture netmind_mock or "
        "netmind_server. For real requests, which are billed, use `with netmind_mock.allow_real_api():`"
    )


def _library() -> str:
    """Return the outermost known library on the stack: the one that the code under test calls."""
    packages = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        packages.append(str(frame.f_globals.get("__name__")).partition(".")[0])
        frame = frame.f_back
    known = [_LIBRARIES[package] for package in packages if package in _LIBRARIES]
    runners = [package for package in packages if package in _RUNNERS]
    return (known or runners or ["this library"])[-1]


def _normalized(host: str) -> str:
    if not host.isascii():  # Python looks up other spellings of the letters of a host, too
        with contextlib.suppress(UnicodeError):
            host = host.encode("idna").decode()
    return host.lower().rstrip(".")


def _number(port: object) -> int | None:
    return int(port) if isinstance(port, int | str) and str(port).isdigit() else None


def check_url(url: str) -> None:
    """Raise if a request to this URL must not be sent, also on a connection that is already open.

    Raises:
        RealRequestRefused: Its host is guarded.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return
    check(parts.hostname, port)


def install() -> None:
    """Guard all functions, also those whose originals another mock has put back."""
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        wrap(socket, name, _look_up)
    for name in ("connect", "connect_ex"):
        wrap(socket.socket, name, _connect)
    wrap(asyncio.BaseEventLoop, "getaddrinfo", _look_up_in_loop)
    wrap(http.client.HTTPConnection, "putrequest", _put_request)
    wrap(ssl.SSLContext, "wrap_socket", _begin_tls)
    wrap(ssl.SSLContext, "wrap_bio", _begin_tls)


def install_for_uvloop(library: ModuleType) -> None:
    """Guard the event loop of ``uvloop``, which is written in C and does not use the module socket."""
    wrap(library.Loop, "getaddrinfo", _look_up_in_loop)
    wrap(library.Loop, "create_connection", _connect_in_loop)


def _look_up(function: Callable[..., Any], host: Any, *arguments: Any, **options: Any) -> Any:
    check(host, arguments[0] if arguments else options.get("port"))
    return function(host, *arguments, **options)


def _look_up_in_loop(
    function: Callable[..., Any], loop: Any, host: Any, *arguments: Any, **options: Any
) -> Any:
    # In the loop rather than in the thread that looks it up, where the task is not known.
    check(host, arguments[0] if arguments else options.get("port"))
    return function(loop, host, *arguments, **options)


def _connect_in_loop(
    function: Callable[..., Any],
    loop: Any,
    factory: Any,
    host: Any = None,
    port: Any = None,
    **options: Any,
) -> Any:
    check(host, port)
    check(options.get("server_hostname"))
    return function(loop, factory, host, port, **options)


def _connect(function: Callable[..., Any], connection: socket.socket, address: Any) -> Any:
    if isinstance(address, tuple):
        check(*address[:2])
    return function(connection, address)


def _put_request(
    function: Callable[..., Any], connection: Any, method: str, url: str, *arguments: Any, **options: Any
) -> Any:
    # The connection may be open since before the guard, or lead to a proxy, to which the whole URL is sent.
    check(getattr(connection, "_tunnel_host", None) or connection.host, connection.port)
    if "://" in url:
        check_url(url)
    return function(connection, method, url, *arguments, **options)


def install_for_httpcore(library: ModuleType) -> None:
    """Guard the connection pools of ``httpcore`` and ``httpcore2``, also those with a proxy."""

    def handle(function: Callable[..., Any], pool: Any, request: Any) -> Any:
        try:
            check(request.url.host, request.url.port)
        except RealRequestRefused as refused:
            raise library.ConnectError(str(refused)) from refused
        return function(pool, request)

    wrap(library.ConnectionPool, "handle_request", handle)
    wrap(library.AsyncConnectionPool, "handle_async_request", handle)


def _begin_tls(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    # The name is the third argument after the context in wrap_bio, and the sixth in wrap_socket.
    for name in (*arguments[1:], options.get("server_hostname")):
        check(name)
    return function(*arguments, **options)
