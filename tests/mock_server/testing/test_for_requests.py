"""Reading, timeouts and retries of requests are those of a socket, in virtual time."""

import io
import json

import pytest
import requests
import urllib3
from asking import AUTHORIZED, BODY, URL
from requests.adapters import HTTPAdapter
from urllib3 import Retry
from urllib3.exceptions import ProtocolError

pytestmark = pytest.mark.slow


class TestRetries:
    """Between retries of a status, the clock advances by the time that urllib3 would wait."""

    @pytest.mark.parametrize(
        ("retry_after", "backoff", "elapsed"),
        [(3, 1, 6.0), (None, 1, 0.0 + 2.0), (None, 0, 0.0)],
    )
    def test_the_clock_advances_between_retries(self, mock, retry_after, backoff, elapsed):
        mock.fault("list", "status", code=429, retry_after=retry_after, times=2)
        with requests.Session() as session:
            session.mount(
                "https://",
                HTTPAdapter(max_retries=Retry(total=5, backoff_factor=backoff, status_forcelist=[429])),
            )
            assert session.get(URL, headers=AUTHORIZED, timeout=5).status_code == 200
        assert mock.clock.elapsed == elapsed

    def test_the_clock_does_not_advance_if_the_client_sends_a_request_again(self, mock):
        mock.fault("list", "status", code=429, retry_after=3, times=1)
        with requests.Session() as session:
            prepared = session.prepare_request(requests.Request("GET", URL, headers=AUTHORIZED))
            statuses = [session.send(prepared, timeout=5).status_code for _ in range(2)]
        assert (statuses, mock.clock.elapsed) == ([429, 200], 0.0)


class TestReading:
    """A response of requests can be read in every way, and ends as on a socket."""

    @pytest.fixture
    def response(self, mock):
        job = requests.post(URL, json=BODY, headers=AUTHORIZED, timeout=5).json()
        mock.clock.advance(780)
        with requests.get(f"{URL}/{job['id']}", headers=AUTHORIZED, stream=True, timeout=5) as response:
            yield response

    @pytest.mark.parametrize(
        "read",
        [
            lambda response: b"".join(response.iter_content(None)),
            lambda response: b"".join(response.iter_content(7)),
            lambda response: b"".join(response.iter_lines()),
            lambda response: b"".join(response.raw.stream(None)),
            lambda response: b"".join(response.raw.stream(10)),
            lambda response: response.raw.read(),
            lambda response: response.raw.read(10) + response.raw.read(),
            lambda response: b"".join(iter(lambda: response.raw.read(10), b"")),
            lambda response: b"".join(iter(response.raw.read1, b"")),
            lambda response: bytes(response.raw.data),
            lambda response: io.BufferedReader(response.raw).read(),
            lambda response: response.content,
        ],
    )
    def test_the_whole_body_arrives_once(self, response, read):
        assert json.loads(read(response))["status"] == "completed"
        assert response.raw.read() == b""

    def test_a_stream_can_be_closed_early(self, response):
        assert next(response.iter_content(4)) == b'{"id'
        response.close()
        assert response.raw.closed

    @pytest.mark.parametrize("share", [0.0, 0.5])
    @pytest.mark.parametrize(
        "read", [lambda raw: raw.read(), lambda raw: list(raw.stream(None)), lambda raw: list(raw.stream(3))]
    )
    def test_a_truncated_body_is_an_incomplete_read(self, mock, share, read):
        mock.fault("list", "truncate", share=share)
        response = requests.get(URL, headers=AUTHORIZED, stream=True, timeout=5)
        with pytest.raises(ProtocolError, match="IncompleteRead"):
            read(response.raw)


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [
        (5, 5.0), ((2, 5), 5.0), (urllib3.Timeout(total=5), 5.0), (urllib3.Timeout(total=5, connect=2), 5.0),
        (urllib3.Timeout(total=5, read=2), 2.0), (urllib3.Timeout(total=2, read=5), 2.0),
        (urllib3.Timeout(connect=1, read=5), 5.0), (urllib3.Timeout(5), 5.0),
    ],
)  # fmt: skip
def test_every_form_of_a_timeout_of_requests_is_respected(mock, timeout, seconds):
    mock.fault("list", "hang")
    with pytest.raises(requests.ReadTimeout):
        requests.get(URL, headers=AUTHORIZED, timeout=timeout)
    assert mock.clock.elapsed == seconds


def test_an_invalid_timeout_is_the_error_of_requests(mock):  # noqa: ARG001 - it is started
    with pytest.raises(ValueError, match=r"Invalid timeout \(1, 2, 3\)"):
        requests.get(URL, timeout=(1, 2, 3))


class TestRetriesOfBrokenConnections:
    """The retries of urllib3 are those of a socket, and their pauses advance the clock."""

    @pytest.fixture
    def session(self):
        with requests.Session() as session:
            session.mount("https://", HTTPAdapter(max_retries=Retry(total=3, backoff_factor=1)))
            session.headers.update(AUTHORIZED)
            yield session

    def test_a_get_is_sent_again(self, mock, session):
        mock.fault("list", "reset", times=2)
        assert session.get(URL, timeout=5).status_code == 200
        assert (len(mock.requests("list")), mock.clock.elapsed) == (3, 2.0)

    def test_a_create_is_not_sent_again(self, mock, session):
        mock.fault("create", "reset", times=2)
        with pytest.raises(requests.ConnectionError):
            session.post(URL, json=BODY, timeout=5)
        assert len(mock.requests("create")) == 1

    def test_the_last_error_is_that_of_requests(self, mock, session):
        mock.fault("list", "reset", times=None)
        with pytest.raises(requests.ConnectionError, match="Max retries exceeded with url"):
            session.get(URL, timeout=5)
