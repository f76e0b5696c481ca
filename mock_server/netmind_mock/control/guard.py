"""Access control for the control API: the Host header, the Origin header and the control key.

A web page open in a user's browser must not be able to change the fake on the user's machine. So requests
whose Host is not allowed (DNS rebinding), or whose Origin is not the fake itself, are refused. A server that
listens on a non-loopback address also requires a key. A user enters it once in the dashboard; the browser
stores a digest of it in a cookie until it is closed.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from flask import abort, request

from netmind_mock.control.current import current_fake, current_key
from netmind_mock.hosts import parse_host

KEY_HEADER: Final = "X-Mock-Key"
KEY_COOKIE: Final = "netmind_mock_key"
# Catch-all routes accept all methods, so that the guard runs before a 404 or 405.
METHODS: Final = ("GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS", "TRACE")


def check_source() -> None:
    """Abort with 403 if the Host is not allowed, or if a page of another origin sent the request."""
    host = parse_host(request.headers.get("Host", ""))
    if host is None or not current_fake().hosts.allows(host):
        wanted = "use a loopback name, or serve with --allowed-host, or --public-url behind a reverse proxy"
        abort(403, f"this Host is not the fake's; {wanted}")
    if "Origin" in request.headers and not is_from_own_page():
        abort(403, "pages of other origins may not use the control API")


def is_from_own_page() -> bool:
    """Return whether the Origin is the fake itself, by the name that the browser uses for it.

    The scheme may be ``https``, since a proxy may add TLS. Other schemes are refused, such as those of apps
    (``capacitor://localhost``).
    """
    origin = request.headers.get("Origin", "")
    scheme, _, host = origin.partition("://")
    is_own = host == request.headers.get("Host") or origin == public_origin()
    return scheme in ("http", "https") and is_own


def public_origin() -> str | None:
    """Return the origin of ``--public-url``, under which a proxy serves the dashboard; None without one."""
    public_url = current_fake().hosts.public_url
    return None if public_url is None else "/".join(public_url.split("/")[:3])


def has_key() -> bool:
    """Return whether the request has the key, in a header or as a digest in a cookie, or needs no key."""
    key = current_key()
    if key is None or is_key(request.headers.get(KEY_HEADER, "")):
        return True
    return _same(request.cookies.get(KEY_COOKIE, ""), digest_of(key))


def is_key(given: str) -> bool:
    """Return whether this is the control key; False if the fake has no key."""
    key = current_key()
    return key is not None and _same(given, key)


def digest_of(key: str) -> str:
    """Return the digest of the key that a browser stores as a cookie."""
    return hashlib.blake2b(key.encode(), digest_size=16, person=b"netmind-pages").hexdigest()


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), secret.encode())
