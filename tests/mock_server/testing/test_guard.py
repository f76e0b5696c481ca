"""Nothing but a fake responds to requests to the real API, from its first start until the process ends."""

import asyncio
import contextlib
import http.client
import socket
import ssl
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import httpcore
import httpx
import httpx2
import openai
import pytest
import requests
import responses
import urllib3
import uvloop
from asking import AUTHORIZED, BODY, URL, by_aiohttp, by_httpx, by_httpx2, by_requests

import netmind_mock
from netmind_mock import RealRequestRefused, allow_real_api
from netmind_mock.testing.guard import refusals

pytestmark = pytest.mark.slow  # they use sockets, and import many libraries

HOST = "api.netmind.ai"


@pytest.fixture
def looked_up(monkeypatch):
    """The names that are looked up by Python, below the guard."""
    names = []
    real = socket.getaddrinfo

    def watched(host, *arguments, **options):
        names.append(host)
        if host == HOST:
            raise socket.gaierror(f"{host} was looked up")
        return real(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", watched)
    return names


@pytest.fixture
def mock(looked_up):  # noqa: ARG001 - watches while the fake is started
    with netmind_mock.start() as mock:
        yield mock


def by_urllib():
    urllib.request.urlopen(URL)  # noqa: S310 - it is refused


def by_urllib3():
    urllib3.PoolManager(retries=False).request("GET", URL)


def by_http_client():
    http.client.HTTPSConnection(HOST).request("GET", "/v1/generation")


def by_httpcore():
    httpcore.ConnectionPool().request("GET", URL)


def by_asyncio():
    asyncio.run(connect())


async def connect():
    await asyncio.open_connection(HOST, 443)


def by_uvloop():
    uvloop.run(connect())


def by_socket():
    socket.create_connection((HOST, 443))


def by_its_name_in_bytes():
    socket.getaddrinfo(HOST.encode(), 443)


def by_gethostbyname():
    socket.gethostbyname("API.netmind.ai.")


def by_connect():
    with socket.socket() as connection:
        connection.connect((HOST, 443))


def by_tls_through_a_proxy():
    one, other = socket.socketpair()
    with one, other:
        ssl.create_default_context().wrap_socket(one, server_hostname=HOST)


REFUSED = [
    (by_urllib, "urllib"), (by_urllib3, "urllib3"), (by_http_client, "http.client"), (by_httpcore, "httpcore"),
    (by_asyncio, "asyncio"), (by_uvloop, "asyncio"), (by_socket, "this library"),
    (by_its_name_in_bytes, "this library"), (by_gethostbyname, "this library"), (by_connect, "this library"),
    (by_tls_through_a_proxy, "this library"),
]  # fmt: skip


@pytest.mark.parametrize(("send", "library"), REFUSED)
def test_other_libraries_are_refused_with_the_name_of_the_library_and_the_way_out(
    mock, looked_up, send, library
):
    with pytest.raises(Exception, match=r"netmind_server") as refused:
        send()
    assert f"not to {library}. Use the fixture netmind_server, a real HTTP server" in str(refused.value)
    assert HOST not in looked_up
    assert mock.journal == []


@pytest.mark.parametrize("ask", [by_requests, by_httpx, by_httpx2, by_aiohttp])
def test_answered_libraries_never_look_up_the_host(mock, looked_up, ask):
    job = requests.models.complexjson.loads(ask("POST", URL, json=BODY)[1])
    mock.clock.advance(10)
    done = requests.models.complexjson.loads(ask("GET", f"{URL}/{job['id']}")[1])
    assert ask("GET", done["result"]["data"][0]["url"])[0] == 200
    assert looked_up == []


def test_the_openai_client_reaches_the_fake(mock, looked_up):
    client = openai.OpenAI(base_url="https://api.netmind.ai/v1", api_key="any", max_retries=0)
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
    assert [entry.path for entry in mock.journal] == ["/v1/chat/completions"]
    assert looked_up == []


class OverHttpcore(httpx.BaseTransport):
    def handle_request(self, request):
        response = httpcore.ConnectionPool().request(request.method, str(request.url))
        return httpx.Response(response.status, content=response.content)


@pytest.mark.parametrize(
    "client",
    [
        lambda: httpx.Client(transport=OverHttpcore()),
        lambda: httpx.Client(mounts={"https://": httpx.MockTransport(lambda _: httpx.Response(299))}),
        lambda: httpx2.Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(299))),
    ],
)
@pytest.mark.usefixtures("mock")
def test_a_client_with_another_transport_reaches_the_fake(client):
    with client() as sender:
        assert sender.get(URL, headers=AUTHORIZED).status_code == 200


@pytest.mark.parametrize("url", ["https://API.NetMind.AI./v1/generation", "https://api.netmind.ai:443/v1/generation"])  # fmt: skip
@pytest.mark.parametrize("ask", [by_requests, by_httpx, by_httpx2, by_aiohttp])
@pytest.mark.usefixtures("mock")
def test_a_dot_the_port_and_letter_case_make_no_other_host(ask, url):
    assert ask("GET", url)[0] == 200


@pytest.mark.parametrize(
    "url",
    [
        "https://api.netmind.ai:8080/v1/generation",
        "https://files.netmind.ai/any/inference/any/image.png",
        "https://netmind-files-prod.s3.amazonaws.com/image.png",
    ],
)
@pytest.mark.parametrize("ask", [by_httpx, by_httpx2, by_aiohttp])
@pytest.mark.usefixtures("mock")
def test_other_ports_and_the_hosts_of_results_are_refused(ask, url):
    with pytest.raises(Exception, match=r"responds to URLs below https://api\.netmind\.ai only"):
        ask("GET", url)


@pytest.mark.usefixtures("mock")
def test_a_server_on_this_machine_is_reached():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.connect(server.getsockname())


def test_a_server_on_this_machine_can_stand_for_the_api():
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://localhost:{server.getsockname()[1]}"
        with netmind_mock.start(base_url=url), pytest.raises(RealRequestRefused):
            socket.create_connection(server.getsockname())
        socket.create_connection(server.getsockname()).close()


def late_request():
    """Return an event, a list, and a function that sends a request after the event and appends its error."""
    began, failure = threading.Event(), []

    def poll():
        began.wait(5)
        try:
            requests.get(URL, timeout=5)
        except requests.ConnectionError as error:
            failure.append(str(error))

    return began, failure, poll


class TestAfterwards:
    def test_a_thread_that_outlives_its_test_is_refused_and_the_test_is_named(self, looked_up):
        began, failure, poll = late_request()
        with netmind_mock.start():
            thread = threading.Thread(target=poll)
            thread.start()
        with allow_real_api():
            began.set()
            thread.join()
        assert "a thread or task that was started in tests/mock_server/testing/test_guard.py::" in failure[0]
        assert (
            "test_a_thread_that_outlives_its_test_is_refused_and_the_test_is_named has outlived it"
            in failure[0]
        )
        assert looked_up == []

    def test_a_task_that_outlives_its_fake_is_refused(self, looked_up):
        async def poll(began):
            await began.wait()
            async with httpx.AsyncClient() as client:
                await client.get(URL)

        async def main():
            began = asyncio.Event()
            with netmind_mock.start():
                task = asyncio.create_task(poll(began))
                await asyncio.sleep(0)
            began.set()
            await task

        with pytest.raises(
            httpx.ConnectError, match=r"a thread or task that was started in .* has outlived it"
        ):
            asyncio.run(main())
        assert looked_up == []

    def test_an_executor_that_outlives_its_fake_is_refused(self):
        began = threading.Event()

        def send():
            began.wait(5)
            requests.get(URL, timeout=5)

        with ThreadPoolExecutor() as executor:
            with netmind_mock.start():
                sent = executor.submit(send)
            began.set()
            with pytest.raises(requests.ConnectionError, match="has outlived it"):
                sent.result()

    def test_an_executor_of_an_earlier_test_gets_responses_in_a_later_one(self):
        with ThreadPoolExecutor(1) as executor:
            for _ in range(2):
                with netmind_mock.start():
                    response = executor.submit(requests.get, URL, headers=AUTHORIZED, timeout=5).result()
                assert response.status_code == 200

    def test_a_late_thread_gets_no_response_of_the_next_tests_fake(self, monkeypatch):
        began, failure, poll = late_request()
        monkeypatch.setenv("PYTEST_CURRENT_TEST", "t.py::test_one (call)")
        with netmind_mock.start():
            thread = threading.Thread(target=poll)
            thread.start()
        monkeypatch.setenv("PYTEST_CURRENT_TEST", "t.py::test_two (call)")
        with netmind_mock.start() as mock:
            began.set()
            thread.join()
        assert mock.journal == []
        assert "started in t.py::test_one has outlived it" in failure[0]

    def test_a_connection_that_is_already_open_is_refused(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            host, port = server.getsockname()
            connection = http.client.HTTPConnection(host, port)
            connection.connect()
            connection.host = HOST  # as if it had been opened to the real API before the first fake
            with netmind_mock.start(), pytest.raises(RealRequestRefused):
                connection.request("POST", "/v1/generation")
            connection.close()

    @pytest.mark.parametrize(
        "send",
        [
            lambda proxy: urllib3.ProxyManager(proxy, retries=False).request("POST", f"http://{HOST}/v1/x"),
            lambda proxy: urllib.request.build_opener(urllib.request.ProxyHandler({"http": proxy})).open(
                f"http://{HOST}/v1/x"
            ),
            lambda proxy: httpcore.HTTPProxy(proxy).request("POST", f"http://{HOST}/v1/x"),
            lambda proxy: requests.post(f"http://{HOST}/v1/x", proxies={"http": proxy}, timeout=5),
            lambda proxy: httpx.post(f"http://{HOST}/v1/x", proxy=proxy),
        ],
    )
    def test_a_request_through_a_proxy_is_refused(self, send):
        with netmind_mock.start():
            pass
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(0.1)
            with pytest.raises(Exception, match="this process has used a fake, and none is started now"):
                send("http://{}:{}".format(*server.getsockname()))
            with contextlib.suppress(TimeoutError):
                connection, _ = server.accept()
                connection.settimeout(0.1)
                with connection, contextlib.suppress(TimeoutError):
                    assert connection.recv(100) == b""

    def test_other_spellings_of_the_host_are_refused(self):
        with netmind_mock.start(), pytest.raises(RealRequestRefused):
            http.client.HTTPConnection("\uff41pi.netmind.ai").request("GET", "/")

    def test_a_request_without_a_fake_is_refused_with_both_ways_out(self, looked_up):
        with netmind_mock.start():
            pass
        with pytest.raises(requests.ConnectionError) as refused:
            requests.get(URL, timeout=5)
        assert "this process has used a fake, and none is started now" in str(refused.value)
        assert "with netmind_mock.allow_real_api():" in str(refused.value)
        assert looked_up == []

    def test_real_requests_can_be_allowed(self, looked_up):
        with netmind_mock.start():
            pass
        with allow_real_api(), pytest.raises(requests.ConnectionError):
            requests.get(URL, timeout=5)
        assert looked_up == [HOST]

    def test_refusals_are_kept_with_their_test(self):
        with netmind_mock.start(), pytest.raises(RealRequestRefused):
            by_socket()
        [refusal] = refusals("tests/mock_server/testing/test_guard.py::TestAfterwards::test_refusals_are_kept_with_their_test")  # fmt: skip
        assert refusal.message.startswith("refused to connect to api.netmind.ai: ")


def test_fakes_in_several_threads_at_a_time_keep_responding_until_their_own_stop():
    done = threading.Barrier(3)

    def use(number):
        with netmind_mock.start(base_url=f"https://gateway-{number}.example"):
            done.wait()
            statuses = [
                requests.get(f"https://gateway-{number}.example/v1/generation", headers=AUTHORIZED, timeout=5)
                for _ in range(20)
            ]
        return {response.status_code for response in statuses}

    with ThreadPoolExecutor(3) as executor:
        assert list(executor.map(use, range(3))) == [{200}] * 3


def test_fakes_in_tasks_of_one_loop_keep_responding_until_their_own_stop():
    async def use(number):
        with netmind_mock.start(base_url=f"https://gateway-{number}.example"):
            async with aiohttp.ClientSession(headers=AUTHORIZED) as session:
                for _ in range(5 * number):
                    await asyncio.sleep(0)
                    async with session.get(f"https://gateway-{number}.example/v1/generation") as response:
                        assert response.status == 200

    async def main():
        await asyncio.gather(*map(use, range(1, 4)))

    asyncio.run(main())


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_a_mock_of_the_test_can_respond_after_a_fake_was_stopped(library):
    with netmind_mock.start():
        pass
    with library.Client(transport=library.MockTransport(lambda _: library.Response(299))) as client:
        assert client.get(URL).status_code == 299
    with responses.RequestsMock() as own:
        own.get(URL, status=299)
        assert requests.get(URL, timeout=5).status_code == 299
