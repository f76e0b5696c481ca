"""The synchronous client, and the async client on two event loops behind a synchronous interface."""

import inspect
from functools import partial

from anyio.from_thread import start_blocking_portal

from netmind_client import AsyncGenerationClient, GenerationClient

KINDS = ["requests", "httpx on asyncio", "httpx on trio"]


class Awaited:
    """A wrapper that lets a test call an async client like the synchronous one."""

    def __init__(self, client, portal):
        self.client = client
        self._portal = portal

    def __getattr__(self, name):
        value = getattr(self.client, name)
        if not inspect.iscoroutinefunction(value) and name != "states":
            return value
        return lambda *arguments, **options: self.result_of(partial(value, *arguments, **options))

    def result_of(self, function):
        """Call a function, and await or iterate over what it returns if necessary."""

        async def call():
            result = function()
            if inspect.isasyncgen(result):
                return [one async for one in result]
            return await result if inspect.isawaitable(result) else result

        return self._portal.call(call)


def on(library, make_sync, make_async):
    """Yield a client of this kind, for a fixture."""
    if library == "requests":
        with make_sync() as client:
            client.result_of = lambda function: function()
            yield client
        return
    with start_blocking_portal(library.removeprefix("httpx on ")) as portal:
        client = portal.call(make_async)
        yield Awaited(client, portal)
        portal.call(client.aclose)


def real_client(library, base_url, **options):
    """Yield a client of this kind over real sockets, in real time, for a fixture."""

    async def make_async():
        return AsyncGenerationClient("k3y", base_url, **options)

    yield from on(library, lambda: GenerationClient("k3y", base_url, **options), make_async)
