"""One suite for every store."""

import threading
from dataclasses import replace

import pytest

from netmind_mock import MemoryStore
from netmind_mock.jobs import Job, Plan, Stage, Status, deleted, polled

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


def test_a_change_takes_the_jobs_place_and_the_job_as_it_was_comes_back(store):
    store.put(job(1))
    assert store.change(job(1).id, lambda before: deleted(before, 50.0)) == job(1)
    assert store.get(job(1).id) == replace(job(1), deleted_at=50.0)
    assert store.page("u") == [replace(job(1), deleted_at=50.0)]


def test_changing_what_is_not_there_is_none(store):
    assert store.change(job(1).id, lambda before: before) is None


def test_everybodys_page_has_all_jobs(store):
    for one in (job(3), job(1, "other")):
        store.put(one)
    assert store.page(None) == [job(3), job(1, "other")]


def test_forgetting_a_tenant_leaves_the_others(store):
    for one in (job(1), job(2, "other"), job(3)):
        store.put(one)
    store.forget("u")
    assert (store.page("u"), store.get(job(1).id)) == ([], None)
    assert store.page(None) == [job(2, "other")]


def test_forgetting_everybody_leaves_an_empty_store(store):
    store.put(job(1))
    store.forget(None)
    assert (store.page(None), store.get(job(1).id)) == ([], None)


def test_forgetting_whom_nobody_knows_does_nothing(store):
    store.forget("nobody")
    assert store.page(None) == []


def test_of_many_changes_at_once_none_is_lost(store):
    store.put(replace(job(1), plan=replace(PLAN, counts_polls=1000)))
    start = threading.Barrier(8)

    def poll():
        start.wait()
        for _ in range(20):
            store.change(job(1).id, lambda before: polled(before, 50.0))

    threads = [threading.Thread(target=poll) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.get(job(1).id).polled_at) == 160
