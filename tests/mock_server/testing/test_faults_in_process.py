"""Faults in process: each library raises its usual exception, waits are exact, and no test hangs."""

import asyncio
import contextlib
import io
import json

import aiohttp
import httpx
import httpx2
import pytest
import requests
import urllib3
from asking import (
    AUTHORIZED,
    BODY,
    TIMEOUTS,
    URL,
    by_aiohttp,
    by_httpx,
    by_httpx2,
    by_httpx2_async,
    by_httpx_async,
    by_requests,
)
from requests.adapters import HTTPAdapter
from urllib3 import Retry
from urllib3.exceptions import ProtocolError

import netmind_mock
from netmind_client import GenerationClient
from netmind_mock.testing.poll_limit import PollLimitReached
from netmind_mock.testing.transport import WouldHang

pytestmark = pytest.mark.slow


class TestLostResponses:
    """In process, the fake knows which responses a client received."""

    def test_a_response_after_the_timeout_is_lost(self, mock):
        body = {"model": "google/nano-banana-pro", "config": {"prompt": "x", "sync_mode": True}}
        for _ in range(2):
            with pytest.raises(requests.ReadTimeout):
                by_requests("POST", URL, json=body, timeout=30)
        with pytest.raises(
            AssertionError, match=r"billed twice: request 2 .* \(its client's timeout was over\)"
        ):
            mock.assert_billed_once()
        assert [entry.arrived for entry in mock.journal] == [False, False]

    @pytest.mark.parametrize(
        ("kind", "arguments"), [("delay", {"seconds": 1}), ("dribble", {}), ("content_type", {})]
    )
    def test_a_response_that_arrived_is_not_lost(self, mock, ask, kind, arguments):
        mock.fault("create", kind, **arguments)
        for _ in range(2):
            assert ask("POST", URL, json=BODY)[0] == 200
        mock.assert_billed_once()

    def test_double_billing_is_unknown_if_entries_were_dropped(self):
        with netmind_mock.start(journal=2) as mock:
            for _ in range(3):
                by_requests("POST", URL, json=BODY)
            with pytest.raises(AssertionError, match="unknown whether anything was billed twice"):
                mock.assert_billed_once()

    def test_two_delays_at_once_take_the_time_of_one(self, mock):
        mock.fault("list", "delay", seconds=5, times=2)

        async def both():
            async with httpx.AsyncClient(headers=AUTHORIZED, timeout=10) as client:
                await asyncio.gather(client.get(URL), client.get(URL))

        asyncio.run(both())
        assert mock.clock.elapsed == 5.0

    def test_a_large_image_can_be_asserted(self, mock):
        image = "data:image/png;base64," + "A" * 2_000_000
        by_requests("POST", URL, json={"model": "m", "config": {"prompt": "x", "image": image}})
        mock.assert_created(model="m", prompt="x", image=image)

    def test_header_values_may_be_bytes(self, mock):
        requests.get(URL, headers={"Authorization": b"any"}, timeout=5)
        assert mock.journal[0].status == 200


FAULTS = [
    ("reset", {}, "reset"),
    ("reset", {"when": "request"}, "reset"),
    ("reset", {"when": "during"}, "reset in body"),
    ("reset", {"when": "after"}, 200),
    ("hang", {}, "timeout"),
    ("hang", {"seconds": 3}, "closed"),
    ("delay", {"seconds": 9}, 200),
    ("delay", {"seconds": 11}, "timeout"),
    ("dribble", {"seconds": 100}, 200),
    ("dribble", {"seconds": 1000}, "timeout in body"),
    ("truncate", {}, "truncated"),
    ("status", {"code": 429}, 429),
    ("html", {}, 502),
    ("redirect", {}, 302),
    ("malformed_json", {}, 200),
    ("content_type", {}, 200),
]
RAISED = {
    by_requests: {
        "reset": requests.exceptions.ConnectionError,
        "reset in body": requests.exceptions.ChunkedEncodingError,
        "timeout": requests.exceptions.ReadTimeout,
        "timeout in body": requests.exceptions.ConnectionError,
        "closed": requests.exceptions.ConnectionError,
        "truncated": requests.exceptions.ChunkedEncodingError,
    },
    by_aiohttp: {
        "reset": aiohttp.ClientOSError,
        "reset in body": aiohttp.ClientPayloadError,
        "timeout": aiohttp.SocketTimeoutError,
        "timeout in body": aiohttp.SocketTimeoutError,
        "closed": aiohttp.ServerDisconnectedError,
        "truncated": aiohttp.ClientPayloadError,
    },
}
for library, one, other in ((httpx, by_httpx, by_httpx_async), (httpx2, by_httpx2, by_httpx2_async)):
    RAISED[one] = RAISED[other] = {
        "reset": library.ReadError,
        "reset in body": library.ReadError,
        "timeout": library.ReadTimeout,
        "timeout in body": library.ReadTimeout,
        "closed": library.RemoteProtocolError,
        "truncated": library.RemoteProtocolError,
    }


class TestFaults:
    @pytest.mark.parametrize(("kind", "arguments", "outcome"), FAULTS)
    def test_each_fault_raises_the_usual_exception_of_the_library(self, mock, ask, kind, arguments, outcome):
        # aiohttp sends a GET again if its connection breaks before the response.
        repeats = ask is by_aiohttp and outcome in ("reset", "closed")
        mock.fault("list", kind, times=2 if repeats else 1, **arguments)
        if isinstance(outcome, int):
            assert ask("GET", URL)[0] == outcome
        else:
            with pytest.raises(RAISED[ask][outcome]) as raised:
                ask("GET", URL)
            assert type(raised.value) is RAISED[ask][outcome]
        assert ask("GET", URL)[0] == 200

    def test_waits_are_exact_on_the_virtual_clock(self, mock, ask):
        for kind, arguments, seconds in (
            ("delay", {"seconds": 9}, 9),
            ("hang", {}, 10),
            ("dribble", {"seconds": 60}, 60),
        ):
            mock.fault("list", kind, **arguments)
            before = mock.clock.elapsed
            with contextlib.suppress(*TIMEOUTS):
                ask("GET", URL)
            assert mock.clock.elapsed - before == pytest.approx(seconds)

    def test_a_hang_without_a_timeout_raises_would_hang(self, mock, ask):
        mock.fault("list", "hang")
        with pytest.raises(WouldHang, match="has no timeout and never gets a response"):
            ask("GET", URL, timeout=None)

    def test_a_corrupted_file_has_the_same_length_and_other_bytes(self, mock, ask):
        requests.post(URL, json=BODY, headers=AUTHORIZED, timeout=5)
        mock.clock.advance(780)
        url = requests.get(URL, headers=AUTHORIZED, timeout=5).json()["generation_list"][0]["result"]["data"][
            0
        ]["url"]
        mock.fault("file", "corrupt")
        mock.fault("file", "short", share=0.5)
        corrupt, short, whole = (ask("GET", url)[1] for _ in range(3))
        assert len(corrupt) == len(whole) != len(short)
        assert corrupt != whole

    def test_a_truncated_stream_raises_after_its_last_byte(self, mock):
        mock.fault("list", "truncate", share=0.5)
        parts = []
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            parts.extend(requests.get(URL, headers=AUTHORIZED, stream=True, timeout=5).iter_content(4))
        assert b'{"generatio'.startswith(b"".join(parts))

    def test_the_same_seed_gives_the_same_run(self):
        def run(seed):
            with netmind_mock.start(seed=seed) as mock:
                mock.fault("list", "status", probability=0.5)
                job = requests.post(URL, json=BODY, headers=AUTHORIZED, timeout=5).json()["id"]
                return job, [by_requests("GET", URL)[0] for _ in range(20)]

        assert run(1) == run(1) != run(2)


class TestPollLimit:
    """A client that polls without end does not hang its test."""

    def test_polling_forever_ends_the_test(self, mock):
        mock.next_job("stuck")
        client = GenerationClient()
        job = client.create(**BODY)

        def poll_forever():
            while True:
                client.get(job.id)
                mock.clock.sleep(5)

        with pytest.raises(
            PollLimitReached,
            match="polled 1001 times without end: its status is pending, and the client has no deadline",
        ):
            poll_forever()

    @pytest.mark.usefixtures("mock")
    def test_except_exception_does_not_catch_it(self):
        job = GenerationClient().create(**BODY)

        def stubborn():
            while True:
                with contextlib.suppress(Exception):
                    GenerationClient().get(job.id)

        with pytest.raises(PollLimitReached, match="while the virtual clock did not advance"):
            stubborn()

    def test_the_message_says_that_the_client_ignores_a_final_status(self, mock):
        job = GenerationClient().create(**BODY)
        mock.clock.advance(780)

        def poll_forever():
            while True:
                GenerationClient().get(job.id)

        with pytest.raises(
            PollLimitReached, match="its status is completed, which is final, but the client ignores it"
        ):
            poll_forever()

    def test_lost_polls_are_counted(self, mock):
        job = GenerationClient().create(**BODY)
        mock.fault("get", "reset", times=None)
        with pytest.raises(PollLimitReached, match="its polls get errors or no response"):
            GenerationClient(poll_interval=1).wait(job, timeout=1e8)

    def test_the_limit_can_be_removed(self):
        with netmind_mock.start(max_polls=0) as mock:
            job = GenerationClient().create(**BODY)
            for _ in range(1200):
                GenerationClient().get(job.id)
            assert len(mock.requests("get")) == 1200


class TestRetries:
    """``responses`` retries at once where urllib3 would wait. The fake advances the clock by that time."""

    @pytest.mark.parametrize(
        ("retry_after", "backoff", "elapsed"),
        [(3, 1, 6.0), (None, 1, 0.0 + 2.0), (None, 0, 0.0)],
    )
    def test_the_clock_advances_between_retries(self, mock, retry_after, backoff, elapsed):
        mock.fault("list", "status", code=429, retry_after=retry_after, times=2)
        with requests.Session() as session:
            session.mount(
                "https://",
                HTTPAdapter(max_retries=Retry(total=5, backoff_factor=backoff, status_forcelist=[429])),
            )
            assert session.get(URL, headers=AUTHORIZED, timeout=5).status_code == 200
        assert mock.clock.elapsed == elapsed

    def test_the_clock_does_not_advance_if_the_client_sends_a_request_again(self, mock):
        mock.fault("list", "status", code=429, retry_after=3, times=1)
        with requests.Session() as session:
            prepared = session.prepare_request(requests.Request("GET", URL, headers=AUTHORIZED))
            statuses = [session.send(prepared, timeout=5).status_code for _ in range(2)]
        assert (statuses, mock.clock.elapsed) == ([429, 200], 0.0)


class TestReading:
    """A response of requests can be read in every way, and ends as on a socket."""

    @pytest.fixture
    def response(self, mock):
        job = requests.post(URL, json=BODY, headers=AUTHORIZED, timeout=5).json()
        mock.clock.advance(780)
        with requests.get(f"{URL}/{job['id']}", headers=AUTHORIZED, stream=True, timeout=5) as response:
            yield response

    @pytest.mark.parametrize(
        "read",
        [
            lambda response: b"".join(response.iter_content(None)),
            lambda response: b"".join(response.iter_content(7)),
            lambda response: b"".join(response.iter_lines()),
            lambda response: b"".join(response.raw.stream(None)),
            lambda response: b"".join(response.raw.stream(10)),
            lambda response: response.raw.read(),
            lambda response: response.raw.read(10) + response.raw.read(),
            lambda response: b"".join(iter(lambda: response.raw.read(10), b"")),
            lambda response: b"".join(iter(response.raw.read1, b"")),
            lambda response: bytes(response.raw.data),
            lambda response: io.BufferedReader(response.raw).read(),
            lambda response: response.content,
        ],
    )
    def test_the_whole_body_arrives_once(self, response, read):
        assert json.loads(read(response))["status"] == "completed"
        assert response.raw.read() == b""

    def test_a_stream_can_be_closed_early(self, response):
        assert next(response.iter_content(4)) == b'{"id'
        response.close()
        assert response.raw.closed

    @pytest.mark.parametrize("share", [0.0, 0.5])
    @pytest.mark.parametrize(
        "read", [lambda raw: raw.read(), lambda raw: list(raw.stream(None)), lambda raw: list(raw.stream(3))]
    )
    def test_a_truncated_body_is_an_incomplete_read(self, mock, share, read):
        mock.fault("list", "truncate", share=share)
        response = requests.get(URL, headers=AUTHORIZED, stream=True, timeout=5)
        with pytest.raises(ProtocolError, match="IncompleteRead"):
            read(response.raw)


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [
        (5, 5.0), ((2, 5), 5.0), (urllib3.Timeout(total=5), 5.0), (urllib3.Timeout(total=5, connect=2), 5.0),
        (urllib3.Timeout(total=5, read=2), 2.0), (urllib3.Timeout(total=2, read=5), 2.0),
        (urllib3.Timeout(connect=1, read=5), 5.0), (urllib3.Timeout(5), 5.0),
    ],
)  # fmt: skip
def test_every_form_of_a_timeout_of_requests_is_respected(mock, timeout, seconds):
    mock.fault("list", "hang")
    with pytest.raises(requests.ReadTimeout):
        requests.get(URL, headers=AUTHORIZED, timeout=timeout)
    assert mock.clock.elapsed == seconds


def test_an_invalid_timeout_is_the_error_of_requests(mock):  # noqa: ARG001 - it is started
    with pytest.raises(ValueError, match=r"Invalid timeout \(1, 2, 3\)"):
        requests.get(URL, timeout=(1, 2, 3))


@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize("timeout", ["Timeout(5.0)", "Timeout(None, read=5.0)", "5"])
def test_every_form_of_a_timeout_of_httpx_is_respected(mock, library, timeout):
    mock.fault("list", "hang")
    given = 5 if timeout == "5" else eval(f"library.{timeout}")  # noqa: S307 - the expressions above
    with pytest.raises(library.ReadTimeout):
        library.get(URL, headers=AUTHORIZED, timeout=given)
    assert mock.clock.elapsed == 5.0


class TestRetriesOfBrokenConnections:
    """The retries of urllib3 are those of a socket, and their pauses advance the clock."""

    @pytest.fixture
    def session(self):
        with requests.Session() as session:
            session.mount("https://", HTTPAdapter(max_retries=Retry(total=3, backoff_factor=1)))
            session.headers.update(AUTHORIZED)
            yield session

    def test_a_get_is_sent_again(self, mock, session):
        mock.fault("list", "reset", times=2)
        assert session.get(URL, timeout=5).status_code == 200
        assert (len(mock.requests("list")), mock.clock.elapsed) == (3, 2.0)

    def test_a_create_is_not_sent_again(self, mock, session):
        mock.fault("create", "reset", times=2)
        with pytest.raises(requests.ConnectionError):
            session.post(URL, json=BODY, timeout=5)
        assert len(mock.requests("create")) == 1

    def test_the_last_error_is_that_of_requests(self, mock, session):
        mock.fault("list", "reset", times=None)
        with pytest.raises(requests.ConnectionError, match="Max retries exceeded with url"):
            session.get(URL, timeout=5)


class TestTimeoutsOfAiohttp:
    @pytest.mark.parametrize(
        ("limits", "error", "seconds"),
        [
            (aiohttp.ClientTimeout(total=7), asyncio.TimeoutError, 7.0),
            (aiohttp.ClientTimeout(total=7, sock_read=3), aiohttp.SocketTimeoutError, 3.0),
            (aiohttp.ClientTimeout(total=3, sock_read=7), asyncio.TimeoutError, 3.0),
        ],
    )
    def test_they_end_in_virtual_time(self, mock, limits, error, seconds):
        async def main():
            async with aiohttp.ClientSession(timeout=limits, headers=AUTHORIZED) as session:
                await session.get(URL)

        mock.fault("list", "hang")
        with pytest.raises(error):
            asyncio.run(main())
        assert mock.clock.elapsed == seconds

    def test_the_total_of_a_slow_body_ends_while_it_arrives(self, mock):
        async def main():
            limits = aiohttp.ClientTimeout(total=30)
            async with aiohttp.ClientSession(timeout=limits, headers=AUTHORIZED) as session:
                response = await session.get(URL)
                await response.read()

        mock.fault("list", "dribble", seconds=100)
        with pytest.raises(asyncio.TimeoutError):
            asyncio.run(main())
        assert mock.clock.elapsed == 30.0

    def test_a_body_in_parts_and_one_after_100_continue_arrive(self, mock):
        async def parts():
            yield b'{"model": "m", '
            yield b'"config": {"prompt": "x"}}'

        async def main():
            headers = {**AUTHORIZED, "Content-Type": "application/json"}
            async with aiohttp.ClientSession(headers=headers) as session:
                await session.post(URL, data=parts())
                await session.post(URL, json=BODY, expect100=True)

        asyncio.run(main())
        assert [entry.status for entry in mock.requests("create")] == [200, 200]

    @pytest.mark.parametrize(
        ("method", "headers", "status"),
        [("GET", {"Upgrade": "h2c", "Connection": "Upgrade"}, 200), ("FOO", {}, 400)],
    )
    def test_unusual_requests_get_a_response(self, mock, method, headers, status):  # noqa: ARG002 - it is started
        async def main():
            async with (
                aiohttp.ClientSession(headers={**AUTHORIZED, **headers}) as session,
                session.request(method, URL) as response,
            ):
                return response.status

        assert asyncio.run(main()) == status

    def test_a_websocket_is_a_failed_handshake(self, mock):  # noqa: ARG002 - it is started
        async def main():
            async with aiohttp.ClientSession(headers=AUTHORIZED) as session:
                await session.ws_connect("https://api.netmind.ai/v1/x")

        with pytest.raises(aiohttp.WSServerHandshakeError):
            asyncio.run(main())
