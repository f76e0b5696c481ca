"""Tests of the store protocol, run for each store."""

import math
import threading
from contextlib import ExitStack, closing

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from netmind_mock.jobs.job import Job, MediaKind, Output, Plan, Stage, Status, deleted, polled
from netmind_mock.stores import Limits, open_store

pytestmark = pytest.mark.slow

PLAN = Plan((Stage(Status.PENDING, 0.0), Stage(Status.COMPLETED, 2.0)))


def job(number, user="u"):
    return Job(f"{number:032x}", user, "m", b"{}", float(number), PLAN)


def large(number, size, user="u"):
    """Return a job whose model and config have this many bytes."""
    return replace(job(number, user), config=b"x" * (size - 1))


@pytest.fixture
def store(store_url):
    with closing(open_store(store_url)) as store:
        yield store


def pytest_generate_tests(metafunc):
    metafunc.parametrize("store_url", ["memory", "sqlite", "postgresql"], indirect=True)


def test_a_job_is_read_as_it_was_stored(store):
    store.put(job(1))
    assert store.get(job(1).id) == job(1)


def test_an_unknown_job_is_none(store):
    assert store.get(job(1).id) is None


def test_a_page_has_the_jobs_of_the_account_in_the_order_of_creation(store):
    for one in (job(3), job(1), job(2, "other")):
        store.put(one)
    assert store.page("u") == [job(3), job(1)]


def test_an_account_without_jobs_has_an_empty_page(store):
    assert store.page("unknown") == []


def test_a_change_replaces_the_job_and_returns_it_as_it_was(store):
    store.put(job(1))
    assert store.change(job(1).id, lambda before: deleted(before, 50.0)) == job(1)
    assert store.get(job(1).id) == replace(job(1), deleted_at=50.0)
    assert store.page("u") == [replace(job(1), deleted_at=50.0)]


def test_changing_an_unknown_job_returns_none(store):
    assert store.change(job(1).id, lambda before: before) is None


def test_the_page_of_all_accounts_has_all_jobs(store):
    for one in (job(3), job(1, "other")):
        store.put(one)
    assert store.page(None) == [job(3), job(1, "other")]


def test_forgetting_an_account_does_not_affect_others(store):
    for one in (job(1), job(2, "other"), job(3)):
        store.put(one)
    store.forget("u")
    assert (store.page("u"), store.get(job(1).id)) == ([], None)
    assert store.page(None) == [job(2, "other")]


def test_forgetting_all_accounts_leaves_an_empty_store(store):
    store.put(job(1))
    store.forget(None)
    assert (store.page(None), store.get(job(1).id)) == ([], None)


def test_forgetting_an_unknown_account_changes_nothing(store):
    store.forget("unknown")
    assert store.page(None) == []


def test_no_change_is_lost_if_many_are_made_at_once(store):
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


def test_an_id_can_be_used_once(store):
    assert store.put(job(1)) is True
    assert store.put(job(1, "other")) is False
    assert (store.get(job(1).id), store.page(None)) == (job(1), [job(1)])


class TestFacts:
    def test_a_new_store_has_no_facts(self, store):
        assert store.facts(0) is None

    def test_facts_returns_the_changes_after_a_revision(self, store):
        store.amend("account", "u", lambda _: (b"\x00a", None))
        store.amend("account", "u", lambda kept: (kept + b"b", None))
        store.amend("clock", None, lambda kept: (b"c" if kept is None else b"", None))
        first = store.facts(0)
        assert first.changed == {("account", "u"): b"\x00ab", ("clock", ""): b"c"}
        assert store.facts(first.revision) is None
        store.amend("clock", None, lambda _: (b"d", None))
        assert store.facts(first.revision).changed == {("clock", ""): b"d"}

    def test_forgetting_an_account_removes_its_facts(self, store):
        for user in ("u", "other", None):
            store.amend("account", user, lambda _: (b"a", None))
        seen = store.facts(0).revision
        store.forget("u")
        assert store.facts(seen).changed == {("account", "u"): None}
        store.amend("account", "u", lambda kept: (b"new" if kept is None else kept, None))
        assert store.facts(seen).changed == {("account", "u"): b"new"}

    def test_forgetting_all_accounts_removes_all_facts(self, store):
        for user in ("u", None):
            store.amend("account", user, lambda _: (b"a", None))
        seen = store.facts(0).revision
        store.forget(None)
        assert store.facts(seen).changed == {("account", "u"): None, ("account", ""): None}

    def test_a_failed_amendment_changes_nothing(self, store):
        store.amend("account", "u", lambda _: (b"a", None))
        seen = store.facts(0).revision

        def fail(_):
            raise LookupError("from the test")

        with pytest.raises(LookupError, match="from the test"):
            store.amend("account", "u", fail)
        after = store.facts(seen)
        assert after is None or after.changed == {}
        store.amend("account", "u", lambda kept: (kept + b"b", None))
        assert store.facts(seen).changed == {("account", "u"): b"ab"}

    def test_no_amendment_is_lost_if_many_are_made_at_once(self, store):
        start = threading.Barrier(8)

        def amend():
            start.wait()
            for _ in range(20):
                store.amend("account", "u", lambda kept: ((kept or b"") + b".", None))

        threads = [threading.Thread(target=amend) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.facts(0).changed == {("account", "u"): b"." * 160}


def test_a_failed_change_changes_nothing(store):
    store.put(job(1))

    def fail(_):
        raise LookupError("from the test")

    with pytest.raises(LookupError, match="from the test"):
        store.change(job(1).id, fail)
    assert store.change(job(1).id, lambda before: deleted(before, 50.0)) == job(1)


def test_no_job_is_lost_if_many_are_stored_at_once(store):
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


text = st.text()  # includes NUL; lone surrogates are rejected before a job is created
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
        st.builds(Output, st.sampled_from(MediaKind), text, *[st.integers(0, 9)] * 2, st.floats(0, 9))
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
def test_any_job_is_read_as_it_was_stored(store, one):
    store.forget(None)
    store.put(one)
    actual = store.get(one.id)
    assert actual == one
    assert repr(actual) == repr(one)  # a Status is equal to its text, but must not be read as text
    store.change(one.id, lambda job: polled(deleted(job, 1.5), 2.5))
    assert store.get(one.id) == polled(deleted(one, 1.5), 2.5)


class TestLimits:
    def test_the_facts_with_the_oldest_changes_are_evicted(self, limited, monkeypatch):
        monkeypatch.setattr("netmind_mock.stores.sql._AMENDMENTS_BETWEEN_EVICTIONS", 1)
        store, now = limited(max_facts=3)
        for user in (None, "b", "a"):
            now[0] += 1
            store.amend("account", user, lambda _: (b"1", None))
            store.amend("rate", user, lambda _: (b"2", None), followed=False)
        seen = store.facts(0).revision
        for user in ("c", "d", "e"):
            now[0] += 1
            store.amend("account", user, lambda _: (b"1", None))
            store.amend("rate", user, lambda _: (b"2", None), followed=False)
        changed = store.facts(seen).changed
        assert changed[("account", "b")] is None
        assert {user for (_, user), fact in store.facts(0).changed.items() if fact} >= {"d", "e", ""}
        left = []
        for user in ("b", "e"):
            store.amend("rate", user, lambda kept: (b"3", left.append(kept)), followed=False)
        assert left == [None, b"2"]

    def test_unfollowed_facts_are_stored_and_removed_with_their_account(self, limited):
        store, _ = limited()
        seen = []

        def look(kept):
            seen.append(kept)
            return b"kept", len(seen)

        for user in ("a", "a", "b"):
            assert store.amend("rate", user, look, followed=False) == len(seen)
        assert (seen, store.facts(0)) == ([None, b"kept", None], None)
        store.forget("a")
        for user in ("a", "b"):
            store.amend("rate", user, look, followed=False)
        assert seen[3:] == [None, b"kept"]

    @pytest.fixture
    def limited(self, store_url):
        """Return a function that opens the store with limits and a clock that the test sets."""
        now = [1000.0]
        with ExitStack() as stack:

            def opened(**limits):
                store = open_store(store_url, Limits(**limits), wall=lambda: now[0])
                return stack.enter_context(closing(store)), now

            yield opened

    def test_the_oldest_jobs_over_the_limit_are_evicted(self, limited):
        store, _ = limited(max_jobs=3)
        for number, user in enumerate(["u", "other", "u", "u", "other"]):
            assert store.put(job(number, user))
        assert store.counts() == (3, 2)
        assert store.page(None) == [job(2), job(3), job(4, "other")]
        assert (store.page("u"), store.page("other")) == ([job(2), job(3)], [job(4, "other")])
        assert (store.get(job(0).id), store.get(job(2).id)) == (None, job(2))

    def test_jobs_are_evicted_after_the_time_to_retain_them(self, limited):
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

    def test_forgotten_jobs_do_not_count_as_evicted(self, limited):
        store, now = limited(retain=60.0, max_jobs=2)
        store.put(job(1))
        store.put(job(2, "other"))
        store.forget("u")
        now[0] += 60.0
        assert store.counts() == (0, 1)
        store.put(job(1))
        assert (store.page("u"), store.counts()) == ([job(1)], (1, 1))

    def test_a_long_run_does_not_exceed_the_limit(self, limited):
        store, _ = limited(max_jobs=5)
        for number in range(500):
            store.put(job(number, f"user {number % 7}"))
        assert store.counts() == (5, 495)
        assert [one.id for one in store.page(None)] == [job(number).id for number in range(495, 500)]

    def test_the_oldest_jobs_beyond_the_limit_on_bytes_are_evicted(self, limited):
        store, _ = limited(max_bytes=10_000)
        for number, user in enumerate(["u", "other", "u"]):
            store.put(large(number, 4_000, user))
        assert store.counts() == (2, 1)
        assert [one.id for one in store.page(None)] == [job(1).id, job(2).id]

    def test_the_newest_job_is_stored_however_large_it_is(self, limited):
        store, _ = limited(max_bytes=10_000)
        store.put(job(0))
        store.put(large(1, 50_000))
        assert ([one.id for one in store.page("u")], store.counts()) == ([job(1).id], (1, 1))

    def test_the_bytes_of_forgotten_jobs_do_not_count(self, limited):
        store, _ = limited(max_bytes=10_000)
        store.put(large(0, 9_000))
        store.forget("u")
        for number in range(1, 4):
            store.put(large(number, 3_000))
        assert store.counts() == (3, 0)
