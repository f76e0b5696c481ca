"""A client with aiohttp, with a deadline of the event loop, and its tests."""

import asyncio
import os

import aiohttp
import pytest


async def generate(prompt):
    """Create a generation and poll it until it ends, for 15 minutes at most."""
    url = os.environ["NETMIND_BASE_URL"] + "/v1/generation"
    headers = {"Authorization": os.environ["NETMIND_API_KEY"]}
    body = {"model": "Qwen/Qwen-Image", "config": {"prompt": prompt}}
    async with aiohttp.ClientSession(headers=headers) as session, asyncio.timeout(900):
        async with session.post(url, json=body) as response:
            job = await response.json()
        while job["status"] not in ("completed", "failed"):
            await asyncio.sleep(30)
            async with session.get(f"{url}/{job['id']}") as response:
                job = await response.json()
    return job


@pytest.mark.netmind(scenario="slow", sleep=True)
def test_a_picture_is_generated(netmind_mock, netmind_clock):
    assert asyncio.run(generate("A cup of coffee"))["status"] == "completed"
    assert netmind_clock.elapsed == 780
    netmind_mock.assert_created(prompt="A cup of coffee")


@pytest.mark.netmind(scenario="stuck", sleep=True)
def test_a_job_that_never_ends_is_given_up(netmind_clock):
    with pytest.raises(TimeoutError):
        asyncio.run(generate("A cup of coffee"))
    assert netmind_clock.elapsed == 900
