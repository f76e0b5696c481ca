"""Send requests with ``requests``."""

from __future__ import annotations

import contextlib
import re
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

import requests
from requests.cookies import RequestsCookieJar
from urllib3.exceptions import (
    HTTPError,
    LocationValueError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    SSLError,
)

from netmind_client._api import cut
from netmind_client._http import NoResponse, Response
from netmind_client._transport import deadline
from netmind_client.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netmind_client._flows.effects import Send

_PART_BYTES = 64 * 1024
_TARGET = re.compile(r"https?://[^/?#]+([!-\"$-~]*)(?:#|\Z)")  # printable ASCII without spaces and #
_ERRORS = (requests.RequestException, HTTPError, OSError, ValueError)

# Raised before anything is sent. Used for connections that do not record what they have sent.
_NEVER_SENT = (
    requests.ConnectTimeout,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidHeader,
    requests.exceptions.InvalidProxyURL,
    LocationValueError,
)


def new_session() -> requests.Session:
    """Return a session whose connections keep the deadline.

    It keeps no cookies, so that threads can share it.
    """
    session = requests.Session()
    session.cookies = RequestsCookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("http://", "https://"):
        session.mount(scheme, deadline.BoundedAdapter())
    return session


def checked(session: requests.Session) -> requests.Session:
    """Return the user's session after checking that it does not send a create again.

    Raises:
        ConfigurationError: It may send a create again on its own.
    """
    for prefix, adapter in session.adapters.items():
        _check_adapter(f"the session's adapter for {prefix}", adapter)
    return session


def _check_adapter(name: str, adapter: Any) -> None:
    retries = getattr(adapter, "max_retries", None)
    if retries is not None and _sends_post_again(retries):
        raise ConfigurationError(
            f"{name} may send a POST again, so a generation may be created and billed twice: "
            'pass other=0 and allowed_methods=["GET", "DELETE"] to its Retry'
        )


def _sends_post_again(retries: Any) -> bool:
    """Return whether a Retry of urllib3 repeats a POST that may have been received.

    The Retry is called with sample failures rather than inspected: it has seven counters, and the one for TLS
    errors ignores the method.
    """
    if any(retries.is_retry("POST", status) for status in range(300, 600)):
        return True
    for error in (ProtocolError("cut"), SSLError("cut")):
        with contextlib.suppress(HTTPError):
            retries.increment("POST", "/", error=error)
            return True
    return False


def send(session: requests.Session, effect: Send) -> Response:
    """Send a request, and pass on the parts of the response's body.

    Returns:
        The response without its body.

    Raises:
        NoResponse: There was no complete response.
        ConfigurationError: The session may send a create again on its own.
    """
    try:
        # An auth that does nothing: otherwise requests would add credentials from a netrc file, for any host.
        unprepared = requests.Request(
            effect.request.method,
            effect.request.url,
            dict(effect.request.headers),
            data=effect.request.body,
            auth=lambda request: request,
        )
        request = session.prepare_request(unprepared)
        adapter = session.get_adapter(request.url or "")
    except _ERRORS as error:
        raise NoResponse(_message(error), sent=False) from error
    if request.method == "POST":
        _check_adapter("the session's adapter", adapter)
    try:
        with deadline.within(effect.within) as exchange:
            exchange.target = _target(effect.request.url)
            return _exchange(session, request, effect, exchange)
    except NoResponse as no_response:
        # The exceptions of requests refer to the request, and their frames to copies of its headers. A report
        # that shows local variables must not contain the API key.
        request.headers.pop("Authorization", None)
        _forget_frames(no_response.__cause__)
        raise


def _forget_frames(error: BaseException | None) -> None:
    """Remove the frames of an exception and of those that it was raised from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def _target(url: str) -> str | None:
    """Return the path and query of a URL as they are spelled; None if a request cannot contain them."""
    found = _TARGET.match(url)
    if found is None:
        return None
    return found[1] if found[1].startswith("/") else f"/{found[1]}"


def _exchange(
    session: requests.Session,
    request: requests.PreparedRequest,
    effect: Send,
    exchange: deadline.BoundedExchange,
) -> Response:
    location: dict[str, str] = {}

    def keep_location(response: requests.Response, **_: Any) -> None:
        """Hide a redirect from requests, which would read its body and build the next request."""
        if "Location" in response.headers:
            location["location"] = response.headers.pop("Location")

    request.hooks["response"].append(keep_location)
    with _failures(exchange):
        options = session.merge_environment_settings(request.url, {}, True, None, None)
        opened = session.send(request, timeout=effect.idle, allow_redirects=False, **options)
    with opened:
        headers = {name.lower(): value for name, value in opened.headers.items()}
        head = Response(opened.status_code, headers | location)
        if head.status < 200:
            raise NoResponse(f"only an informational response ({head.status})", sent=True)
        take = effect.begin(head)
        for part in _parts(opened, exchange):
            take(part)
        return head


def _parts(response: requests.Response, exchange: deadline.BoundedExchange) -> Iterator[bytes]:
    """Yield the parts of the body as they arrive, without waiting for a full buffer."""
    read = response.raw.read1
    while True:
        try:
            with _failures(exchange):
                part = read(_PART_BYTES, decode_content=False)
        except AttributeError:  # a recording or mocking library may provide a body without read1
            if read == response.raw.read:
                raise
            read = response.raw.read
            continue
        if not part:
            response.raw.release_conn()
            return
        yield part


@contextlib.contextmanager
def _failures(exchange: deadline.BoundedExchange) -> Iterator[None]:
    """Raise any exception of requests or urllib3 as NoResponse."""
    try:
        yield
    except _ERRORS as error:
        cause = _cause(error)
        inner = cause.original_error if isinstance(cause, ProxyError) else cause
        sent, timed_out = exchange.sent, isinstance(error, requests.Timeout) or "timed out" in str(error)
        if sent is None:
            sent = not isinstance(error, _NEVER_SENT) and not isinstance(inner, NewConnectionError)
        raise NoResponse(_message(error), sent=sent, timed_out=timed_out) from error


def _cause(error: BaseException) -> Any:
    """Return the first argument of an exception, or its ``reason``; often this is another exception."""
    first = error.args[0] if error.args else None
    return getattr(first, "reason", first)


def _message(error: BaseException) -> str:
    """Return why a request failed, in one line, without the representations of urllib3's objects."""
    if isinstance(error, ProxyError):
        return f"the proxy: {_message(error.original_error)}"
    cause = _cause(error)
    if isinstance(cause, BaseException):
        return _message(cause)
    text = ": ".join(str(one).rstrip(".") for one in error.args if isinstance(one, str | BaseException))
    return cut(re.sub(r"^\w+\(.*?\): ", "", text)) or type(error).__name__
