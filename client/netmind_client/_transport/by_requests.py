"""Sends with ``requests``."""

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
_ERRORS = (requests.RequestException, HTTPError, OSError, ValueError)

# Raised before anything is sent, by connections that do not tell what they have sent.
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
    """A session whose connections keep the deadline; keeps no cookies, so that threads can share it."""
    session = requests.Session()
    session.cookies = RequestsCookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("http://", "https://"):
        session.mount(scheme, deadline.BoundedAdapter())
    return session


def checked(session: requests.Session) -> requests.Session:
    """Return a session of a user's own, unless it sends a create again.

    Raises:
        ConfigurationError: It does.
    """
    for prefix, adapter in session.adapters.items():
        _check_adapter(f"the session's adapter for {prefix}", adapter)
    return session


def _check_adapter(name: str, adapter: Any) -> None:
    retries = getattr(adapter, "max_retries", None)
    if retries is not None and _sends_post_again(retries):
        raise ConfigurationError(
            f"{name} sends POST again, which can pay for a job twice: "
            'give its Retry other=0 and allowed_methods=["GET", "DELETE"]'
        )


def _sends_post_again(retries: Any) -> bool:
    """Whether this policy of urllib3's repeats a POST that may have been received.

    It is asked rather than read: it has seven counts, and the one for TLS errors asks for no method.
    """
    if any(retries.is_retry("POST", status) for status in range(300, 600)):
        return True
    for error in (ProtocolError("cut"), SSLError("cut")):
        with contextlib.suppress(HTTPError):
            retries.increment("POST", "/", error=error)
            return True
    return False


def send(session: requests.Session, effect: Send) -> Response:
    """Do what is asked for.

    Raises:
        NoResponse: No answer came, or not all of it.
        ConfigurationError: The session sends a create again by itself.
    """
    try:
        # No auth: requests would read one from a netrc file, for whatever host a download is from.
        asked = requests.Request(
            effect.request.method,
            effect.request.url,
            dict(effect.request.headers),
            data=effect.request.body,
            auth=lambda request: request,
        )
        request = session.prepare_request(asked)
        adapter = session.get_adapter(request.url or "")
    except _ERRORS as error:
        raise NoResponse(_words(error), sent=False) from error
    if request.method == "POST":
        _check_adapter("the session's adapter", adapter)
    try:
        with deadline.within(effect.within) as exchange:
            return _exchanged(session, request, effect, exchange)
    except NoResponse:
        request.headers.pop("Authorization", None)  # the exceptions that keep the request keep no token
        raise


def _exchanged(
    session: requests.Session,
    request: requests.PreparedRequest,
    effect: Send,
    exchange: deadline.BoundedExchange,
) -> Response:
    location: dict[str, str] = {}

    def keep_location(response: requests.Response, **_: Any) -> None:
        """Take a redirect from requests, which would read its body, and build a request that is not sent."""
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
            raise NoResponse(f"answered {head.status}, and no more", sent=True)
        take = effect.begin(head)
        for part in _parts(opened, exchange):
            take(part)
        return head


def _parts(response: requests.Response, exchange: deadline.BoundedExchange) -> Iterator[bytes]:
    """The body as it comes: what there is, and not only once there are so many bytes."""
    read = response.raw.read1
    while True:
        try:
            with _failures(exchange):
                part = read(_PART_BYTES, decode_content=False)
        except AttributeError:  # what somebody has put in the place of a socket knows no read1
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
    """Raise what requests and urllib3 raise within as one error."""
    try:
        yield
    except _ERRORS as error:
        cause = _reason(error)
        inner = cause.original_error if isinstance(cause, ProxyError) else cause
        sent, timed_out = exchange.sent, isinstance(error, requests.Timeout) or "timed out" in str(error)
        if sent is None:
            sent = not isinstance(error, _NEVER_SENT) and not isinstance(inner, NewConnectionError)
        raise NoResponse(_words(error), sent=sent, timed_out=timed_out) from error


def _reason(error: BaseException) -> Any:
    """Return what an error is about: often another one."""
    first = error.args[0] if error.args else None
    return getattr(first, "reason", first)


def _words(error: BaseException) -> str:
    """Why a request failed, in one line, and without the pools and connections that urllib3 names."""
    if isinstance(error, ProxyError):
        return f"the proxy: {_words(error.original_error)}"
    cause = _reason(error)
    if isinstance(cause, BaseException):
        return _words(cause)
    words = ": ".join(str(one).rstrip(".") for one in error.args if isinstance(one, str | BaseException))
    return cut(re.sub(r"^\w+\(.*?\): ", "", words)) or type(error).__name__
