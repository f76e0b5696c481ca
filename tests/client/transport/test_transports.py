"""The transports: every exception of the libraries becomes NoResponse, with whether anything was sent."""

import inspect
import io

import anyio
import httpx2
import pytest
import requests
from scripted import Api, Failure, OverHttpx, OverRequests
from urllib3 import HTTPResponse
from urllib3.exceptions import NewConnectionError, ProxyError

from netmind_client import AsyncGenerationClient, NetMindError
from netmind_client._flows.effects import Send
from netmind_client._http import NoResponse, Request
from netmind_client._transport import by_httpx as httpx_transport
from netmind_client._transport import by_requests as requests_transport
from netmind_client.exceptions import ConfigurationError

URL = "https://api.netmind.ai/v1/generation"


def asking(url=URL, begin=lambda _head: lambda _part: None):
    return Send(Request("GET", url, {}), 5.0, 5.0, begin)


ASK = asking()


def exceptions_of(module, base):
    return [
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, base) and kind is not base
    ]


REQUESTS_CERTAIN = {
    "ConnectTimeout",
    "InvalidHeader",
    "InvalidProxyURL",
    "InvalidSchema",
    "InvalidURL",
    "MissingSchema",
}
HTTPX_CERTAIN = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol"}


def by_requests(failure, effect=ASK):
    api = Api()
    api.get(URL, body=failure)
    session = requests.Session()
    session.mount("https://", OverRequests(api))
    return requests_transport.send(session, effect)


def by_httpx(failure, effect=ASK):
    async def call():
        api = Api()
        api.get(URL, body=failure)
        async with httpx2.AsyncClient(transport=OverHttpx(api)) as client:
            return await httpx_transport.send(client, effect)

    return anyio.run(call)


class TestRequests:
    @pytest.mark.parametrize("kind", exceptions_of(requests.exceptions, requests.RequestException))
    def test_every_exception_becomes_no_response(self, kind):
        error = kind("x", "y", 0) if kind is requests.exceptions.JSONDecodeError else kind("x")
        with pytest.raises(NoResponse) as caught:
            by_requests(Failure(error, None))
        assert caught.value.sent is (kind.__name__ not in REQUESTS_CERTAIN)

    @pytest.mark.parametrize(
        ("reason", "sent"),
        [
            (NewConnectionError(None, "refused"), False),
            (ProxyError("no proxy", NewConnectionError(None, "refused")), False),
            (ProxyError("no proxy", OSError("cut")), True),
            (OSError("cut"), True),
        ],
    )
    def test_a_failed_connect_has_certainly_sent_nothing(self, reason, sent):
        error = requests.ConnectionError(type("MaxRetryError", (), {"reason": reason})())
        with pytest.raises(NoResponse) as caught:
            by_requests(Failure(error, None))
        assert caught.value.sent is sent

    @pytest.mark.parametrize(
        ("base_url", "environment", "words"),
        [
            (
                "http://127.0.0.1:1",
                {},
                "Failed to establish a new connection: [Errno 111] Connection refused",
            ),
            ("https://a.example", {"HTTPS_PROXY": "http://127.0.0.1:1"}, "the proxy: Failed to establish"),
        ],
    )
    def test_the_message_contains_no_representations_of_pools(
        self, base_url, environment, words, monkeypatch
    ):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(NoResponse) as caught:
            requests_transport.send(requests_transport.new_session(), asking(base_url))
        assert str(caught.value).startswith(words)

    def test_an_invalid_host_name_becomes_no_response(self):
        effect = asking("http://a..b/")
        with pytest.raises(NoResponse):
            requests_transport.send(requests_transport.new_session(), effect)

    def test_a_body_without_read1_is_read(self):
        class Older(io.RawIOBase):
            def readable(self):
                return True

            def readinto(self, buffer):
                part = parts.pop() if parts else b""
                buffer[: len(part)] = part
                return len(part)

        def respond(*_, **__):
            response = requests.Response()
            response.status_code, response.raw = 200, HTTPResponse(Older(), preload_content=False)
            return response

        parts, actual, session = [b"b", b"a"], [], requests.Session()
        adapter = OverRequests(Api())
        adapter.send = respond
        session.mount("https://", adapter)
        requests_transport.send(session, asking(begin=lambda _: actual.append))
        assert b"".join(actual) == b"ab"


class TestHttpx:
    @pytest.mark.parametrize("kind", exceptions_of(httpx2, httpx2.RequestError))
    def test_every_exception_becomes_no_response(self, kind):
        with pytest.raises(NoResponse) as caught:
            by_httpx(Failure(None, kind("x")))
        assert caught.value.sent is (kind.__name__ not in HTTPX_CERTAIN)

    @pytest.mark.parametrize("url", ["x", "http://h:x/", "ftp://h/"])
    def test_an_invalid_url_becomes_no_response(self, url):
        async def call():
            async with httpx2.AsyncClient() as client:
                await httpx_transport.send(client, asking(url))

        with pytest.raises(NoResponse) as caught:
            anyio.run(call)
        assert not caught.value.sent

    def test_an_exception_without_a_message_has_that_of_its_cause(self):
        error = httpx2.ConnectError("")
        error.__cause__ = OSError("no route")
        with pytest.raises(NoResponse, match="no route"):
            by_httpx(Failure(None, error))


@pytest.mark.parametrize("ask", [by_requests, by_httpx])
class TestBoth:
    def test_an_exception_of_the_receiver_is_not_converted(self, ask):
        def take(_):
            raise ValueError("mine")

        with pytest.raises(ValueError, match="mine"):
            ask(b"x", asking(begin=lambda _: take))

    def test_a_timeout_of_the_receiver_is_not_converted(self, ask):
        def take(_):
            raise TimeoutError("mine")

        with pytest.raises(TimeoutError, match="mine"):
            ask(b"x", asking(begin=lambda _: take))

    def test_an_informational_response_alone_becomes_no_response(self, ask):
        api = Api()
        api.get(URL, status=101)
        with pytest.raises(NoResponse, match=r"only an informational response \(101\)") as caught:
            ask(lambda _: (101, {}, []))
        assert caught.value.sent


def test_an_async_client_rejects_another_event_loop():
    client = AsyncGenerationClient("k", "http://127.0.0.1:1")

    async def ask():
        with pytest.raises(NetMindError):
            await client.list(timeout=0.1)

    anyio.run(ask)
    with pytest.raises(ConfigurationError, match=r"create one in each asyncio\.run"):
        anyio.run(client.list)
