"""Other mocks in the same test keep their URLs, and the fake its own, whichever of them was started first."""

import asyncio

import aiohttp
import aiohttp.test_utils
import aiohttp.web
import httpx
import pytest
import requests
import requests_mock
import responses
import respx
import vcr
from asking import AUTHORIZED, URL, by_aiohttp, by_httpx, by_httpx2, by_httpx_async, by_requests

import netmind_mock
from netmind_client import GenerationClient

pytestmark = pytest.mark.slow  # they use sockets, and import many libraries

OTHER = "https://other.example/"


def both(get):
    assert get(OTHER).json() == {"a": 1}
    assert get(URL, headers=AUTHORIZED).status_code == 200


class TestResponses:
    @pytest.fixture
    def own(self):
        with responses.RequestsMock() as own:
            own.get(OTHER, json={"a": 1})
            yield own

    def test_started_before_the_fake(self, own, mock):
        both(requests.get)
        assert len(own.calls) == 1
        assert len(mock.journal) == 1

    def test_started_after_the_fake(self, mock, own):
        both(requests.get)
        assert len(own.calls) == 1
        assert len(mock.journal) == 1

    @pytest.mark.usefixtures("mock")
    def test_stopped_before_the_fake(self):
        own = responses.RequestsMock()
        own.start()
        own.get(OTHER, json={"a": 1})
        both(requests.get)
        own.stop()
        assert requests.get(URL, headers=AUTHORIZED, timeout=5).status_code == 200

    def test_stopped_after_the_fake(self):
        mock, own = netmind_mock.start().start(), responses.RequestsMock()
        own.start()
        own.get(OTHER, json={"a": 1})
        mock.stop()
        assert requests.get(OTHER, timeout=5).json() == {"a": 1}
        own.stop()

    @pytest.mark.usefixtures("mock")
    def test_a_url_that_is_passed_through_is_sent(self):
        responses.add_passthru("http://127.0.0.1:1")
        with pytest.raises(requests.ConnectionError, match="refused"):
            requests.get("http://127.0.0.1:1/", timeout=5)

    @pytest.mark.usefixtures("mock")
    def test_a_server_on_this_machine_is_reached_unless_its_url_is_registered(self):
        with pytest.raises(requests.ConnectionError, match="Errno 111"):
            requests.get("http://127.0.0.1:1/", timeout=5)
        responses.add("GET", "http://127.0.0.1:1/", json={"a": 1})
        assert requests.get("http://127.0.0.1:1/", timeout=5).json() == {"a": 1}


class TestRequestsMock:
    @pytest.fixture
    def own(self):
        with requests_mock.Mocker() as own:
            own.get(OTHER, json={"a": 1})
            yield own

    @pytest.mark.usefixtures("own", "mock")
    def test_started_before_the_fake(self):
        both(requests.get)

    @pytest.mark.usefixtures("mock", "own")
    def test_started_after_the_fake(self):
        both(requests.get)
        assert GenerationClient().list() == []

    @pytest.mark.usefixtures("mock")
    def test_a_response_that_the_test_registered_takes_precedence(self, own):
        own.get(URL, status_code=418)
        assert requests.get(URL, timeout=5).status_code == 418


class TestRespx:
    @pytest.mark.usefixtures("mock")
    @pytest.mark.parametrize("using", ["httpx", "httpcore"])
    def test_started_after_the_fake(self, using):
        with respx.mock(using=using) as router:
            router.get(OTHER).respond(json={"a": 1})
            both(httpx.get)

    @pytest.mark.parametrize("using", ["httpx", "httpcore"])
    def test_stopped_after_the_fake(self, using):
        mock, router = netmind_mock.start().start(), respx.mock(using=using, assert_all_called=False)
        router.start()
        router.get(OTHER).respond(json={"a": 1})
        mock.stop()
        assert httpx.get(OTHER).json() == {"a": 1}
        router.stop()

    @pytest.mark.usefixtures("mock")
    def test_async(self):
        with respx.mock(using="httpx", assert_all_called=False):
            assert by_httpx_async("GET", URL)[0] == 200


class TestPytestHttpx:
    def test_started_before_the_fake(self, httpx_mock, mock):  # noqa: ARG002 - in this order
        httpx_mock.add_response(url=OTHER, json={"a": 1})
        both(httpx.get)

    def test_started_after_the_fake(self, mock, httpx_mock):  # noqa: ARG002 - in this order
        httpx_mock.add_response(url=OTHER, json={"a": 1})
        both(httpx.get)


@pytest.mark.parametrize("ask", [by_requests, by_httpx, by_httpx_async, by_httpx2, by_aiohttp])
@pytest.mark.parametrize("record_mode", ["none", "once", "all"])
@pytest.mark.usefixtures("mock")
def test_vcr_neither_answers_nor_records_what_is_for_the_fake(tmp_path, ask, record_mode):
    with vcr.use_cassette(tmp_path / "cassette.yaml", record_mode=record_mode):
        assert ask("GET", URL, token="my-real-key")[0] == 200
    assert not (tmp_path / "cassette.yaml").exists()


def test_pytest_socket_does_not_disturb_the_fake(mock, socket_disabled):  # noqa: ARG001 - it disables sockets
    assert by_requests("GET", URL)[0] == 200
    assert by_httpx("GET", URL)[0] == 200
    assert len(mock.journal) == 2


@pytest.mark.usefixtures("mock")
def test_a_local_server_of_the_test_is_reached_by_aiohttp():
    async def main():
        async def respond(_request):
            return aiohttp.web.Response(text="local")

        server = aiohttp.test_utils.TestServer(aiohttp.web.Application())
        server.app.router.add_get("/", respond)
        async with aiohttp.test_utils.TestClient(server) as client, client.get("/") as response:
            return await response.text()

    assert asyncio.run(main()) == "local"
