"""Timeouts of aiohttp end in virtual time, and unusual requests get a response."""

import asyncio

import aiohttp
import pytest
from asking import AUTHORIZED, BODY, URL

pytestmark = pytest.mark.slow


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
