"""A client whose time is virtual, over answers that a test writes."""

import pytest
import responses

from netmind_client import GenerationClient

BASE = "https://api.netmind.ai"
URL = f"{BASE}/v1/generation"
ID = "6347623b2fce4998b0e842f7e935ccb0"


class Time:
    """Time that passes only when somebody sleeps."""

    def __init__(self):
        self.now = 1000.0
        self.pauses = []

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds

    def monotonic(self):
        return self.now


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def client(time):
    with GenerationClient("k3y", BASE, sleep=time.sleep, monotonic=time.monotonic) as client:
        yield client


@pytest.fixture
def api():
    """The answers; whatever is asked for besides fails the test."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as api:
        yield api


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
