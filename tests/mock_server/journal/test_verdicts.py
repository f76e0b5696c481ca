"""Verdicts on a client, from made-up journals."""

import dataclasses
import json

import pytest

from netmind_mock.journal.entries import Journal, RawEntry
from netmind_mock.journal.polling import judge_polling, polling_from_json
from netmind_mock.journal.spend import Prices, prices_from, spend, spend_from_json
from netmind_mock.validation import InvalidFile

JOB = "0" * 32
WORDS = {name: name for name in ("pending", "initializing", "processing", "completed", "failed")}


class Diary:
    """Writes a journal, as a client and a fake would."""

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
    def test_a_polite_client_is_told_nothing(self):
        diary = Diary().create().polls(*growing(0.5, 1.25, 20)).poll(300, "completed")
        assert diary.judged().findings == ()
        diary.judged().assert_polite()

    def test_times_are_counted_from_the_create(self):
        verdict = Diary().create(at=100).polls(101, 103, 107).judged()
        assert (verdict.times, verdict.intervals) == ((1.0, 3.0, 7.0), (2.0, 4.0))

    def test_polls_in_a_rush_are_noticed(self):
        assert Diary().create().polls(0, 0.05, 0.1).poll(5, "completed").rules() == ["interval"]

    def test_a_pause_that_never_grows_is_noticed(self):
        assert Diary().create().polls(*range(1, 20)).poll(20, "completed").rules() == ["backoff"]

    def test_a_short_job_needs_no_backoff(self):
        assert Diary().create().polls(1, 2, 3, 4).poll(5, "completed").rules() == []

    @pytest.mark.parametrize(("next_poll", "rules"), [(1.5, ["retry-after"]), (11, [])])
    def test_retry_after_is_to_be_honoured(self, next_poll, rules):
        diary = Diary().create().raw("get", 1, {}, 429, ("Retry-After: 10",))
        assert diary.poll(next_poll, "completed").rules() == rules

    @pytest.mark.parametrize("status", ["completed", "failed"])
    def test_polls_after_a_final_status_are_noticed(self, status):
        assert Diary().create().poll(1, status).poll(3, status).rules() == ["final"]

    def test_asking_again_for_a_link_that_was_refused_is_polite(self):
        diary = Diary().create().poll(1, "completed").raw("file", 2, status=403).poll(3, "completed")
        assert diary.rules() == []

    def test_a_profiles_own_words_are_known(self):
        done = {"status": "done", "result": {"data": [{}]}}
        diary = Diary().create().poll(1, "working").raw("get", 2, done).raw("get", 3, done)
        words = {**WORDS, "processing": "working", "completed": "done"}
        verdict = judge_polling(JOB, diary.journal.entries(), words)
        assert [finding.rule for finding in verdict.findings] == ["final"]

    def test_one_poll_in_a_rush_does_not_hide_a_pause_that_never_grows(self):
        diary = Diary().create().polls(1, 1, *range(2, 20)).poll(20, "completed")
        assert diary.rules() == ["interval", "backoff"]

    def test_a_completed_job_without_result_may_be_asked_again(self):
        diary = Diary().create().raw("get", 1, {"status": "completed", "result": {}}).poll(3, "completed")
        assert diary.rules() == []
        assert diary.judged().statuses == ("completed, empty", "completed")

    def test_a_final_status_that_got_lost_does_not_count(self):
        assert Diary().create().poll(1, "completed", arrives=False).poll(3, "completed").rules() == []

    def test_polling_for_ever_is_noticed(self):
        assert Diary().create().polls(*growing(0.5, 1.5, 40)).rules() == ["deadline"]
        assert Diary().create().polls(*growing(0.5, 1.0001, 600)).rules() == ["backoff", "deadline"]

    def test_polls_after_a_delete_are_noticed(self):
        diary = Diary().create().poll(1).raw("delete", 2, {"message": "Generation deleted"})
        assert diary.raw("get", 3, {"message": "Generation not found"}, 404).rules() == ["delete"]

    def test_giving_up_at_an_unknown_status_is_noticed(self):
        assert Diary().create().poll(1, "queued").rules() == ["unknown status"]
        assert Diary().create().poll(1, "queued").poll(2, "completed").rules() == []

    def test_what_was_dropped_is_said(self):
        assert [finding.rule for finding in Diary().create().judged(dropped=3).findings] == [
            "polls",
            "journal",
        ]

    def test_the_message_gives_the_evidence(self):
        with pytest.raises(AssertionError) as failed:
            Diary().create().polls(1, 1.05).judged().assert_polite()
        assert str(failed.value) == (
            f"generation {JOB} was not polled politely (2 polls):\n"
            "  interval: 1 polls came less than 0.2 s after the one before (at 1.05 s: 0.05 s after it)"
        )

    def test_it_is_the_same_after_json(self):
        verdict = Diary().create().polls(1, 1.05).judged()
        assert polling_from_json(json.loads(json.dumps(verdict.as_json()))) == verdict

    def test_a_job_that_was_never_polled_is_noticed(self):
        assert Diary().create().rules() == ["polls"]


class TestSpend:
    def spent(self, diary, prices=None):
        return spend(diary.journal.entries(), prices or Prices())

    def test_each_create_that_was_accepted_costs(self):
        diary = Diary().create().create(job="").create(reached=False).poll(1)
        assert self.spent(diary).creates == 1

    def test_prices_are_by_model_with_a_default(self):
        diary = Diary().create(model="a").create(model="a").create(model="b")
        spent = self.spent(diary, Prices({"a": 0.25}, default=2.0))
        assert (spent.total, spent.by_model) == (2.5, {"a": 0.5, "b": 2.0})

    def test_the_same_again_after_a_lost_answer_is_paid_for_twice(self):
        diary = Diary().create(arrives=False, fault="fault 1: reset of create").create(job="1" * 32)
        (twice,) = self.spent(diary).twice
        assert (twice.first, twice.again) == (1, 2)
        assert "the answer to request 1 was lost (fault 1: reset of create)" in str(twice)

    def test_the_same_twice_on_purpose_is_not(self):
        assert self.spent(Diary().create().create()).twice == ()

    def test_another_request_after_a_lost_answer_is_not(self):
        diary = Diary().create(arrives=False, fault="fault 1").create(prompt="y")
        assert self.spent(diary).twice == ()

    def test_a_lost_request_that_never_arrived_may_be_sent_again(self):
        diary = Diary().create(arrives=False, reached=False, fault="fault 1", job="").create()
        assert self.spent(diary).twice == ()

    def test_the_order_of_keys_makes_no_difference(self):
        diary = Diary()
        for body in (
            b'{"model": "m", "config": {"a": 1, "b": 2}}',
            b'{"config": {"b": 2, "a": 1}, "model": "m"}',
        ):
            diary.raw("create", 0, {"id": JOB}, body=body, arrives=False)
        assert len(self.spent(diary).twice) == 1

    def test_each_loss_explains_one_repeat(self):
        diary = Diary().create(arrives=False, fault="fault 1").create().create()
        assert len(self.spent(diary).twice) == 1

    @pytest.mark.parametrize("kind", ["delay", "content_type"])
    def test_an_answer_that_was_received_is_not_lost_however_it_suffered(self, kind):
        diary = Diary().create(fault=f"fault 1: {kind} of create", fault_kind=kind).create()
        assert spend(diary.journal.entries(), Prices(), sure=True).twice == ()

    def test_a_late_answer_may_be_lost_where_nobody_knows(self):
        diary = Diary().create(fault="fault 1: delay of create (seconds=3)", fault_kind="delay").create()
        assert len(self.spent(diary).twice) == 1

    def test_the_words_of_a_fault_decide_nothing(self):
        diary = (
            Diary()
            .create(fault="fault 1: status of create (message=: delay of)", fault_kind="status")
            .create()
        )
        assert self.spent(diary).twice == ()

    def test_an_answer_that_does_not_name_the_job_is_lost(self):
        diary = (
            Diary()
            .raw("create", 0, {"message": "Gateway Timeout"}, 504, body=b"{}", fault="fault 1")
            .raw("create", 1, {"id": JOB}, body=b"{}")
        )
        assert len(self.spent(diary).twice) == 1

    def test_a_client_that_gave_up_by_itself_is_told_so(self):
        (twice,) = self.spent(Diary().create(arrives=False).create()).twice
        assert "was lost (its client's timeout was over)" in str(twice)

    def test_what_was_dropped_is_told(self):
        assert spend([], Prices(), dropped=3).dropped == 3

    def test_it_is_the_same_after_json(self):
        spent = self.spent(Diary().create(fault="fault 1", arrives=False).create())
        assert spend_from_json(json.loads(json.dumps(spent.as_json()))) == spent
        assert dataclasses.asdict(spent)["creates"] == 2

    def test_prices_come_from_a_file(self, tmp_path):
        file = tmp_path / "prices.toml"
        file.write_text('default = 0.5\n[prices]\n"Qwen/Qwen-Image" = 0.02\n')
        assert prices_from(file) == Prices({"Qwen/Qwen-Image": 0.02}, 0.5)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("default = -1", "default: expected a number, 0 or more, got -1"),
            ("price = 1", "price: no such key; there are default and prices"),
            ("prices = 1", "prices: expected a table [prices], got int"),
            ('[prices]\nm = "x"', "prices.m: expected a number, 0 or more, got 'x'"),
        ],
    )
    def test_a_mistake_in_the_file_is_named(self, tmp_path, text, message):
        file = tmp_path / "prices.toml"
        file.write_text(text)
        with pytest.raises(InvalidFile) as refused:
            prices_from(file)
        assert str(refused.value) == f"{file}: {message}"
