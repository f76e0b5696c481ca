"""Tests of the state machine: it passes for the fake with each profile, and fails for broken fakes."""

import contextlib

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from mutants.catalogue import MUTANTS
from probing import BASE_URL, KEY, WsgiTransport, fake

from netmind_contracts.probing.budget import EndpointError
from netmind_contracts.probing.transport import RawResponse
from netmind_contracts.state_machine import Endpoint, Expectations, machine_for
from netmind_mock import MemoryStore
from netmind_mock.stores import open_store

pytestmark = pytest.mark.slow

API_KEYS = (KEY, "another-key-that-nobody-may-see")

# Enough for every rule to follow every other one. The first failing example suffices, so nothing is shrunk.
SHORT = settings(
    max_examples=30,
    stateful_step_count=30,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def endpoint_of(profile="documented", wrap=lambda app: app, store=MemoryStore):
    def endpoint():
        app, clock = fake(profile=profile, duration=100, api_key=API_KEYS, store=store())
        transport = WsgiTransport(wrap(app), clock)
        return Endpoint(
            transport=transport, base_url=BASE_URL, api_keys=API_KEYS, wait=clock.advance, timeless=True
        )

    return endpoint


@pytest.mark.parametrize("profile", ["documented", "observed"])
def test_the_state_machine_passes_for_the_fake(profile):
    run_state_machine_as_test(machine_for(endpoint_of(profile)), settings=SHORT)


@pytest.mark.parametrize("store_url", ["sqlite", "postgresql"], indirect=True)
def test_the_state_machine_passes_for_every_store(store_url):
    with contextlib.closing(open_store(store_url)) as store:

        def emptied():
            store.forget(None)
            return store

        machine = machine_for(endpoint_of("observed", store=emptied))
        run_state_machine_as_test(machine, settings=SHORT)


def test_the_state_machine_passes_for_tombstones_and_oldest_first(tmp_path):
    file = tmp_path / "other.toml"
    file.write_text(
        '[delete.leaves]\nvalue = "tombstone"\nlevel = "assumed"\nsource = "this test"\n'
        '[list.order]\nvalue = "oldest_first"\nlevel = "assumed"\nsource = "this test"\n'
    )
    other = Expectations(leaves="tombstone", newest_first=False)
    run_state_machine_as_test(machine_for(endpoint_of(str(file)), expectations=other), settings=SHORT)
    unknown = Expectations(unknown=None, leaves=None, newest_first=None)
    run_state_machine_as_test(machine_for(endpoint_of(str(file)), expectations=unknown), settings=SHORT)
    with pytest.raises(AssertionError, match=r"list\.order|delete\.gone"):
        run_state_machine_as_test(machine_for(endpoint_of(str(file))), settings=SHORT)


@pytest.mark.parametrize(
    ("name", "claims"),
    [
        ("create_returns_queued", r"create\.pending"),
        ("create_returns_an_older_time", r"create\.updated-at"),
        ("a_pending_job_shows_progress_in_its_result", r"get\.completed"),
        ("a_list_has_two_entries", r"list\.has-jobs"),
        ("a_list_has_its_first_twice", r"list\.once"),
        ("a_list_is_oldest_first", r"list\.order"),
        ("a_list_has_no_results", r"list\.agrees|result\.constant|get\.completed"),
        ("created_at_is_a_second_earlier_than_at_create", r"generation\.constant"),
        ("delete_returns_ok", r"delete\.message"),
        ("a_second_delete_succeeds", r"delete\.gone"),
        ("a_deleted_job_can_still_be_read", r"delete\.gone|unknown-id\.404"),
        ("a_status_goes_back", r"status\.forward|list\.agrees"),
        ("updated_at_goes_back", r"generation\.updated-at-forward|list\.agrees"),
    ],
)
def test_the_state_machine_detects_a_mutant(name, claims):
    mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
    with pytest.raises(AssertionError, match=claims):
        run_state_machine_as_test(
            machine_for(endpoint_of("observed", mutant.wrap)), settings=settings(SHORT, max_examples=1000)
        )


def test_the_state_machine_detects_a_list_with_jobs_of_another_account():
    def leak(request, response):
        every = request.memory.setdefault("every", {})
        if request.operation == "list" and response.is_success:
            every.update({entry["id"]: entry for entry in response.document["generation_list"]})
            return response.but({"generation_list": list(every.values())[::-1]})
        return None

    leaking = MUTANTS[0]._replace(change=leak)
    with pytest.raises(AssertionError, match=r"unknown-id\.404|delete\.gone|list\.order|list\.agrees"):
        run_state_machine_as_test(machine_for(endpoint_of(wrap=leaking.wrap)), settings=SHORT)


class Foreign:
    """An endpoint with a host name that is not local. It counts the creates."""

    def __init__(self):
        self.creates = 0
        app, self.clock = fake(api_key=API_KEYS)
        self.transport = WsgiTransport(app)

    def send(self, method, url, headers, body, **limits):
        self.creates += method == "POST"
        return self.transport.send(
            method, url.replace("https://api.example", BASE_URL), headers, body, **limits
        )

    def endpoint(self):
        return Endpoint(
            transport=self, base_url="https://api.example", api_keys=API_KEYS, wait=self.clock.advance
        )


def test_an_endpoint_that_may_charge_needs_permission():
    with pytest.raises(EndpointError, match="may charge for generations"):
        machine_for(Foreign().endpoint)
    with pytest.raises(EndpointError, match="set how many generations may be created"):
        machine_for(Foreign().endpoint, live=True)


def test_all_examples_together_create_at_most_the_allowed_number():
    foreign = Foreign()
    run_state_machine_as_test(machine_for(foreign.endpoint, live=True, max_creates=3), settings=SHORT)
    assert foreign.creates == 3
    listed = foreign.transport.send(
        "GET", f"{BASE_URL}/v1/generation", {"Authorization": KEY}, None, within=1, max_bytes=10_000
    )
    assert isinstance(listed, RawResponse)
    assert listed.content == b'{"generation_list":[]}'
