"""The state machine names the claim that failed, also at an endpoint that charges or does not behave alike twice."""

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test
from probing import BASE_URL, KEY, fake
from variations.proxy import Proxy, each_generation, listed, response

from netmind_contracts.state_machine import Endpoint, machine_for

pytestmark = pytest.mark.slow

# Hypothesis runs the failing example again. With all phases it also tries to shrink it, which takes longer.
SETTINGS = settings(
    max_examples=40, stateful_step_count=12, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)  # fmt: skip
WITHOUT_SHRINKING = settings(SETTINGS, phases=[Phase.generate])

REQUEST = {"model": "Qwen/Qwen-Image", "config": {"prompt": "A cup of coffee"}}


class Varied:
    """One endpoint for all examples, with a variation, and with the ledger of what it created."""

    def __init__(self, vary):
        app, self.clock = fake(profile="documented", duration=100, api_key=[KEY])
        self.transport = Proxy(app, self.clock, vary)

    def machine(self, **options):
        return machine_for(self.endpoint, requests=st.just(REQUEST), **options)

    def endpoint(self):
        return Endpoint(transport=self.transport, base_url=BASE_URL, api_keys=(KEY,), wait=self.clock.advance)


def loses_jobs_sometimes(request, proceed):
    """Return every third list without its first entry."""
    result = proceed()
    if request.operation != "list":
        return result
    request.memory["lists"] = request.memory.get("lists", 0) + 1
    return listed(result, lambda entries: entries[1:]) if request.memory["lists"] % 3 == 0 else result


def says_ok(request, proceed):
    """Return another message for a delete."""
    result = proceed()
    return (
        response(200, {"message": "OK"}) if request.operation == "delete" and result.status == 200 else result
    )


def is_queued(request, proceed):
    """Return another status from create."""
    result = proceed()
    queued = request.operation == "create" and result.status == 200
    return each_generation(result, lambda one: {**one, "status": "queued"}) if queued else result


def stays_unmarked(request, proceed):
    """Let a deleted generation be read as before."""
    result = proceed()
    if request.operation == "get" and result.status == 200:
        request.memory[request.id] = result
    return request.memory.get(request.id, result) if request.operation == "get" else result


def lists_deleted_flags(request, proceed):
    """Say in lists that everything is deleted."""
    result = proceed()
    is_list = request.operation == "list" and result.status == 200
    return (
        each_generation(result, lambda one: {**one, "is_deleted": True, "deleted_at": one["created_at"]})
        if is_list
        else result
    )


@pytest.mark.parametrize("number", range(2))
@pytest.mark.parametrize(
    ("vary", "claim"),
    [
        (loses_jobs_sometimes, r"^list\.has-jobs: "),
        (says_ok, r"^delete\.message: "),
        (is_queued, r"^create\.pending: "),
        (stays_unmarked, r"^delete\.gone: "),
        (lists_deleted_flags, r"^generation\.not-deleted: "),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_first_failure_is_kept_with_a_budget(vary, claim, number):
    varied = Varied(vary)
    machine = seed(number)(varied.machine(max_creates=100))
    with pytest.raises(AssertionError, match=claim) as raised:
        run_state_machine_as_test(machine, settings=WITHOUT_SHRINKING)
    assert len(varied.transport.created) <= 100
    assert any(note.startswith("The requests:\n") for note in raised.value.__notes__)


def test_after_a_failure_nothing_is_sent():
    varied = Varied(is_queued)
    with pytest.raises(AssertionError, match=r"^create\.pending: "):
        run_state_machine_as_test(varied.machine(), settings=SETTINGS)
    assert len(varied.transport.created) == 1
    last = [(method, url.removeprefix(BASE_URL)) for method, url, _ in varied.transport.sent[-2:]]
    assert last == [("POST", "/v1/generation"), ("DELETE", f"/v1/generation/{varied.transport.created[0]}")]


@pytest.mark.parametrize("status", [429, 503, 524])
def test_a_request_that_was_sent_again_is_not_a_failure(status):
    def busy(request, proceed):
        request.memory["count"] = request.memory.get("count", 0) + 1
        return response(status) if request.memory["count"] % 4 == 0 else proceed()

    varied = Varied(busy)
    run_state_machine_as_test(varied.machine(), settings=SETTINGS)
    assert len(varied.transport.created) > 0


def test_a_faithful_endpoint_passes_within_its_budget():
    varied = Varied(lambda _, proceed: proceed())
    run_state_machine_as_test(varied.machine(max_creates=5), settings=SETTINGS)
    assert len(varied.transport.created) == 5
