"""A client whose time is virtual, over answers that a test writes: each test runs on all three."""

import inspect
from functools import partial

import httpx
import pytest
import requests
from anyio.from_thread import start_blocking_portal
from scripted import Api, OverHttpx, OverRequests

from netmind_client import AsyncGenerationClient, GenerationClient

BASE = "https://api.netmind.ai"
URL = f"{BASE}/v1/generation"
ID = "6347623b2fce4998b0e842f7e935ccb0"
KINDS = ["requests", "httpx on asyncio", "httpx on trio"]


class Time:
    """Time that passes only when somebody sleeps."""

    def __init__(self):
        self.now = 1000.0
        self.pauses = []
        self.passes = lambda seconds: seconds  # by how much a pause moves the clock
        self.shows = lambda now: now  # what the clock shows

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += self.passes(seconds)

    async def async_sleep(self, seconds):
        self.sleep(seconds)

    def monotonic(self):
        return self.shows(self.now)


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
            came = function()
            if inspect.isasyncgen(came):
                return [one async for one in came]
            return await came if inspect.isawaitable(came) else came

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


@pytest.fixture
def time():
    return Time()


@pytest.fixture(params=KINDS)
def library(request):
    return request.param


@pytest.fixture
def client(library, api, time):
    def make_sync():
        session = requests.Session()
        session.mount("https://", OverRequests(api))
        session.mount("http://", OverRequests(api))
        return GenerationClient(
            "k3y",
            BASE,
            session=session,
            sleep=time.sleep,
            monotonic=time.monotonic,
        )

    async def make_async():
        http_client = httpx.AsyncClient(transport=OverHttpx(api))
        options = {"sleep": time.async_sleep, "monotonic": time.monotonic}
        return AsyncGenerationClient("k3y", BASE, http_client=http_client, **options)

    yield from on(library, make_sync, make_async)


@pytest.fixture
def api():
    """The answers; whatever is asked for besides fails the test."""
    return Api()


def generation(status="pending", **more):
    """A generation as the API answers it."""
    file = {
        "url": "https://files.example/a/cup.png?sig=s3cret",
        "file_id": "file-1",
        "file_name": "",
        "file_type": "image",
    }
    result = {"data": [file]} if status == "completed" else {}
    return {
        "id": ID,
        "user_id": "u",
        "status": status,
        "created_at": "2025-09-18 09:14:20",
        "updated_at": "2025-09-18 09:14:20",
        "deleted_at": None,
        "is_deleted": False,
        "result": result,
        **more,
    }


@pytest.fixture(name="generation")
def generation_fixture():
    return generation
