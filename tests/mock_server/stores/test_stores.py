"""One suite for every store."""

import math
import threading
from contextlib import ExitStack, closing

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from netmind_mock.jobs.job import Job, MediaKind, Output, Plan, Stage, Status, deleted, polled
from netmind_mock.stores import Limits, open_store

PLAN = Plan((Stage(Status.PENDING, 0.0), Stage(Status.COMPLETED, 2.0)))


def job(number, user="u"):
    return Job(f"{number:032x}", user, "m", b"{}", float(number), PLAN)


@pytest.fixture
def store(store_url):
    with closing(open_store(store_url)) as store:
        yield store


def pytest_generate_tests(metafunc):
    metafunc.parametrize("store_url", ["memory", "sqlite", "postgresql"], indirect=True)


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
        store.amend("orders", "u", lambda _: (b"\x00a", None))
        store.amend("orders", "u", lambda kept: (kept + b"b", None))
        store.amend("clock", None, lambda kept: (b"c" if kept is None else b"", None))
        first = store.facts(0)
        assert first.changed == {("orders", "u"): b"\x00ab", ("clock", ""): b"c"}
        assert store.facts(first.revision) is None
        store.amend("clock", None, lambda _: (b"d", None))
        assert store.facts(first.revision).changed == {("clock", ""): b"d"}

    def test_a_reset_of_one_drops_what_is_its_own(self, store):
        for user in ("u", "other", None):
            store.amend("orders", user, lambda _: (b"a", None))
        seen = store.facts(0).revision
        store.forget("u")
        assert store.facts(seen).changed == {("orders", "u"): None}
        store.amend("orders", "u", lambda kept: (b"new" if kept is None else kept, None))
        assert store.facts(seen).changed == {("orders", "u"): b"new"}

    def test_a_reset_of_all_drops_everything(self, store):
        for user in ("u", None):
            store.amend("orders", user, lambda _: (b"a", None))
        seen = store.facts(0).revision
        store.forget(None)
        assert store.facts(seen).changed == {("orders", "u"): None, ("orders", ""): None}

    def test_an_amendment_that_fails_changes_nothing(self, store):
        store.amend("orders", "u", lambda _: (b"a", None))
        seen = store.facts(0).revision

        def fail(_):
            raise LookupError("mine")

        with pytest.raises(LookupError, match="mine"):
            store.amend("orders", "u", fail)
        after = store.facts(seen)
        assert after is None or after.changed == {}
        store.amend("orders", "u", lambda kept: (kept + b"b", None))
        assert store.facts(seen).changed == {("orders", "u"): b"ab"}

    def test_no_amendment_comes_in_between_another(self, store):
        start = threading.Barrier(8)

        def amend():
            start.wait()
            for _ in range(20):
                store.amend("orders", "u", lambda kept: ((kept or b"") + b".", None))

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


text = st.text()  # NUL among it; half a surrogate pair is refused before it comes here
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
def test_whatever_a_job_holds_it_comes_back_as_it_was(store, one):
    store.forget(None)
    store.put(one)
    actual = store.get(one.id)
    assert actual == one
    assert repr(actual) == repr(one)  # a status that equals another is not yet the same
    store.change(one.id, lambda job: polled(deleted(job, 1.5), 2.5))
    assert store.get(one.id) == polled(deleted(one, 1.5), 2.5)


class TestLimits:
    def test_of_too_many_facts_those_go_that_were_changed_longest_ago(self, limited, monkeypatch):
        monkeypatch.setattr("netmind_mock.stores.sql._AMENDMENTS_BETWEEN_EVICTIONS", 1)
        store, now = limited(max_facts=3)
        for who in (None, "b", "a"):
            now[0] += 1
            store.amend("orders", who, lambda _: (b"1", None))
            store.amend("rate", who, lambda _: (b"2", None), told=False)
        seen = store.facts(0).revision
        for who in ("c", "d", "e"):
            now[0] += 1
            store.amend("orders", who, lambda _: (b"1", None))
            store.amend("rate", who, lambda _: (b"2", None), told=False)
        changed = store.facts(seen).changed
        assert changed[("orders", "b")] is None
        assert {who for (_, who), fact in store.facts(0).changed.items() if fact} >= {"d", "e", ""}
        left = []
        for who in ("b", "e"):
            store.amend("rate", who, lambda kept: (b"3", left.append(kept)), told=False)
        assert left == [None, b"2"]

    def test_facts_that_are_not_told_are_kept_and_go_with_a_reset(self, limited):
        store, _ = limited()
        seen = []

        def look(kept):
            seen.append(kept)
            return b"kept", len(seen)

        for who in ("a", "a", "b"):
            assert store.amend("rate", who, look, told=False) == len(seen)
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
