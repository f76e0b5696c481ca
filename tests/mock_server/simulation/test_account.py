"""What was ordered comes back from the store as it was ordered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmind_mock import InvalidInput, create_app
from netmind_mock.fake import fake_of
from netmind_mock.simulation.account import (
    MAX_BYTES,
    Account,
    ActiveFault,
    QueuedScenario,
    check_size,
    packed,
    unpacked,
)
from netmind_mock.simulation.faults import KINDS, fault
from netmind_mock.simulation.rules import Rule
from netmind_mock.simulation.scenarios import SCENARIOS, make_scenario

orders = st.sampled_from(sorted(SCENARIOS)).map(make_scenario) | st.builds(
    lambda reason, after: make_scenario("failed", reason=reason, after=after),
    st.text(min_size=1).filter(str.strip),
    st.floats(0, 1e6),
)
faults = st.sampled_from(
    [(kind, operation) for kind in KINDS for operation in KINDS[kind].operations]
).flatmap(
    lambda chosen: st.builds(
        lambda number, skip, job: fault(number, chosen[1], chosen[0], skip=skip, job=job),
        st.integers(1, 1000),
        st.integers(0, 1000),
        st.none() | st.just("0" * 32),
    )
)
tenants = st.builds(
    Account,
    next_jobs=st.lists(st.builds(QueuedScenario, orders, st.text(), st.integers(1, 10_000)), max_size=3),
    rules=st.lists(st.builds(Rule, orders, st.none() | st.text(), st.none() | st.text()), max_size=3),
    otherwise=st.none() | orders,
    faults=st.lists(
        st.builds(ActiveFault, faults, st.text(), st.integers(0, 99), st.integers(0, 99)), max_size=3
    ),
    numbered=st.integers(0, 1000),
)


@given(tenants)
def test_orders_come_back_as_they_were_packed(account):
    assert unpacked(packed(account)) == account


def test_where_nothing_is_kept_nothing_is_ordered():
    assert unpacked(None) == Account()


def test_a_next_job_for_several_creates_is_used_up_one_by_one():
    account = Account(
        [QueuedScenario(make_scenario("failed"), "here", 2), QueuedScenario(make_scenario("stuck"))]
    )
    taken = [account.take_next_job() for _ in range(4)]
    assert taken == [make_scenario("failed"), make_scenario("failed"), make_scenario("stuck"), None]


def test_more_than_there_is_room_for_is_refused_with_what_to_do():
    account = Account(rules=[Rule(make_scenario("failed", reason="x" * 300), "m")] * (MAX_BYTES // 300))
    with pytest.raises(InvalidInput, match=r"expected at most 256 KiB of orders for an account; clear the"):
        check_size(packed(account))


def test_orders_at_the_limit_are_carried_out_though_their_counts_grow():
    client = create_app().test_client()
    for asked in (
        {"operation": "get", "kind": "status"},
        {"operation": "list", "kind": "status", "times": 2000},
    ):
        assert client.post("/__mock/faults", json=asked).status_code == 200
    first = client.post("/__mock/rules", json={"scenario": "slow", "prompt": ""})
    assert first.status_code == 200
    store = fake_of(client.application).store
    room = MAX_BYTES - len(store.facts(0).changed["orders", ""])
    client.delete("/__mock/rules")
    for prompt, status in (("x" * (room + 1), 422), ("x" * room, 200)):
        response = client.post("/__mock/rules", json={"scenario": "slow", "prompt": prompt})
        assert response.status_code == status
    codes = [client.get("/v1/generation", headers={"Authorization": "x"}).status_code for _ in range(11)]
    assert codes == [503] * 11
