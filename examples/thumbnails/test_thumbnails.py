"""What the thumbnail service does when all goes well, and when it does not. Takes no time and no money."""

import pytest
from service import create_app

# A job takes thirteen minutes here, and the client's time.sleep none.
pytestmark = pytest.mark.netmind(sleep=True)


@pytest.fixture
def ask():
    """Asks the service for a thumbnail."""
    service = create_app().test_client()
    return lambda title="Tea": service.post("/thumbnails", json={"title": title})


def test_a_title_becomes_a_small_picture(ask, netmind_mock, netmind_clock):
    netmind_mock.next_job("slow")
    assert ask("Tea").content_type == "image/png"
    netmind_mock.assert_created(model="Qwen/Qwen-Image", prompt="A thumbnail: Tea")
    netmind_mock.polling().assert_polite()
    assert 780 <= netmind_clock.elapsed < 800


def test_a_create_that_is_answered_late_is_not_paid_for_twice(ask, netmind_mock):
    netmind_mock.fault("create", "delay", seconds=30)
    ask()
    netmind_mock.assert_billed_once()


def test_a_job_that_never_ends_is_given_up(ask, netmind_mock):
    netmind_mock.next_job("stuck")
    assert ask().status_code == 502


def test_a_job_that_fails_is_told_with_its_reason(ask, netmind_mock):
    netmind_mock.next_job("failed", reason="out of memory")
    response = ask()
    assert (response.status_code, "out of memory" in response.json["error"]) == (502, True)
