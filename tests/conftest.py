"""Fixtures of all tests: no access to the network, and none of the caller's settings."""

import ipaddress
import os
import sys

import pytest
from databases import postgresql_server

_OUTSIDE: list[str] = []


def _refuse_the_network(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse and record connections of this process beyond loopback (an audit hook)."""
    if event not in ("socket.connect", "socket.getaddrinfo"):
        return
    target = arguments[1] if event == "socket.connect" else arguments[:2]
    host = target[0] if isinstance(target, tuple) else None
    if host is None or host in ("", "localhost", b"localhost"):
        return  # a Unix socket, or this machine
    name = host.decode() if isinstance(host, bytes) else str(host)
    try:
        if event == "socket.getaddrinfo":
            ipaddress.ip_address(name)
            return  # an address is not looked up in the DNS
        inside = ipaddress.ip_address(name).is_loopback or ipaddress.ip_address(name).is_unspecified
    except ValueError:
        inside = name.endswith((".invalid", ".localhost"))  # reserved names (RFC 2606, RFC 6761)
    if not inside:
        _OUTSIDE.append(f"{event} {name}")
        raise PermissionError(f"the tests have no network access, but something connected to {name}")


sys.addaudithook(_refuse_the_network)


@pytest.fixture(autouse=True)
def no_outside():
    """Fail a test that tried to use the network, even if the code under test caught the error."""
    before = len(_OUTSIDE)
    yield
    assert _OUTSIDE[before:] == []


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    """Remove variables of the caller's environment that would configure the commands under test."""
    for name in list(os.environ):
        if name.startswith(("NETMIND_", "NETRC")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def _postgresql():
    with postgresql_server() as url:
        yield url


@pytest.fixture
def postgresql(_postgresql):
    """Return the URL of an empty PostgreSQL database."""
    from sqlalchemy import NullPool, create_engine  # noqa: PLC0415

    from netmind_mock.stores.tables import metadata  # noqa: PLC0415 - most tests need none

    metadata.drop_all(create_engine(_postgresql.replace("://", "+psycopg://", 1), poolclass=NullPool))
    return _postgresql


@pytest.fixture
def store_url(request, tmp_path):
    """Return the URL of an empty store, of the kind in the test's parameter."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgresql")
    return {"memory": "memory", "sqlite": f"sqlite:///{tmp_path}/jobs.db"}[request.param]
