"""Opening a database whose tables were made by another version of netmind-testkit."""

from contextlib import closing

import pytest
import sqlalchemy as sa

from netmind_mock.jobs.job import Job, Plan, Stage, Status
from netmind_mock.stores import InvalidStore, Limits, open_store
from netmind_mock.stores.sql import open_database

pytestmark = pytest.mark.slow

PLAN = Plan((Stage(Status.PENDING, 0.0), Stage(Status.COMPLETED, 2.0)))


def job(number, config=b"{}"):
    return Job(f"{number:032x}", "u", "m", config, float(number), PLAN)


def pytest_generate_tests(metafunc):
    metafunc.parametrize("store_url", ["sqlite", "postgresql"], indirect=True)


def run(store_url, *statements):
    """Execute statements in one transaction, and return the rows of the last one."""
    with closing(open_database(store_url)) as database, database.writing() as session:
        for statement in statements:
            cursor = session.run(sa.text(statement))
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def first_version(store_url):
    """The URL of a database as it was before its tables had a version, with two jobs."""
    with closing(open_store(store_url)) as store:
        store.put(job(1))
        store.put(job(2, b"x" * 5000))
    run(
        store_url,
        "DROP TABLE netmind_schema",
        "DROP INDEX netmind_jobs_sizes",
        "ALTER TABLE netmind_jobs DROP COLUMN size",
    )
    return store_url


def test_a_new_database_has_the_version_of_this_package(store_url):
    assert run(store_url, "SELECT version FROM netmind_schema") == [(2,)]


def test_the_jobs_of_the_first_version_are_kept(first_version):
    with closing(open_store(first_version)) as store:
        assert store.page(None) == [job(1), job(2, b"x" * 5000)]
        assert store.put(job(3))
    assert run(first_version, "SELECT size FROM netmind_jobs ORDER BY number") == [(3,), (5001,), (3,)]


def test_the_jobs_of_the_first_version_count_against_the_limit_on_bytes(first_version):
    with closing(open_store(first_version, Limits(max_bytes=4000))) as store:
        store.put(job(3, b"x" * 500))
        assert store.page(None) == [job(3, b"x" * 500)]


def test_a_migrated_database_can_be_opened_again(first_version):
    for _ in range(2):
        with closing(open_store(first_version)) as store:
            assert len(store.page(None)) == 2


def test_a_later_version_is_refused_and_not_changed(store_url):
    run(store_url, "UPDATE netmind_schema SET version = 7", "DROP TABLE netmind_writers")
    expected = (
        r"was changed by a later version of netmind-testkit \(its tables have version 7, this one knows"
    )
    for _ in range(2):
        with pytest.raises(InvalidStore, match=expected):
            open_store(store_url)


def test_a_development_version_is_refused_and_not_changed(store_url):
    run(store_url, "ALTER TABLE netmind_jobs RENAME packed_plan TO plan")
    for _ in range(2):
        with pytest.raises(InvalidStore, match=r"development version .*\(it has no column packed_plan\)"):
            open_store(store_url)


def test_a_database_that_cannot_be_prepared_now_is_not_called_a_development_version(store_url, monkeypatch):
    with closing(open_database(store_url)) as database:
        failing = database.errors[0]

    def fail(*_):
        raise failing("wait timeout expired")

    monkeypatch.setattr("netmind_mock.stores.schema._migrate", fail)
    with pytest.raises(InvalidStore, match="cannot be opened: wait timeout expired"):
        open_store(store_url)
