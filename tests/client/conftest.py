"""A client in virtual time whose responses are defined by the test. Each test runs with all three clients."""

import httpx2
import pytest
import requests
from client_kinds import KINDS, on
from scripted import Api, OverHttpx, OverRequests

from netmind_client import AsyncGenerationClient, GenerationClient

BASE = "https://api.netmind.ai"
URL = f"{BASE}/v1/generation"
ID = "6347623b2fce4998b0e842f7e935ccb0"


class Time:
    """A virtual clock that advances only during sleeps."""

    def __init__(self):
        self.now = 1000.0
        self.pauses = []
        self.passes = lambda seconds: seconds  # how far a sleep advances the clock
        self.shows = lambda now: now  # the time that the clock shows

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += self.passes(seconds)

    async def async_sleep(self, seconds):
        self.sleep(seconds)

    def monotonic(self):
        return self.shows(self.now)


@pytest.fixture
def time():
    return Time()


@pytest.fixture(params=KINDS)
def library(request):
    return request.param


@pytest.fixture
def settings():
    """Return more arguments for the client. A test may parametrize this."""
    return {}


@pytest.fixture
def client(library, api, time, settings):
    def make_sync():
        session = requests.Session()
        session.mount("https://", OverRequests(api))
        session.mount("http://", OverRequests(api))
        options = {"sleep": time.sleep, "monotonic": time.monotonic, **settings}
        return GenerationClient("k3y", BASE, session=session, **options)

    async def make_async():
        http_client = httpx2.AsyncClient(transport=OverHttpx(api))
        options = {"sleep": time.async_sleep, "monotonic": time.monotonic, **settings}
        return AsyncGenerationClient("k3y", BASE, http_client=http_client, **options)

    yield from on(library, make_sync, make_async)


@pytest.fixture
def api():
    """Return the responses. Any other request fails the test."""
    return Api()


def generation(status="pending", **more):
    """Return a generation as the API's JSON."""
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
