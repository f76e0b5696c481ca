"""The simulated load: latency, a queue of jobs, and a rate limit."""

import math
import random
import statistics
from contextlib import ExitStack, closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmind_mock import MemoryStore, SimulatedClock, create_app
from netmind_mock.api.request import KEY, RequestContext
from netmind_mock.fake import fake_of
from netmind_mock.simulation.load import Latency, RateLimit, next_start
from netmind_mock.stores import Limits, StoreUnavailable, open_store

BODY = {"model": "Qwen/Qwen-Image", "config": {"prompt": "A cup"}}
AUTH = {"Authorization": "Bearer one"}
OTHER = {"Authorization": "Bearer two"}


class Fake:
    """A fake on a frozen clock, with the requests of a client."""

    def __init__(self, **options):
        self.clock = SimulatedClock()
        self.clock.freeze()
        self.client = create_app(clock=self.clock, duration=10, **options).test_client()

    def create(self, headers=AUTH, **config):
        body = {**BODY, "config": {**BODY["config"], **config}}
        return self.client.post("/v1/generation", json=body, headers=headers).json

    def statuses(self, jobs, headers=AUTH):
        shown = [self.client.get(f"/v1/generation/{job['id']}", headers=headers).json for job in jobs]
        return " ".join(one["status"] for one in shown)

    def control(self, path, **arguments):
        response = self.client.post(f"/__mock/{path}", json=arguments)
        assert response.status_code == 200, response.json


@pytest.mark.parametrize(
    ("text", "latency"),
    [
        ("0.2", Latency(0.2, 0.2)),
        ("0", Latency(0, 0)),
        ("0.1-0.5", Latency(0.1, 0.5)),
        ("lognormal:0.3,0.5", Latency(0.3, 0.3, 0.5)),
    ],
)
def test_a_latency_is_parsed(text, latency):
    assert Latency.parsed(text) == latency


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "fast",
            "expected seconds such as 0.2, a range such as 0.1-0.5, or lognormal:MEDIAN,SIGMA, got 'fast'",
        ),
        ("-1", "expected seconds such as 0.2"),
        ("0.5-0.1", "expected the lower bound first, got '0.5-0.1'"),
        ("1e9", "expected seconds"),
        ("9999999", "at most 1e6 seconds"),
        ("lognormal:1,99", "a sigma of at most 10"),
    ],
)
def test_an_invalid_latency_is_rejected_with_what_was_expected(text, message):
    with pytest.raises(ValueError, match="latency: ") as refused:
        create_app(latency=text)
    assert message in str(refused.value)


def test_a_range_is_uniform_and_a_log_normal_latency_is_around_its_median():
    chance = random.Random(1)  # noqa: S311 - not a secret
    even = [Latency.parsed("0.1-0.5").drawn(chance) for _ in range(2000)]
    assert 0.1 <= min(even) < 0.11
    assert 0.49 < max(even) <= 0.5
    drawn = [Latency.parsed("lognormal:0.3,0.5").drawn(chance) for _ in range(2000)]
    assert 0.28 < statistics.median(drawn) < 0.32
    assert 0.45 < statistics.stdev(map(math.log, drawn)) < 0.55


class TestLatency:
    def held(self, app, path="/v1/generation", **extra):
        """Return for how many seconds the response is held, and the response."""
        context = RequestContext(sends_later=True)
        response = app.test_client().get(path, headers=AUTH, environ_overrides={KEY: context, **extra})
        if context.hold is None:
            return [], response
        return [context.hold.due() - context.hold.clock.now()], response

    def test_a_response_is_held_on_the_clock_of_the_account(self):
        clock = SimulatedClock(monotonic=lambda: 5.0)
        moments, response = self.held(create_app(latency="0.2", clock=clock))
        assert moments == [pytest.approx(0.2)]
        assert response.status_code == 200

    def test_the_same_seed_gives_the_same_latencies(self):
        def drawn(seed):
            app = create_app(latency="1-2", seed=seed, clock=SimulatedClock(monotonic=lambda: 5.0))
            return [round(self.held(app)[0][0], 4) for _ in range(3)]

        assert drawn(1) == drawn(1)
        assert drawn(1) != drawn(2)
        assert all(1 <= latency <= 2 for latency in drawn(1))

    def test_on_a_frozen_clock_responses_are_not_delayed(self):
        fake = Fake(latency="60")
        assert self.held(fake.client.application)[0] == []

    def test_without_a_server_that_holds_responses_the_clock_waits(self):
        class Waiting(SimulatedClock):
            def wait_until(self, moment):
                self.advance(moment - self.now())

        clock = Waiting(monotonic=lambda: 5.0)
        before = clock.now()
        create_app(latency="30", clock=clock).test_client().get("/v1/generation", headers=AUTH)
        assert clock.now() == pytest.approx(before + 30)

    def test_the_control_api_is_never_delayed(self):
        app = create_app(latency="60", clock=SimulatedClock(monotonic=lambda: 5.0))
        assert self.held(app, "/__mock/health")[0] == []


@given(
    st.lists(st.tuples(st.floats(0, 5), st.floats(0, 20) | st.just(math.inf)), max_size=30),
    st.integers(1, 4),
)
def test_no_more_jobs_run_at_once_than_slots_and_no_job_waits_while_a_slot_is_free(steps, capacity):
    now, ends, running, before = 0.0, [], [], 0.0
    for pause, lasts in steps:
        now += pause
        starts, ends = next_start(ends, capacity, now, lasts)
        assert starts >= max(now, before)  # in the order of creation
        at_once = [end for _, end in running if end > starts]
        assert len(at_once) < capacity or starts == math.inf
        if starts > now:  # it waits for the first free slot
            assert len([end for _, end in running if end > now]) >= capacity
        running.append((starts, starts + lasts))
        before = starts


class TestCapacity:
    def test_jobs_over_the_capacity_stay_pending_until_a_slot_is_free(self):
        fake = Fake(capacity=2)
        jobs = [fake.create() for _ in range(5)]
        seen = []
        for _ in range(4):
            seen.append(fake.statuses(jobs).count("completed"))
            fake.clock.advance(10)
        assert seen == [0, 2, 4, 5]

    def test_a_job_that_waited_takes_as_long_as_others_once_it_starts(self):
        fake = Fake(capacity=1)
        fake.create()
        second = fake.create()
        fake.clock.advance(19.9)
        assert fake.statuses([second]) == "pending"
        fake.clock.advance(0.2)
        assert fake.statuses([second]) == "completed"

    def test_each_account_has_its_own_slots(self):
        fake = Fake(capacity=1)
        ours, theirs = fake.create(), fake.create(OTHER)
        fake.clock.advance(10)
        assert (fake.statuses([ours]), fake.statuses([theirs], OTHER)) == ("completed", "completed")

    @pytest.mark.parametrize("how", ["delete", "complete", "fail"])
    def test_when_a_job_ends_early_the_jobs_behind_it_move_up(self, how):
        fake = Fake(capacity=1)
        first, second, third = (fake.create() for _ in range(3))
        fake.clock.advance(4)
        if how == "delete":
            fake.client.delete(f"/v1/generation/{first['id']}", headers=AUTH)
        else:
            fake.control(f"jobs/{first['id']}/{how}")
        fake.clock.advance(10)
        assert fake.statuses([second, third]) == "completed pending"
        fake.clock.advance(10)
        fourth = fake.create()
        assert fake.statuses([third, fourth]) == "completed pending"
        fake.clock.advance(10)
        assert fake.statuses([fourth]) == "completed"

    def test_a_waiting_job_that_is_deleted_leaves_its_slot_to_the_next_job(self):
        fake = Fake(capacity=1)
        _, second, third = (fake.create() for _ in range(3))
        fake.client.delete(f"/v1/generation/{second['id']}", headers=AUTH)
        fake.clock.advance(20)
        assert fake.statuses([third]) == "completed"

    def test_a_job_that_never_ends_keeps_its_slot_until_it_is_deleted(self):
        fake = Fake(capacity=1)
        stuck = fake.client.post(
            "/v1/generation", json=BODY, headers={**AUTH, "X-Mock-Scenario": "stuck"}
        ).json
        second = fake.create()
        fake.clock.advance(1e6)
        assert fake.statuses([second]) == "pending"
        fake.client.delete(f"/v1/generation/{stuck['id']}", headers=AUTH)
        fake.clock.advance(10)
        assert fake.statuses([second]) == "completed"

    def test_a_job_that_a_poll_completes_frees_its_slot(self):
        fake = Fake(capacity=1)
        polled = fake.client.post(
            "/v1/generation", json=BODY, headers={**AUTH, "X-Mock-Scenario": "after_polls polls=2"}
        ).json
        second = fake.create()
        assert [fake.statuses([polled]) for _ in range(2)] == ["pending", "completed"]
        fake.clock.advance(10)
        assert fake.statuses([second]) == "completed"

    def test_a_reset_frees_all_slots(self):
        fake = Fake(capacity=1)
        fake.create()
        fake.control("reset")
        job = fake.create()
        fake.clock.advance(10)
        assert fake.statuses([job]) == "completed"

    def test_the_slot_of_a_job_that_was_not_stored_is_freed(self, monkeypatch):
        fake = Fake(capacity=1)
        store = fake_of(fake.client.application).store

        def full(_):
            raise StoreUnavailable("disk full")

        with monkeypatch.context() as patched:
            patched.setattr(store, "put", full)
            assert "disk full" in fake.create()["message"]
        job = fake.create()
        fake.clock.advance(10)
        assert fake.statuses([job]) == "completed"

    def test_the_slot_of_an_evicted_job_is_freed(self):
        fake = Fake(capacity=1, store=MemoryStore(Limits(max_jobs=2)))
        fake.client.post("/v1/generation", json=BODY, headers={**AUTH, "X-Mock-Scenario": "stuck"})
        for _ in range(2):
            fake.create(headers=OTHER)
        job = fake.create()
        fake.clock.advance(10)
        assert fake.statuses([job]) == "completed"

    def test_jobs_that_cannot_move_up_now_do_with_the_next_create(self, monkeypatch):
        fake = Fake(capacity=1)
        first, second = fake.create(), fake.create()
        queue = fake_of(fake.client.application).queue

        def gone(*_, **__):
            raise StoreUnavailable("gone")

        with monkeypatch.context() as patched:
            patched.setattr(queue, "_try_move_up", gone)
            assert fake.client.delete(f"/v1/generation/{first['id']}", headers=AUTH).status_code == 200
        fake.create()
        fake.clock.advance(10)
        assert fake.statuses([second]) == "completed"

    def test_a_job_that_ended_meanwhile_does_not_move_up(self, monkeypatch):
        fake = Fake(capacity=1)
        first, second = fake.create(), fake.create()
        store = fake_of(fake.client.application).store
        page = store.page

        def before_the_other(user_id):
            jobs = page(user_id)
            monkeypatch.setattr(store, "page", page)
            fake.control(f"jobs/{second['id']}/complete")
            return jobs

        monkeypatch.setattr(store, "page", before_the_other)
        fake.client.delete(f"/v1/generation/{first['id']}", headers=AUTH)
        assert fake.statuses([second]) == "completed"

    def test_an_invalid_capacity_is_rejected(self):
        with pytest.raises(ValueError, match="capacity: expected a whole number from 1 to 100000, got 0"):
            create_app(capacity=0)


@given(st.integers(1, 20), st.lists(st.floats(0, 3), max_size=60))
def test_a_client_that_waits_as_required_is_served_and_no_client_exceeds_the_limit(most, pauses):
    limit, now, full_at, passed = RateLimit(most, 10.0), 1e9, 0.0, []
    for pause in pauses:
        now += pause
        full_at, wait = limit.taken(full_at, now)
        if wait:
            assert limit.taken(full_at, now + wait + 1e-5)[1] == 0
        else:
            passed.append(now)
    for start in passed:
        # The limit is a token bucket: in any period at most a full bucket, and what is refilled meanwhile.
        assert len([at for at in passed if start <= at < start + 10]) <= 2 * most


@pytest.mark.parametrize("text", ["fast", "0/s", "10", "10/d", "-1/s", "1.5/s"])
def test_an_invalid_rate_limit_is_rejected_with_what_was_expected(text):
    with pytest.raises(ValueError, match="rate limit: expected a number of at least 1 and a period"):
        create_app(rate_limit=text)


class TestRateLimit:
    def get_list(self, fake, headers=AUTH):
        return fake.client.get("/v1/generation", headers=headers)

    def test_requests_over_the_limit_get_429_with_retry_after(self):
        fake = Fake(rate_limit="3/m")
        assert [self.get_list(fake).status_code for _ in range(4)] == [200, 200, 200, 429]
        response = self.get_list(fake)
        assert response.headers["Retry-After"] == "20"
        assert response.json == {"message": "Too Many Requests"}
        assert "rate limit" in response.headers["X-Mock-Hint"]
        fake.clock.advance(19)
        assert self.get_list(fake).status_code == 429
        fake.clock.advance(1)
        assert [self.get_list(fake).status_code for _ in range(2)] == [200, 429]

    def test_retry_after_is_in_real_time_at_any_speed_of_the_clock(self):
        clock = SimulatedClock(speed=60, monotonic=lambda: 5.0)
        client = create_app(rate_limit="1/h", clock=clock).test_client()
        client.get("/v1/generation", headers=AUTH)
        assert client.get("/v1/generation", headers=AUTH).headers["Retry-After"] == "60"

    def test_each_account_has_its_own_limit(self):
        fake = Fake(rate_limit="1/m")
        assert [self.get_list(fake, account).status_code for account in (AUTH, OTHER, AUTH)] == [
            200,
            200,
            429,
        ]

    def test_a_rejected_create_creates_no_job(self):
        fake = Fake(rate_limit="1/m")
        fake.create()
        fake.create()
        assert len(fake.client.get("/__mock/jobs").json["jobs"]) == 1
        [_, refused] = fake.client.get("/__mock/journal").json["entries"]
        assert (refused["status"], refused["fault"], refused["reached"]) == (429, "rate limit", False)

    def test_files_and_the_control_api_are_not_limited(self):
        fake = Fake(rate_limit="2/h")
        job = fake.create()
        fake.clock.advance(10)
        url = fake.client.get(f"/v1/generation/{job['id']}", headers=AUTH).json["result"]["data"][0]["url"]
        assert [fake.client.get(url).status_code for _ in range(3)] == [200, 200, 200]
        assert fake.client.get("/__mock/jobs").status_code == 200

    def test_a_reset_restores_the_full_limit(self):
        fake = Fake(rate_limit="1/h")
        self.get_list(fake)
        fake.control("reset")
        assert self.get_list(fake).status_code == 200


@pytest.mark.parametrize("store_url", ["sqlite", "postgresql"], indirect=True)
class TestShared:
    @pytest.fixture
    def two(self, store_url):
        with ExitStack() as stack:
            clock = SimulatedClock()
            clock.freeze()

            def start():
                store = stack.enter_context(closing(open_store(store_url)))
                return create_app(
                    store=store, duration=10, capacity=1, rate_limit="5/m", clock=clock
                ).test_client()

            yield start(), start()

    def test_slots_and_limits_are_shared_by_all_processes(self, two):
        one, other = two
        first, second = (client.post("/v1/generation", json=BODY, headers=AUTH).json for client in two)
        one.post("/__mock/clock", json={"advance": 10})
        statuses = [
            client.get(f"/v1/generation/{job['id']}", headers=AUTH).json["status"]
            for client, job in [(other, first), (one, second)]
        ]
        assert statuses == ["completed", "pending"]
        codes = [client.get("/v1/generation", headers=AUTH).status_code for client in (one, other, one)]
        assert codes == [200, 429, 429]
        assert other.post("/__mock/reset", json={}).status_code == 200
        assert one.get("/v1/generation", headers=AUTH).status_code == 200
