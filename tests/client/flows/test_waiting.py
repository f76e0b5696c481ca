"""A wait ends correctly for every status, and always within its timeout."""

import json

import pytest
import requests
from scripted import CUT, OverRequests

from netmind_client import GenerationClient
from netmind_client.exceptions import (
    AuthenticationError,
    ConfigurationError,
    GenerationFailedError,
    InvalidRequestError,
    NotFoundError,
    ResultMissingError,
    UnexpectedResponseError,
    WaitTimeoutError,
)

BASE = "https://api.netmind.ai"
URL = f"{BASE}/v1/generation"
ID = "6347623b2fce4998b0e842f7e935ccb0"


class TestWait:
    def response(self, api, *responses):
        for response in responses:
            if isinstance(response, int):
                api.get(f"{URL}/{ID}", status=response, json={"message": "x"})
            elif isinstance(response, dict):
                api.get(f"{URL}/{ID}", json=response)
            else:
                api.get(f"{URL}/{ID}", body=response)

    def test_returns_the_completed_generation(self, api, client, generation, time):
        self.response(api, generation(), generation("processing"), generation("completed"))
        seen = []
        done = client.wait(ID, on_poll=lambda one: seen.append(one.status))
        assert (done.status, seen) == ("completed", ["pending", "processing", "completed"])
        assert time.pauses == [1.0, 1.0]

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_of_the_api_ends_it_at_once_with_the_address(self, api, client, status):
        api.get(f"{URL}/{ID}", status=status, headers={"Location": "https://new.example/v1?sig=s3cret"})
        with pytest.raises(
            UnexpectedResponseError, match=r"redirects to https://new\.example/v1\. "
        ) as raised:
            client.wait(ID)
        assert raised.value.location == "https://new.example/v1"
        assert len(api.calls) == 1

    def test_accepts_a_generation_instead_of_its_id(self, api, client, generation):
        self.response(api, generation("completed"))
        created = client.wait(ID)
        self.response(api, generation("completed"))
        assert client.wait(created) == created

    @pytest.mark.parametrize("status", ["failed", "error", "cancelled"])
    def test_a_generation_that_fails_raises_with_its_last_log_line(self, api, client, generation, status):
        self.response(api, generation(status, logs=[{"text": "one"}, {"text": "out of memory"}]))
        with pytest.raises(
            GenerationFailedError, match=f"generation {ID} ended as {status}: out of memory"
        ) as caught:
            client.wait(ID)
        assert caught.value.generation.status == status

    def test_a_generation_marked_as_deleted_ends_the_wait(self, api, client, generation):
        self.response(api, generation(is_deleted=True, deleted_at="2025-09-18 09:14:21"))
        with pytest.raises(GenerationFailedError, match=f"generation {ID} was deleted"):
            client.wait(ID)

    def test_a_failure_without_logs_says_so(self, api, client, generation):
        self.response(api, generation("failed"))
        with pytest.raises(GenerationFailedError, match="the logs give no reason"):
            client.wait(ID)

    def test_an_unknown_status_is_waited_on_and_named_in_the_timeout(self, api, client, generation, time):
        self.response(api, generation("warming_up"))
        with pytest.raises(
            WaitTimeoutError, match=r"did not end within 60 s \(last status: warming_up\)"
        ) as caught:
            client.wait(ID, timeout=60)
        assert (caught.value.last_status, caught.value.generation_id) == ("warming_up", ID)
        assert time.now == 1060.0

    @pytest.mark.parametrize(("seconds", "polls"), [(10, 10), (60, 20), (780, 68), (900, 71)])
    def test_a_generation_of_a_minute_is_polled_20_times(self, api, client, generation, time, seconds, polls):
        def response(_):
            done = time.now >= 1000 + seconds
            return 200, {}, json.dumps(generation("completed" if done else "pending"))

        api.get(f"{URL}/{ID}", body=response)
        client.wait(ID)
        assert len(api.calls) <= polls

    @pytest.mark.parametrize("settings", [{"poll_interval": 2.5}])
    def test_a_given_poll_interval_is_used(self, api, client, generation, time):
        self.response(api, generation(), generation(), generation("completed"))
        client.wait(ID)
        assert time.pauses == [2.5, 2.5]

    def test_a_timeout_deletes_nothing_and_says_how_to_continue(self, api, client, generation):
        self.response(api, generation())
        with pytest.raises(WaitTimeoutError, match=f"netmind-client wait {ID}"):
            client.wait(ID, timeout=1)
        assert {call.method for call in api.calls} == {"GET"}

    @pytest.mark.parametrize("failure", [CUT, 408, 500, 502, 503, 504, 429, "<html>"])
    def test_a_poll_that_fails_temporarily_is_repeated(self, api, client, generation, failure):
        self.response(api, failure, generation("completed"))
        assert client.wait(ID).is_completed

    def test_retry_after_is_honoured(self, api, client, generation, time):
        api.get(f"{URL}/{ID}", status=429, headers={"Retry-After": "30"}, json={})
        self.response(api, generation("completed"))
        client.wait(ID)
        assert time.pauses == [30.0]

    def test_retry_after_cannot_extend_the_deadline(self, api, client, time):
        api.get(f"{URL}/{ID}", status=429, headers={"Retry-After": "3600"}, json={})
        with pytest.raises(WaitTimeoutError, match=r"last status: unknown"):
            client.wait(ID, timeout=10)
        assert time.now == 1010.0

    @pytest.mark.parametrize(
        ("status", "kind"), [(401, AuthenticationError), (404, NotFoundError), (422, InvalidRequestError)]
    )
    def test_a_rejected_poll_ends_the_wait(self, api, client, status, kind):
        self.response(api, status)
        with pytest.raises(kind):
            client.wait(ID)
        assert len(api.calls) == 1

    def test_an_empty_result_is_requested_again(self, api, client, generation):
        self.response(
            api,
            generation("completed", result={}),
            generation("completed", result={"data": []}),
            generation("completed"),
        )
        assert len(client.wait(ID).results) == 1

    @pytest.mark.parametrize("timeout", [float("nan"), float("inf"), 1e10, -1, None, True])
    def test_an_invalid_timeout_is_rejected(self, client, timeout):
        with pytest.raises(ConfigurationError, match="expected a timeout in seconds, from 0 to 1e"):
            client.wait(ID, timeout=timeout)

    def test_no_poll_gets_more_than_the_time_left(self, api, client, generation):
        self.response(api, generation())
        with pytest.raises(WaitTimeoutError):
            client.wait(ID, timeout=4)
        given = [call.timeout for call in api.calls]
        assert given[0] == 4
        assert given == sorted(given, reverse=True)
        assert given[-1] == 0.1

    def test_a_result_that_stays_empty_raises(self, api, client, generation, time):
        self.response(api, generation("completed", result={}))
        with pytest.raises(ResultMissingError, match="is completed, but its result stayed empty") as caught:
            client.wait(ID)
        assert caught.value.generation.is_completed
        assert 1015 <= time.now < 1020

    def test_a_deleted_generation_has_no_command_to_wait_for_it(self, api, client):
        self.response(api, 404)
        with pytest.raises(NotFoundError) as caught:
            client.wait(ID)
        assert (caught.value.generation_id, caught.value.attempts) == (ID, 1)
        assert caught.value.resume is None  # the command would fail with the same error

    def test_a_stopped_clock_does_not_extend_a_wait(self, api, client, generation, time):
        time.shows = lambda _: 5.0
        self.response(api, generation())
        with pytest.raises(WaitTimeoutError):
            client.wait(ID, timeout=60)
        assert sum(time.pauses) == pytest.approx(60.0)

    def test_a_clock_that_goes_back_does_not_extend_a_wait(self, api, client, generation, time):
        time.shows = lambda _: -1000.0 * len(time.pauses)
        self.response(api, generation())
        with pytest.raises(WaitTimeoutError):
            client.wait(ID, timeout=60)
        assert sum(time.pauses) == pytest.approx(60.0)

    def test_a_clock_that_jumps_ahead_leaves_one_last_poll(self, api, client, generation, time):
        time.passes = lambda _: 3600
        self.response(api, generation(), generation("completed"))
        assert client.wait(ID, timeout=60).is_completed

    def test_the_states_can_be_iterated_over(self, api, client, generation):
        self.response(api, generation(), generation("processing"), generation("completed"))
        assert [one.status for one in client.states(ID)] == ["pending", "processing", "completed"]

    @pytest.mark.parametrize("library", ["requests"])
    def test_an_iteration_that_is_closed_sends_no_more_polls(self, api, client, generation):
        self.response(api, generation())
        states = client.states(ID)
        assert next(states).status == "pending"
        states.close()
        assert (list(states), len(api.calls)) == ([], 1)

    def test_an_iteration_raises_the_errors_of_a_wait(self, api, client, generation):
        self.response(api, generation("failed"))
        with pytest.raises(GenerationFailedError):
            list(client.states(ID))


def test_the_command_to_continue_is_quoted_for_a_shell(api, time):
    session = requests.Session()
    session.mount("http://", OverRequests(api))
    base_url = "http://h/$(touch x)"
    client = GenerationClient("k", base_url, session=session, sleep=time.sleep, monotonic=time.monotonic)
    api.get("http://h/$(touch x)/v1/generation/a%3Bb", status=401)
    api._responses["GET", "http://h/$(touch%20x)/v1/generation/a%3Bb"] = api._responses.popitem()[1]
    with pytest.raises(AuthenticationError) as caught:
        client.wait("a;b")
    assert caught.value.resume == "netmind-client --base-url 'http://h/$(touch x)' wait 'a;b'"


class TestDeleteOnTimeout:
    @pytest.fixture(autouse=True)
    def pending(self, api, generation):
        api.get(f"{URL}/{ID}", json=generation())

    def test_the_generation_is_deleted_within_the_timeout_if_requested(self, api, client, time):
        api.delete(f"{URL}/{ID}", json={"message": "Generation deleted"})
        with pytest.raises(WaitTimeoutError, match="It was deleted, as requested") as caught:
            client.wait(ID, timeout=60, delete_on_timeout=True)
        assert (caught.value.deleted, caught.value.resume, time.now) == (True, None, 1058.0)

    def test_a_delete_that_fails_is_reported(self, api, client):
        api.delete(f"{URL}/{ID}", status=500)
        with pytest.raises(
            WaitTimeoutError, match=r"It could not be deleted \(DELETE .* returned 500"
        ) as caught:
            client.wait(ID, timeout=60, delete_on_timeout=True)
        assert caught.value.resume == f"netmind-client wait {ID}"
