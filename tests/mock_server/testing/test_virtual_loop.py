"""Event loops show virtual time: their timeouts and timers take no time, and real input comes first."""

import asyncio
import contextlib
import selectors
import threading
import time

import aiohttp
import anyio
import pytest
import trio

import netmind_mock
from netmind_client import AsyncGenerationClient
from netmind_mock import VirtualClock
from netmind_mock.system_time import system_time


@pytest.fixture
def clock():
    clock = VirtualClock(1_758_186_860.0)
    with clock.patch_sleep():
        yield clock


async def poll_for_ever():
    while True:
        await asyncio.sleep(30)


async def by_timeout():
    async with asyncio.timeout(600):
        await poll_for_ever()


async def by_wait_for():
    await asyncio.wait_for(poll_for_ever(), 600)


async def by_anyio():
    with anyio.fail_after(600):
        while True:
            await anyio.sleep(30)


@pytest.mark.parametrize("deadline", [by_timeout, by_wait_for, by_anyio])
def test_a_deadline_ends_a_loop_of_sleeps(clock, deadline):
    began = system_time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(deadline())
    assert clock.elapsed == 600.0
    assert system_time.monotonic() - began < 5


def test_callbacks_are_called_in_the_order_of_their_moments(clock):
    called = []

    async def main():
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for seconds in (20, 10, 15):
            loop.call_later(seconds, lambda: called.append(loop.time() - begun))
        await asyncio.sleep(60)

    asyncio.run(main())
    assert (called, clock.elapsed) == ([10, 15, 20], 60.0)


def test_tenths_of_seconds_are_exact(clock):
    async def main():
        for _ in range(100):
            await asyncio.sleep(0.1)

    asyncio.run(main())
    assert clock.elapsed == 10.0


def test_a_thread_is_waited_for_before_the_clock_advances(clock):
    async def main():
        return await asyncio.wait_for(asyncio.to_thread(sum, range(1_000_000)), 0.001)

    assert asyncio.run(main()) == sum(range(1_000_000))
    assert clock.elapsed == 0.0


def test_a_response_of_a_local_server_is_waited_for_before_the_clock_advances(clock):
    async def echo(reader, writer):
        writer.write(await reader.readline())
        writer.close()

    async def main():
        async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"hello\n")
            line = await asyncio.wait_for(reader.readline(), 0.001)
            writer.close()
            return line

    assert asyncio.run(main()) == b"hello\n"
    assert clock.elapsed == 0.0


@pytest.mark.slow
def test_a_thread_that_never_ends_delays_the_clock_once(clock):
    blocked, began = threading.Event(), system_time.monotonic()

    async def main():
        thread = asyncio.get_running_loop().run_in_executor(None, blocked.wait)
        for _ in range(20):
            await asyncio.sleep(30)
        blocked.set()
        await thread

    asyncio.run(main())
    assert clock.elapsed == 600.0
    assert system_time.monotonic() - began < 5


@pytest.mark.parametrize("patch_sleep", [False, True])
def test_the_kits_clients_in_one_loop_share_virtual_time(patch_sleep):
    async def main():
        async with AsyncGenerationClient() as client:
            jobs = [await client.create("m", {"prompt": "x"}) for _ in range(4)]
            await asyncio.gather(*map(client.wait, jobs))

    with netmind_mock.start(duration=780, patch_sleep=patch_sleep) as mock:
        asyncio.run(main())
        assert 780 <= mock.clock.elapsed <= 1.05 * 780


def test_a_timeout_of_the_event_loop_ends_a_wait_of_the_kits_client():
    async def main():
        async with AsyncGenerationClient() as client, asyncio.timeout(600):
            await client.wait(await client.create("m", {"prompt": "x"}))

    with netmind_mock.start(patch_sleep=True) as mock:
        mock.next_job("stuck")
        with pytest.raises(TimeoutError):
            asyncio.run(main())
        assert mock.clock.elapsed == 600.0


@pytest.mark.parametrize(("kind", "arguments"), [("hang", {}), ("delay", {"seconds": 99})])
def test_a_timeout_of_the_event_loop_ends_a_request_that_hangs(kind, arguments):
    async def main():
        limits = aiohttp.ClientTimeout(total=1000)
        async with aiohttp.ClientSession(timeout=limits) as session, asyncio.timeout(60):
            await session.get("https://api.netmind.ai/v1/generation")

    with netmind_mock.start(patch_sleep=True) as mock:
        mock.fault("list", kind, **arguments)
        with pytest.raises(TimeoutError):
            asyncio.run(main())
        assert mock.clock.elapsed == 60.0


def test_the_inner_of_two_clocks_is_shown_and_then_the_outer_one_again(clock):
    async def main():
        loop = asyncio.get_running_loop()
        await asyncio.sleep(5)
        with VirtualClock(0.0).patch_sleep():
            inner = loop.time()
            await asyncio.sleep(7)
            assert loop.time() - inner == 7.0
        assert loop.time() >= inner + 7.0  # it never goes back
        resumed = loop.time()
        await asyncio.sleep(3)
        assert loop.time() - resumed == 3.0

    asyncio.run(main())
    assert clock.elapsed == 8.0


@pytest.mark.slow
def test_timers_of_a_loop_that_outlives_the_clock_are_not_late():
    loop = asyncio.new_event_loop()
    ticks = []

    async def tick():
        while True:
            ticks.append(loop.time())
            await asyncio.sleep(0.01)

    task = loop.create_task(tick())
    with VirtualClock(0.0).patch_sleep():
        loop.run_until_complete(asyncio.sleep(600))
    before = len(ticks)
    loop.run_until_complete(asyncio.sleep(0.2))
    assert len(ticks) > before
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        loop.run_until_complete(task)
    loop.close()


@pytest.mark.parametrize("days", [200, 20_000])
def test_timers_end_also_after_years(clock, days):
    clock.advance(days * 86_400)
    before = clock.elapsed
    asyncio.run(asyncio.sleep(1))
    assert clock.elapsed - before == pytest.approx(1)


def test_a_loop_with_another_selector_keeps_real_time(clock):
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    before = loop.time()
    assert before == pytest.approx(system_time.monotonic(), abs=1)
    loop.close()
    assert clock.elapsed == 0.0


def test_trio_keeps_real_time(clock):
    async def main():
        with trio.move_on_after(0.05) as scope:
            await trio.sleep(10)
        return scope.cancelled_caught

    assert trio.run(main)
    assert clock.elapsed == 0.0


def test_real_time_is_back_afterwards():
    with VirtualClock(0.0).patch_sleep():
        pass

    async def main():
        return asyncio.get_running_loop().time()

    assert asyncio.run(main()) == pytest.approx(time.monotonic(), abs=1)
