"""Names that carry what they name."""

import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmind_mock import identity

keys = st.integers(min_value=0, max_value=(1 << identity.KEY_BITS) - 1)
indexes = st.integers(min_value=0, max_value=identity.MAX_FILES - 1)


@given(keys)
def test_a_job_id_is_32_lower_case_hexadecimal_digits(key):
    assert re.fullmatch(r"[0-9a-f]{32}", identity.job_id(key))
    assert identity.is_job_id(identity.job_id(key))


@given(keys, indexes)
def test_a_files_id_has_the_observed_form_and_leads_back_to_its_job(key, index):
    job = identity.job_id(key)
    file = identity.file_id(job, index)
    assert re.fullmatch(r"file-[a-z0-9]{16}", file)
    assert identity.file_of(file) == (job, index)


@pytest.mark.parametrize(
    "text", ["", "file-", "file-short", "file-" + "z" * 16, "FILE-0000000000000000", "file-000000000000000é"]
)
def test_what_is_no_file_id_leads_nowhere(text):
    assert identity.file_of(text) is None


@given(st.text(max_size=40))
def test_any_text_may_be_asked_about(text):
    identity.file_of(text)
    identity.is_job_id(text)


def test_the_same_seed_gives_the_same_ids():
    one, other = identity.JobIds(7), identity.JobIds(7)
    assert [one.next() for _ in range(5)] == [other.next() for _ in range(5)]


def test_without_a_seed_no_two_ids_are_alike():
    ids = identity.JobIds()
    assert len({ids.next() for _ in range(1000)}) == 1000


def test_ids_are_given_once_to_many_threads():
    ids, given_ids = identity.JobIds(1), []
    threads = [
        threading.Thread(target=lambda: given_ids.extend(ids.next() for _ in range(200))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(given_ids)) == 1600


def test_a_tenant_is_32_hexadecimal_digits_that_do_not_tell_the_token():
    user_id = identity.user_id_of("s3cret")
    assert re.fullmatch(r"[0-9a-f]{32}", user_id)
    assert user_id != identity.user_id_of("s3cret2")
