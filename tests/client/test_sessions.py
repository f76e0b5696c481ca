"""A session of the user that repeats a POST is rejected, and a fork shares no connection."""

import os
from functools import partial

import pytest
import requests
from raw_server import RawServer, raw_response
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from netmind_client import GenerationClient
from netmind_client.exceptions import ConfigurationError

pytestmark = pytest.mark.slow


class TestSessions:
    """The user's own sessions that repeat a POST which may have been received."""

    @pytest.mark.parametrize(
        "retries",
        [
            Retry(3, allowed_methods=None),
            Retry(total=None, read=3, allowed_methods=None),
            Retry(total=None, status=3, status_forcelist=[500], allowed_methods={"POST"}),
            Retry(3, allowed_methods=["GET"]),  # still repeats a POST after a TLS error
        ],
    )
    @pytest.mark.parametrize("mounted", ["before", "after"])
    def test_a_session_that_repeats_a_post_is_rejected_before_anything_is_sent(self, retries, mounted):
        session = requests.Session()
        adapter = HTTPAdapter(max_retries=retries)
        with RawServer(lambda _: RawServer.CLOSE) as server:
            if mounted == "after":
                do = partial(GenerationClient("k", server.base_url, session=session).create, "m", {})
            else:
                do = partial(GenerationClient, "k", server.base_url, session=session)
            session.mount("http://", adapter)
            with pytest.raises(
                ConfigurationError,
                match="may send a POST again, so a generation may be created and billed twice",
            ):
                do()
        assert server.requests == []

    def test_a_session_may_repeat_failed_connects(self):
        session = requests.Session()
        session.mount("http://", HTTPAdapter(max_retries=Retry(3, other=0, allowed_methods=["GET"])))
        GenerationClient("k", session=session)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_client_on_both_sides_of_a_fork_shares_no_connection():
    with (
        RawServer(
            lambda request: raw_response({"id": request.path.rpartition("/")[2], "status": "pending"})
        ) as server,
        GenerationClient("k", server.base_url) as client,
    ):
        client.get("before")
        child = os.fork()
        if child == 0:
            try:
                client.get("child")
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        client.get("after")
    before, forked, after = (request.connection for request in server.requests)
    assert before == after != forked
