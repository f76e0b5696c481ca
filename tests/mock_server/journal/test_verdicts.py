"""Verdicts on a client: its polling and its spend, from journals that the tests write."""

import dataclasses
import json

import pytest

from netmind_mock.journal.entries import RawEntry
from netmind_mock.journal.memory import Journal
from netmind_mock.journal.polling import judge_polling, polling_from_json
from netmind_mock.journal.spend import Prices, prices_from, spend, spend_from_json
from netmind_mock.validation import InvalidFile

JOB = "0" * 32
WORDS = {name: name for name in ("pending", "initializing", "processing", "completed", "failed")}


class Requests:
    """Writes a journal as if a client had sent requests."""

    def __init__(self):
        self.journal = Journal()

    def raw(self, operation, at, response=None, status=200, headers=(), body=b"", job=JOB, **more):
        document = b"" if response is None else json.dumps(response).encode()
        self.journal.add(
            RawEntry(
                **{
                    "user_id": "u", "at": float(at), "seconds": 0.0, "operation": operation, "method": "GET", "path": "/",
                    "headers": "", "token": "", "body": body, "status": status,
                    "response_headers": "\n".join(["Content-Type: application/json", *headers]), "response": document, "job_id": job,
                    "scenario": "", "fault": "", "fault_kind": "", "arrives": True, "reached": True, **more,
                }
            )
        )  # fmt: skip
        return self

    def create(self, at=0, prompt="x", job=JOB, model="m", **more):
        body = json.dumps({"model": model, "config": {"prompt": prompt}}).encode()
        return self.raw("create", at, {"id": job, "status": "pending"}, body=body, job=job, **more)

    def poll(self, at, status="pending", **more):
        result = {"data": [{}]} if status == "completed" else {}
        return self.raw("get", at, {"status": status, "result": result}, **more)

    def polls(self, *times):
        for at in times:
            self.poll(at)
        return self

    def judged(self, dropped=0):
        return judge_polling(JOB, self.journal.entries(), WORDS, dropped=dropped)

    def rules(self):
        return [finding.rule for finding in self.judged().findings]


def growing(first, factor, count):
    at, pause, times = 0.0, first, []
    for _ in range(count):
        at += pause
        pause *= factor
        times.append(at)
    return times


class TestPolling:
    def test_a_polite_client_gets_no_findings(self):
        requests = Requests().create().polls(*growing(0.5, 1.25, 20)).poll(300, "completed")
        assert requests.judged().findings == ()
        requests.judged().assert_polite()

    def test_times_are_counted_from_the_create(self):
        verdict = Requests().create(at=100).polls(101, 103, 107).judged()
        assert (verdict.times, verdict.intervals) == ((1.0, 3.0, 7.0), (2.0, 4.0))

    def test_polls_in_quick_succession_are_found(self):
        assert Requests().create().polls(0, 0.05, 0.1).poll(5, "completed").rules() == ["interval"]

    def test_a_pause_that_does_not_grow_is_found(self):
        assert Requests().create().polls(*range(1, 20)).poll(20, "completed").rules() == ["backoff"]

    def test_a_short_job_needs_no_backoff(self):
        assert Requests().create().polls(1, 2, 3, 4).poll(5, "completed").rules() == []

    @pytest.mark.parametrize(("next_poll", "rules"), [(1.5, ["retry-after"]), (11, [])])
    def test_retry_after_must_be_honoured(self, next_poll, rules):
        requests = Requests().create().raw("get", 1, {}, 429, ("Retry-After: 10",))
        assert requests.poll(next_poll, "completed").rules() == rules

    @pytest.mark.parametrize("status", ["completed", "failed"])
    def test_polls_after_a_final_status_are_found(self, status):
        assert Requests().create().poll(1, status).poll(3, status).rules() == ["final"]

    def test_getting_the_job_again_for_an_expired_link_is_polite(self):
        requests = Requests().create().poll(1, "completed").raw("file", 2, status=403).poll(3, "completed")
        assert requests.rules() == []

    def test_the_statuses_of_a_profile_are_known(self):
        done = {"status": "done", "result": {"data": [{}]}}
        requests = Requests().create().poll(1, "working").raw("get", 2, done).raw("get", 3, done)
        words = {**WORDS, "processing": "working", "completed": "done"}
        verdict = judge_polling(JOB, requests.journal.entries(), words)
        assert [finding.rule for finding in verdict.findings] == ["final"]

    def test_one_quick_poll_does_not_hide_a_pause_that_does_not_grow(self):
        requests = Requests().create().polls(1, 1, *range(2, 20)).poll(20, "completed")
        assert requests.rules() == ["interval", "backoff"]

    def test_a_completed_job_without_a_result_may_be_polled_again(self):
        requests = (
            Requests().create().raw("get", 1, {"status": "completed", "result": {}}).poll(3, "completed")
        )
        assert requests.rules() == []
        assert requests.judged().statuses == ("completed, empty", "completed")

    def test_a_final_status_in_a_lost_response_does_not_count(self):
        assert Requests().create().poll(1, "completed", arrives=False).poll(3, "completed").rules() == []

    def test_polling_without_end_is_found(self):
        assert Requests().create().polls(*growing(0.5, 1.5, 40)).rules() == ["deadline"]
        assert Requests().create().polls(*growing(0.5, 1.0001, 600)).rules() == ["backoff", "deadline"]

    def test_polls_after_a_delete_are_found(self):
        requests = Requests().create().poll(1).raw("delete", 2, {"message": "Generation deleted"})
        assert requests.raw("get", 3, {"message": "Generation not found"}, 404).rules() == ["delete"]

    def test_stopping_at_an_unknown_status_is_found(self):
        assert Requests().create().poll(1, "queued").rules() == ["unknown status"]
        assert Requests().create().poll(1, "queued").poll(2, "completed").rules() == []

    def test_dropped_entries_are_a_finding(self):
        assert [finding.rule for finding in Requests().create().judged(dropped=3).findings] == [
            "polls",
            "journal",
        ]

    def test_the_message_has_the_evidence(self):
        with pytest.raises(AssertionError) as failed:
            Requests().create().polls(1, 1.05).judged().assert_polite()
        assert str(failed.value) == (
            f"generation {JOB} was not polled politely (2 polls):\n"
            "  interval: 1 polls were sent less than 0.2 s after the previous one (at 1.05 s: 0.05 s after it)"
        )

    def test_it_can_be_read_back_from_its_json(self):
        verdict = Requests().create().polls(1, 1.05).judged()
        assert polling_from_json(json.loads(json.dumps(verdict.as_json()))) == verdict

    def test_a_job_that_was_never_polled_is_found(self):
        assert Requests().create().rules() == ["polls"]


class TestSpend:
    def spent(self, requests, prices=None):
        return spend(requests.journal.entries(), prices or Prices())

    def test_each_accepted_create_is_billed(self):
        requests = Requests().create().create(job="").create(reached=False).poll(1)
        assert self.spent(requests).creates == 1

    def test_prices_are_by_model_with_a_default(self):
        requests = Requests().create(model="a").create(model="a").create(model="b")
        spent = self.spent(requests, Prices({"a": 0.25}, default=2.0))
        assert (spent.total, spent.by_model) == (2.5, {"a": 0.5, "b": 2.0})

    def test_repeating_a_create_after_a_lost_response_is_billed_twice(self):
        requests = Requests().create(arrives=False, fault="fault 1: reset of create").create(job="1" * 32)
        (twice,) = self.spent(requests).twice
        assert (twice.first, twice.again) == (1, 2)
        assert "the response to request 1 was lost (fault 1: reset of create)" in str(twice)

    def test_the_same_create_of_another_account_after_a_lost_response_is_not_reported(self):
        requests = Requests().create(arrives=False, user_id="u").create(job="1" * 32, user_id="other")
        assert self.spent(requests).twice == ()

    def test_the_same_create_twice_on_purpose_is_not_reported(self):
        assert self.spent(Requests().create().create()).twice == ()

    def test_another_create_after_a_lost_response_is_not_reported(self):
        requests = Requests().create(arrives=False, fault="fault 1").create(prompt="y")
        assert self.spent(requests).twice == ()

    def test_repeating_a_request_that_never_arrived_is_not_reported(self):
        requests = Requests().create(arrives=False, reached=False, fault="fault 1", job="").create()
        assert self.spent(requests).twice == ()

    def test_the_order_of_keys_makes_no_difference(self):
        requests = Requests()
        for body in (
            b'{"model": "m", "config": {"a": 1, "b": 2}}',
            b'{"config": {"b": 2, "a": 1}, "model": "m"}',
        ):
            requests.raw("create", 0, {"id": JOB}, body=body, arrives=False)
        assert len(self.spent(requests).twice) == 1

    def test_each_lost_response_accounts_for_one_repetition(self):
        requests = Requests().create(arrives=False, fault="fault 1").create().create()
        assert len(self.spent(requests).twice) == 1

    @pytest.mark.parametrize("kind", ["delay", "content_type"])
    def test_a_response_that_was_received_is_not_lost_whatever_the_fault(self, kind):
        requests = Requests().create(fault=f"fault 1: {kind} of create", fault_kind=kind).create()
        assert spend(requests.journal.entries(), Prices(), sure=True).twice == ()

    def test_a_late_response_counts_as_lost_if_it_is_not_known(self):
        requests = (
            Requests().create(fault="fault 1: delay of create (seconds=3)", fault_kind="delay").create()
        )
        assert len(self.spent(requests).twice) == 1

    def test_the_text_of_a_fault_has_no_effect(self):
        requests = (
            Requests()
            .create(fault="fault 1: status of create (message=: delay of)", fault_kind="status")
            .create()
        )
        assert self.spent(requests).twice == ()

    def test_a_response_without_the_id_of_the_job_counts_as_lost(self):
        requests = (
            Requests()
            .raw("create", 0, {"message": "Gateway Timeout"}, 504, body=b"{}", fault="fault 1")
            .raw("create", 1, {"id": JOB}, body=b"{}")
        )
        assert len(self.spent(requests).twice) == 1

    def test_the_reason_can_be_the_timeout_of_the_client(self):
        (twice,) = self.spent(Requests().create(arrives=False).create()).twice
        assert "was lost (its client's timeout was over)" in str(twice)

    def test_dropped_entries_are_counted(self):
        assert spend([], Prices(), dropped=3).dropped == 3

    def test_it_can_be_read_back_from_its_json(self):
        spent = self.spent(Requests().create(fault="fault 1", arrives=False).create())
        assert spend_from_json(json.loads(json.dumps(spent.as_json()))) == spent
        assert dataclasses.asdict(spent)["creates"] == 2

    def test_prices_are_read_from_a_file(self, tmp_path):
        file = tmp_path / "prices.toml"
        file.write_text('default = 0.5\n[prices]\n"Qwen/Qwen-Image" = 0.02\n')
        assert prices_from(file) == Prices({"Qwen/Qwen-Image": 0.02}, 0.5)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("default = -1", "default: expected a number, 0 or more, got -1"),
            ("price = 1", "price: no such key; expected default or prices"),
            ("prices = 1", "prices: expected a table [prices], got int"),
            ('[prices]\nm = "x"', "prices.m: expected a number, 0 or more, got 'x'"),
        ],
    )
    def test_an_error_names_the_file_and_the_key(self, tmp_path, text, message):
        file = tmp_path / "prices.toml"
        file.write_text(text)
        with pytest.raises(InvalidFile) as refused:
            prices_from(file)
        assert str(refused.value) == f"{file}: {message}"
