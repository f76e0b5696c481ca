"""The Host headers that result URLs may be built from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmind_mock.hosts import Host, HostPolicy, base_url, is_loopback, parse_host


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


OWN = "http://127.0.0.1:8000"
INTERNAL = frozenset({Host("mock.internal", None)})


class TestWithoutAPublicUrl:
    @pytest.mark.parametrize("header", ["localhost:8000", "127.0.0.1", "[::1]:9"])
    def test_urls_are_built_from_a_loopback_host(self, header):
        assert HostPolicy(OWN).origin("http", header) == f"http://{header}"

    def test_a_foreign_host_is_replaced_by_the_address_listened_on(self):
        assert HostPolicy(OWN).origin("http", "evil.example") == OWN

    @pytest.mark.parametrize("listens_at", ["http://192.168.1.5:8000", "http://[fe80::1]:8000"])
    def test_urls_are_built_from_the_host_listened_on(self, listens_at):
        host = listens_at.removeprefix("http://")
        assert HostPolicy(listens_at).origin("https", host) == f"https://{host}"

    def test_urls_are_built_from_an_allowed_host_on_every_port(self):
        policy = HostPolicy(OWN, INTERNAL)
        assert policy.origin("http", "Mock.Internal:81") == "http://mock.internal:81"

    def test_urls_are_built_from_an_allowed_host_with_a_port_on_that_port_only(self):
        policy = HostPolicy(OWN, frozenset({Host("mock.internal", 80)}))
        assert policy.origin("http", "mock.internal:80") == "http://mock.internal:80"
        assert policy.origin("http", "mock.internal:81") == OWN

    def test_a_prefix_is_part_of_urls(self):
        assert HostPolicy(OWN).origin("http", "localhost", "/netmind") == "http://localhost/netmind"

    @given(st.text(max_size=300))
    def test_for_every_header_the_origin_is_loopback(self, header):
        host = parse_host(HostPolicy(OWN).origin("http", header).removeprefix("http://"))
        assert host is not None
        assert is_loopback(host.name)


class TestWithAPublicUrl:
    PUBLIC = "https://mock.example.com/netmind"

    @pytest.mark.parametrize(
        "header", ["127.0.0.1:8000", "192.168.1.5:8000", "mock.example.com", "evil.example", ""]
    )
    def test_urls_begin_with_it_whatever_host_a_proxy_passes_on(self, header):
        policy = HostPolicy("http://192.168.1.5:8000", public_url=self.PUBLIC)
        assert policy.origin("http", header, "/prefix") == self.PUBLIC

    def test_urls_begin_with_it_if_its_host_is_allowed_as_well(self):
        policy = HostPolicy(OWN, frozenset({Host("mock.example.com", None)}), self.PUBLIC)
        assert policy.origin("http", "mock.example.com") == self.PUBLIC

    def test_a_client_that_uses_another_allowed_host_gets_urls_with_that(self):
        policy = HostPolicy(OWN, INTERNAL, self.PUBLIC)
        assert policy.origin("http", "mock.internal:81") == "http://mock.internal:81"

    @pytest.mark.parametrize(
        ("host", "allowed"),
        [("mock.example.com", True), ("localhost", True), ("192.168.1.5", True), ("evil.example", False)],
    )
    def test_its_host_may_use_the_control_api(self, host, allowed):
        policy = HostPolicy("http://192.168.1.5:8000", public_url=self.PUBLIC)
        assert policy.allows(Host(host, None)) is allowed


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:1"),
        ("0.0.0.0", "http://127.0.0.1:1"),  # noqa: S104 - nothing listens
        ("::", "http://[::1]:1"),
        ("::1", "http://[::1]:1"),
        ("fake.lan", "http://fake.lan:1"),
    ],
)
def test_the_base_url_can_be_used_on_this_machine(host, url):
    assert base_url(host, 1) == url
