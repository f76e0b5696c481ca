"""The configuration of an account: how it is encoded, used and limited in size."""

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

scenarios = st.sampled_from(sorted(SCENARIOS)).map(make_scenario) | st.builds(
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
accounts = st.builds(
    Account,
    next_jobs=st.lists(st.builds(QueuedScenario, scenarios, st.text(), st.integers(1, 10_000)), max_size=3),
    rules=st.lists(st.builds(Rule, scenarios, st.none() | st.text(), st.none() | st.text()), max_size=3),
    otherwise=st.none() | scenarios,
    faults=st.lists(
        st.builds(ActiveFault, faults, st.text(), st.integers(0, 99), st.integers(0, 99)), max_size=3
    ),
    numbered=st.integers(0, 1000),
)


@given(accounts)
def test_a_configuration_is_decoded_as_it_was_encoded(account):
    assert unpacked(packed(account)) == account


def test_without_a_stored_configuration_it_is_empty():
    assert unpacked(None) == Account()


def test_a_scenario_queued_for_several_jobs_is_used_once_per_job():
    account = Account(
        [QueuedScenario(make_scenario("failed"), "here", 2), QueuedScenario(make_scenario("stuck"))]
    )
    taken = [account.take_next_job() for _ in range(4)]
    assert taken == [make_scenario("failed"), make_scenario("failed"), make_scenario("stuck"), None]


def test_a_configuration_over_the_size_limit_is_rejected_with_advice():
    account = Account(rules=[Rule(make_scenario("failed", reason="x" * 300), "m")] * (MAX_BYTES // 300))
    with pytest.raises(
        InvalidInput, match=r"expected at most 256 KiB per account; clear the rules and faults"
    ):
        check_size(packed(account))


def test_faults_at_the_size_limit_are_applied_although_their_counts_grow():
    client = create_app().test_client()
    for added in (
        {"operation": "get", "kind": "status"},
        {"operation": "list", "kind": "status", "times": 2000},
    ):
        assert client.post("/__mock/faults", json=added).status_code == 200
    first = client.post("/__mock/rules", json={"scenario": "slow", "prompt": ""})
    assert first.status_code == 200
    store = fake_of(client.application).store
    room = MAX_BYTES - len(store.facts(0).changed["account", ""])
    client.delete("/__mock/rules")
    for prompt, status in (("x" * (room + 1), 422), ("x" * room, 200)):
        response = client.post("/__mock/rules", json={"scenario": "slow", "prompt": prompt})
        assert response.status_code == status
    codes = [client.get("/v1/generation", headers={"Authorization": "x"}).status_code for _ in range(11)]
    assert codes == [503] * 11
