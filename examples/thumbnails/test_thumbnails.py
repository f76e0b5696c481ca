"""Tests of the thumbnail service, in virtual time and without a request to the real API."""

import pytest
from service import create_app

# The client's time.sleep uses the virtual clock, so a job of 13 minutes takes no time.
pytestmark = pytest.mark.netmind(sleep=True)


@pytest.fixture
def request_thumbnail():
    """Return a function that requests a thumbnail from the service."""
    service = create_app().test_client()
    return lambda title="Tea": service.post("/thumbnails", json={"title": title})


def test_a_title_becomes_a_small_picture(request_thumbnail, netmind_mock, netmind_clock):
    netmind_mock.next_job("slow")
    assert request_thumbnail("Tea").content_type == "image/png"
    netmind_mock.assert_created(model="Qwen/Qwen-Image", prompt="A thumbnail: Tea")
    netmind_mock.polling().assert_polite()
    assert 780 <= netmind_clock.elapsed < 800


def test_a_create_with_a_late_response_is_not_billed_twice(request_thumbnail, netmind_mock):
    netmind_mock.fault("create", "delay", seconds=30)
    request_thumbnail()
    netmind_mock.assert_billed_once()


def test_a_job_that_never_ends_is_an_error(request_thumbnail, netmind_mock):
    netmind_mock.next_job("stuck")
    assert request_thumbnail().status_code == 502


def test_a_job_that_fails_is_an_error_with_its_reason(request_thumbnail, netmind_mock):
    netmind_mock.next_job("failed", reason="out of memory")
    response = request_thumbnail()
    assert (response.status_code, "out of memory" in response.json["error"]) == (502, True)
