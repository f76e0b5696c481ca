"""Ids of jobs, files and accounts."""

import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmind_mock.jobs import ids

keys = st.integers(min_value=0, max_value=(1 << ids.KEY_BITS) - 1)
indexes = st.integers(min_value=0, max_value=ids.MAX_FILES - 1)


@given(keys)
def test_a_job_id_is_32_lower_case_hexadecimal_digits(key):
    assert re.fullmatch(r"[0-9a-f]{32}", ids.job_id(key))
    assert ids.is_job_id(ids.job_id(key))


@given(keys, indexes)
def test_a_file_id_has_the_observed_form_and_contains_its_job(key, index):
    job = ids.job_id(key)
    file = ids.file_id(job, index)
    assert re.fullmatch(r"file-[a-z0-9]{16}", file)
    assert ids.file_of(file) == (job, index)


@pytest.mark.parametrize(
    "text", ["", "file-", "file-short", "file-" + "z" * 16, "FILE-0000000000000000", "file-000000000000000é"]
)
def test_an_invalid_file_id_has_no_job(text):
    assert ids.file_of(text) is None


@given(st.text(max_size=40))
def test_any_text_can_be_checked(text):
    ids.file_of(text)
    ids.is_job_id(text)


def test_the_same_seed_gives_the_same_ids():
    one, other = ids.JobIds(7), ids.JobIds(7)
    assert [one.next() for _ in range(5)] == [other.next() for _ in range(5)]


def test_without_a_seed_all_ids_differ():
    source = ids.JobIds()
    assert len({source.next() for _ in range(1000)}) == 1000


def test_many_threads_get_different_ids():
    source, given_ids = ids.JobIds(1), []
    threads = [
        threading.Thread(target=lambda: given_ids.extend(source.next() for _ in range(200))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(given_ids)) == 1600


def test_an_account_is_32_hexadecimal_digits_that_depend_on_the_api_key():
    user_id = ids.user_id_of("s3cret")
    assert re.fullmatch(r"[0-9a-f]{32}", user_id)
    assert user_id != ids.user_id_of("s3cret2")
