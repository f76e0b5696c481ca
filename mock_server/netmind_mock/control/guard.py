"""Who may use the control API: a request by the fake's own Host, from no foreign page, with the key.

A page in a browser must not change the fake of the person who looks at it. So a Host that is not the fake's
own, and an Origin that is not the fake itself, are refused. A server that listens beyond loopback wants a
key, too. A person gives it once on a page of the dashboard, and the browser keeps a digest of it until it is
closed.
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
# The routes that refuse take methods that nothing else has, so that the guard comes before the refusal.
METHODS: Final = ("GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS", "TRACE")


def check_source() -> None:
    """Refuse a request that names another Host, or that a page of another origin sent."""
    host = parse_host(request.headers.get("Host", ""))
    if host is None or not current_fake().hosts.allows(host):
        abort(403, "this Host is not the fake's; use a loopback name, or serve with --allowed-host")
    if "Origin" in request.headers and not is_from_own_page():
        abort(403, "pages of other origins may not steer the fake")


def is_from_own_page() -> bool:
    """Return whether the Origin is the fake's own, as a browser reaches it, by TLS perhaps.

    Pages of other schemes, such as those of apps (``capacitor://localhost``), are not its own.
    """
    scheme, _, host = request.headers.get("Origin", "").partition("://")
    return scheme in ("http", "https") and host == request.headers.get("Host")


def has_key() -> bool:
    """Return whether the request has the key, as a header or as the digest that a browser keeps."""
    key = current_key()
    if key is None or is_key(request.headers.get(KEY_HEADER, "")):
        return True
    return _same(request.cookies.get(KEY_COOKIE, ""), digest_of(key))


def is_key(given: str) -> bool:
    """Return whether this is the key; if the fake has none, nothing is."""
    key = current_key()
    return key is not None and _same(given, key)


def digest_of(key: str) -> str:
    """Return what a browser keeps of the key."""
    return hashlib.blake2b(key.encode(), digest_size=16, person=b"netmind-pages").hexdigest()


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), secret.encode())
