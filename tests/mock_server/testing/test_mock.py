"""The fake in process: its responses, its effect on other requests, and starting and stopping it."""

import asyncio
import io
import os

import httpx
import pytest
import requests
import responses
from asking import AUTHORIZED, BODY, URL, by_requests

import netmind_mock
from netmind_client import GenerationClient
from netmind_client.exceptions import GenerationFailedError, WaitTimeoutError
from netmind_mock import InvalidInput
from netmind_mock.journal.spend import spend_from_json


class TestResponses:
    def test_a_job_of_13_minutes_is_created_completed_and_downloaded(self, mock, ask):
        status, created = ask("POST", URL, json=BODY)
        job = requests.models.complexjson.loads(created)
        mock.clock.advance(780)
        done = requests.models.complexjson.loads(ask("GET", f"{URL}/{job['id']}")[1])
        status, picture = ask("GET", done["result"]["data"][0]["url"])
        assert (done["status"], status, picture[:4]) == ("completed", 200, b"\x89PNG")
        assert [entry.operation for entry in mock.journal] == ["create", "get", "file"]

    def test_a_deleted_job_is_gone(self, mock, ask):
        job = requests.models.complexjson.loads(ask("POST", URL, json=BODY)[1])
        assert ask("DELETE", f"{URL}/{job['id']}")[0] == 200
        assert ask("GET", f"{URL}/{job['id']}")[0] == 404
        assert mock.jobs[0].deleted

    def test_the_client_of_this_kit_waits_in_no_time(self, mock, tmp_path):
        generated = GenerationClient().generate(BODY["model"], BODY["config"], tmp_path)
        assert generated.generation.is_completed
        assert 780 <= mock.clock.elapsed <= 1.05 * 780
        mock.polling().assert_polite()

    def test_a_client_that_was_created_before_the_fake_waits_in_no_time(self, tmp_path):
        client = GenerationClient("any", "https://api.netmind.ai")
        with netmind_mock.start(duration=780) as mock:
            assert client.generate(BODY["model"], BODY["config"], tmp_path).generation.is_completed
            assert mock.clock.elapsed >= 780

    def test_chunked_and_empty_bodies_arrive(self, mock):
        requests.post(
            URL,
            data=(part for part in [b'{"model": "m", ', b'"config": {}}']),
            headers={**AUTHORIZED, "Content-Type": "application/json"},
            timeout=5,
        )
        requests.post(
            URL,
            data=io.BytesIO(b'{"model": "n", "config": {}}'),
            headers={**AUTHORIZED, "Content-Type": "application/json"},
            timeout=5,
        )
        assert [entry.model for entry in mock.requests("create")][-1] == "n"

    def test_a_wsgi_client_gets_responses(self, mock):
        response = mock.wsgi_app.test_client().post("/v1/generation", json=BODY, headers=AUTHORIZED)
        assert (response.status_code, len(mock.jobs)) == (200, 1)

    def test_a_wsgi_client_gets_connection_level_faults_as_exceptions(self, mock):
        client = mock.wsgi_app.test_client()
        mock.fault("list", "reset")
        with pytest.raises(ConnectionResetError):
            client.get("/v1/generation", headers=AUTHORIZED)
        mock.fault("list", "hang")
        with pytest.raises(ConnectionResetError):
            client.get("/v1/generation", headers=AUTHORIZED)
        mock.fault("list", "truncate")
        assert len(client.get("/v1/generation", headers=AUTHORIZED).data) == 11

    def test_the_base_url_can_be_set(self, tmp_path):
        with netmind_mock.start(base_url="https://gateway.example/netmind/") as mock:
            client = GenerationClient()
            generated = client.generate(BODY["model"], BODY["config"], tmp_path)
            assert client.base_url == mock.base_url == "https://gateway.example/netmind"
        assert generated.generation.results[0].url.startswith("https://gateway.example/netmind/files/")

    def test_an_unknown_api_key_is_rejected(self):
        with netmind_mock.start(api_key=["the-key"]) as mock:
            assert os.environ["NETMIND_API_KEY"] == mock.api_key == "the-key"
            rejected = requests.get(URL, headers=AUTHORIZED, timeout=5)
        assert rejected.status_code == 401
        assert rejected.headers["X-Mock-Hint"].startswith("this API key is not accepted")

    def test_sync_mode_takes_as_long_as_the_job(self, mock, ask):
        body = {"model": "google/nano-banana-pro", "config": {"prompt": "x", "sync_mode": True}}
        status, response = ask("POST", URL, json=body, timeout=1000)
        assert (status, b'"completed"' in response, mock.clock.elapsed) == (200, True, 780.0)


class TestEnvironment:
    def test_the_variables_point_to_the_fake_and_are_restored(self, monkeypatch):
        monkeypatch.setenv("NETMIND_BASE_URL", "before")
        with netmind_mock.start() as mock:
            assert os.environ["NETMIND_BASE_URL"] == mock.base_url == "https://api.netmind.ai"
            assert os.environ["NETMIND_API_KEY"] == mock.api_key
        assert os.environ["NETMIND_BASE_URL"] == "before"
        assert "NETMIND_API_KEY" not in os.environ

    def test_nothing_is_left_of_a_fake_that_was_stopped(self):
        with netmind_mock.start(patch_sleep=True):
            responses.add("GET", "https://other.example/", body=b"other")
            responses.add_passthru("https://passed.example")
        assert (responses.mock.registered(), len(responses.calls)) == ([], 0)
        assert responses.mock.passthru_prefixes == ()
        assert "NETMIND_BASE_URL" not in os.environ

    def test_two_fakes_can_be_stopped_in_any_order(self):
        first, second = netmind_mock.start(), netmind_mock.start(base_url="https://gateway.example")
        first.start()
        second.start()
        first.stop()
        assert os.environ["NETMIND_BASE_URL"] == "https://gateway.example"
        assert by_requests("GET", "https://gateway.example/v1/generation")[0] == 200
        second.stop()
        assert "NETMIND_BASE_URL" not in os.environ

    def test_responses_of_the_test_are_gone_after_the_last_of_several_fakes(self):
        first, second = netmind_mock.start().start(), netmind_mock.start().start()
        responses.add("GET", "https://other.example/", body=b"other")
        first.stop()
        assert by_requests("GET", "https://other.example/") == (200, b"other")
        second.stop()
        assert responses.mock.registered() == []

    def test_variables_that_the_test_sets_meanwhile_are_kept(self):
        with netmind_mock.start():
            os.environ["NETMIND_API_KEY"] = "mine"
        assert os.environ.pop("NETMIND_API_KEY") == "mine"

    def test_a_start_that_fails_leaves_nothing_behind(self, monkeypatch):
        monkeypatch.setattr("netmind_mock.testing.guard.guard", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            netmind_mock.start().start()
        assert "NETMIND_BASE_URL" not in os.environ
        monkeypatch.undo()
        with netmind_mock.start():
            assert by_requests("GET", URL)[0] == 200


class TestScenariosAndFaults:
    def test_a_scenario_for_the_next_job(self, mock, tmp_path):
        mock.next_job("failed", reason="no GPU")
        with pytest.raises(GenerationFailedError, match="no GPU"):
            GenerationClient().generate(BODY["model"], BODY["config"], tmp_path)

    def test_a_scenario_for_every_job(self, mock):
        mock.every_job("stuck", model="Qwen/*")
        client = GenerationClient()
        with pytest.raises(WaitTimeoutError):
            client.wait(client.create(**BODY), timeout=900)
        assert client.wait(client.create("google/nano-banana", {"prompt": "x"})).is_completed

    def test_a_job_is_completed_or_made_to_fail_by_hand(self, mock):
        mock.next_job("by_hand", times=2)
        client = GenerationClient()
        one, other = client.create(**BODY), client.create(**BODY)
        mock.complete(one)
        mock.fail(mock.jobs[1], "because")
        assert client.wait(one).is_completed
        with pytest.raises(GenerationFailedError, match="because"):
            client.wait(other)

    def test_rules_and_prices_come_from_files(self, tmp_path):
        (tmp_path / "rules.toml").write_text('[[rule]]\nprompt = "tea"\nscenario = "failed"\nafter = 1\n')
        (tmp_path / "prices.toml").write_text('default = 1\n[prices]\n"Qwen/Qwen-Image" = 0.02\n')
        with netmind_mock.start(rules=tmp_path / "rules.toml", prices=tmp_path / "prices.toml") as mock:
            client = GenerationClient()
            assert client.wait(client.create(**BODY)).is_completed
            with pytest.raises(GenerationFailedError):
                client.wait(client.create("Qwen/Qwen-Image", {"prompt": "green tea"}))
            assert mock.spend.total == pytest.approx(0.04)

    def test_the_control_api_reports_the_same_spend(self):
        with netmind_mock.start() as mock:
            mock.fault("create", "delay", seconds=1)
            url, headers = f"{mock.base_url}/v1/generation", {"Authorization": mock.api_key}
            for _ in range(2):  # both responses were received, so nothing was billed twice by mistake
                requests.post(url, json=BODY, headers=headers, timeout=5)
            with httpx.Client(transport=httpx.WSGITransport(mock.wsgi_app)) as control:
                response = control.get("http://localhost/__mock/spend").json()
            assert spend_from_json(response) == mock.spend
            assert mock.spend.twice == ()

    def test_an_unused_scenario_fails_and_names_its_line(self):
        with pytest.raises(AssertionError) as failed, netmind_mock.start() as mock:
            mock.next_job("failed")
        assert f"next_job('failed') at {__file__}:" in str(failed.value)
        assert "Requests your client sent: none." in str(failed.value)

    def test_unused_scenarios_can_be_allowed(self):
        with netmind_mock.start(unused="ignore") as mock:
            mock.next_job("failed")

    def test_an_unused_scenario_does_not_hide_another_failure(self):
        def failing():
            with netmind_mock.start() as mock:
                mock.next_job("failed")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            failing()

    def test_reset_deletes_everything(self, mock):
        mock.next_job("failed")
        GenerationClient().create(**BODY)
        mock.reset()
        assert (mock.jobs, mock.journal, mock.unused()) == ([], [], [])

    def test_rules_can_be_removed(self, mock):
        mock.every_job("failed")
        mock.clear_rules()
        mock.every_job("slow", after=5)
        client = GenerationClient()
        assert client.wait(client.create(**BODY)).is_completed

    def test_faults_can_be_removed(self, mock):
        mock.fault("list", "status", times=None)
        mock.clear_faults()
        assert by_requests("GET", URL)[0] == 200


class TestUnstarted:
    def test_a_started_fake_cannot_be_started_again(self):
        mock = netmind_mock.start().start()
        with pytest.raises(RuntimeError, match="this fake is already started"):
            mock.start()
        mock.stop()
        assert "NETMIND_BASE_URL" not in os.environ
        with mock:
            assert os.environ["NETMIND_BASE_URL"] == mock.base_url

    def test_a_fake_that_was_never_started_cannot_be_used(self):
        with pytest.raises(RuntimeError, match="this fake was never started"):
            netmind_mock.start().next_job("failed")
        with pytest.raises(RuntimeError, match="this fake was never started"):
            _ = netmind_mock.start().journal

    def test_a_wsgi_application_needs_no_start(self):
        mock = netmind_mock.start()
        mock.wsgi_app.test_client().post("/v1/generation", json=BODY, headers=AUTHORIZED)
        assert len(mock.jobs) == 1

    def test_assertions_work_after_the_end(self):
        with netmind_mock.start() as mock:
            by_requests("POST", URL, json=BODY)
        mock.assert_created()


async def async_generator(mock):
    yield mock


class TestDecorator:
    def test_a_function_that_returns_a_coroutine_is_rejected(self):
        async def make():
            pass

        with pytest.raises(TypeError, match="define it with `async def`"):
            netmind_mock.start()(lambda _mock: make())()

    def test_each_call_gets_a_new_fake(self):
        @netmind_mock.start(profile="observed")
        def make(name, mock, *, prompt):
            by_requests("POST", URL, json={"model": name, "config": {"prompt": prompt}})
            mock.assert_created(model=name, prompt=prompt)
            return len(mock.jobs)

        assert (make("m", prompt="x"), make("n", prompt="y")) == (1, 1)
        assert make.__name__ == "make"

    @pytest.mark.parametrize(
        "wrong", [lambda: None, type("C", (), {}), (lambda mock: (yield mock)), async_generator]
    )
    def test_other_callables_are_rejected(self, wrong):
        with pytest.raises(TypeError, match=r"netmind_mock\.start\(\)"):
            netmind_mock.start()(wrong)

    def test_async_functions_can_be_decorated(self):
        @netmind_mock.start()
        async def make(mock):
            async with httpx.AsyncClient() as client:
                await client.post(URL, json=BODY, headers=AUTHORIZED)
            return len(mock.jobs)

        assert asyncio.run(make()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"unused": "maybe"}, 'unused: expected one of "fail", "ignore", got'),
        ({"profile": "observd"}, "observd: no such profile"),
        ({"base_url": "localhost:8000"}, "base_url: expected a URL such as https://mock.example.org, got"),
        ({"duration": -1}, "duration: expected a number from 0 to 1e"),
        ({"duraton": 1}, "netmind_mock.start: duraton: no such key; did you mean duration?"),
        ({"rules": "nowhere.toml"}, "rules: expected a file that exists, got 'nowhere.toml'"),
    ],
)
def test_invalid_options_are_rejected(arguments, message):
    with pytest.raises(ValueError, match=message):
        netmind_mock.start(**arguments)


def test_polling_without_a_job_needs_exactly_one_job(mock):
    with pytest.raises(InvalidInput, match="there are 0 jobs; pass one of them"):
        mock.polling()
    with pytest.raises(InvalidInput, match="expected a generation or its id, got int"):
        mock.complete(3)
