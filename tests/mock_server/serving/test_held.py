"""Responses that are sent later: when a clock shows a moment, or when a job ends."""

import asyncio
import json
from contextlib import closing

import pytest
from asgi import WITHIN, Client

from netmind_mock import SimulatedClock, create_app
from netmind_mock.api.request import Hold
from netmind_mock.clock import Listeners
from netmind_mock.fake import fake_of
from netmind_mock.serving.held import Held
from netmind_mock.serving.worker import Worker
from netmind_mock.stores import open_store

BODY = {"model": "Qwen/Qwen-Image", "config": {"prompt": "A cup"}}
SYNC = {"model": "google/nano-banana-pro", "config": {"prompt": "x", "sync_mode": True}}


def post(worker, document=BODY):
    return Client(worker, "POST", body=json.dumps(document).encode())


def response_after(app, change):
    """Create a job in ``sync_mode``, call ``change`` with its id while the response is held, and return it."""

    async def run():
        store, client = fake_of(app).store, post(Worker(app), SYNC)
        earlier = len(store.page(None))
        waiting = asyncio.create_task(client())
        while len(store.page(None)) == earlier:
            await asyncio.sleep(0)
        change(store.page(None)[-1].id)
        return await waiting

    return asyncio.run(run())


def control(app, method, path, **document):
    def change(job_id):
        response = app.test_client().open(f"/__mock/{path.format(job_id)}", method=method, json=document)
        assert response.status_code == 200, response.text

    return change


class TestSyncMode:
    def test_the_response_is_sent_once_the_job_is_completed(self, app):
        response = response_after(app, control(app, "POST", "clock", advance=60))
        assert (response.status, response.json["status"]) == (200, "completed")

    def test_other_requests_are_handled_meanwhile(self, app, clock):
        async def run():
            worker = Worker(app)
            waiting = asyncio.create_task(post(worker, SYNC)())
            assert (await post(worker)()).status == 200
            assert not waiting.done()
            clock.advance(60)
            return (await waiting).status

        assert asyncio.run(run()) == 200

    def test_a_job_that_is_completed_by_hand_is_sent_at_once(self, app):
        response = response_after(app, control(app, "POST", "jobs/{}/complete"))
        assert (response.status, response.json["status"]) == (200, "completed")
        assert response.json["result"]["data"]

    def test_a_job_that_is_failed_by_hand_is_sent_as_failed(self, app):
        response = response_after(app, control(app, "POST", "jobs/{}/fail", reason="no GPU"))
        assert (response.status, response.json["status"]) == (200, "failed")
        assert response.json["logs"] == [{"text": "no GPU"}]

    @pytest.mark.parametrize(("method", "path"), [("DELETE", "jobs/{}"), ("POST", "reset")])
    def test_a_job_that_is_gone_gets_the_response_of_a_get(self, app, method, path):
        response = response_after(app, control(app, method, path))
        assert (response.status, response.json) == (404, {"message": "Generation not found"})

    def test_a_job_that_its_account_deletes_gets_the_response_of_a_get(self, app):
        def delete(job_id):
            headers = {"Authorization": "Bearer key"}
            assert app.test_client().delete(f"/v1/generation/{job_id}", headers=headers).status_code == 200

        assert response_after(app, delete).status == 404

    def test_the_journal_has_the_response_that_was_sent(self, app):
        response_after(app, control(app, "POST", "jobs/{}/fail", reason="no GPU"))
        [entry] = fake_of(app).journal.entries()
        assert (entry.operation, entry.response_json["status"]) == ("create", "failed")

    @pytest.mark.parametrize("journal", ["queued", "written"])
    def test_a_change_by_another_process_on_the_store_is_noticed(self, tmp_path, clock, journal):
        url = f"sqlite:///{tmp_path}/jobs.db"
        app = create_app(profile="observed", duration=60, clock=clock, store=url)

        def fail_there(job_id):
            if journal == "written":
                fake_of(app).journal.write()
            with closing(open_store(url)) as store:
                other = create_app(profile="observed", store=store)
                control(other, "POST", "jobs/{}/fail", reason="no GPU")(job_id)

        response = response_after(app, fail_there)
        assert (response.status, response.json["status"]) == (200, "failed")
        [entry] = fake_of(app).journal.entries()
        assert entry.response_json["status"] == "failed"

    def test_a_job_that_moves_up_in_the_queue_is_sent_earlier(self, clock):
        app = create_app(profile="observed", duration=60, clock=clock, capacity=1)
        first = app.test_client().post("/v1/generation", json=BODY, headers={"Authorization": "Bearer key"})

        def complete_the_first(_):
            control(app, "POST", "jobs/{}/complete")(first.json["id"])
            clock.advance(60)  # not the 120 seconds that were planned at first

        assert response_after(app, complete_the_first).json["status"] == "completed"

    def test_a_response_whose_client_has_gone_is_dropped_and_is_lost_in_the_journal(self, app):
        async def run():
            client = post(Worker(app), SYNC)
            client.disconnect()
            await client()
            return client.sent

        assert asyncio.run(run()) == []
        [entry] = fake_of(app).journal.entries()
        assert (entry.operation, entry.status, entry.arrived) == ("create", 200, False)

    def test_a_server_that_cannot_send_later_waits_and_then_looks_at_the_job(self, app, clock, monkeypatch):
        def wait_until(moment):
            [job] = fake_of(app).store.page(None)
            control(app, "POST", "jobs/{}/fail", reason="no GPU")(job.id)
            clock.advance(moment - clock.now())

        monkeypatch.setattr(clock, "wait_until", wait_until)
        response = app.test_client().post(
            "/v1/generation", json=SYNC, headers={"Authorization": "Bearer key"}
        )
        assert response.json["status"] == "failed"


def frozen():
    clock = SimulatedClock()
    clock.freeze()
    return clock


def test_each_clock_has_its_own_moments_and_equal_moments_keep_their_order():
    one, other, actual = frozen(), frozen(), []
    other.listeners = one.listeners

    async def wait(held, name, moment, clock):
        await held.until_due(Hold(clock, moment))
        actual.append(name)

    async def run():
        held, later = Held(one.listeners, None), one.now() + 10
        tasks = [
            asyncio.create_task(wait(held, name, moment, clock))
            for name, moment, clock in [
                ("third", later + 5, one),
                ("first", later, one),
                ("second", later, one),
                ("other", other.now() + 1, other),
            ]
        ]
        await asyncio.sleep(0)
        other.advance(1)
        await asyncio.wait_for(tasks[3], WITHIN)
        assert actual == ["other"]
        one.advance(20)
        await asyncio.wait_for(asyncio.gather(*tasks), WITHIN)

    asyncio.run(run())
    assert actual == ["other", "first", "second", "third"]


@pytest.mark.parametrize(("change", "timers"), [(SimulatedClock.freeze, 0), (lambda _: None, 1)])
def test_a_response_needs_a_timer_only_while_its_clock_runs(change, timers):
    clock = SimulatedClock()
    change(clock)

    async def run():
        loop, started = asyncio.get_running_loop(), []
        loop.call_later = lambda delay, *_: started.append(delay)
        task = asyncio.create_task(Held(clock.listeners, None).until_due(Hold(clock, clock.now() + 600)))
        await asyncio.sleep(0)
        task.cancel()
        return len(started)

    assert asyncio.run(run()) == timers


def test_a_clock_that_calls_no_listener_is_read_again_and_again():
    class Own:
        """A clock of the user's own class."""

        shown = 0.0

        def now(self):
            Own.shown += 1.0
            return Own.shown

    async def run():
        await asyncio.wait_for(Held(Listeners(), None).until_due(Hold(Own(), 3.0)), WITHIN)

    asyncio.run(run())
    assert Own.shown >= 3.0


def test_a_delay_is_in_real_time(clock):
    async def run():
        loop = asyncio.get_running_loop()
        began, client = loop.time(), post(Worker(app))
        await client()
        return loop.time() - began

    app = create_app(profile="observed", clock=clock, wire_faults=["delay"])
    app.test_client().post("/__mock/faults", json={"operation": "create", "kind": "delay", "seconds": 0.05})
    assert asyncio.run(run()) >= 0.05
