"""Undocumented behaviour of other libraries that the client relies on.

Each test checks one such behaviour, and says where it is used. If a release changes one, its test fails first.
pyproject.toml limits the versions of these libraries.
"""

import http.client
import io
from http.cookiejar import CookieJar, DefaultCookiePolicy

import anyio
import anyio.lowlevel
import click
import httpx2
import pytest
import requests
import urllib3
from click.shell_completion import get_completion_class
from click.testing import CliRunner
from raw_server import RawServer, raw_response
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProxyError, SSLError
from urllib3.util.retry import Retry

NO_COOKIES = DefaultCookiePolicy(allowed_domains=[])


@pytest.fixture
def server():
    with RawServer(lambda _: raw_response(b"picture", Set_Cookie="a=b; Path=/")) as server:
        yield server


class TestRequests:
    def test_an_adapter_gets_its_pool_by_a_method_for_each_request(self, server):
        """deadline.BoundedAdapter replaces the connections of the pool there, and forgets pools after a fork."""

        class Adapter(HTTPAdapter):
            def get_connection_with_tls_context(self, *arguments, **options):
                pools.append(super().get_connection_with_tls_context(*arguments, **options))
                return pools[-1]

        pools = []
        with requests.Session() as session:
            session.mount("http://", Adapter())
            session.get(server.base_url)
            session.get(server.base_url)
        assert isinstance(pools[0], urllib3.HTTPConnectionPool)
        assert pools[0] is pools[1]

    @pytest.mark.parametrize("kept", ["poolmanager", "proxy_manager"])
    def test_an_adapter_keeps_its_pools_where_they_can_be_cleared(self, kept):
        """deadline.BoundedAdapter, after a fork."""
        adapter = HTTPAdapter()
        request = requests.Request("GET", "http://h/").prepare()
        proxies = {"http": "http://proxy"} if kept == "proxy_manager" else {}
        pool = adapter.get_connection_with_tls_context(request, verify=True, proxies=proxies)
        managers = {
            "poolmanager": [adapter.poolmanager],
            "proxy_manager": list(adapter.proxy_manager.values()),
        }[kept]
        assert len(managers) == 1
        managers[0].clear()
        assert adapter.get_connection_with_tls_context(request, verify=True, proxies=proxies) is not pool

    def test_a_hook_that_takes_the_location_away_keeps_a_redirect_from_being_looked_at(self):
        """by_requests._exchange: the body stays unread, and no next request is built."""
        with RawServer(lambda _: raw_response(b"body", "302 Found", Location="mailto:x")) as server:
            session = requests.Session()
            hooks = {"response": lambda response, **_: response.headers.pop("Location") and None}
            response = session.get(server.base_url, stream=True, allow_redirects=False, hooks=hooks)
            assert (response.next, response.raw.tell()) == (None, 0)
            response.close()
            session.close()

    def test_a_response_has_a_urllib3_body_that_is_read_as_it_arrives(self, server):
        """by_requests._parts."""
        with requests.Session() as session, session.get(server.base_url, stream=True) as response:
            assert response.raw.read1(100, decode_content=False) == b"picture"
            assert response.raw.read1(100, decode_content=False) == b""
            response.raw.release_conn()

    def test_a_connection_error_has_the_error_of_urllib3_whose_reason_says_more(self):
        """by_requests._failures and _message."""
        with requests.Session() as session, pytest.raises(requests.ConnectionError) as caught:
            session.get("http://127.0.0.1:1")
        assert isinstance(caught.value.args[0], MaxRetryError)
        assert isinstance(caught.value.args[0].reason, NewConnectionError)
        with requests.Session() as session, pytest.raises(requests.exceptions.ProxyError) as caught:
            session.get("http://h", proxies={"http": "http://127.0.0.1:1"})
        assert isinstance(caught.value.args[0].reason, ProxyError)
        assert isinstance(caught.value.args[0].reason.original_error, NewConnectionError)

    def test_a_jar_whose_policy_allows_no_domain_stays_empty(self, server):
        """by_requests.new_session, so that threads can share a session."""
        with requests.Session() as session:
            session.cookies = RequestsCookieJar(policy=NO_COOKIES)
            session.get(server.base_url)
            assert len(session.cookies) == 0

    def test_an_adapter_has_a_retry_object_that_can_be_called(self):
        """by_requests._sends_post_again."""
        assert isinstance(HTTPAdapter().max_retries, Retry)
        assert Retry(3, status_forcelist=[500], allowed_methods=["POST"]).is_retry("POST", 500)
        assert not HTTPAdapter().max_retries.is_retry("POST", 500)
        Retry(3, allowed_methods=["GET"]).increment("POST", "/", error=SSLError("cut"))
        with pytest.raises(MaxRetryError):
            Retry(3, other=0, allowed_methods=["GET"]).increment("POST", "/", error=SSLError("cut"))


class Socket:
    """A socket that records its method calls, and returns a response."""

    def __init__(self, received=b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"):
        self.done = []
        self._received = received

    def sendall(self, data):
        self.done.append(("sendall", bytes(data)[:4]))

    def makefile(self, mode):
        self.done.append(("makefile", mode))
        return io.BytesIO(self._received)

    def settimeout(self, seconds):
        self.done.append(("settimeout", seconds))

    def shutdown(self, _):
        pass

    def close(self):
        pass


class TestConnections:
    def test_a_pool_creates_connections_of_its_connection_class(self, server):
        """deadline.BoundedAdapter sets it, where it is urllib3's own."""
        assert urllib3.HTTPConnectionPool.ConnectionCls is HTTPConnection
        assert urllib3.HTTPSConnectionPool.ConnectionCls is HTTPSConnection
        connected = []

        class Connection(HTTPConnection):
            def connect(self):
                super().connect()
                connected.append((self.host, self.sock.getpeername()))

        with urllib3.HTTPConnectionPool("localhost", int(server.base_url.rpartition(":")[2])) as pool:
            pool.ConnectionCls = Connection
            pool.request("GET", "/")
        assert connected == [
            ("localhost", ("127.0.0.1", pool.port))
        ]  # and it has its socket once it is connected

    @pytest.mark.parametrize("library", [http.client.HTTPConnection, HTTPConnection])
    def test_a_connection_sends_by_sendall_and_reads_from_a_file(self, library):
        """deadline._Socket replaces a connection's socket."""
        connection = library("h")
        connection.sock = Socket()
        connection.request("POST", "/", body=b"body")
        assert connection.getresponse().status == 200
        assert [what for what in connection.sock.done if what[0] != "settimeout"] == [
            ("sendall", b"POST"), ("sendall", b"body"), ("makefile", "rb")
        ]  # fmt: skip

    def test_the_read_timeout_is_set_on_the_socket_before_a_response_is_read(self):
        """deadline._Reader uses it as the longest time without a byte."""
        connection = HTTPConnection("h", timeout=7)
        connection.sock = Socket()
        connection.request("GET", "/")
        connection.timeout = 3  # as a pool sets it, of its timeout's read
        connection.getresponse()
        assert connection.sock.done[-2:] == [("settimeout", 3), ("makefile", "rb")]

    def test_a_connection_creates_responses_of_its_response_class(self):
        """deadline._Bounded.response_class, for informational responses before the response."""

        class Response(http.client.HTTPResponse):
            def begin(self):
                begun.append(self)
                super().begin()

        begun = []
        connection = HTTPConnection("h")
        connection.response_class = Response
        connection.sock = Socket()
        connection.request("GET", "/")
        connection.getresponse()
        assert len(begun) == 1

    def test_a_response_reads_the_next_head_once_its_headers_are_none(self):
        """deadline._Response.begin: http.client skips 100, and takes other information for the response."""
        hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        response = http.client.HTTPResponse(Socket(hint + b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"))
        response.begin()
        response.begin()  # does nothing while there are headers
        assert response.status == 103
        response.headers = None
        response.begin()
        assert (response.status, response.headers["Link"], response.read()) == (200, None, b"abc")


async def post(url, events, **options):
    """Record the events of a request's connection, each with the method of its request."""

    async def record(event, about):
        events.append((event, getattr(about.get("request"), "method", None)))

    async with httpx2.AsyncClient(**options) as client:
        await client.post(url, content=b"body", extensions={"trace": record})


def begun(events):
    """Return the events that by_httpx._SendingState takes for the start of a request."""
    return [event for event in events if "send_request" in event[0] and event[0].endswith(".started")]


class TestHttpx:
    def test_a_connection_reports_an_event_before_it_sends_a_request(self, server):
        """by_httpx._SendingState uses these names to see whether a request was sent."""
        events = []
        anyio.run(post, server.base_url, events)
        headers, body = begun(events)
        assert headers == ("http11.send_request_headers.started", b"POST")
        assert body == ("http11.send_request_body.started", b"POST")
        names = [name for name, _ in events]
        assert names.index("connection.connect_tcp.complete") < events.index(headers)

    def test_a_connect_to_a_proxy_is_reported_as_its_own_request(self, monkeypatch):
        """by_httpx._SendingState does not take a CONNECT for the request."""
        events = []
        with RawServer(lambda _: raw_response(status="502 Bad Gateway")) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.base_url)
            with pytest.raises(httpx2.ProxyError):
                anyio.run(post, "https://h.invalid", events)
        assert {method for _, method in begun(events)} == {b"CONNECT"}

    def test_a_jar_is_used_as_it_is_given(self, server):
        """by_httpx.new_client, for no cookies."""
        jar = CookieJar(NO_COOKIES)

        async def fetch():
            async with httpx2.AsyncClient(cookies=jar) as client:
                await client.get(server.base_url)
                return client

        assert anyio.run(fetch).cookies.jar is jar
        assert list(jar) == []

    def test_without_kept_connections_each_request_has_its_own(self, server):
        """by_httpx.new_client, because of surplus bytes on a connection."""

        async def fetch():
            limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
            async with httpx2.AsyncClient(limits=limits) as client:
                for _ in range(2):
                    await client.get(server.base_url)

        anyio.run(fetch)
        assert len({request.connection for request in server.requests}) == 2

    def test_a_response_that_is_closed_ends_its_parts(self, server):
        """by_httpx._receive_body reads one more part, so that generators of httpx end."""

        async def fetch():
            async with httpx2.AsyncClient() as client, client.stream("GET", server.base_url) as response:
                parts = response.aiter_raw()
                assert await anext(parts) == b"picture"
                await response.aclose()
                with pytest.raises((httpx2.StreamError, StopAsyncIteration)):
                    await anext(parts)

        anyio.run(fetch)

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_an_event_loop_has_a_token_of_its_own(self, backend):
        """AsyncGenerationClient._check_loop."""

        async def tokens():
            return anyio.lowlevel.current_token(), anyio.lowlevel.current_token()

        first, again = anyio.run(tokens, backend=backend)
        other, _ = anyio.run(tokens, backend=backend)
        assert first == again != other


class TestClick:
    def test_a_group_can_create_the_object_of_a_context_before_its_options_are_read(self):
        """cli.group: Commands makes the connection, and options put themselves into it, not given or given."""

        class Command(click.Command):
            def __init__(self, *arguments, **options):
                super().__init__(*arguments, **options)
                self.params.append(click.Option(["--late"], callback=keep, expose_value=False))

        class Group(click.Group):
            command_class = Command

            def parse_args(self, ctx, args):
                ctx.obj = {"arguments": list(args)}
                return super().parse_args(ctx, args)

        def keep(context, parameter, value):
            context.obj[parameter.name] = value

        @click.group(cls=Group)
        @click.option("--early", callback=keep, expose_value=False)
        def main():
            pass

        @main.command()
        @click.pass_obj
        def show(kept):
            click.echo(kept)

        given = ["--early", "a", "show"]
        kept = {"arguments": given, "early": "a", "late": None}
        assert CliRunner().invoke(main, given).output == f"{kept}\n"

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_a_shell_has_a_class_that_creates_its_script(self, shell):
        """cli.commands.completion."""
        kind = get_completion_class(shell)
        assert "_ENV" in kind(click.Group(), {}, "name", "_ENV").source()
