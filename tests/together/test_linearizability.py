"""Concurrent calls of several clients are linearizable, on every store."""

from contextlib import ExitStack, closing

import pytest
from linearizability import (
    Account,
    Call,
    faults_after,
    history_of,
    is_linearizable,
    jobs_after,
    order_of,
    report,
)

from netmind_mock import create_app
from netmind_mock.stores import open_store

pytestmark = pytest.mark.slow

AUTH = {"Authorization": "Bearer of-eight-clients"}
ONE = ("create", "")


def call(began, ended, request, response):
    return Call(0, began, ended, request, response)


def order_of_jobs(calls):
    return order_of(calls, frozenset(), jobs_after)


class TestChecker:
    def test_sequential_calls_keep_their_order(self):
        calls = [call(0, 1, ONE, "a"), call(2, 3, ("get", "a"), "pending"), call(4, 5, ("delete", "a"), True)]
        assert order_of_jobs(calls) == calls

    def test_a_call_whose_response_is_later_may_have_taken_effect_earlier(self):
        create, get = call(0, 9, ONE, "a"), call(2, 3, ("get", "a"), "pending")
        assert order_of_jobs([create, get]) == [create, get]

    def test_a_missing_acknowledged_job_is_detected(self):
        assert order_of_jobs([call(0, 1, ONE, "a"), call(2, 3, ("get", "a"), "gone")]) is None

    def test_a_list_without_an_acknowledged_job_is_detected(self):
        assert order_of_jobs([call(0, 1, ONE, "a"), call(2, 3, ("list", ""), frozenset())]) is None

    def test_a_status_that_goes_back_is_detected(self):
        calls = [
            call(0, 1, ONE, "a"),
            call(2, 3, ("complete", "a"), True),
            call(4, 5, ("get", "a"), "completed"),
            call(6, 7, ("get", "a"), "pending"),
        ]
        assert order_of_jobs(calls[:3]) == calls[:3]
        assert order_of_jobs(calls) is None

    def test_a_job_that_is_deleted_twice_is_detected(self):
        calls = [call(0, 1, ONE, "a"), call(2, 5, ("delete", "a"), True), call(2, 5, ("delete", "a"), True)]
        assert order_of_jobs(calls) is None

    def test_a_fault_that_is_applied_twice_or_not_at_all_is_detected(self):
        add = call(0, 1, ("add a fault", ""), None)
        refused, accepted = call(2, 3, ONE, "refused"), call(4, 5, ONE, "a")
        assert order_of([add, refused, accepted], 0, faults_after) == [add, refused, accepted]
        assert order_of([add, accepted], 0, faults_after) is None
        assert order_of([add, refused, call(4, 5, ONE, "refused")], 0, faults_after) is None

    def test_an_order_of_many_concurrent_calls_is_found(self):
        calls = [call(0, 10, ONE, f"job {number}") for number in range(12)]
        calls.append(call(0, 10, ("list", ""), frozenset([("job 3", "pending"), ("job 7", "pending")])))
        assert len(order_of_jobs(calls)) == 13

    def test_an_unknown_operation_is_refused(self):
        with pytest.raises(ValueError, match="sing"):
            jobs_after(frozenset(), ("sing", ""), None)


@pytest.mark.parametrize("store_url", ["memory", "sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize("seed", range(3))
def test_eight_clients_of_two_servers_see_one_account(store_url, seed):
    with ExitStack() as stack:
        first = stack.enter_context(closing(open_store(store_url)))
        # A memory store belongs to one process, so both servers share the object.
        second = first if store_url == "memory" else stack.enter_context(closing(open_store(store_url)))
        apps = [create_app(store=store, duration=600) for store in (first, second)]

        def account(number):
            client = apps[number % 2].test_client()

            def send(method, path, body):
                response = client.open(path, method=method, json=body, headers=AUTH)
                return response.status_code, response.json

            return Account(send)

        history = history_of([account(number) for number in range(8)], 12, seed)
    assert len(history) == 8 * 12 + 1
    assert is_linearizable(history), report(history)
