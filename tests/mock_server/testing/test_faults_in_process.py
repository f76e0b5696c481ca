"""Faults in process: each library raises its usual exception, waits are exact, and no test hangs."""

import asyncio
import contextlib

import aiohttp
import httpx
import httpx2
import pytest
import requests
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

import netmind_mock
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
