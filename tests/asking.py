"""One request, by each library that the fake in process answers."""

import asyncio

import httpx
import requests

URL = "https://api.netmind.ai/v1/generation"
BODY = {"model": "Qwen/Qwen-Image", "config": {"prompt": "A cup of coffee"}}
AUTHORIZED = {"Authorization": "Bearer any"}


def by_requests(method, url, timeout=10.0, token="any", **options):
    answer = requests.request(
        method,
        url,
        headers={"Authorization": f"Bearer {token}"},
        timeout=timeout,
        allow_redirects=False,
        **options,
    )
    return answer.status_code, answer.content


def by_httpx(method, url, timeout=10.0, token="any", **options):
    answer = httpx.request(
        method, url, headers={"Authorization": f"Bearer {token}"}, timeout=timeout, **options
    )
    return answer.status_code, answer.content


def by_httpx_async(method, url, timeout=10.0, token="any", **options):
    async def ask():
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=timeout) as client:
            answer = await client.request(method, url, **options)
            return answer.status_code, answer.content

    return asyncio.run(ask())
