"""A create is sent again only if it certainly created nothing. A generation without a response can be found."""

import json
from typing import ClassVar

import pytest
from scripted import CONNECTING_TIMED_OUT, CUT, CUT_IN_BODY, REFUSED, TIMED_OUT

from netmind_client.exceptions import (
    ConfigurationError,
    CreateOutcomeUnknownError,
    RateLimitedError,
    ServerError,
    TransportError,
)

BASE = "https://api.netmind.ai"
URL = f"{BASE}/v1/generation"
ID = "6347623b2fce4998b0e842f7e935ccb0"
CONFIG = {"prompt": "Generate a cup of coffee"}


class TestCreate:
    def test_sends_model_and_config_once(self, api, client, generation):
        api.post(URL, json=generation())
        created = client.create("Qwen/Qwen-Image", CONFIG)
        assert (created.id, created.status) == (ID, "pending")
        assert [json.loads(call.body) for call in api.calls] == [
            {"model": "Qwen/Qwen-Image", "config": CONFIG}
        ]
        assert api.calls[0].headers["Content-Type"] == "application/json"

    @pytest.mark.parametrize("failure", [CUT, CUT_IN_BODY, TIMED_OUT, [b'{"id": "6347', CUT_IN_BODY]])
    def test_without_a_response_the_outcome_is_unknown_and_the_create_is_not_repeated(
        self, api, client, failure
    ):
        api.post(URL, body=failure)
        with pytest.raises(
            CreateOutcomeUnknownError, match="A generation may have been created and charged: look for it"
        ) as caught:
            client.create("m", CONFIG)
        assert (caught.value.model, caught.value.config, len(api.calls)) == ("m", CONFIG, 1)

    @pytest.mark.parametrize(
        "body", ["<html>proxy</html>", "{}", "[]", '{"id": 7, "status": "x"}', '{"id": "x"}', ""]
    )
    def test_a_response_without_a_generation_leaves_the_outcome_unknown(self, api, client, body):
        api.post(URL, body=body)
        with pytest.raises(CreateOutcomeUnknownError, match="returned 200 without a generation"):
            client.create("m", CONFIG)
        assert len(api.calls) == 1

    @pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 599])
    def test_a_gateway_error_leaves_the_outcome_unknown(self, api, client, status):
        api.post(URL, status=status, body="<html>gateway</html>")
        with pytest.raises(CreateOutcomeUnknownError, match=rf"returned {status} \(<html>gateway</html>\)"):
            client.create("m", CONFIG)
        assert len(api.calls) == 1

    def test_an_unavailable_model_is_a_server_error(self, api, client):
        api.post(URL, status=500, json={"message": "Service is unavailable"})
        with pytest.raises(ServerError, match="Service is unavailable"):
            client.create("m", CONFIG)
        assert len(api.calls) == 1

    def test_what_did_not_reach_the_server_is_sent_again(self, api, client, generation, time):
        api.post(URL, body=REFUSED)
        api.post(URL, body=REFUSED)
        api.post(URL, json=generation())
        assert client.create("m", CONFIG).id == ID
        assert time.pauses == [0.5, 1.0]

    @pytest.mark.parametrize(("failure", "attempts"), [(REFUSED, 3), (CONNECTING_TIMED_OUT, 1)])
    def test_a_create_is_given_up_after_three_attempts_or_at_the_timeout(
        self, api, client, failure, attempts
    ):
        api.post(URL, body=failure)
        with pytest.raises(TransportError, match="not sent: ") as caught:
            client.create("m", CONFIG)
        assert not isinstance(caught.value, CreateOutcomeUnknownError)
        assert (caught.value.attempts, caught.value.resume, len(api.calls)) == (attempts, None, attempts)

    @pytest.mark.parametrize("status", [429, 503])
    def test_a_rejected_create_is_sent_again_after_retry_after(self, api, client, generation, time, status):
        api.post(URL, status=status, headers={"Retry-After": "4"})
        api.post(URL, json=generation())
        assert client.create("m", CONFIG).id == ID
        assert time.pauses == [4.0]

    @pytest.mark.parametrize(("status", "kind"), [(429, RateLimitedError), (503, ServerError)])
    def test_a_retry_after_beyond_the_timeout_raises_at_once(self, api, client, time, status, kind):
        api.post(URL, status=status, headers={"Retry-After": "3600"})
        with pytest.raises(kind) as caught:
            client.create("m", CONFIG)
        assert (caught.value.retry_after, len(api.calls), time.pauses) == (3600.0, 1, [])

    def test_an_attempt_that_may_have_been_received_is_the_last(self, api, client):
        api.post(URL, body=REFUSED)
        api.post(URL, body=CUT)
        with pytest.raises(CreateOutcomeUnknownError) as caught:
            client.create("m", CONFIG)
        assert (caught.value.attempts, len(api.calls)) == (2, 2)

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_is_not_followed_and_leaves_the_outcome_unknown(self, api, client, status):
        api.post(
            URL, status=status, headers={"Location": "https://elsewhere.example/v1/generation?sig=s3cret"}
        )
        with pytest.raises(
            CreateOutcomeUnknownError,
            match=rf"returned {status} and redirects to \S+/v1/generation\. A generation may",
        ):
            client.create("m", CONFIG)
        assert len(api.calls) == 1

    def test_the_timeout_of_a_create_is_passed_on(self, api, client, generation):
        api.post(URL, json=generation())
        client.create("m", CONFIG)
        client.create("m", CONFIG, timeout=7)
        client.create("m", {"sync_mode": True})
        assert [call.timeout for call in api.calls] == [30.0, 7.0, 1200.0]

    @pytest.mark.parametrize("config", ["x", None, [("prompt", "x")]])
    def test_a_config_that_is_not_a_mapping_is_rejected_before_sending(self, client, config):
        with pytest.raises(ConfigurationError, match=r"expected a config such as \{'prompt': .*\}, got "):
            client.create("m", config)

    @pytest.mark.parametrize("value", [float("nan"), {1}, b"bytes"])
    def test_a_config_that_is_not_json_is_rejected_before_sending(self, client, value):
        with pytest.raises(ConfigurationError, match="the config cannot be sent as JSON"):
            client.create("m", {"n": value})


@pytest.fixture
def today(monkeypatch):
    """Set the system clock to 2026-11-25 04:00:00 UTC."""
    monkeypatch.setattr("netmind_client._clock.wall", lambda: 1795579200.0)


@pytest.mark.usefixtures("today")
class TestFindCreated:
    DATE: ClassVar = {"Date": "Wed, 25 Nov 2026 04:00:10 GMT"}  # the server is ten seconds ahead

    def unknown(self, api, client):
        api.post(URL, body=CUT)
        with pytest.raises(CreateOutcomeUnknownError) as caught:
            client.create("m", CONFIG)
        return caught.value

    def listed(self, api, *generations, headers=None):
        api.get(URL, json={"generation_list": list(generations)}, headers=headers or self.DATE)

    def test_the_error_says_when_it_was_sent_and_how_to_search(self, api, client):
        error = self.unknown(api, client)
        assert error.sent_at == 1795579200.0
        assert error.resume == "netmind-client find-created --sent-at '2026-11-25 04:00:00' --model m"
        assert str(error).endswith(f"\nTo continue: {error.resume}")

    def test_the_generation_created_at_that_time_is_found(self, api, client, generation):
        self.listed(
            api,
            generation(id="later", created_at="2026-11-25 04:09:00"),
            generation(id="ours", created_at="2026-11-25 04:00:10"),
            generation(id="before", created_at="2026-11-25 04:00:07"),
            generation(id="no time", created_at=None),
        )
        error = self.unknown(api, client)
        assert [one.id for one in client.result_of(error.find_created)] == ["ours"]

    def test_several_matches_are_sorted_by_time_difference(self, api, client, generation):
        self.listed(
            api,
            generation(id="b", created_at="2026-11-25 04:00:15"),
            generation(id="a", created_at="2026-11-25 04:00:11"),
        )
        error = self.unknown(api, client)
        assert [one.id for one in client.result_of(error.find_created)] == ["a", "b"]

    def test_other_generations_of_this_client_are_left_out(self, api, client, generation):
        api.post(URL, json=generation())
        client.create("m", CONFIG)
        api._responses.clear()
        self.listed(api, generation(created_at="2026-11-25 04:00:10"))
        error = self.unknown(api, client)
        assert client.result_of(lambda: error.find_created(timeout=5)) == []

    def test_a_generation_of_another_model_is_left_out(self, api, client, generation):
        self.listed(api, generation(created_at="2026-11-25 04:00:10", model="other"))
        error = self.unknown(api, client)
        assert client.result_of(lambda: error.find_created(timeout=5)) == []

    def test_the_search_is_repeated_until_something_is_found(self, api, client, generation, time):
        self.listed(api)
        self.listed(api, generation(created_at="2026-11-25 04:00:11"))
        error = self.unknown(api, client)
        assert [one.id for one in client.result_of(error.find_created)] == [ID]
        assert time.pauses == [2.0]

    def test_time_passed_since_the_create_is_considered(self, api, client, generation, time):
        error = self.unknown(api, client)
        time.now += 600
        self.listed(
            api,
            generation(created_at="2026-11-25 03:50:10"),
            generation(id="b", created_at="2026-11-25 04:00:10"),
        )
        assert [one.id for one in client.result_of(error.find_created)] == [ID]

    def test_a_list_that_fails_temporarily_is_repeated(self, api, client, generation):
        error = self.unknown(api, client)
        api.get(URL, status=503)
        self.listed(api, generation(created_at="2026-11-25 04:00:10"))
        assert [one.id for one in client.result_of(error.find_created)] == [ID]

    def test_a_search_that_found_nothing_does_not_fail_because_of_its_last_list(self, api, client):
        error = self.unknown(api, client)
        self.listed(api)
        api.get(URL, body=TIMED_OUT)
        assert client.result_of(lambda: error.find_created(timeout=2.5)) == []

    def test_a_search_that_never_got_a_list_fails(self, api, client):
        error = self.unknown(api, client)
        api.get(URL, body=TIMED_OUT)
        with pytest.raises(TransportError, match="timed out"):
            client.result_of(lambda: error.find_created(timeout=2.5))

    def test_without_a_date_header_two_minutes_of_difference_are_allowed(self, api, client, generation):
        self.listed(api, generation(created_at="2026-11-25 03:58:30"), headers={"X": "y"})
        error = self.unknown(api, client)
        assert [one.id for one in client.result_of(error.find_created)] == [ID]

    def test_a_search_needs_only_the_time(self, api, client, generation):
        self.listed(api, generation(created_at="2026-11-25 03:00:12"))
        assert [one.id for one in client.find_created(1795575600.0)] == [ID]

    def test_an_error_without_a_client_says_what_to_call(self):
        error = CreateOutcomeUnknownError("x", model="m", config={}, sent_at=0.0)
        with pytest.raises(LookupError, match=r"call client\.find_created"):
            error.find_created()
