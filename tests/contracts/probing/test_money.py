"""Money: what a run creates, counted at the fake, and what it deletes."""

import os
import signal

import pytest
from probing import BASE_URL, KEY, fake, probe_of
from variations.proxy import Proxy, response

from netmind_contracts.checks import judge
from netmind_contracts.probing.probe import interruptible
from netmind_contracts.probing.transport import NoResponse
from netmind_contracts.reports.text import exit_code

pytestmark = pytest.mark.slow


def ledger(vary, **options):
    """Return the probe, its run, the transport with the spend ledger, and what is left at the fake."""
    app, clock = fake(profile="observed", strict_models=True)
    transport = Proxy(app, clock, vary)
    probe = probe_of(app, clock, transport=transport, **options)
    run = probe.run()
    return probe, run, transport, left_at(app)


def left_at(app):
    document = app.test_client().get("/v1/generation", headers={"Authorization": KEY}).json
    return [entry["id"] for entry in document["generation_list"]]


def create_at(app):
    request = {"model": "Qwen/Qwen-Image", "config": {"prompt": "of another program"}}
    return app.test_client().post("/v1/generation", json=request, headers={"Authorization": KEY}).json["id"]


def deleted_by(transport):
    return {url.rpartition("/")[2] for method, url, _ in transport.sent if method == "DELETE"}


class AcceptsInvalidCreates:
    """An endpoint that creates a generation for each invalid create."""

    def __init__(self, app):
        self.app, self.created = app, []

    def __call__(self, request, proceed):
        if request.operation != "invalid":
            return proceed()
        self.created.append(create_at(self.app))
        return response(200, {"id": self.created[-1], "status": "pending"})


@pytest.mark.parametrize("budget", [0, 3])
def test_an_invalid_create_that_is_accepted_is_the_last_one_counts_and_is_deleted(budget):
    app, clock = fake(profile="observed", strict_models=True)
    endpoint = AcceptsInvalidCreates(app)
    transport = Proxy(app, clock, endpoint)
    run = probe_of(app, clock, transport=transport, budget=budget).run()
    assert len(endpoint.created) == 1
    assert len(endpoint.created) + len(transport.created) == max(budget, 1)
    assert left_at(app) == []
    assert run.notes[0] == (
        "A create that is invalid (a body that is not JSON) was accepted, and may be charged: "
        f"{endpoint.created[0]}. No other invalid create was sent."
    )


def test_an_invalid_create_without_a_response_is_not_sent_again():
    def lose(request, proceed):
        if request.operation == "invalid":
            raise NoResponse("connection reset by peer")
        return proceed()

    _, run, transport, _ = ledger(lose, budget=0)
    assert len(transport.posts) == len(set(transport.posts)) == 5
    assert transport.created == []
    assert (
        "No response of the API: POST /v1/generation → no response (connection reset by peer)." in run.notes
    )


@pytest.mark.parametrize("status", [408, 429, 500, 503, 504])
def test_no_create_is_sent_twice_whatever_its_response_is(status):
    _, _, transport, _ = ledger(
        lambda request, proceed: response(status) if request.operation == "create" else proceed()
    )
    assert len(transport.posts) == len(set(transport.posts))
    assert transport.created == []


def test_a_free_run_creates_nothing():
    _, _, transport, left = ledger(lambda _, proceed: proceed(), budget=0)
    assert (transport.created, left) == ([], [])


def test_generations_that_were_there_before_are_not_deleted():
    app, clock = fake(profile="observed", strict_models=True)
    before = [create_at(app), create_at(app)]
    transport = Proxy(app, clock, lambda _, proceed: proceed())
    probe_of(app, clock, transport=transport).run()
    assert sorted(left_at(app)) == sorted(before)
    assert deleted_by(transport).isdisjoint(before)


def test_an_id_of_the_first_list_that_create_returns_again_is_not_deleted():
    app, clock = fake(profile="observed", strict_models=True)
    before = create_at(app)

    def returns_an_old_id(request, proceed):
        return (
            response(200, {"id": before, "status": "pending"}) if request.operation == "create" else proceed()
        )

    transport = Proxy(app, clock, returns_an_old_id)
    run = probe_of(app, clock, transport=transport).run()
    assert left_at(app) == [before]
    assert before not in deleted_by(transport)
    assert run.notes[0].startswith("It is not known whether the documented image was created (and charged): ")


def test_after_the_deletes_the_run_looks_whether_the_generations_are_gone():
    def keeps(request, proceed):
        return (
            response(200, {"message": "Generation deleted"}) if request.operation == "delete" else proceed()
        )

    probe, run, transport, left = ledger(keeps)
    assert sorted(probe.undeleted) == sorted(transport.created) == sorted(left)
    assert run.notes[-1] == f"Could not be deleted: {', '.join(probe.undeleted)}."


def test_a_create_without_a_response_is_looked_for_in_the_list():
    def lose(request, proceed):
        result = proceed()
        if request.operation == "create" and "Qwen" in request.body["model"]:
            raise NoResponse("no complete response within 30 s")
        return result

    _, run, transport, left = ledger(lose)
    assert left == transport.created[:1]
    assert run.notes[0].endswith(f"The list has new generations, which may be of others: {left[0]}.")


def test_each_id_is_shown_as_soon_as_it_is_known():
    shown = []
    app, clock = fake(profile="observed", strict_models=True)
    transport = Proxy(app, clock, lambda _, proceed: proceed())
    probe_of(app, clock, transport=transport, progress=shown.append).run()
    assert [line for line in shown if line.startswith("created ")] == [
        f"created {transport.created[0]}: the documented image",
        f"created {transport.created[1]}: the documented audio, deleted while it is pending",
        f"created {transport.created[2]}: a job whose input the worker cannot fetch",
    ]


def test_an_error_of_the_kit_ends_the_run_and_deletes_what_was_created(monkeypatch):
    def fail():
        raise ZeroDivisionError("no")

    app, clock = fake(profile="observed", strict_models=True)
    transport = Proxy(app, clock, lambda _, proceed: proceed())
    probe = probe_of(app, clock, transport=transport)
    monkeypatch.setattr(probe, "_follow_all", fail)
    run = probe.run()
    assert (len(transport.created), left_at(app)) == (3, [])
    assert run.notes == ("The run ended early, by an error of netmind-contracts (ZeroDivisionError: no).",)


def test_a_free_run_that_ended_early_is_incomplete(monkeypatch):
    def fail():
        raise ZeroDivisionError("no")

    app, clock = fake(profile="observed", strict_models=True)
    probe = probe_of(app, clock, budget=0)
    monkeypatch.setattr(probe, "_send_invalid", fail)
    run = probe.run()
    assert exit_code(run, judge(run)) == 2


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_run_and_deletes_what_was_created(name):
    app, clock = fake(profile="observed", strict_models=True)

    def hang_up(request, proceed):
        if request.operation == "get" and len(transport.created) == 3:
            os.kill(os.getpid(), getattr(signal, name))
        return proceed()

    transport = Proxy(app, clock, hang_up)
    probe = probe_of(app, clock, transport=transport)
    with pytest.raises(KeyboardInterrupt), interruptible(probe):
        probe.run()
    assert (len(transport.created), left_at(app), probe.undeleted) == (3, [], [])


def test_the_storage_of_a_result_does_not_get_the_api_key():
    keys = []

    def redirect(request, proceed):
        if request.url.startswith("https://storage.example"):
            keys.append(request.headers.get("Authorization"))
            return proceed(request.url.replace("https://storage.example", BASE_URL))
        if request.operation == "file":
            return response(302, location=request.url.replace(BASE_URL, "https://storage.example"))
        return proceed()

    ledger(redirect)
    assert keys == [None, None]
