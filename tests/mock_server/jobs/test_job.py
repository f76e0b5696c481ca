"""A job's status is a pure function of its facts and the time."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from netmind_mock.jobs.job import Job, Plan, Stage, Status, ends_after, prompt_of, status_at

PLAN = Plan(
    (
        Stage(Status.PENDING, 0.0),
        Stage(Status.INITIALIZING, 3.5),
        Stage(Status.PROCESSING, 4.0),
        Stage(Status.COMPLETED, 10.0),
    )
)
JOB = Job("0" * 32, "1" * 32, "m", b"{}", 1000.0, PLAN)

times = st.floats(min_value=1000, max_value=1e9)


@pytest.mark.parametrize(
    ("elapsed", "status"),
    [
        (0.0, "pending"),
        (3.4, "pending"),
        (3.5, "initializing"),
        (4.0, "processing"),
        (9.9, "processing"),
        (10.0, "completed"),
        (1e9, "completed"),
    ],
)
def test_the_status_follows_the_plan(elapsed, status):
    assert status_at(JOB, 1000.0 + elapsed).status == status


def test_before_its_creation_a_job_is_in_its_first_stage():
    assert status_at(JOB, 0.0).status == "pending"


def test_a_deleted_job_stays_as_it_was():
    assert status_at(replace(JOB, deleted_at=1005.0), 5000.0).status == "processing"


def test_rounding_does_not_delay_a_job():
    job = replace(
        JOB, created_at=1_758_186_860.1, plan=Plan((Stage(Status.PENDING, 0.0), Stage(Status.COMPLETED, 0.3)))
    )
    assert status_at(job, 1_758_186_860.1 + 0.1 + 0.1 + 0.1).status == "completed"


@given(times, times)
def test_a_job_never_goes_back(one, other):
    order = [stage.status for stage in PLAN.stages]
    earlier, later = sorted((one, other))
    assert order.index(status_at(JOB, earlier).status) <= order.index(status_at(JOB, later).status)


@given(times)
def test_reading_a_job_does_not_change_it(now):
    assert status_at(JOB, now) == status_at(JOB, now)
    assert replace(JOB) == JOB


def test_a_plan_ends_after_its_final_stage():
    assert ends_after(PLAN) == 10.0


def test_a_plan_without_a_final_stage_never_ends():
    assert ends_after(Plan((Stage(Status.PENDING, 0.0), Stage("queued", 3.0)))) == math.inf


@pytest.mark.parametrize("status", Status)
def test_only_completed_and_failed_are_final(status):
    assert status.is_final is (status in ("completed", "failed"))


@pytest.mark.parametrize(
    ("config", "prompt"),
    [
        ({"prompt": "A cup", "text": "Hello"}, "A cup"),
        ({"prompt": ["x"], "text": "Hello"}, "Hello"),
        ({"prompt": ["x"]}, ""),
    ],
)
def test_the_prompt_is_the_option_prompt_or_text(config, prompt):
    assert prompt_of(config) == prompt
