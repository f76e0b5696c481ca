"""Databases: several stores on one database, connections, opening a database, and its failures."""

import sqlite3
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial

import psycopg
import pytest
import sqlalchemy as sa
from databases import open_connections
from msgspec.structs import replace

from netmind_mock.jobs.job import Job, Plan, Stage, Status, deleted, polled
from netmind_mock.stores import InvalidStore, StoreUnavailable, open_store
from netmind_mock.stores.sql import open_database
from netmind_mock.stores.tables import facts

pytestmark = pytest.mark.slow

PLAN = Plan((Stage(Status.PENDING, 0.0), Stage(Status.COMPLETED, 2.0)))


def job(number, user="u"):
    return Job(f"{number:032x}", user, "m", b"{}", float(number), PLAN)


def pytest_generate_tests(metafunc):
    if "store_url" in metafunc.fixturenames:
        metafunc.parametrize("store_url", ["sqlite", "postgresql"], indirect=True)


class TestDurable:
    def test_a_store_reads_what_another_one_has_written(self, store_url):
        with closing(open_store(store_url)) as first, closing(open_store(store_url)) as second:
            first.put(job(1))
            assert second.get(job(1).id) == job(1)
            second.change(job(1).id, lambda before: deleted(before, 50.0))
            assert first.get(job(1).id) == replace(job(1), deleted_at=50.0)
            assert second.put(job(1)) is False

    def test_changes_by_two_stores_at_once_are_not_lost(self, store_url):
        with closing(open_store(store_url)) as first, closing(open_store(store_url)) as second:
            first.put(replace(job(1), plan=replace(PLAN, counts_polls=1000)))

            def poll(store):
                for _ in range(30):
                    store.change(job(1).id, lambda before: polled(before, 50.0))

            threads = [threading.Thread(target=poll, args=(one,)) for one in (first, second) * 2]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(first.get(job(1).id).polled_at) == 120


@pytest.fixture
def database(store_url):
    with closing(open_database(store_url)) as database:
        yield database


class TestConnections:
    def test_a_reader_does_not_wait_for_any_number_of_writers(self, database, store_url):
        waiting = threading.Barrier(11)

        def put(number):
            waiting.wait()
            assert store.put(job(number))

        with closing(open_store(store_url)) as store:
            store.put(job(0))
            threads = [threading.Thread(target=put, args=(number,)) for number in range(1, 11)]
            with database.writing() as session:
                if database.dialect == "postgresql":
                    session.run(sa.text("LOCK TABLE netmind_jobs IN EXCLUSIVE MODE"))
                for thread in threads:
                    thread.start()
                waiting.wait()
                threads[0].join(0.2)
                assert store.get(job(0).id) == job(0)
                assert len(store.page(None)) == 1
                assert all(thread.is_alive() for thread in threads)
            for thread in threads:
                thread.join()
            assert len(store.page(None)) == 11

    @pytest.mark.parametrize("kind", ["reading", "writing"])
    @pytest.mark.parametrize("error", [KeyboardInterrupt, sqlite3.OperationalError, psycopg.OperationalError])
    def test_a_connection_is_not_used_again_after_an_error_that_may_leave_it_in_a_statement(
        self, database, kind, error
    ):
        used, begin = [], getattr(database, kind)

        def use(error=None):
            with begin() as session:
                used.append(session.run(CHANGE, revision=1).connection)
                if error:
                    raise error

        use()
        with pytest.raises((error, StoreUnavailable)):
            use(error)
        use()
        assert used[0] is used[1]
        assert (used[2] is used[1]) == (not issubclass(error, (KeyboardInterrupt, *database.errors)))

    def test_evicting_facts_and_a_reset_do_not_wait_for_each_other(self, store_url, monkeypatch):
        monkeypatch.setattr("netmind_mock.stores.sql._AMENDMENTS_BETWEEN_EVICTIONS", 1)
        with closing(open_store(store_url)) as store, ThreadPoolExecutor() as pool:
            amend = partial(
                store.amend, "rate", "u", lambda kept: ((kept or b"") + b".", None), followed=False
            )
            done = [pool.submit(call) for _ in range(50) for call in (amend, partial(store.forget, "u"))]
            assert [one.exception() for one in done] == [None] * 100

    def test_an_interrupted_transaction_is_rolled_back(self, store_url):
        with closing(open_store(store_url)) as store, closing(open_store(store_url)) as other:
            store.put(job(1))
            for error in (KeyboardInterrupt, LookupError):

                def fail(_, error=error):
                    raise error

                with pytest.raises(error):
                    store.change(job(1).id, fail)
                change = deleted(store.get(job(1).id), 50.0)
                assert other.change(job(1).id, lambda _, change=change: change) is not None
                assert store.change(job(1).id, lambda _: job(1)) == change

    def test_closing_also_closes_connections_in_use(self, store_url):
        store = open_store(store_url)
        store.put(job(1))
        threads = [threading.Thread(target=_work_until_closed, args=(store,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        threads[0].join(0.1)
        store.close()
        for thread in threads:
            thread.join()
        assert open_connections(store_url) == 0
        with closing(open_store(store_url)) as again:
            assert again.get(job(1).id) == job(1)


CHANGE = sa.update(facts).where(facts.c.kind == "none").values(revision=sa.bindparam("revision"))


def _work_until_closed(store):
    with pytest.raises(StoreUnavailable, match="it is closed"):  # noqa: PT012 - it may be any call
        while True:
            assert store.get(job(1).id) == job(1)
            store.amend("account", "u", lambda _: (b"1", None))


class TestSqlite:
    @pytest.fixture
    def url(self, tmp_path):
        return f"sqlite:///{tmp_path}/jobs.db"

    def test_any_number_of_threads_can_read_at_once(self, url):
        with closing(open_database(url)) as database, ExitStack() as stack:
            sessions = [stack.enter_context(database.reading()) for _ in range(100)]
            assert {
                session.run(sa.select(facts.c.revision)).fetchall() == [(0,)] for session in sessions
            } == {True}

    @pytest.mark.parametrize("writer", ["a thread", "a process"])
    def test_a_writer_waits_for_another_one_up_to_a_timeout(self, url, monkeypatch, writer):
        monkeypatch.setattr("netmind_mock.stores.sqlite._BUSY_SECONDS", 0.1)
        with closing(open_store(url)) as store, closing(open_database(url)) as other, ExitStack() as stack:
            stack.enter_context((store._database if writer == "a thread" else other).writing())
            started = time.monotonic()
            with pytest.raises(StoreUnavailable, match="database is locked"):
                store.put(job(1))
            assert 0.1 <= time.monotonic() - started < 3
            assert store.get(job(1).id) is None
            stack.close()
            assert store.put(job(1))

    def test_pauses_while_waiting_for_another_process_begin_short(self, url, monkeypatch):
        with closing(open_store(url)) as store, closing(open_database(url)) as other, ExitStack() as stack:
            stack.enter_context(other.writing())
            pauses = []

            def pause(seconds):
                pauses.append(seconds)
                if len(pauses) == 3:
                    stack.close()

            monkeypatch.setattr("netmind_mock.stores.sqlite.time.sleep", pause)
            assert store.put(job(1))
            assert pauses == [0.0001, 0.0002, 0.0004]


class TestOpening:
    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            ("mongodb://h/d", "expected memory, sqlite:///FILE or postgresql://USER@HOST/DATABASE, got"),
            ("mysql://u:s3cret@h/d?password=s3cret", "got a URL that starts with 'mysql'"),
            ("sqlite://", "expected memory, sqlite:///FILE"),
            ("sqlite:///:memory:", "expected a file, such as sqlite:///jobs.db"),
            ("sqlite:///file:a?mode=memory&uri=true", "expected a file, such as sqlite:///jobs.db"),
            ("postgres://me:s3cret@127.0.0.1:1/d?connect_timeout=abc", "d cannot be opened: "),
            ("sqlite:///", "expected a file, such as sqlite:///jobs.db"),
            ("sqlite:////nowhere/jobs.db", "sqlite:////nowhere/jobs.db cannot be opened: unable to open"),
            (
                "postgresql://me:s3cret@127.0.0.1:1/d?sslmode=x",
                r"postgresql://me:\*\*\*@127.0.0.1:1/d cannot be opened: ",
            ),
            (
                "postgresql://me:s3cret@h:port/d",
                "this is not a valid URL; expected one such as sqlite:///jobs.db",
            ),
            (
                "postgresql://me:s3cret@h/d?port=x",
                "this is not a valid URL; expected one such as sqlite:///jobs.db",
            ),
            ("postgresql://me:s3cret@127.0.0.1:1/d", "d cannot be opened: "),
        ],
    )
    def test_the_error_of_a_url_that_cannot_be_opened_has_no_password(self, url, reason):
        with pytest.raises(InvalidStore, match=reason) as caught:
            open_store(url)
        assert "s3cret" not in str(caught.value)

    @pytest.mark.parametrize("option", ["prepare_threshold=x", "row_factory=x", "nothing=x"])
    def test_an_invalid_option_of_the_driver_is_reported(self, postgresql, option):
        with pytest.raises(InvalidStore, match="cannot be opened: "):
            open_store(f"{postgresql}&{option}")

    def test_a_file_that_is_not_a_database_is_reported_and_not_changed(self, tmp_path):
        (tmp_path / "text.txt").write_text("not a database, though long enough to be looked at" * 9)
        with pytest.raises(InvalidStore, match="file is not a database"):
            open_store(f"sqlite:///{tmp_path}/text.txt")
        assert (tmp_path / "text.txt").read_text().startswith("not a database")

    @pytest.mark.parametrize(("module", "url", "extra"), [
        ("sqlalchemy", "sqlite:///jobs.db", "netmind-testkit\\[sql\\]"),
        ("psycopg", "postgresql://h/d", "netmind-testkit\\[postgresql\\]"),
    ])  # fmt: skip
    def test_a_package_that_is_not_installed_is_named(self, monkeypatch, module, url, extra):
        monkeypatch.delattr("netmind_mock.stores.sql", raising=False)
        monkeypatch.delitem(sys.modules, "netmind_mock.stores.sql", raising=False)
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(InvalidStore, match=extra):
            open_store(url)


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_file_that_was_removed_or_replaced_is_not_written_to(tmp_path, monkeypatch, how):
    monkeypatch.setattr("netmind_mock.stores.sqlite._CHECKED_SECONDS", 0)
    path = tmp_path / "jobs.db"
    with closing(open_store(f"sqlite:///{path}")) as store:
        store.put(job(1))
        path.rename(tmp_path / "away")
        if how == "replaced":
            path.write_bytes(b"")
        for call in (lambda: store.put(job(2)), lambda: store.get(job(1).id)):
            with pytest.raises(StoreUnavailable, match=r"jobs\.db was removed or replaced"):
                call()
        (tmp_path / "away").rename(path)
        assert store.put(job(2))


def test_a_log_that_was_removed_is_noticed_before_another_job_is_acknowledged(tmp_path, monkeypatch):
    """The last transactions are in the write-ahead log only: without it, they are gone after a restart."""
    monkeypatch.setattr("netmind_mock.stores.sqlite._CHECKED_SECONDS", 0)
    path = tmp_path / "jobs.db"
    with closing(open_store(f"sqlite:///{path}")) as store:
        for number in range(1, 4):
            store.put(job(number))
        (tmp_path / "jobs.db-wal").rename(tmp_path / "away")
        with pytest.raises(
            StoreUnavailable, match=r"jobs\.db-wal was removed or replaced; restart the server"
        ):
            store.put(job(4))
        (tmp_path / "away").rename(tmp_path / "jobs.db-wal")
        assert store.put(job(4))


def test_a_missing_table_is_reported_and_may_return(tmp_path):
    path = tmp_path / "jobs.db"
    with closing(open_store(f"sqlite:///{path}")) as store:
        store.put(job(1))
        blocked = sqlite3.connect(path, isolation_level=None)
        blocked.execute("ALTER TABLE netmind_jobs RENAME TO away")
        for call in (lambda: store.get("x"), lambda: store.put(job(2)), lambda: store.page(None)):
            with pytest.raises(StoreUnavailable, match="no such table: netmind_jobs"):
                call()
        blocked.execute("ALTER TABLE away RENAME TO netmind_jobs")
        blocked.close()
        assert (store.put(job(2)), store.page(None)) == (True, [job(1), job(2)])
