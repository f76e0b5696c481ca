"""One suite for every store."""

import math
import sqlite3
import sys
import threading
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from netmind_mock.jobs.job import Job, Kind, Output, Plan, Stage, Status, deleted, polled
from netmind_mock.stores import InvalidStore, Limits, StoreUnavailable, open_store

PLAN = Plan((Stage(Status.PENDING, 0.0), Stage(Status.COMPLETED, 2.0)))


def job(number, user="u"):
    return Job(f"{number:032x}", user, "m", b"{}", float(number), PLAN)


STORES = ["memory", "sqlite", "postgresql"]


@pytest.fixture
def store(store_url):
    with closing(open_store(store_url)) as store:
        yield store


def pytest_generate_tests(metafunc):
    """Every test that uses a store runs on each kind, or on the kinds that its class names."""
    if "store_url" in metafunc.fixturenames:
        kinds = getattr(metafunc.cls, "STORES", STORES)
        metafunc.parametrize("store_url", kinds, indirect=True)


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


def test_an_id_is_given_once(store):
    assert store.put(job(1)) is True
    assert store.put(job(1, "other")) is False
    assert (store.get(job(1).id), store.page(None)) == (job(1), [job(1)])


class TestFacts:
    def test_nothing_is_kept_at_first(self, store):
        assert store.facts(0) is None

    def test_what_was_kept_last_is_there_to_whoever_has_not_seen_it(self, store):
        store.amend("orders", "u", lambda _: b"\x00a")
        store.amend("orders", "u", lambda kept: kept + b"b")
        store.amend("clock", None, lambda kept: b"c" if kept is None else b"")
        first = store.facts(0)
        assert first.changed == {("orders", "u"): b"\x00ab", ("clock", ""): b"c"}
        assert store.facts(first.revision) is None
        store.amend("clock", None, lambda _: b"d")
        assert store.facts(first.revision).changed == {("clock", ""): b"d"}

    def test_a_reset_of_one_drops_what_is_its_own(self, store):
        for user in ("u", "other", None):
            store.amend("orders", user, lambda _: b"a")
        seen = store.facts(0).revision
        store.forget("u")
        assert store.facts(seen).changed == {("orders", "u"): None}
        store.amend("orders", "u", lambda kept: b"new" if kept is None else kept)
        assert store.facts(seen).changed == {("orders", "u"): b"new"}

    def test_a_reset_of_all_drops_everything(self, store):
        for user in ("u", None):
            store.amend("orders", user, lambda _: b"a")
        seen = store.facts(0).revision
        store.forget(None)
        assert store.facts(seen).changed == {("orders", "u"): None, ("orders", ""): None}

    def test_an_amendment_that_fails_changes_nothing(self, store):
        store.amend("orders", "u", lambda _: b"a")
        seen = store.facts(0).revision

        def fail(_):
            raise LookupError("mine")

        with pytest.raises(LookupError, match="mine"):
            store.amend("orders", "u", fail)
        after = store.facts(seen)
        assert after is None or after.changed == {}
        store.amend("orders", "u", lambda kept: kept + b"b")
        assert store.facts(seen).changed == {("orders", "u"): b"ab"}

    def test_no_amendment_comes_in_between_another(self, store):
        start = threading.Barrier(8)

        def amend():
            start.wait()
            for _ in range(20):
                store.amend("orders", "u", lambda kept: (kept or b"") + b".")

        threads = [threading.Thread(target=amend) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.facts(0).changed == {("orders", "u"): b"." * 160}


def test_a_change_that_fails_changes_nothing(store):
    store.put(job(1))

    def fail(_):
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        store.change(job(1).id, fail)
    assert store.change(job(1).id, lambda before: deleted(before, 50.0)) == job(1)


def test_of_many_creates_at_once_none_is_lost(store):
    start = threading.Barrier(8)

    def create(first):
        start.wait()
        for number in range(first, first + 25):
            assert store.put(job(number))

    threads = [threading.Thread(target=create, args=(25 * one,)) for one in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.id for one in store.page("u")} == {job(number).id for number in range(200)}


text = st.text(st.characters())  # half a surrogate pair, and NUL, among them
seconds = st.floats(0, 1e9) | st.just(math.inf)
plans = st.builds(
    Plan,
    stages=st.lists(
        st.builds(
            Stage,
            st.sampled_from(Status) | text.filter(lambda word: word not in list(Status)),
            seconds,
            st.integers(0, 9),
        ),
        min_size=1,
    ).map(tuple),
    outputs=st.lists(
        st.builds(Output, st.sampled_from(Kind), text, *[st.integers(0, 9)] * 2, st.floats(0, 9))
    ).map(tuple),
    failure=st.none() | text,
    counts_polls=st.integers(0, 9),
    empty_for=seconds,
    hidden_for=seconds,
    list_behind=seconds,
    link_life=seconds,
    delete_late=seconds,
    scenario=text,
)
jobs = st.builds(
    Job,
    id=st.uuids().map(lambda one: one.hex),
    user_id=st.just("u"),
    model=text,
    config=st.binary(),
    created_at=st.floats(0, 1e12),
    plan=plans,
    deleted_at=st.none() | st.floats(0, 1e12),
    polled_at=st.lists(st.floats(0, 1e12)).map(tuple),
)  # fmt: skip


@given(jobs)
@settings(
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
    max_examples=50,
)
def test_whatever_a_job_holds_it_comes_back_as_it_was(store, one):
    store.forget(None)
    store.put(one)
    came = store.get(one.id)
    assert came == one
    assert repr(came) == repr(one)  # a status that equals another is not yet the same
    store.change(one.id, lambda job: polled(deleted(job, 1.5), 2.5))
    assert store.get(one.id) == polled(deleted(one, 1.5), 2.5)


class TestDurable:
    """Stores that outlive their process."""

    STORES = STORES[1:]

    def test_what_one_has_kept_another_finds(self, store_url):
        with closing(open_store(store_url)) as first, closing(open_store(store_url)) as second:
            first.put(job(1))
            assert second.get(job(1).id) == job(1)
            second.change(job(1).id, lambda before: deleted(before, 50.0))
            assert first.get(job(1).id) == replace(job(1), deleted_at=50.0)
            assert second.put(job(1)) is False

    def test_changes_through_two_do_not_come_in_between(self, store_url):
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


class TestLimits:
    def test_of_too_many_facts_those_go_that_were_changed_longest_ago(self, limited, monkeypatch):
        monkeypatch.setattr("netmind_mock.stores.sql._AMENDMENTS_BETWEEN_EVICTIONS", 1)
        store, now = limited(max_facts=3)
        for who in (None, "b", "a"):
            now[0] += 1
            store.amend("orders", who, lambda _: b"1")
            store.amend("rate", who, lambda _: b"2", told=False)
        seen = store.facts(0).revision
        for who in ("c", "d", "e"):
            now[0] += 1
            store.amend("orders", who, lambda _: b"1")
            store.amend("rate", who, lambda _: b"2", told=False)
        changed = store.facts(seen).changed
        assert changed[("orders", "b")] is None
        assert {who for (_, who), fact in store.facts(0).changed.items() if fact} >= {"d", "e", ""}
        left = []
        for who in ("b", "e"):
            store.amend("rate", who, lambda kept: left.append(kept) or b"3", told=False)
        assert left == [None, b"2"]

    def test_facts_that_are_not_told_are_kept_and_go_with_a_reset(self, limited):
        store, _ = limited()
        seen = []

        def look(kept):
            seen.append(kept)
            return b"kept"

        for who in ("a", "a", "b"):
            store.amend("rate", who, look, told=False)
        assert (seen, store.facts(0)) == ([None, b"kept", None], None)
        store.forget("a")
        for who in ("a", "b"):
            store.amend("rate", who, look, told=False)
        assert seen[3:] == [None, b"kept"]

    @pytest.fixture
    def limited(self, store_url):
        """Opens the store with limits, and a clock that stands until it is moved."""
        now = [1000.0]
        with ExitStack() as stack:

            def opened(**limits):
                store = open_store(store_url, Limits(**limits), wall=lambda: now[0])
                return stack.enter_context(closing(store)), now

            yield opened

    def test_beyond_so_many_the_oldest_go(self, limited):
        store, _ = limited(max_jobs=3)
        for number, user in enumerate(["u", "other", "u", "u", "other"]):
            assert store.put(job(number, user))
        assert store.counts() == (3, 2)
        assert store.page(None) == [job(2), job(3), job(4, "other")]
        assert (store.page("u"), store.page("other")) == ([job(2), job(3)], [job(4, "other")])
        assert (store.get(job(0).id), store.get(job(2).id)) == (None, job(2))

    def test_what_is_older_than_it_is_to_be_retained_goes(self, limited):
        store, now = limited(retain=60.0)
        store.put(job(1))
        now[0] += 59.0
        store.put(job(2))
        assert store.counts() == (2, 0)
        now[0] += 1.0
        assert (store.get(job(1).id), store.page("u")) == (None, [job(2)])
        assert store.counts() == (1, 1)
        now[0] += 59.0
        assert (store.get(job(2).id), store.page(None), store.counts()) == (None, [], (0, 2))

    def test_what_was_forgotten_was_not_evicted(self, limited):
        store, now = limited(retain=60.0, max_jobs=2)
        store.put(job(1))
        store.put(job(2, "other"))
        store.forget("u")
        now[0] += 60.0
        assert store.counts() == (0, 1)
        store.put(job(1))
        assert (store.page("u"), store.counts()) == ([job(1)], (1, 1))

    def test_a_long_run_holds_no_more_than_it_may(self, limited):
        store, _ = limited(max_jobs=5)
        for number in range(500):
            store.put(job(number, f"user {number % 7}"))
        assert store.counts() == (5, 495)
        assert [one.id for one in store.page(None)] == [job(number).id for number in range(495, 500)]


class TestOpening:
    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            ("mongodb://h/d", "expected memory, sqlite:///FILE or postgresql://USER@HOST/DATABASE, got"),
            ("mysql://u:s3cret@h/d?password=s3cret", "got one of 'mysql'"),
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
            ("postgresql://me:s3cret@h:port/d", "none that can be read"),
            ("postgresql://me:s3cret@h/d?port=x", "none that can be read"),
            ("postgresql://me:s3cret@127.0.0.1:1/d", "d cannot be opened: "),
        ],
    )
    def test_what_cannot_be_opened_is_told_without_the_password(self, url, reason):
        with pytest.raises(InvalidStore, match=reason) as caught:
            open_store(url)
        assert "s3cret" not in str(caught.value)

    @pytest.mark.parametrize("option", ["prepare_threshold=x", "row_factory=x", "nothing=x"])
    def test_an_option_that_the_driver_cannot_use_is_told(self, postgresql, option):
        with pytest.raises(InvalidStore, match="cannot be opened: "):
            open_store(f"{postgresql}&{option}")

    def test_a_file_that_is_no_database_is_told(self, tmp_path):
        (tmp_path / "notes.txt").write_text("not a database, though long enough to be looked at" * 9)
        with pytest.raises(InvalidStore, match="file is not a database"):
            open_store(f"sqlite:///{tmp_path}/notes.txt")
        assert (tmp_path / "notes.txt").read_text().startswith("not a database")

    @pytest.mark.parametrize(("module", "url", "extra"), [
        ("sqlalchemy", "sqlite:///jobs.db", "netmind-testkit\\[sql\\]"),
        ("psycopg", "postgresql://h/d", "netmind-testkit\\[postgresql\\]"),
    ])  # fmt: skip
    def test_what_is_not_installed_is_named(self, monkeypatch, module, url, extra):
        monkeypatch.delattr("netmind_mock.stores.sql", raising=False)
        monkeypatch.delitem(sys.modules, "netmind_mock.stores.sql", raising=False)
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(InvalidStore, match=extra):
            open_store(url)


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_file_that_is_removed_or_replaced_is_not_written_to_any_more(tmp_path, how):
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


def test_servers_that_open_a_new_database_at_once_all_do(postgresql):
    start, failed = threading.Barrier(6), []

    def open_and_keep():
        start.wait()
        try:
            with closing(open_store(postgresql)) as store:
                store.amend("clock", None, lambda _: b"[]")
        except Exception as error:  # noqa: BLE001 - told by the assertion
            failed.append(error)

    threads = [threading.Thread(target=open_and_keep) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_table_that_somebody_locks_is_waited_for_and_then_told(postgresql, monkeypatch):
    monkeypatch.setattr("netmind_mock.stores.postgresql._BUSY_SECONDS", 1)
    with closing(open_store(postgresql)) as store, closing(open_store(postgresql)) as other:
        with other._database.writing() as session:
            session.run(sa.text("LOCK TABLE netmind_jobs"))
            with pytest.raises(StoreUnavailable, match="lock timeout"):
                store.put(job(1))
        assert store.get(job(1).id) is None


def test_a_server_that_does_not_answer_at_all_is_given_up_and_may_come_back(postgresql, monkeypatch):
    monkeypatch.setattr("netmind_mock.stores.postgresql._RESPONSE_SECONDS", 0.3)
    folder = Path(parse_qs(urlsplit(postgresql).query)["host"][0])
    main = psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))
    with closing(open_store(postgresql)) as store:
        store.put(job(1))
        processes = [main, *main.children()]
        for process in processes:
            process.suspend()
        try:
            with pytest.raises(StoreUnavailable):
                store.get(job(1).id)
        finally:
            for process in processes:
                process.resume()
        assert store.get(job(1).id) == job(1)


def test_a_database_that_is_gone_is_told_and_may_come_back(tmp_path):
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
