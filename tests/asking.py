"""Send one request with each library that the in-process fake responds to."""

import asyncio

import aiohttp
import httpx
import httpx2
import requests

URL = "https://api.netmind.ai/v1/generation"
BODY = {"model": "Qwen/Qwen-Image", "config": {"prompt": "A cup of coffee"}}
AUTHORIZED = {"Authorization": "Bearer any"}


def by_requests(method, url, timeout=10.0, token="any", **options):
    response = requests.request(
        method,
        url,
        headers={"Authorization": f"Bearer {token}"},
        timeout=timeout,
        allow_redirects=False,
        **options,
    )
    return response.status_code, response.content


def by_httpx(method, url, timeout=10.0, token="any", **options):
    return _sync(httpx, method, url, timeout, token, options)


def by_httpx2(method, url, timeout=10.0, token="any", **options):
    return _sync(httpx2, method, url, timeout, token, options)


def by_httpx_async(method, url, timeout=10.0, token="any", **options):
    return asyncio.run(_async(httpx, method, url, timeout, token, options))


def by_httpx2_async(method, url, timeout=10.0, token="any", **options):
    return asyncio.run(_async(httpx2, method, url, timeout, token, options))


def by_aiohttp(method, url, timeout=10.0, token="any", **options):
    async def send():
        limits = aiohttp.ClientTimeout(total=None, sock_read=timeout)
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            aiohttp.ClientSession(timeout=limits, headers=headers) as session,
            session.request(method, url, allow_redirects=False, **options) as response,
        ):
            return response.status, await response.read()

    return asyncio.run(send())


def _sync(library, method, url, timeout, token, options):
    headers = {"Authorization": f"Bearer {token}"}
    response = library.request(method, url, headers=headers, timeout=timeout, **options)
    return response.status_code, response.content


async def _async(library, method, url, timeout, token, options):
    headers = {"Authorization": f"Bearer {token}"}
    async with library.AsyncClient(headers=headers, timeout=timeout) as client:
        response = await client.request(method, url, **options)
        return response.status_code, response.content


ALL = (by_requests, by_httpx, by_httpx_async, by_httpx2, by_httpx2_async, by_aiohttp)
ERRORS = (requests.RequestException, httpx.HTTPError, httpx2.HTTPError, aiohttp.ClientError)
TIMEOUTS = (requests.Timeout, httpx.TimeoutException, httpx2.TimeoutException, aiohttp.ServerTimeoutError)
