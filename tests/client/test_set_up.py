"""Creating a client: arguments, environment variables, and invalid values."""

import subprocess
import sys
import traceback

import httpx
import httpx2
import pytest
import requests
from scripted import OverHttpx, OverRequests

from netmind_client import DEFAULT_BASE_URL, AsyncGenerationClient, GenerationClient
from netmind_client.exceptions import ConfigurationError, TransportError

BASE = "https://api.netmind.ai"
URL = f"{BASE}/v1/generation"
BOTH = pytest.mark.parametrize("make", [GenerationClient, AsyncGenerationClient])


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr("netmind_client._flows.retry.FIRST_PAUSE", 0.01)


class TestSetUp:
    def test_key_and_url_come_from_the_environment(self, monkeypatch, api):
        monkeypatch.setenv("NETMIND_API_KEY", "from-env")
        monkeypatch.setenv("NETMIND_BASE_URL", "http://127.0.0.1:8000/v1/")
        api.get("http://127.0.0.1:8000/v1/generation", json={"generation_list": []})
        session = requests.Session()
        session.mount("http://", OverRequests(api))
        assert GenerationClient(session=session).list() == []
        assert api.calls[0].headers["Authorization"] == "Bearer from-env"

    @pytest.mark.anyio
    async def test_key_and_url_come_from_the_environment_for_the_async_client(self, monkeypatch, api):
        monkeypatch.setenv("NETMIND_API_KEY", "from-env")
        monkeypatch.setenv("NETMIND_BASE_URL", "http://127.0.0.1:8000/v1/")
        api.get("http://127.0.0.1:8000/v1/generation", json={"generation_list": []})
        opened = httpx2.AsyncClient(transport=OverHttpx(api))
        async with AsyncGenerationClient(http_client=opened) as client:
            assert await client.list() == []
        assert api.calls[0].headers["Authorization"] == "Bearer from-env"

    @pytest.mark.parametrize("library", [httpx, httpx2])
    @pytest.mark.anyio
    async def test_a_client_of_httpx_or_httpx2_can_be_passed(self, library):
        async with library.AsyncClient() as opened:
            client = AsyncGenerationClient("k", "http://127.0.0.1:1", http_client=opened)
            with pytest.raises(TransportError, match=r"not sent: (?i:all .*attempts .*failed)"):
                await client.create("m", {"prompt": "x"})

    @pytest.mark.parametrize("wrong", [requests.Session(), httpx2.Client(), "http://h"])
    def test_another_http_client_is_rejected(self, wrong):
        with pytest.raises(ConfigurationError, match=r"http_client: expected a httpx2\.AsyncClient or httpx"):
            AsyncGenerationClient("k", http_client=wrong)

    @BOTH
    @pytest.mark.parametrize("url", ["http://h", "http://h/", "http://h/v1", "http://h/v1/", " http://h/v1 "])
    def test_a_slash_or_v1_at_the_urls_end_makes_no_difference(self, make, url):
        assert make("k", url).base_url == "http://h"

    @BOTH
    def test_a_path_before_v1_is_kept(self, make):
        assert make("k", "https://gateway.example/netmind/v1").base_url == "https://gateway.example/netmind"

    @BOTH
    def test_the_default_url_is_the_real_api(self, make):
        assert make("k").base_url == DEFAULT_BASE_URL == "https://api.netmind.ai"

    @BOTH
    @pytest.mark.parametrize(
        "url",
        [
            "api.netmind.ai",
            "ftp://h",
            "http://",
            "http://h?x=1",
            "file:///etc",
            "http://h#x",
            "http://[",
            "http://h:99999",
            "http://h:x",
            "http://user:password@h",
        ],
    )
    def test_an_invalid_url_is_rejected(self, make, url):
        with pytest.raises(
            ConfigurationError, match=r"expected a base URL such as https://api\.netmind\.ai, got"
        ):
            make("k", url)

    @BOTH
    def test_without_a_key_it_says_how_to_give_one(self, make):
        with pytest.raises(
            ConfigurationError,
            match=r"pass api_key \(--api-key\), or set the environment variable NETMIND_API_KEY",
        ):
            make()

    @BOTH
    def test_command_starts_a_command_line_for_the_same_api(self, make):
        assert make("k").command == "netmind-client"
        assert make("k", "http://h:1/$x").command == "netmind-client --base-url 'http://h:1/$x'"

    @BOTH
    @pytest.mark.parametrize("key", ["a b", "a\nb", "ключ", "a\x00"])
    def test_a_key_that_is_not_allowed_in_a_header_is_rejected(self, make, key):
        with pytest.raises(ConfigurationError, match="characters not allowed in an HTTP header"):
            make(key)

    @BOTH
    def test_the_repr_does_not_contain_the_key(self, make):
        assert repr(make("s3cret")) == f"{make.__name__}(base_url='https://api.netmind.ai')"

    def test_a_netrc_file_does_not_replace_the_key(self, api, client, tmp_path, monkeypatch):
        netrc = tmp_path / "netrc"
        netrc.write_text("machine api.netmind.ai login somebody password else")
        monkeypatch.setenv("NETRC", str(netrc))
        api.get(URL, json={"generation_list": []})
        client.list()
        assert api.calls[0].headers["Authorization"] == "Bearer k3y"

    @pytest.mark.parametrize("options", [{"request_timeout": 0}, {"request_timeout": float("nan")}, {"poll_interval": 0},
                                         {"poll_interval": -1}, {"request_timeout": "30"}])  # fmt: skip
    @BOTH
    def test_an_invalid_time_is_rejected(self, make, options):
        with pytest.raises(ConfigurationError, match=f"expected a {next(iter(options))} in seconds, "):
            make("k", **options)

    @pytest.mark.parametrize("arguments", [(b"k",), ("k", 8000)])
    @BOTH
    def test_a_key_or_url_that_is_not_text_is_rejected(self, make, arguments):
        with pytest.raises(ConfigurationError, match="expected the API key and the base URL as text, got "):
            make(*arguments)


class TestCertificates:
    """A file of certificates that cannot be used is a mistake before anything is sent."""

    @pytest.mark.parametrize("content", [None, "no certificate"])
    def test_the_synchronous_client_says_that_nothing_was_created(self, monkeypatch, tmp_path, content):
        bundle = tmp_path / "bundle.pem"
        if content is not None:
            bundle.write_text(content)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        with pytest.raises(TransportError, match=r"not sent: .*; nothing was created") as raised:
            GenerationClient("k", "https://127.0.0.1:1").create("m", {"prompt": "x"})
        assert content is not None or str(bundle) in str(raised.value)

    @pytest.mark.parametrize("content", [None, "no certificate"])
    def test_the_asynchronous_client_names_the_variable(self, monkeypatch, tmp_path, content):
        bundle = tmp_path / "bundle.pem"
        if content is not None:
            bundle.write_text(content)
        monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
        with pytest.raises(ConfigurationError, match=r"the certificates of SSL_CERT_FILE \(.*bundle\.pem\)"):
            AsyncGenerationClient("k", "https://127.0.0.1:1")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "https://127.0.0.1:1", "http://nowhere.invalid"])
def test_no_api_key_is_in_a_traceback_with_local_variables(url):
    """As pytest --showlocals, Sentry and rich print them."""

    def fail(api_key):
        client = GenerationClient(api_key, url)
        del api_key
        client.create("m", {"prompt": "x"}, timeout=1)

    with pytest.raises(TransportError) as raised:
        fail("nm-0a1b2c3d4e5f")
    shown = "".join(traceback.TracebackException.from_exception(raised.value, capture_locals=True).format())
    assert "not sent" in shown
    assert "nm-0a1b2c3d4e5f" not in shown.replace('fail("nm-0a1b2c3d4e5f")', "")


@pytest.mark.slow
def test_a_client_that_is_first_imported_under_a_frozen_date_keeps_its_deadline():
    script = """
import socket, freezegun
server = socket.create_server(("127.0.0.1", 0))  # accepts connections, and never responds
with freezegun.freeze_time("2026-01-01"):
    from netmind_client import GenerationClient
    from netmind_client.exceptions import TransportError
    try:
        GenerationClient("k", "http://{}:{}".format(*server.getsockname())).get("a" * 32, timeout=0.3)
    except TransportError:
        print("ended")
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20)
    assert ended.stdout == "ended\n", ended.stderr
