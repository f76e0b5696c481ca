"""Small requests are handled on the event loop, others in threads. Held responses are awaited."""

import asyncio
import json
import threading

import pytest

from netmind_mock import SimulatedClock, create_app
from netmind_mock.api.request import KEY, MAX_BODY_BYTES
from netmind_mock.fake import fake_of
from netmind_mock.serving.wire_faults import CONNECTION
from netmind_mock.serving.worker import SMALL_BODY_BYTES, Held, Worker, environ_of

BODY = {"model": "Qwen/Qwen-Image", "config": {"prompt": "A cup"}}
SYNC = {"model": "google/nano-banana-pro", "config": {"prompt": "x", "sync_mode": True}}
ONE = "/v1/generation"
WITHIN = 10.0


def scope(method="GET", path=ONE, headers=(), query=b""):
    sent = {b"authorization": b"Bearer key", b"content-type": b"application/json"}
    return {
        "type": "http", "http_version": "1.1", "method": method, "raw_path": path.encode("latin-1"), "query_string": query,
        "scheme": "http", "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 50_000),
        "headers": [*sent.items(), *headers],
    }  # fmt: skip


class Client:
    """A request to a worker: sends its body in parts, and stores the messages of the response."""

    def __init__(self, worker, method="GET", path=ONE, body=b"", *, headers=(), parts=None):
        self.worker, self.sent = worker, []
        length = [] if parts is not None else [(b"content-length", b"%d" % len(body))]
        self.scope = scope(method, path, [*length, *headers])
        self.parts = asyncio.Queue()
        parts = [body] if parts is None else parts
        for number, part in enumerate(parts, 1):
            self.send_part(part, more=number < len(parts))

    def send_part(self, part, *, more):
        self.parts.put_nowait({"type": "http.request", "body": part, "more_body": more})

    def disconnect(self):
        self.parts.put_nowait({"type": "http.disconnect"})

    async def __call__(self):
        async def send(message):
            self.sent.append(message)

        await asyncio.wait_for(self.worker(self.scope, self.parts.get, send), WITHIN)
        return self

    @property
    def status(self):
        return self.sent[0]["status"]

    @property
    def json(self):
        return json.loads(self.sent[1]["body"])


@pytest.fixture
def clock():
    clock = SimulatedClock()
    clock.freeze()
    return clock


@pytest.fixture
def app(clock):
    return create_app(profile="observed", duration=60, clock=clock)


@pytest.fixture
def threads(app, monkeypatch):
    """The thread that handled each request, by method and path."""
    seen, response = {}, app.wsgi_app

    def recording(environ, start):
        seen[environ["REQUEST_METHOD"], environ["PATH_INFO"]] = threading.get_ident()
        return response(environ, start)

    monkeypatch.setattr(app, "wsgi_app", recording)
    return seen


def post(worker, document=BODY, **options):
    return Client(worker, "POST", body=json.dumps(document).encode(), **options)


class TestThreads:
    def send(self, app, *requests):
        async def send():
            for request in requests:
                await request(Worker(app))()

        asyncio.run(send())

    def test_a_create_and_a_get_are_handled_on_the_loop(self, app, threads):
        self.send(app, post, lambda worker: Client(worker, path=f"{ONE}/{'0' * 32}"))
        assert set(threads.values()) == {threading.get_ident()}

    @pytest.mark.parametrize("path", [ONE, "/__mock/health", "/__mock/", "/files/u/inference/file-x/n"])
    def test_requests_that_may_take_long_are_handled_in_a_thread(self, app, threads, path):
        self.send(app, lambda worker: Client(worker, path=path))
        assert threading.get_ident() not in threads.values()

    def test_a_large_body_is_decoded_in_a_thread(self, app, threads):
        body = {"model": "m", "config": {"prompt": "x" * SMALL_BODY_BYTES}}
        self.send(app, lambda worker: post(worker, body))
        assert threads[("POST", ONE)] != threading.get_ident()

    def test_with_a_database_all_requests_are_handled_in_threads(self, tmp_path, monkeypatch):
        app = create_app(store=f"sqlite:///{tmp_path}/jobs.db")
        seen, response = [], app.wsgi_app
        recording = lambda environ, start: seen.append(threading.get_ident()) or response(environ, start)  # noqa: E731
        monkeypatch.setattr(app, "wsgi_app", recording)
        self.send(app, post)
        assert threading.get_ident() not in seen


class TestBodies:
    def run(self, app, **request):
        async def run():
            return await Client(Worker(app), "POST", **request)()

        return asyncio.run(run())

    def test_the_parts_of_a_body_are_joined(self, app):
        text = json.dumps(BODY).encode()
        response = self.run(
            app, parts=[text[:10], text[10:20], text[20:]], headers=[(b"transfer-encoding", b"chunked")]
        )
        assert (response.status, response.json["status"]) == (200, "pending")

    def test_a_body_over_the_limit_is_refused_unread(self, app):
        length = [(b"content-length", b"%d" % (MAX_BODY_BYTES + 1))]

        async def run():
            client = Client(Worker(app), "POST", parts=[])
            client.scope["headers"] = scope()["headers"] + length
            return await client()

        assert asyncio.run(run()).status == 413

    def test_an_endless_body_is_read_up_to_the_limit(self, app):
        async def run():
            client = Client(Worker(app), "POST", parts=[b"x" * 1_000_000] * 30)
            client.scope["headers"] = [*scope()["headers"], (b"transfer-encoding", b"chunked")]
            return await client()

        response = asyncio.run(run())
        assert (response.status, response.parts.qsize()) == (413, 30 - 11)

    def test_a_client_that_disconnects_before_its_body_is_complete_creates_nothing(self, app):
        async def run():
            worker = Worker(app)
            client = Client(worker, "POST", parts=[b"{"])
            client.parts = asyncio.Queue()
            client.send_part(b'{"model', more=True)
            client.disconnect()
            await client()
            return client.sent, (await Client(worker)()).json

        assert asyncio.run(run()) == ([], {"generation_list": []})

    def test_hundreds_of_incomplete_bodies_do_not_block_other_clients(self, app):
        async def run():
            worker = Worker(app)
            waiting = [Client(worker, "POST", parts=[]) for _ in range(500)]
            tasks = [asyncio.create_task(client()) for client in waiting]
            await asyncio.sleep(0)
            response = await post(worker)()
            for client in waiting:
                client.disconnect()
            await asyncio.gather(*tasks)
            return response.status

        assert asyncio.run(run()) == 200


class TestHeldResponses:
    def test_a_create_that_waits_gets_its_response_once_the_job_is_completed(self, app, clock):
        async def run():
            worker = Worker(app)
            waiting = asyncio.create_task(post(worker, SYNC)())
            assert (await post(worker)()).status == 200
            assert not waiting.done()
            clock.advance(60)
            return (await waiting).json["status"]

        assert asyncio.run(run()) == "completed"

    def test_a_delay_is_in_real_time(self, clock):
        async def run():
            loop = asyncio.get_running_loop()
            began, client = loop.time(), post(Worker(app))
            client.scope["extensions"] = {CONNECTION: None}
            await client()
            return loop.time() - began

        app = create_app(profile="observed", clock=clock, wire_faults=["delay"])
        app.test_client().post(
            "/__mock/faults", json={"operation": "create", "kind": "delay", "seconds": 0.05}
        )
        assert asyncio.run(run()) >= 0.05

    def test_each_clock_has_its_own_moments_and_equal_moments_keep_their_order(self):
        one, other, actual = SimulatedClock(), SimulatedClock(), []
        one.freeze()
        other.freeze()

        async def wait(held, name, moment, clock):
            await held.until(moment, clock)
            actual.append(name)

        async def run():
            held = Held()
            later = one.now() + 10
            tasks = [
                asyncio.create_task(wait(held, name, moment, clock))
                for name, moment, clock in [
                    ("third", later + 5, one), ("first", later, one), ("second", later, one), ("other", other.now() + 1, other),
                ]
            ]  # fmt: skip
            await asyncio.sleep(0)
            other.advance(1)
            await asyncio.wait_for(tasks[3], WITHIN)
            assert actual == ["other"]
            one.advance(20)
            await asyncio.wait_for(asyncio.gather(*tasks), WITHIN)

        asyncio.run(run())
        assert actual == ["other", "first", "second", "third"]


def test_an_application_that_raises_gets_500(app, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("broken")

    monkeypatch.setattr(app, "wsgi_app", broken)

    async def run():
        return await post(Worker(app))()

    response = asyncio.run(run())
    assert (response.status, response.json) == (500, {"message": "Internal error of the fake."})
    assert "broken" in caplog.text


def test_the_journal_is_written_when_the_server_ends(tmp_path):
    store = f"sqlite:///{tmp_path}/jobs.db"
    app = create_app(store=store)

    async def run():
        worker, events, sent = Worker(app), asyncio.Queue(), []
        for kind in ("lifespan.startup", "lifespan.shutdown"):
            events.put_nowait({"type": kind})

        async def send(message):
            sent.append(message["type"])
            if message["type"] == "lifespan.startup.complete":
                await Client(worker)()

        await worker({"type": "lifespan"}, events.get, send)
        return sent

    assert asyncio.run(run()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    journal = create_app(store=store).test_client().get("/__mock/journal").json
    assert [entry["operation"] for entry in journal["entries"]] == ["list"]


class TestEnviron:
    def test_a_path_is_decoded_as_wsgi_requires(self):
        assert environ_of(scope(path="/a%2Fb/%C3%A4/%ff"))["PATH_INFO"] == "/a/b/\xc3\xa4/\xff"

    def test_a_name_with_an_underscore_is_not_the_one_with_a_hyphen(self):
        environ = environ_of(scope(headers=[(b"x_mock_key", b"1"), (b"content_length", b"9")]))
        assert "HTTP_X_MOCK_KEY" not in environ
        assert environ["CONTENT_LENGTH"] == ""

    def test_headers_of_one_name_are_joined(self):
        environ = environ_of(scope(headers=[(b"x-a", b"1"), (b"x-a", b"2"), (b"x-b", b"caf\xe9")]))
        assert (environ["HTTP_X_A"], environ["HTTP_X_B"]) == ("1,2", "caf\xe9")

    def test_it_has_the_addresses_of_the_server_and_the_client(self):
        environ = environ_of(scope(query=b"a=%41"))
        actual = {
            name: environ[name] for name in ("SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR", "QUERY_STRING")
        }
        assert actual == {
            "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000", "REMOTE_ADDR": "127.0.0.1", "QUERY_STRING": "a=%41",
        }  # fmt: skip
        assert (environ["CONTENT_TYPE"], KEY in environ) == ("application/json", False)


def test_a_held_response_whose_client_has_gone_is_dropped_and_is_lost_in_the_journal(app):
    async def run():
        client = post(Worker(app), SYNC)
        client.disconnect()
        await client()
        return client.sent

    assert asyncio.run(run()) == []
    [entry] = fake_of(app).journal.entries()
    assert (entry.operation, entry.status, entry.arrived) == ("create", 200, False)
