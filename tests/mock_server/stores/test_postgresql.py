"""PostgreSQL: its connections, servers that start at once, locks, and a server that does not respond."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
import psycopg
import pytest
import sqlalchemy as sa
from databases import open_connections

from netmind_mock.jobs.job import Job, Plan, Stage, Status
from netmind_mock.stores import StoreUnavailable, open_store
from netmind_mock.stores.sql import open_database

pytestmark = pytest.mark.slow

PLAN = Plan((Stage(Status.PENDING, 0.0), Stage(Status.COMPLETED, 2.0)))


def job(number, user="u"):
    return Job(f"{number:032x}", user, "m", b"{}", float(number), PLAN)


class TestPostgresql:
    def test_the_number_of_readers_is_limited_and_the_next_one_waits(self, postgresql, monkeypatch):
        monkeypatch.setattr("netmind_mock.stores.postgresql._RESPONSE_SECONDS", 0.2)
        with closing(open_database(postgresql)) as database:
            with ExitStack() as stack:
                for _ in range(8):
                    stack.enter_context(database.reading())
                with (
                    pytest.raises(StoreUnavailable, match="all 8 connections are in use"),
                    database.reading(),
                ):
                    pass
                with database.writing():
                    pass
            with database.reading():
                pass

    @pytest.mark.parametrize(("idle", "failures"), [(True, 0), (False, 1)])
    def test_a_restart_of_the_server_causes_one_failure_at_most(
        self, postgresql, monkeypatch, idle, failures
    ):
        with closing(open_store(postgresql)) as store:
            store.put(job(1))
            with ExitStack() as stack:  # so that there are several connections
                for _ in range(4):
                    stack.enter_context(store._database.reading())
            with psycopg.connect(postgresql, autocommit=True) as connection:
                end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                connection.execute(f"{end} AND backend_type = 'client backend'")
            assert open_connections(postgresql) == 0
            if idle:
                monkeypatch.setattr("netmind_mock.stores.postgresql._IDLE_SECONDS", 0)
            failed = 0
            for _ in range(20):
                try:
                    assert store.get(job(1).id) == job(1)
                    store.amend("account", "u", lambda kept: ((kept or b"") + b".", None))
                except StoreUnavailable:
                    failed += 1
            assert failed <= failures


def test_several_servers_can_open_a_new_database_at_once(postgresql):
    start, failed = threading.Barrier(6), []

    def open_and_amend():
        start.wait()
        try:
            with closing(open_store(postgresql)) as store:
                store.amend("clock", None, lambda _: (b"[]", None))
        except Exception as error:  # noqa: BLE001 - the assertion shows it
            failed.append(error)

    threads = [threading.Thread(target=open_and_amend) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_locked_table_is_waited_for_and_then_reported(postgresql, monkeypatch):
    monkeypatch.setattr("netmind_mock.stores.postgresql._BUSY_SECONDS", 1)
    with closing(open_store(postgresql)) as store, closing(open_store(postgresql)) as other:
        with other._database.writing() as session:
            session.run(sa.text("LOCK TABLE netmind_jobs"))
            with pytest.raises(StoreUnavailable, match="lock timeout"):
                store.put(job(1))
        assert store.get(job(1).id) is None


@pytest.fixture
def silence(postgresql):
    """Return a context manager in which the server does not respond."""
    folder = Path(parse_qs(urlsplit(postgresql).query)["host"][0])
    main = psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))

    @contextmanager
    def silence():
        processes = [main, *main.children()]
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()

    return silence


@pytest.mark.parametrize("call", ["get", "put"])
def test_a_server_that_does_not_respond_is_a_timeout_and_may_recover(postgresql, monkeypatch, silence, call):
    with closing(open_store(postgresql)) as store:
        store.put(job(1))
        assert store.get(job(1).id) == job(1)
        monkeypatch.setattr("netmind_mock.stores.postgresql._RESPONSE_SECONDS", 0.3)
        with silence():
            started = time.monotonic()
            with pytest.raises(StoreUnavailable, match="wait timeout"):
                store.get(job(1).id) if call == "get" else store.put(job(2))
            assert 0.3 <= time.monotonic() - started < 3
        monkeypatch.undo()
        assert store.get(job(1).id) == job(1)


def test_while_a_server_does_not_respond_one_session_waits_and_the_others_fail_at_once(
    postgresql, monkeypatch, silence
):
    with closing(open_store(postgresql)) as store, ThreadPoolExecutor(8) as threads:
        store.put(job(1))
        monkeypatch.setattr("netmind_mock.stores.postgresql._RESPONSE_SECONDS", 0.3)
        with silence():
            with pytest.raises(StoreUnavailable, match="timeout"):
                store.get(job(1).id)
            errors = [one.exception() for one in [threads.submit(store.get, job(1).id) for _ in range(8)]]
        messages = Counter(str(error) for error in errors)
        assert messages["the server does not respond"] == 7
        monkeypatch.undo()
        assert store.get(job(1).id) == job(1)
