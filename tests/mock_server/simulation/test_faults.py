"""Faults: how each changes a response, when it applies, and that a seed reproduces it."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmind_mock.simulation.faults import KINDS, OPERATIONS, Delivery, fault
from netmind_mock.validation import InvalidInput

BODY = b'{"message": "as it was"}'
WHOLE = Delivery(200, [("Content-Type", "application/json"), ("Content-Length", str(len(BODY)))], BODY)


def applied(kind, operation="get", **arguments):
    return fault(1, operation, kind, **arguments).apply(WHOLE, seed=7, count=0)


def header(delivery, name):
    return [value for key, value in delivery.headers if key.lower() == name]


def test_a_status_can_have_a_retry_after_header():
    refused = applied("status", code=429, retry_after=2)
    assert (refused.status, header(refused, "retry-after")) == (429, ["2"])
    assert json.loads(refused.body) == {"message": "Too Many Requests"}


def test_a_status_without_a_name_still_has_a_message():
    assert json.loads(applied("status", code=599).body) == {"message": "Status 599"}


def test_a_delay_changes_only_the_time():
    late = applied("delay", seconds=4)
    assert (late.wait, late.body, late.status, late.arrives) == (4.0, BODY, 200, True)


def test_a_hang_never_arrives():
    hung = applied("hang")
    assert (hung.wait, hung.arrives) == (math.inf, False)


def test_a_hang_can_end_by_closing_the_connection():
    hung = applied("hang", seconds=3)
    assert (hung.wait, hung.sent, hung.arrives) == (3.0, -1, False)


def test_a_dribble_arrives_completely():
    slow = applied("dribble", seconds=60)
    assert (slow.over, slow.arrives) == (60.0, True)


@pytest.mark.parametrize(
    ("when", "sent", "arrives", "reaches"),
    [
        ("request", -1, False, False),
        ("before", -1, False, True),
        ("during", len(BODY) // 2, False, True),
        ("after", len(BODY), True, True),
    ],
)
def test_a_reset_can_happen_at_four_moments(when, sent, arrives, reaches):
    cut = applied("reset", when=when)
    assert (cut.sent, cut.arrives, cut.reset) == (sent, arrives, True)
    assert fault(1, "get", "reset", when=when).reaches is reaches


def test_a_truncated_body_announces_more_than_it_sends():
    cut = applied("truncate", share=0.25)
    assert (header(cut, "content-length"), cut.sent, cut.reset) == ([str(len(BODY))], len(BODY) // 4, False)


def test_a_short_file_announces_what_it_sends():
    short = applied("short", "file", share=0.5)
    assert (header(short, "content-length"), short.body) == ([str(len(BODY) // 2)], BODY[: len(BODY) // 2])


def test_malformed_json_is_cut_in_the_middle():
    broken = applied("malformed_json")
    assert header(broken, "content-length") == [str(len(broken.body))]
    with pytest.raises(json.JSONDecodeError):
        json.loads(broken.body)


def test_an_html_response_looks_like_that_of_a_gateway():
    page = applied("html", code=504)
    assert (page.status, header(page, "content-type")) == (504, ["text/html"])
    assert b"<h1>504 Gateway Timeout</h1>" in page.body


def test_another_content_type_does_not_change_the_body():
    changed = applied("content_type", type="text/plain")
    assert (header(changed, "content-type"), changed.body) == (["text/plain"], BODY)


def test_a_redirect_has_a_location():
    moved = applied("redirect", code=307, location="/elsewhere")
    assert (moved.status, header(moved, "location")) == (307, ["/elsewhere"])


def test_a_corrupt_file_has_the_same_length_and_other_bytes():
    corrupt = applied("corrupt", "file", count=3)
    assert len(corrupt.body) == len(BODY)
    assert 1 <= sum(one != other for one, other in zip(corrupt.body, BODY, strict=True)) <= 3


@given(st.integers(0, 99), st.integers(0, 99))
def test_a_seed_corrupts_the_same_bytes(seed, count):
    one = fault(1, "file", "corrupt")
    assert one.apply(WHOLE, seed, count) == one.apply(WHOLE, seed, count)


@given(st.integers(0, 999))
def test_a_seed_applies_a_fault_to_the_same_requests(seed):
    one = fault(1, "get", "status", probability=0.5)
    applies = [one.applies(seed, count) for count in range(40)]
    assert applies == [one.applies(seed, count) for count in range(40)]


def test_a_probability_is_right_on_average():
    one = fault(1, "get", "status", probability=0.3)
    assert 270 <= sum(one.applies(5, count) for count in range(1000)) <= 330


def test_other_seeds_apply_a_fault_to_other_requests():
    one = fault(1, "get", "status", probability=0.5)
    assert len({tuple(one.applies(seed, count) for count in range(20)) for seed in range(10)}) == 10


def test_probability_0_never_applies_and_1_always():
    assert not any(fault(1, "get", "status", probability=0).applies(1, count) for count in range(50))
    assert all(fault(1, "get", "status", probability=1).applies(1, count) for count in range(50))


def test_the_first_requests_can_be_skipped():
    assert [fault(1, "get", "status", skip=2).applies(1, count) for count in range(4)] == [
        False,
        False,
        True,
        True,
    ]


def test_by_default_a_fault_is_for_the_next_request():
    assert fault(1, "get", "status").times == 1
    assert fault(1, "get", "status", probability=0.5).times is None
    assert fault(1, "get", "status", times=None).times is None


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_description_and_changes_the_response_by_default(kind):
    known = KINDS[kind]
    assert known.about.endswith(".")
    assert applied(kind, known.operations[-1]) != WHOLE


@pytest.mark.parametrize("kind", KINDS)
def test_only_kinds_that_change_more_than_content_are_wire_faults(kind):
    assert applied(kind, KINDS[kind].operations[-1]).is_plain is not KINDS[kind].needs_wire


@given(st.sampled_from(sorted(KINDS)), st.binary(max_size=30))
def test_a_fault_can_be_applied_to_any_body(kind, body):
    delivery = Delivery(200, [("Content-Length", str(len(body)))], body)
    changed = fault(1, KINDS[kind].operations[-1], kind).apply(delivery, 1, 0)
    assert changed.sent is None or -1 <= changed.sent <= len(body)


@pytest.mark.parametrize(
    ("operation", "kind", "arguments", "message"),
    [
        ("crate", "status", {}, "fault: no such operation as 'crate'; did you mean create?"),
        ("get", "stauts", {}, "fault: no such kind as 'stauts'; did you mean status?"),
        ("get", None, {}, "fault: no such kind as 'None'; available: status, delay, hang, "),
        ("create", "corrupt", {}, "fault corrupt: cannot be applied to create; expected file"),
        ("file", "malformed_json", {}, "fault malformed_json: cannot be applied to file; expected create or get or list or delete"),
        ("get", "status", {"cod": 500}, "fault status: cod: no such key; did you mean code?"),
        ("get", "status", {"code": 700}, "fault status: code: expected a whole number from 200 to 599, got 700"),
        ("get", "status", {"probability": 2}, "fault status: probability: expected a number from 0 to 1, got 2"),
        ("get", "status", {"times": 0}, "fault status: times: expected a whole number from 1 to 1000000, got 0"),
        ("get", "reset", {"when": "never"}, 'fault reset: when: expected one of "request", "before", "during", "after"'),
        ("get", "redirect", {"location": "a\nb"}, "fault redirect: location: expected a header value of at most 500"),
    ],
)  # fmt: skip
def test_an_invalid_fault_is_rejected_with_what_was_expected(operation, kind, arguments, message):
    with pytest.raises(InvalidInput) as refused:
        fault(1, operation, kind, **arguments)
    assert str(refused.value).startswith(message)


def test_the_operations_are_those_of_the_api_and_the_download_of_files():
    assert OPERATIONS == ("create", "get", "list", "delete", "file")
