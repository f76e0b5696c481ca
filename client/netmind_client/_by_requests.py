"""Sends with ``requests``."""

from __future__ import annotations

import re
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

import requests
from requests.cookies import RequestsCookieJar
from urllib3.exceptions import HTTPError, NewConnectionError, ProxyError

from netmind_client import _bounded
from netmind_client._effects import Answer, Body, NoAnswer, Receive, Send
from netmind_client._wire import cut
from netmind_client.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK_BYTES = 64 * 1024

# Raised before anything is sent.
_NEVER_SENT = (
    requests.ConnectTimeout,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidHeader,
    requests.exceptions.InvalidProxyURL,
)


def new_session() -> requests.Session:
    """A session whose connections keep the deadline; keeps no cookies, so that threads can share it."""
    session = requests.Session()
    session.cookies = RequestsCookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("http://", "https://"):
        session.mount(scheme, _bounded.BoundedAdapter())
    return session


def check_session(session: requests.Session) -> None:
    """See that a session of a user's own does not send a create again.

    Raises:
        ConfigurationError: It does.
    """
    for prefix, adapter in session.adapters.items():
        retries = getattr(adapter, "max_retries", None)
        methods = getattr(retries, "allowed_methods", ())
        if getattr(retries, "total", 0) and (not methods or "POST" in methods):
            raise ConfigurationError(
                f"the session's adapter for {prefix} sends POST again, which can pay for a job twice: "
                'give its Retry allowed_methods=["GET", "DELETE"]'
            )


def send(session: requests.Session, effect: Send) -> Answer:
    """Do what is asked for.

    Raises:
        NoAnswer: No answer came.
    """
    body = Body()
    return body.answer(receive(session, body.receiving(effect), follow_redirects=False))


def receive(session: requests.Session, effect: Receive, *, follow_redirects: bool = True) -> Answer:
    """Do what is asked for.

    Raises:
        NoAnswer: No answer came, or not all of it.
    """
    request = effect.request
    with _bounded.within(effect.within):
        try:
            opened = session.request(
                request.method,
                request.url,
                data=request.body,
                headers=dict(request.headers),
                auth=_as_it_is,
                timeout=effect.idle,
                allow_redirects=follow_redirects,
                stream=True,
            )
        except (requests.RequestException, HTTPError, ValueError) as error:
            raise _no_answer(error) from error
        with opened:
            headers = {name.lower(): value for name, value in opened.headers.items()}
            head = Answer(opened.status_code, headers)
            take = effect.begin(head)
            for part in _parts(opened):
                take(part)
            return head


def _parts(answer: requests.Response) -> Iterator[bytes]:
    try:
        yield from answer.iter_content(CHUNK_BYTES)
    except (requests.RequestException, HTTPError) as error:
        raise _no_answer(error) from error


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """In the place of what requests would read from a netrc file."""
    return request


def _no_answer(error: Exception) -> NoAnswer:
    cause: Any = getattr(error.args[0] if error.args else None, "reason", None)
    inner = getattr(cause, "original_error", None) if isinstance(cause, ProxyError) else cause
    return NoAnswer(
        _words(error),
        sent=not isinstance(error, _NEVER_SENT) and not isinstance(inner, NewConnectionError),
        timed_out=isinstance(error, requests.Timeout) or "timed out" in str(error),
    )


def _words(error: BaseException) -> str:
    """Why a request failed, in one line, and without the pools and connections that urllib3 names."""
    if isinstance(error, ProxyError):
        return f"the proxy: {_words(error.original_error)}"
    cause = getattr(error.args[0] if error.args else None, "reason", error.args[0] if error.args else None)
    if isinstance(cause, BaseException):
        return _words(cause)
    words = ": ".join(str(one).rstrip(".") for one in error.args if isinstance(one, str | BaseException))
    return cut(re.sub(r"^\w+\(.*?\): ", "", words)) or type(error).__name__
