"""Send one request with each library that the in-process fake intercepts."""

import asyncio

import httpx
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
    response = httpx.request(
        method, url, headers={"Authorization": f"Bearer {token}"}, timeout=timeout, **options
    )
    return response.status_code, response.content


def by_httpx_async(method, url, timeout=10.0, token="any", **options):
    async def send():
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=timeout) as client:
            response = await client.request(method, url, **options)
            return response.status_code, response.content

    return asyncio.run(send())
