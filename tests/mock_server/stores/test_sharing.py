"""Two servers on one database act as one: both have the same configuration and the same journal."""

import os
import threading
from contextlib import ExitStack, closing

import pytest

from netmind_mock import create_app
from netmind_mock.fake import fake_of
from netmind_mock.stores import StoredEntry, StoreUnavailable, open_store

pytestmark = pytest.mark.slow

BODY = {"model": "Qwen/Qwen-Image", "config": {"prompt": "A cup"}}
AUTH = {"Authorization": "Bearer the-token-of-one"}
OTHER = {"Authorization": "Bearer the-token-of-another"}


def pytest_generate_tests(metafunc):
    metafunc.parametrize("store_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def start(store_url):
    """Return a function that starts a server on the database, as another process would."""
    with ExitStack() as stack:

        def start(**options):
            store = stack.enter_context(closing(open_store(store_url)))
            return create_app(store=store, duration=600, **options).test_client()

        yield start


@pytest.fixture
def two(start):
    return start(), start()


def create(client, headers=AUTH):
    return client.post("/v1/generation", json=BODY, headers=headers)


def status(client, job):
    return client.get(f"/v1/generation/{job['id']}", headers=AUTH).json["status"]


def control(client, path, headers=AUTH, **arguments):
    response = client.post(f"/__mock/{path}", json=arguments, headers=headers)
    assert response.status_code == 200, response.json
    return response.json


class TestConfiguration:
    def test_a_clock_changed_on_one_is_changed_on_the_other(self, two):
        one, other = two
        job = create(one).json
        assert status(other, job) == "pending"
        control(one, "clock", advance=600, freeze=True)
        assert status(other, job) == "completed"
        shown = [client.get("/__mock/clock", headers=AUTH).json for client in two]
        assert shown[0] == shown[1]
        assert shown[0]["frozen"] is True

    def test_the_clock_of_all_accounts_is_the_same_on_both_and_never_goes_back(self, two):
        control(two[0], "clock", headers={}, speed=1000)
        shown = [client.get("/__mock/clock").json["now"] for _ in range(20) for client in two]
        assert shown == sorted(shown)

    def test_both_can_advance_a_clock_at_once_and_no_second_is_lost(self, two):
        one, other = two
        control(one, "clock", freeze=True)
        before = one.get("/__mock/clock", headers=AUTH).json["now"]
        start = threading.Barrier(2)

        def advance(client):
            start.wait()
            for _ in range(20):
                control(client, "clock", advance=1)

        threads = [threading.Thread(target=advance, args=(client,)) for client in two]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert other.get("/__mock/clock", headers=AUTH).json["now"] == before + 40

    def test_a_queued_scenario_is_used_for_one_create_on_either(self, two):
        one, other = two
        control(one, "next-job", scenario="failed", after=3, times=2)
        control(other, "next-job", scenario="at_once")
        waiting = [client.get("/__mock/next-job", headers=AUTH).json["next_jobs"] for client in two]
        assert waiting[0] == waiting[1]
        assert [one["scenario"] for one in waiting[0]] == ["failed after=3"] * 2 + ["at_once"]
        jobs = [create(client).json for client in (other, other, one, one)]
        control(one, "clock", advance=300)
        assert [status(other, job) for job in jobs] == ["failed", "failed", "completed", "pending"]

    def test_a_rule_applies_on_both_until_it_is_cleared(self, two):
        one, other = two
        control(one, "rules", scenario="at_once", model="Qwen/*")
        assert status(other, create(other).json) == "completed"
        other.delete("/__mock/rules", headers=AUTH)
        assert status(one, create(one).json) == "pending"

    def test_the_count_of_a_fault_is_for_both_together(self, two):
        one, other = two
        control(one, "faults", operation="create", kind="status", code=503, times=3, skip=1)
        codes = [create(client).status_code for client in (one, other, one, other, one)]
        assert codes == [200, 503, 503, 503, 200]
        [shown] = other.get("/__mock/faults", headers=AUTH).json["faults"]
        assert (shown["seen"], shown["applied"]) == (4, 3)

    def test_a_reset_of_one_resets_both(self, two):
        one, other = two
        control(one, "rules", scenario="failed")
        control(other, "clock", advance=100)
        create(other)
        control(one, "reset")
        assert other.get("/__mock/rules", headers=AUTH).json["rules"] == []
        assert other.get("/__mock/jobs", headers=AUTH).json["jobs"] == []
        of_all_accounts = other.get("/__mock/clock").json["now"]
        assert other.get("/__mock/clock", headers=AUTH).json["now"] - of_all_accounts < 50

    def test_a_queued_scenario_is_used_after_a_restart(self, start):
        control(start(), "next-job", scenario="failed")
        again = start()
        job = create(again).json
        control(again, "clock", advance=600)
        assert status(again, job) == "failed"


def test_a_job_is_completed_once_if_both_get_the_request_at_the_same_moment(two, monkeypatch):
    one, other = two
    complete = f"/__mock/jobs/{create(one).json['id']}/complete"
    store = fake_of(one.application).store
    change = store.change

    def after_the_other(job_id, how):
        assert other.post(complete, json={}).status_code == 200
        return change(job_id, how)

    monkeypatch.setattr(store, "change", after_the_other)
    assert one.post(complete, json={}).status_code == 422


def test_a_job_is_deleted_once_if_both_get_the_request_at_the_same_moment(two, monkeypatch):
    one, other = two
    path = f"/v1/generation/{create(one).json['id']}"
    store = fake_of(one.application).store
    change = store.change

    def after_the_other(job_id, how):
        assert other.delete(path, headers=AUTH).status_code == 200
        return change(job_id, how)

    monkeypatch.setattr(store, "change", after_the_other)
    assert one.delete(path, headers=AUTH).status_code == 404


def test_a_reset_or_another_server_does_not_change_the_clock_of_all_accounts(start):
    one = start()
    control(one, "clock", headers={}, advance=1_000_000)
    before = one.get("/__mock/clock").json["now"]
    control(one, "reset", headers={})
    job = create(one).json
    another = start()
    shown = [client.get("/__mock/clock").json["now"] for client in (one, another, one)]
    assert before <= shown[0] <= shown[1] <= shown[2] < before + 100
    assert status(one, job) == "pending"


def test_a_fault_that_a_server_cannot_apply_stays_for_one_that_can(start):
    able, unable = start(wire_faults=["delay"]), start()
    control(able, "faults", operation="list", kind="delay", seconds=60)
    assert unable.get("/v1/generation", headers=AUTH).status_code == 200
    [fault] = able.get("/__mock/faults", headers=AUTH).json["faults"]
    assert (fault["seen"], fault["applied"]) == (0, 0)
    [entry] = able.get("/__mock/journal", headers=AUTH).json["entries"]
    assert (entry["fault"], entry["arrived"]) == ("", True)


def test_a_file_belongs_to_its_job_even_if_an_earlier_job_had_the_same_id(start):
    one, other = start(seed=1), start(seed=1)
    sizes = []
    for client, size in ((one, "square"), (other, "landscape_4_3")):
        arguments = {**BODY, "config": {"prompt": "A cup", "image_size": size}}
        control(client, "next-job", scenario="at_once")
        job = client.post("/v1/generation", json=arguments, headers=AUTH).json["id"]
        url = one.get(f"/v1/generation/{job}", headers=AUTH).json["result"]["data"][0]["url"]
        sizes.append((job, one.get(url).data))
        control(one, "reset")
    assert sizes[0][0] == sizes[1][0]
    assert sizes[0][1] != sizes[1][1]


class TestJournal:
    def test_it_has_the_requests_to_both_in_order(self, two):
        one, other = two
        job = create(one).json
        status(other, job)
        create(other, OTHER)
        one.delete(f"/v1/generation/{job['id']}", headers=AUTH)
        for client in two:
            entries = client.get("/__mock/journal", headers=AUTH).json["entries"]
            assert [(entry["number"], entry["operation"]) for entry in entries] == [
                (1, "create"),
                (2, "get"),
                (3, "delete"),
            ]
            assert entries[0]["response"]
            assert "A cup" in entries[0]["body"]
            assert entries[0]["headers"]["authorization"] == "Bearer [redacted]"
        assert len(one.get("/__mock/journal").json["entries"]) == 4

    def test_the_spend_is_that_of_both(self, two):
        for client in two:
            create(client)
        assert [client.get("/__mock/spend", headers=AUTH).json["creates"] for client in two] == [2, 2]

    def test_its_limit_is_for_both_together(self, start):
        one, other = start(journal=5), start(journal=5)
        for client in (one, other) * 4:
            create(client)
        response = other.get("/__mock/journal", headers=AUTH).json
        assert response["dropped"] == 3
        assert [entry["number"] for entry in response["entries"]] == [4, 5, 6, 7, 8]

    def test_without_a_journal_requests_are_only_counted(self, start):
        one = start(journal=0)
        create(one)
        response = one.get("/__mock/journal").json
        assert response["entries"] == []
        text = one.get("/__mock/metrics").text
        assert 'netmind_mock_requests_total{operation="create",status="200"} 1.0' in text

    @pytest.mark.parametrize(("most", "dropped", "numbers"), [(0, 20, []), (5, 15, [16, 17, 18, 19, 20])])
    def test_entries_dropped_before_they_are_written_are_counted_as_in_memory(
        self, start, most, dropped, numbers
    ):
        one = start(journal=most)
        in_memory = create_app(journal=most).test_client()
        for client in (one, in_memory):
            for _ in range(20):
                create(client)
            response = client.get("/__mock/journal", headers=AUTH).json
            assert (response["dropped"], [entry["number"] for entry in response["entries"]]) == (
                dropped,
                numbers,
            )

    def test_an_unexpected_error_does_not_end_its_thread(self, two, monkeypatch, caplog):
        one, other = two
        create(one)
        entry_store, was_called = fake_of(one.application).store.entries, threading.Event()

        def broken(*_):
            was_called.set()
            raise LookupError("unexpected")

        with monkeypatch.context() as patched:
            patched.setattr(entry_store, "add", broken)
            create(one)
            assert was_called.wait(10)
        create(one)
        assert other.get("/__mock/journal", headers=AUTH).json["entries"] != []
        assert "the journal could not be written" in caplog.text

    def test_a_reset_of_an_account_removes_its_entries(self, two):
        one, other = two
        create(one)
        create(other, OTHER)
        control(one, "reset")
        assert other.get("/__mock/journal", headers=AUTH).json == {"dropped": 0, "entries": []}
        assert len(other.get("/__mock/journal", headers=OTHER).json["entries"]) == 1

    def test_entries_that_the_other_has_only_queued_are_removed_by_a_reset(self, two):
        one, other = two
        create(other)  # so that it writes
        create(other)
        control(one, "reset")
        assert one.get("/__mock/journal", headers=AUTH).json == {"dropped": 0, "entries": []}

    def test_the_metrics_are_those_of_both(self, two):
        for client in two:
            create(client)
        for client in two:
            text = client.get("/__mock/metrics").text
            assert 'netmind_mock_requests_total{operation="create",status="200"} 2.0' in text

    def test_a_process_that_has_ended_is_not_waited_for(self, two, store_url):
        one, _ = two
        create(one)
        with closing(open_store(store_url)) as store:
            mine = next(iter(store.entries.writers()))
            machine, _, random = mine.rsplit(" ", 2)
            ended = f"{machine} {_pid_of_ended_process()} {random}"
            store.entries.acknowledge(ended, 0)
            assert len(one.get("/__mock/journal", headers=AUTH).json["entries"]) == 1
            assert set(store.entries.writers()) == {mine}

    def test_a_process_that_does_not_acknowledge_is_waited_for_once(self, two, store_url, monkeypatch):
        monkeypatch.setattr("netmind_mock.journal.shared._FLUSH_TIMEOUT_SECONDS", 0.05)
        one, _ = two
        create(one)
        with closing(open_store(store_url)) as store:
            store.entries.acknowledge("elsewhere boot 1 x", 0)
            assert len(one.get("/__mock/journal", headers=AUTH).json["entries"]) == 1
            assert "elsewhere boot 1 x" not in store.entries.writers()

    def test_entries_that_cannot_be_written_are_written_later(self, two, monkeypatch):
        one, other = two
        create(one)
        entry_store = fake_of(one.application).store.entries
        with monkeypatch.context() as full:

            def unavailable(*_):
                raise StoreUnavailable("disk full")

            full.setattr(entry_store, "add", unavailable)
            create(one)
            response = one.get("/__mock/journal", headers=AUTH)
            assert response.status_code == 503
        assert len(other.get("/__mock/journal", headers=AUTH).json["entries"]) == 2


def _pid_of_ended_process():
    """Return the id of a process that has just ended."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return child


def test_no_api_key_is_in_the_database(start, store_url):
    client = start()
    secret = {"Authorization": "Bearer canary-s3cret", "Cookie": "canary-c00kie", "X-Api-Key": "canary-ap1"}
    client.post("/v1/generation?key=canary-s3cret", json={**BODY, "note": "canary-s3cret"}, headers=secret)
    assert len(client.get("/__mock/journal").json["entries"]) == 1
    with closing(open_store(store_url)) as store:
        [(_, _, entry)], _ = store.entries.read(None, 10, 10_000)
    assert b"canary" not in entry
    assert b"A cup" in entry


def test_entries_are_read_in_the_order_of_time_not_of_writing(store_url):
    with closing(open_store(store_url)) as store:
        store.entries.add([StoredEntry("u", "get", "a", 2.0, 1, b"second")], [], {}, 10, 100)
        store.entries.add([StoredEntry("u", "get", "b", 1.0, 1, b"first")], [], {}, 10, 100)
        assert store.entries.read("u", 10, 100) == ([("get", "b", b"first"), ("get", "a", b"second")], 0)
        store.entries.add(
            [StoredEntry(None, "list", "", 3.0, 99, b"third")], [("get", 200, 1, 0.5, 0)], {}, 10, 100
        )
        assert store.entries.read(None, 10, 100) == ([("get", "b", b"first"), ("list", "", b"third")], 1)
        assert store.entries.size(10, 100) == (2, 100)
