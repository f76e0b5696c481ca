"""Reading a SQLite file in a thread that must not wait: what was read before, and when it is read again."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from netmind_mock.jobs.job import Job, Plan, Stage, Status, deleted
from netmind_mock.stores import WouldBlock, open_store

pytestmark = pytest.mark.slow

PLAN = Plan((Stage(Status.PENDING, 0.0), Stage(Status.COMPLETED, 2.0)))


def job(number):
    return Job(f"{number:032x}", "u", "m", b"{}", float(number), PLAN)


class TestNonblocking:
    @pytest.fixture
    def store(self, tmp_path):
        with closing(open_store(f"sqlite:///{tmp_path}/jobs.db")) as store:
            store.put(job(1))
            yield store

    @pytest.fixture
    def other(self, store):
        with closing(open_store(store.name)) as other:
            yield other

    def test_each_request_reads_what_was_committed_before_it_began(self, store, other):
        for deleted_at in (None, 50.0):
            with store.nonblocking():
                assert store.get(job(1).id).deleted_at == deleted_at
                assert store.get(job(2).id) is None
            other.change(job(1).id, lambda before: deleted(before, 50.0))
        other.put(job(2))
        with store.nonblocking():
            assert store.get(job(2).id) == job(2)

    def test_a_change_of_facts_is_read(self, store, other):
        with store.nonblocking():
            assert store.facts(0) is None
            assert store.facts(0) is None
        other.amend("kind", "u", lambda _: (b"fact", None))
        with store.nonblocking():
            assert store.facts(0).changed == {("kind", "u"): b"fact"}

    @pytest.mark.parametrize("write", [
        lambda store: store.put(job(2)),
        lambda store: store.change(job(1).id, lambda before: deleted(before, 50.0)),
        lambda store: store.amend("kind", "u", lambda _: (b"fact", None)),
        lambda store: store.forget(None),
    ])  # fmt: skip
    def test_what_writes_raises_and_changes_nothing(self, store, write):
        with pytest.raises(WouldBlock), store.nonblocking():
            write(store)
        assert (store.page(None), store.facts(0)) == ([job(1)], None)

    def test_another_thread_may_wait_and_write_meanwhile(self, store):
        with store.nonblocking(), ThreadPoolExecutor(1) as threads:
            assert threads.submit(store.put, job(2)).result() is True
        assert store.page(None) == [job(1), job(2)]

    def test_what_cannot_be_read_raises_since_it_may_be_possible_later(self, store):
        with closing(sqlite3.connect(store.name.removeprefix("sqlite:///"), isolation_level=None)) as other:
            other.execute("ALTER TABLE netmind_jobs RENAME TO away")
            with pytest.raises(WouldBlock), store.nonblocking():
                store.get(job(1).id)
            other.execute("ALTER TABLE away RENAME TO netmind_jobs")
        with store.nonblocking():
            assert store.get(job(1).id) == job(1)

    def test_the_jobs_that_are_remembered_are_limited(self, store):
        for number in range(2, 1500):
            store.put(job(number))
        with store.nonblocking():
            for number in range(1, 1500):
                assert store.get(job(number).id) == job(number)
            assert len(store._recent.jobs) <= 1024

    def test_a_postgresql_is_never_read_at_once(self, postgresql):
        with closing(open_store(postgresql)) as store, pytest.raises(WouldBlock), store.nonblocking():
            store.get(job(1).id)
