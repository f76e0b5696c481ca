"""One suite for every store."""

import threading
from dataclasses import replace

import pytest

from netmind_mock import MemoryStore
from netmind_mock.jobs import Job, Plan, Stage, Status

PLAN = Plan((Stage(Status.PENDING, 0.0), Stage(Status.COMPLETED, 2.0)))


def job(number, user="u"):
    return Job(f"{number:032x}", user, "m", b"{}", float(number), PLAN)


@pytest.fixture(params=[MemoryStore])
def store(request):
    return request.param()


def test_a_job_is_got_as_it_was_put(store):
    store.put(job(1))
    assert store.get(job(1).id) == job(1)


def test_a_job_that_is_not_there_is_none(store):
    assert store.get(job(1).id) is None


def test_a_page_has_the_tenants_own_jobs_in_the_order_of_creation(store):
    for one in (job(3), job(1), job(2, "other")):
        store.put(one)
    assert store.page("u") == [job(3), job(1)]


def test_a_tenant_without_jobs_has_an_empty_page(store):
    assert store.page("nobody") == []


def test_deleting_records_the_time_and_returns_the_job_as_it_was(store):
    store.put(job(1))
    assert store.delete(job(1).id, 50.0) == job(1)
    assert store.get(job(1).id) == replace(job(1), deleted_at=50.0)
    assert store.page("u") == [replace(job(1), deleted_at=50.0)]


def test_a_second_delete_changes_nothing(store):
    store.put(job(1))
    store.delete(job(1).id, 50.0)
    assert store.delete(job(1).id, 60.0).deleted_at == 50.0
    assert store.get(job(1).id).deleted_at == 50.0


def test_deleting_what_is_not_there_is_none(store):
    assert store.delete(job(1).id, 50.0) is None


def test_of_many_that_delete_at_once_one_finds_the_job_undeleted(store):
    store.put(job(1))
    found = []
    start = threading.Barrier(8)

    def delete():
        start.wait()
        found.append(store.delete(job(1).id, 50.0).deleted_at)

    threads = [threading.Thread(target=delete) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found.count(None) == 1
