"""The Host headers that result URLs may be built from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmind_mock.hosts import Host, HostPolicy, is_loopback, parse_host

PUBLIC = "https://mock.example"


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("localhost", Host("localhost", None)),
        ("LocalHost:8000", Host("localhost", 8000)),
        ("localhost.:80", Host("localhost", 80)),
        ("127.0.0.1:8000", Host("127.0.0.1", 8000)),
        ("[::1]:8000", Host("::1", 8000)),
        ("[0:0:0:0:0:0:0:1]", Host("::1", None)),
        ("a-b.example.org", Host("a-b.example.org", None)),
    ],
)
def test_a_host_is_parsed(header, host):
    assert parse_host(header) == host


@pytest.mark.parametrize(
    "header",
    [
        "",
        "a b",
        "evil.example/path",
        "user@evil.example",
        "localhost:0",
        "localhost:99999",
        "localhost:80:80",
        "[::1",
        "[zz]",
        "[1:2:3]",
        "localhost\r\nX: y",
        "localhost\n",
        "a" * 300,
        "-a",
        "é.example",
        "127.0.0.1?.evil.example",
        "localhost#",
        "localhost\\.evil.example",
    ],
)
def test_an_invalid_host_gives_none(header):
    assert parse_host(header) is None


@pytest.mark.parametrize(
    "name", ["localhost", "api.localhost", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"]
)
def test_loopback_names_are_known(name):
    assert is_loopback(name)


@pytest.mark.parametrize(
    "name",
    ["localhost.evil.example", "evil-localhost", "128.0.0.1", "127.0.0.1.evil.example", "::2", "0.0.0.0"],  # noqa: S104 - nothing listens
)
def test_other_names_are_not_loopback(name):
    assert not is_loopback(name)


@pytest.mark.parametrize("header", ["localhost:8000", "127.0.0.1", "[::1]:9"])
def test_urls_are_built_from_a_loopback_host(header):
    assert HostPolicy(PUBLIC).origin("http", header) == f"http://{header}"


def test_a_foreign_host_is_replaced_by_the_public_url():
    assert HostPolicy(PUBLIC).origin("http", "evil.example") == PUBLIC


def test_urls_are_built_from_an_allowed_host_on_every_port():
    policy = HostPolicy(PUBLIC, frozenset({Host("mock.internal", None)}))
    assert policy.origin("http", "Mock.Internal:81") == "http://mock.internal:81"


def test_urls_are_built_from_an_allowed_host_with_a_port_on_that_port_only():
    policy = HostPolicy(PUBLIC, frozenset({Host("mock.internal", 80)}))
    assert policy.origin("http", "mock.internal:80") == "http://mock.internal:80"
    assert policy.origin("http", "mock.internal:81") == PUBLIC


@given(st.text(max_size=300))
def test_for_every_header_the_origin_is_loopback_or_the_public_url(header):
    origin = HostPolicy(PUBLIC).origin("http", header)
    host = parse_host(origin.removeprefix("http://"))
    assert origin == PUBLIC or (host is not None and is_loopback(host.name))
