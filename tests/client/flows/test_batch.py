"""Generating many: outcomes in order, independent of each other, and resumable."""

import contextlib
import json
import re
import threading
import time as clock

import pytest
from scripted import CUT, REFUSED

from netmind_client import GenerationClient
from netmind_client._files import LineFile
from netmind_client._flows.batch import open_batch
from netmind_client._flows.core import Core
from netmind_client._flows.effects import Send, Stopped
from netmind_client._flows.saving import Saving
from netmind_client.batch import GenerationRequest
from netmind_client.exceptions import (
    ConfigurationError,
    CreateOutcomeUnknownError,
    DownloadError,
    GenerationFailedError,
    NotFoundError,
    TransportError,
    WaitTimeoutError,
)

BASE = "https://api.netmind.ai"
URL = f"{BASE}/v1/generation"


@pytest.fixture
def service(api, generation):
    """Add responses for generations whose id is their prompt. The prompt "fails" fails, "gone" has no file."""
    created = []

    def create(request):
        prompt = json.loads(request.body)["config"]["prompt"]
        created.append(prompt)
        get = {"status": "failed"} if prompt == "fails" else {}
        url = f"https://files.example/{prompt}.png"
        api.get(f"{URL}/{prompt}", json=generation(**{"status": "completed", "id": prompt,
                                                      "result": {"data": [{"url": url}]}, **get}))  # fmt: skip
        api.get(url, body=prompt.encode(), status=410 if prompt == "gone" else 200)
        return 200, {}, json.dumps(generation(id=prompt))

    api.post(URL, body=create)
    return created


def requests_for(*prompts):
    return [("m", {"prompt": prompt}) for prompt in prompts]


class TestGenerateMany:
    @pytest.mark.parametrize("concurrency", [1, 3, 50])
    def test_outcomes_are_in_the_order_of_the_requests(self, client, service, tmp_path, concurrency):
        prompts = [f"cup{number}" for number in range(7)]
        outcomes = client.generate_many(requests_for(*prompts), tmp_path, concurrency=concurrency)
        assert [one.generation_id for one in outcomes] == prompts
        assert [one.paths[0].read_text() for one in outcomes] == prompts
        assert sorted(service) == prompts
        assert [one.request for one in outcomes] == [
            GenerationRequest("m", {"prompt": prompt}) for prompt in prompts
        ]

    @pytest.mark.usefixtures("service")
    def test_a_failure_does_not_stop_the_others(self, client, tmp_path):
        outcomes = client.generate_many(requests_for("a", "fails", "b"), tmp_path)
        assert [one.error is None for one in outcomes] == [True, False, True]
        assert isinstance(outcomes[1].error, GenerationFailedError)
        assert (outcomes[1].generation_id, outcomes[1].generation, outcomes[1].paths) == ("fails", None, ())
        assert outcomes[1].error.resume == "netmind-client get fails"

    @pytest.mark.usefixtures("service")
    def test_progress_is_reported_in_the_thread_of_the_caller(self, client, tmp_path, library):
        seen = []
        client.generate_many(requests_for("a", "fails", "b"), tmp_path, concurrency=1,
                             on_progress=lambda one: seen.append((one, threading.current_thread())))  # fmt: skip
        assert [(one.done, one.failed, one.of, one.last.generation_id) for one, _ in seen] == [
            (1, 0, 3, "a"),
            (2, 1, 3, "fails"),
            (3, 1, 3, "b"),
        ]
        if library == "requests":
            assert {thread for _, thread in seen} == {threading.current_thread()}

    def test_no_requests_give_no_outcomes(self, client, tmp_path):
        assert client.generate_many([], tmp_path) == []

    @pytest.mark.usefixtures("service")
    def test_an_exception_of_the_callback_ends_the_call(self, client, tmp_path):
        def fail(_):
            raise ValueError("mine")

        with pytest.raises(ValueError, match="mine"):
            client.generate_many(requests_for("a", "b", "c"), tmp_path, on_progress=fail)

    @pytest.mark.parametrize(
        ("requests", "options", "message"),
        [
            (["m"], {}, r"request 1: expected \(model, config\), such as"),
            ([("m", {"n": {1}})], {}, r"request 1: expected \(model, config\), such as"),
            ([("m", "x")], {}, r"request 1: expected \(model, config\), such as"),
            ([("m", {}), (1, {})], {}, "request 2: expected a model's name, got 1"),
            ([("m", {})], {"concurrency": 0}, "expected concurrency as a whole number, 1 or more, got 0"),
            ([("m", {})], {"timeout": float("inf")}, "expected a timeout in seconds"),
        ],
    )
    def test_invalid_arguments_are_reported_before_anything_is_sent(
        self, client, tmp_path, requests, options, message
    ):
        with pytest.raises(ConfigurationError, match=message):
            client.generate_many(requests, tmp_path, **options)


class TestInterrupted:
    @pytest.fixture
    def interrupt(self):
        def on_progress(progress):
            if progress.done == 2:
                raise LookupError("mine")

        return on_progress

    @pytest.mark.usefixtures("service")
    def test_the_generations_that_are_not_saved_are_named(self, client, tmp_path, interrupt):
        with pytest.raises(LookupError, match="mine") as caught:
            client.generate_many(requests_for("a", "gone"), tmp_path, concurrency=1, on_progress=interrupt)
        [note] = caught.value.__notes__
        assert note == f"1 of 2 are saved\nTo continue: netmind-client wait gone -o {tmp_path}"

    def test_a_create_without_a_response_is_named_by_its_time(self, api, client, tmp_path):
        def on_progress(_):
            raise LookupError("mine")

        api.post(URL, body=CUT)
        with pytest.raises(LookupError, match="mine") as caught:
            client.generate_many(requests_for("a"), tmp_path, on_progress=on_progress)
        [note] = caught.value.__notes__
        find = r"netmind-client find-created --sent-at '20\d\d-\d\d-\d\d \d\d:\d\d:\d\d' --model m"
        assert re.fullmatch(rf"0 of 1 are saved\nTo continue: {find}", note)

    @pytest.mark.usefixtures("service")
    def test_with_a_jobs_file_the_note_says_to_repeat_the_call(self, client, tmp_path, interrupt):
        jobs = tmp_path / "jobs.jsonl"
        with pytest.raises(LookupError, match="mine") as caught:
            client.generate_many(
                requests_for("a", "b"), tmp_path, jobs_file=jobs, concurrency=1, on_progress=interrupt
            )
        [note] = caught.value.__notes__
        assert note == f"To continue: repeat the call with jobs_file='{jobs}' (2 of 2 are saved)"


class TestCallbacks:
    @pytest.mark.parametrize("callback", ["print", 7])
    def test_a_callback_that_cannot_be_called_is_reported_before_anything_is_sent(
        self, api, client, tmp_path, callback
    ):
        calls = [
            lambda: client.generate_many(requests_for("a"), tmp_path, on_progress=callback),
            lambda: client.generate("m", {}, tmp_path, on_progress=callback),
            lambda: client.generate("m", {}, tmp_path, on_poll=callback),
            lambda: client.wait("a", on_poll=callback),
        ]
        for call in calls:
            with pytest.raises(ConfigurationError, match=r"expected on_\w+ as a function, got (str|int)"):
                call()
        assert api.calls == []

    def test_a_coroutine_function_is_rejected(self, client):
        async def on_poll(_):
            pass

        with pytest.raises(ConfigurationError, match="got a coroutine function, which is not awaited"):
            client.wait("a", on_poll=on_poll)


class TestJobsFile:
    @pytest.mark.parametrize(
        "line",
        [
            '{"request": 1.0, "digest": "x", "event": "sending"}',
            '{"request": 1, "digest": "x", "event": "saved", "paths": null}',
            '{"request": 1, "digest": "x", "event": "saved"}',
            '{"request": 1, "digest": "x", "event": "created", "generation_id": 7}',
            '{"request": null}',
            '{"request": 1, "digest": "x", "event": "sending"}',
            '{"request": 1, "digest": "x", "event": "created"}',
        ],
    )
    def test_an_edited_line_is_reported(self, client, tmp_path, jobs, line):
        jobs.write_text(line + "\n")
        with pytest.raises(ConfigurationError, match=r"jobs\.jsonl, line 1: not a jobs file"):
            client.generate_many(requests_for("a"), tmp_path, jobs_file=jobs)

    def test_what_failed_and_was_saved_later_is_not_created_again(self, client, api, service, tmp_path, jobs):
        api._responses["GET", f"{URL}/fails"] = []
        client.generate_many(requests_for("fails"), tmp_path, jobs_file=jobs)
        url = "https://files.example/fails.png"
        done = {"id": "fails", "status": "completed", "result": {"data": [{"url": url}]}}
        api._responses["GET", f"{URL}/fails"] = [(200, {}, json.dumps(done), True)]
        for again in (False, True):
            [outcome] = client.generate_many(
                requests_for("fails"), tmp_path, jobs_file=jobs, retry_failed=again
            )
            assert outcome.error is None
        assert service == ["fails"]

    def test_a_deleted_generation_is_created_again_with_retry_failed(
        self, client, api, tmp_path, jobs, generation
    ):
        api.post(URL, json=generation())
        api.get(f"{URL}/{generation()['id']}", status=404)
        for again, creates in ((False, 1), (False, 1), (True, 2)):
            [outcome] = client.generate_many(requests_for("a"), tmp_path, jobs_file=jobs, retry_failed=again)
            assert isinstance(outcome.error, NotFoundError)
            assert [call.method for call in api.calls].count("POST") == creates

    def test_an_id_that_could_not_be_recorded_at_first_is_recorded_later(
        self, client, api, tmp_path, jobs, monkeypatch, generation
    ):
        refused, add = [], LineFile.add

        def full_for_a_moment(self, text):
            if '"created"' in text and not refused:
                refused.append(text)
                raise DownloadError("No space left on device")
            add(self, text)

        monkeypatch.setattr(LineFile, "add", full_for_a_moment)
        api.post(URL, json=generation())
        api.get(f"{URL}/{generation()['id']}", json=generation())
        [outcome] = client.generate_many(requests_for("a"), tmp_path, jobs_file=jobs, timeout=2)
        assert (isinstance(outcome.error, WaitTimeoutError), len(refused)) == (True, 1)
        assert self.events(jobs) == [(1, "sending"), (1, "created")]

    def test_a_config_that_is_nested_too_deeply_is_reported(self, client, tmp_path):
        deep = {}
        for _ in range(100_000):
            deep = {"a": deep}
        with pytest.raises(ConfigurationError, match=r"request 1: expected \(model, config\)"):
            client.generate_many([("m", deep)], tmp_path)

    def test_results_are_saved_even_if_the_id_could_not_be_recorded(
        self, client, service, tmp_path, jobs, monkeypatch
    ):
        add = LineFile.add

        def full(self, text):
            if '"created"' in text:
                raise DownloadError("No space left on device")
            add(self, text)

        monkeypatch.setattr(LineFile, "add", full)
        [outcome] = client.generate_many(requests_for("a"), tmp_path, jobs_file=jobs)
        assert (outcome.error, outcome.paths[0].read_text()) == (None, "a")
        client.generate_many(requests_for("a"), tmp_path, jobs_file=jobs)
        assert service == ["a"]

    @pytest.fixture
    def jobs(self, tmp_path):
        return tmp_path / "jobs.jsonl"

    def events(self, jobs):
        return [(line["request"], line["event"]) for line in map(json.loads, jobs.read_text().splitlines())]

    def test_each_event_is_recorded_before_the_next_step(self, client, service, tmp_path, jobs):
        client.generate_many(requests_for("a", "fails"), tmp_path, jobs_file=jobs, concurrency=1)
        assert self.events(jobs) == [
            (1, "sending"),
            (1, "created"),
            (1, "saved"),
            (2, "sending"),
            (2, "created"),
            (2, "failed"),
        ]
        assert "prompt" not in jobs.read_text()
        assert service == ["a", "fails"]

    def test_saved_results_are_skipped(self, api, client, service, tmp_path, jobs):
        first = client.generate_many(requests_for("a", "b"), tmp_path, jobs_file=jobs)
        api.calls.clear()
        again = client.generate_many(requests_for("a", "b", "c"), tmp_path, jobs_file=jobs)
        assert [one.paths for one in again[:2]] == [one.paths for one in first]
        assert again[2].generation_id == "c"
        assert service.count("a") == service.count("b") == 1
        assert {call.url.rpartition("/")[2] for call in api.calls} == {"generation", "c", "c.png"}

    def test_a_missing_file_is_downloaded_again_without_a_create(self, client, service, tmp_path, jobs):
        (outcome,) = client.generate_many(requests_for("a"), tmp_path, jobs_file=jobs)
        outcome.paths[0].unlink()
        (again,) = client.generate_many(requests_for("a"), tmp_path, jobs_file=jobs)
        assert (again.paths, again.paths[0].read_text(), service) == (outcome.paths, "a", ["a"])

    def test_a_generation_that_was_created_is_waited_for(self, client, service, tmp_path, jobs):
        client.generate_many(requests_for("a"), tmp_path, jobs_file=jobs)
        kept = [line for line in jobs.read_text().splitlines(keepends=True) if "saved" not in line]
        jobs.write_text("".join(kept))
        (outcome,) = client.generate_many(requests_for("a"), tmp_path, jobs_file=jobs)
        assert (outcome.generation_id, outcome.error, service) == ("a", None, ["a"])

    def test_a_create_without_a_response_is_not_sent_again(self, api, client, generation, tmp_path, jobs):
        api.post(URL, body=CUT)
        (first,) = client.generate_many(requests_for("a"), tmp_path, jobs_file=jobs)
        (again,) = client.generate_many(requests_for("a"), tmp_path, jobs_file=jobs)
        assert isinstance(first.error, CreateOutcomeUnknownError)
        assert isinstance(again.error, CreateOutcomeUnknownError)
        assert "an earlier run sent this create at " in str(again.error)
        assert again.error.resume.startswith("netmind-client find-created --sent-at ")
        assert len(api.calls) == 1
        sent = json.loads(jobs.read_text().splitlines()[0])["sent_at"]
        api.get(URL, json={"generation_list": [generation(id="ours", created_at=sent)]})
        assert [one.id for one in client.result_of(again.error.find_created)] == ["ours"]

    def test_a_create_that_certainly_created_nothing_is_sent_by_the_next_run(
        self, api, client, service, tmp_path, jobs
    ):
        api._responses["POST", URL].insert(0, (200, {}, REFUSED, True))
        api._responses["POST", URL].insert(0, (200, {}, REFUSED, True))
        api._responses["POST", URL].insert(0, (200, {}, REFUSED, True))
        (first,) = client.generate_many(requests_for("a"), tmp_path, jobs_file=jobs)
        (again,) = client.generate_many(requests_for("a"), tmp_path, jobs_file=jobs)
        assert type(first.error) is TransportError
        assert (again.error, service) == (None, ["a"])

    @pytest.mark.usefixtures("service")
    def test_a_file_of_other_requests_is_rejected(self, client, tmp_path, jobs):
        client.generate_many(requests_for("a", "b"), tmp_path, jobs_file=jobs)
        for other in (requests_for("a", "c"), requests_for("b", "a"), requests_for("a")):
            with pytest.raises(
                ConfigurationError, match=r"jobs\.jsonl, line \d: request \d is different in this file"
            ):
                client.generate_many(other, tmp_path, jobs_file=jobs)

    @pytest.mark.parametrize("text", ["junk\n", "{}\n", "[]\n", '{"request": "x"}\n'])
    def test_a_file_that_is_not_a_jobs_file_is_rejected(self, client, tmp_path, jobs, text):
        jobs.write_text(text)
        with pytest.raises(ConfigurationError, match=r"jobs\.jsonl, line 1: not a jobs file"):
            client.generate_many(requests_for("a"), tmp_path, jobs_file=jobs)

    def test_an_incomplete_line_is_removed(self, client, service, tmp_path, jobs):
        client.generate_many(requests_for("a"), tmp_path, jobs_file=jobs)
        whole = jobs.read_text()
        jobs.write_text(whole + '{"request": 2, "dig')
        client.generate_many(requests_for("a", "b"), tmp_path, jobs_file=jobs)
        assert jobs.read_text().startswith(whole + '{"request": 2, "digest": ')
        assert (len(jobs.read_text().splitlines()), service) == (6, ["a", "b"])

    @pytest.mark.parametrize("content", [b"one\nand no more", b"\x89PNG" + bytes(50), b'{"model": "m"}'])
    def test_a_rejected_file_is_not_changed(self, client, tmp_path, jobs, content):
        jobs.write_bytes(content)
        with pytest.raises(ConfigurationError, match="not a jobs file of generate_many; choose another file"):
            client.generate_many(requests_for("a"), tmp_path, jobs_file=jobs)
        assert jobs.read_bytes() == content

    @pytest.mark.usefixtures("service")
    def test_two_runs_cannot_use_one_file(self, client, tmp_path, jobs):
        refused = []

        def meanwhile(_):
            with pytest.raises(ConfigurationError, match="another run is using this file") as caught:
                GenerationClient("k3y", BASE).generate_many(requests_for("a"), tmp_path, jobs_file=jobs)
            refused.append(caught)

        client.generate_many(requests_for("a"), tmp_path, jobs_file=jobs, on_progress=meanwhile)
        assert len(refused) == 1


def test_a_request_stopped_before_its_create_is_recorded_as_not_created(tmp_path):
    core, jobs = (
        Core(None, "k3y", BASE, 30.0, None, clock.monotonic, sleeps_in_real_time=True),
        tmp_path / "jobs.jsonl",
    )
    saving, options = (
        Saving(tmp_path, False, 1000),
        {"concurrency": 1, "retry_failed": False, "on_progress": None},
    )
    batch = open_batch(core.client, requests_for("a"), 5.0, saving, jobs, **options)
    with contextlib.closing(batch):
        running = batch.outcome(0)
        while not isinstance(effect := next(running), Send):
            assert batch.is_creating()  # before its line is written, so that its end is waited for
            running.send(effect.function())
        running.throw(Stopped())
        running.send(next(running).function())
        with pytest.raises(Stopped):
            next(running)
        assert not batch.is_creating()
    assert [line["event"] for line in map(json.loads, jobs.read_text().splitlines())] == [
        "sending",
        "not created",
    ]
