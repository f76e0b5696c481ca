"""The state machine holds on the fake, whatever the profile, and notices fakes that do not."""

import contextlib

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from mutants.catalogue import MUTANTS
from probing import BASE_URL, KEY, WsgiTransport, fake

from netmind_contracts.probing.budget import EndpointError
from netmind_contracts.probing.transport import Reply
from netmind_contracts.state_machine import Endpoint, Expectations, machine_for
from netmind_mock import MemoryStore
from netmind_mock.stores import open_store

TOKENS = (KEY, "another-key-that-nobody-may-see")

# Enough for every rule to follow every other; that it fails is told by the first example, unshrunk.
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
        app, clock = fake(profile=profile, duration=100, api_key=TOKENS, store=store())
        transport = WsgiTransport(wrap(app), clock)
        return Endpoint(
            transport=transport, base_url=BASE_URL, tokens=TOKENS, wait=clock.advance, timeless=True
        )

    return endpoint


@pytest.mark.parametrize("profile", ["documented", "observed"])
def test_it_holds_on_the_fake(profile):
    run_state_machine_as_test(machine_for(endpoint_of(profile)), settings=SHORT)


@pytest.mark.parametrize("store_url", ["sqlite", "postgresql"], indirect=True)
def test_it_holds_whatever_keeps_the_jobs(store_url):
    with contextlib.closing(open_store(store_url)) as store:

        def emptied():
            store.forget(None)
            return store

        machine = machine_for(endpoint_of("observed", store=emptied))
        run_state_machine_as_test(machine, settings=SHORT)


def test_it_holds_on_a_fake_with_tombstones_and_the_oldest_first(tmp_path):
    file = tmp_path / "other.toml"
    file.write_text(
        '[delete.leaves]\nvalue = "tombstone"\nlevel = "assumed"\nsource = "this test"\n'
        '[list.order]\nvalue = "oldest_first"\nlevel = "assumed"\nsource = "this test"\n'
    )
    other = Expectations(leaves="tombstone", newest_first=False)
    run_state_machine_as_test(machine_for(endpoint_of(str(file)), expectations=other), settings=SHORT)
    nobody_knows = Expectations(unknown=None, leaves=None, newest_first=None)
    run_state_machine_as_test(machine_for(endpoint_of(str(file)), expectations=nobody_knows), settings=SHORT)
    with pytest.raises(AssertionError, match=r"list\.order|delete\.gone"):
        run_state_machine_as_test(machine_for(endpoint_of(str(file))), settings=SHORT)


@pytest.mark.parametrize(
    ("name", "claims"),
    [
        ("create_answers_queued", r"create\.pending"),
        ("create_answers_an_older_time", r"create\.updated-at"),
        ("a_pending_job_shows_progress_in_its_result", r"get\.completed"),
        ("a_list_is_two_long", r"list\.has-jobs"),
        ("a_list_has_its_first_twice", r"list\.once"),
        ("a_list_is_oldest_first", r"list\.order"),
        ("a_list_has_no_results", r"list\.agrees|result\.constant|get\.completed"),
        ("created_at_is_a_second_earlier_than_create_said", r"generation\.constant"),
        ("delete_answers_ok", r"delete\.message"),
        ("a_second_delete_succeeds", r"delete\.gone"),
        ("a_deleted_job_can_still_be_read", r"delete\.gone|unknown-id\.404"),
        ("a_status_comes_back", r"status\.forward|list\.agrees"),
        ("updated_at_goes_back", r"generation\.updated-at-forward|list\.agrees"),
    ],
)
def test_it_notices_a_mutant(name, claims):
    mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
    with pytest.raises(AssertionError, match=claims):
        run_state_machine_as_test(
            machine_for(endpoint_of("observed", mutant.wrap)), settings=settings(SHORT, max_examples=1000)
        )


def test_it_notices_a_list_that_tells_another_tenants_jobs():
    def leak(asked, answered):
        every = asked.memory.setdefault("every", {})
        if asked.operation == "list" and answered.is_success:
            every.update({entry["id"]: entry for entry in answered.document["generation_list"]})
            return answered.but({"generation_list": list(every.values())[::-1]})
        return None

    leaking = MUTANTS[0]._replace(change=leak)
    with pytest.raises(AssertionError, match=r"unknown-id\.404|delete\.gone|list\.order|list\.agrees"):
        run_state_machine_as_test(machine_for(endpoint_of(wrap=leaking.wrap)), settings=SHORT)


class Foreign:
    """An endpoint that is not on this machine, which counts its creates."""

    def __init__(self):
        self.creates = 0
        app, self.clock = fake(api_key=TOKENS)
        self.behind = WsgiTransport(app)

    def send(self, method, url, headers, body, **limits):
        self.creates += method == "POST"
        return self.behind.send(method, url.replace("https://api.example", BASE_URL), headers, body, **limits)

    def endpoint(self):
        return Endpoint(
            transport=self, base_url="https://api.example", tokens=TOKENS, wait=self.clock.advance
        )


def test_an_endpoint_that_may_charge_needs_to_be_allowed():
    with pytest.raises(EndpointError, match="may charge for what is created"):
        machine_for(Foreign().endpoint)
    with pytest.raises(EndpointError, match="say how many generations may be created"):
        machine_for(Foreign().endpoint, live=True)


def test_no_more_is_created_than_was_allowed_over_all_examples():
    foreign = Foreign()
    run_state_machine_as_test(machine_for(foreign.endpoint, live=True, max_creates=3), settings=SHORT)
    assert foreign.creates == 3
    listed = foreign.behind.send(
        "GET", f"{BASE_URL}/v1/generation", {"Authorization": KEY}, None, within=1, max_bytes=10_000
    )
    assert isinstance(listed, Reply)
    assert listed.content == b'{"generation_list":[]}'
