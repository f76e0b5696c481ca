"""Requests of web pages from other origins (CORS), to the API and its result files.

A browser lets a page read a response of another origin only if the response allows it. Before some requests,
it asks with a preflight: an OPTIONS request. The control API never allows other origins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netmind_mock.api.middleware import CONTROL

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from netmind_mock.api.request import Application

_ORIGIN = "HTTP_ORIGIN"
_WANTED_METHOD, _WANTED_HEADERS = (
    "HTTP_ACCESS_CONTROL_REQUEST_METHOD",
    "HTTP_ACCESS_CONTROL_REQUEST_HEADERS",
)
_METHODS = "GET, POST, DELETE"
# Headers that pages may read, in addition to those that browsers always show them.
_READABLE = "Content-Length, Content-Range, Date, ETag, Retry-After, X-Mock-Hint"
_MAX_AGE = "600"  # seconds for which a browser need not ask again


class CrossOrigin:
    """WSGI middleware that lets pages of some origins call the API."""

    def __init__(self, application: Application, origins: Iterable[str]) -> None:
        """Wrap an application.

        Args:
            application: The application.
            origins: The origins, such as ``http://localhost:5173``; ``*`` for all.
        """
        self._application = application
        self._origins = frozenset(origins)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Respond to a preflight, or add the headers to the application's response."""
        origin = environ.get(_ORIGIN)
        if origin is None or environ.get("PATH_INFO", "").startswith(CONTROL):
            return self._application(environ, start_response)
        allowed = self._allowed(origin)
        if allowed is None:
            return self._application(environ, start_response)
        headers = [("Access-Control-Allow-Origin", allowed), ("Vary", "Origin")]
        if is_preflight(environ):
            headers += [
                ("Access-Control-Allow-Methods", _METHODS),
                ("Access-Control-Allow-Headers", environ.get(_WANTED_HEADERS, "*")),
                ("Access-Control-Max-Age", _MAX_AGE),
                ("Content-Length", "0"),
            ]
            start_response("204 No Content", headers)
            return [b""]
        headers.append(("Access-Control-Expose-Headers", _READABLE))

        def start(status: str, own: list[tuple[str, str]], *exc_info: Any) -> Any:
            own.extend(headers)
            return start_response(status, own, *exc_info)

        return self._application(environ, start)

    def _allowed(self, origin: str) -> str | None:
        """Return the origin that a response allows; None if the request's origin is not allowed."""
        if "*" in self._origins:
            return "*"
        return origin if origin in self._origins else None


def is_preflight(environ: WSGIEnvironment) -> bool:
    """Return whether a browser asks whether a page may send a request."""
    return environ["REQUEST_METHOD"] == "OPTIONS" and _WANTED_METHOD in environ
