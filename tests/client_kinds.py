"""The two clients, one of them on two event loops, each called as the one over requests is."""

import inspect
from functools import partial

from anyio.from_thread import start_blocking_portal

from netmind_client import AsyncGenerationClient, GenerationClient

KINDS = ["requests", "httpx on asyncio", "httpx on trio"]


class Awaited:
    """An async client that is called as the other one is."""

    def __init__(self, client, portal):
        self.client = client
        self._portal = portal

    def __getattr__(self, name):
        value = getattr(self.client, name)
        if not inspect.iscoroutinefunction(value) and name != "states":
            return value
        return lambda *arguments, **options: self.result_of(partial(value, *arguments, **options))

    def result_of(self, function):
        """What a function returns, once awaited."""

        async def call():
            actual = function()
            if inspect.isasyncgen(actual):
                return [one async for one in actual]
            return await actual if inspect.isawaitable(actual) else actual

        return self._portal.call(call)


def on(library, make_sync, make_async):
    """A client of this kind, as a generator for a fixture."""
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
    """A client of this kind over real sockets, in real time, as a generator for a fixture."""

    async def make_async():
        return AsyncGenerationClient("k3y", base_url, **options)

    yield from on(library, lambda: GenerationClient("k3y", base_url, **options), make_async)
