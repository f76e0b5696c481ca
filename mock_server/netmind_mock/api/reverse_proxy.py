"""The path at which a reverse proxy serves the fake, by which the links of the dashboard begin."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from netmind_mock.hosts import parse_host

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from netmind_mock.api.request import Application
    from netmind_mock.hosts import HostPolicy


class PublicPath:
    """WSGI middleware for a ``--public-url`` with a path, which the proxy removes from requests."""

    def __init__(self, application: Application, hosts: HostPolicy) -> None:
        """Wrap an application that has these hosts."""
        self._application = application
        self._hosts = hosts
        self._path = urlsplit(hosts.public_url or "").path

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Add the path to a request that comes through the proxy: one that is not to another allowed host."""
        if not environ.get("SCRIPT_NAME") and not self._hosts.knows(parse_host(environ.get("HTTP_HOST", ""))):
            environ["SCRIPT_NAME"] = self._path
        return self._application(environ, start_response)
