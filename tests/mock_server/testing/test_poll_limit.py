"""A client that polls without end does not hang its test."""

import asyncio
import contextlib
import datetime
import threading
import time

import httpx
import pytest
import requests
from asking import AUTHORIZED, BODY, URL

import netmind_mock
from netmind_client import GenerationClient
from netmind_mock.testing.poll_limit import PollLimitReached

pytestmark = pytest.mark.slow


class TestPollLimit:
    """A client that polls without end does not hang its test."""

    def test_polling_forever_ends_the_test(self, mock):
        mock.next_job("stuck")
        client = GenerationClient()
        job = client.create(**BODY)

        def poll_forever():
            while True:
                client.get(job.id)
                mock.clock.sleep(5)

        with pytest.raises(
            PollLimitReached,
            match="polled 1001 times without end: its status is pending, and the client has no deadline",
        ):
            poll_forever()

    @pytest.mark.usefixtures("mock")
    def test_except_exception_does_not_catch_it(self):
        job = GenerationClient().create(**BODY)

        def stubborn():
            while True:
                with contextlib.suppress(Exception):
                    GenerationClient().get(job.id)

        with pytest.raises(PollLimitReached, match="while the virtual clock did not advance"):
            stubborn()

    def test_the_message_says_that_the_client_ignores_a_final_status(self, mock):
        job = GenerationClient().create(**BODY)
        mock.clock.advance(780)

        def poll_forever():
            while True:
                GenerationClient().get(job.id)

        with pytest.raises(
            PollLimitReached, match="its status is completed, which is final, but the client ignores it"
        ):
            poll_forever()

    def test_lost_polls_are_counted(self, mock):
        job = GenerationClient().create(**BODY)
        mock.fault("get", "reset", times=None)
        with pytest.raises(PollLimitReached, match="its polls get errors or no response"):
            GenerationClient(poll_interval=1).wait(job, timeout=1e8)

    def test_the_limit_can_be_removed(self):
        with netmind_mock.start(max_polls=0) as mock:
            job = GenerationClient().create(**BODY)
            for _ in range(1200):
                GenerationClient().get(job.id)
            assert len(mock.requests("get")) == 1200


class TestDeadlines:
    """The message names the deadline that the code seems to have, and the way out."""

    def poll(self, job, wait):
        while True:
            wait()
            requests.get(f"{URL}/{job}", headers=AUTHORIZED, timeout=5)

    def test_a_datetime_is_named_with_its_line(self, mock):
        mock.next_job("stuck")
        job = GenerationClient().create(**BODY).id
        end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)

        def poll():
            while datetime.datetime.now(datetime.UTC) < end:
                time.sleep(10)
                requests.get(f"{URL}/{job}", headers=AUTHORIZED, timeout=5)

        mock.clock.patch_sleep()
        with pytest.raises(
            PollLimitReached, match=rf"seems to be a datetime \({__file__}:\d+\), which keeps real"
        ):
            poll()

    def test_one_of_the_event_loop_is_named_if_the_loop_keeps_real_time(self, mock):
        mock.next_job("stuck")
        job = GenerationClient().create(**BODY).id

        async def poll():
            async with httpx.AsyncClient(headers=AUTHORIZED) as client, asyncio.timeout(600):
                while True:
                    await client.get(f"{URL}/{job}")
                    mock.clock.advance(10)

        with pytest.raises(
            PollLimitReached, match=r"one of the event loop, which keeps real time without @pytest"
        ):
            asyncio.run(poll())

    def test_a_wait_in_real_time_is_named_if_sleeps_are_virtual_already(self, mock):
        mock.next_job("stuck")
        job = GenerationClient().create(**BODY).id
        mock.clock.patch_sleep()
        with pytest.raises(
            PollLimitReached, match=r"waits in real time, for example with threading\.Event\.wait"
        ):
            self.poll(job, lambda: threading.Event().wait(0.6))

    def test_without_virtual_sleeps_the_way_to_connect_them_is_named(self, mock):
        mock.next_job("stuck")
        job = GenerationClient().create(**BODY).id
        with pytest.raises(
            PollLimitReached, match=r"connect them to the virtual clock with @pytest\.mark\.netmind"
        ):
            self.poll(job, lambda: None)
