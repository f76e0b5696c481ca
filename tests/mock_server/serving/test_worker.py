"""Small requests are handled on the event loop, others in threads. Held responses are awaited."""

import asyncio
import json
import sqlite3
import threading
from contextlib import closing

import pytest
from asgi import ONE, Client, scope

from netmind_mock import create_app
from netmind_mock.api.request import KEY, MAX_BODY_BYTES
from netmind_mock.fake import fake_of
from netmind_mock.serving.worker import SMALL_BODY_BYTES, Worker, environ_of

BODY = {"model": "Qwen/Qwen-Image", "config": {"prompt": "A cup"}}
SYNC = {"model": "google/nano-banana-pro", "config": {"prompt": "x", "sync_mode": True}}


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


class TestDatabase:
    @pytest.fixture
    def app(self, tmp_path, clock):
        return create_app(store=f"sqlite:///{tmp_path}/jobs.db", clock=clock)

    @pytest.fixture
    def create(self, app):
        def create(**headers):
            named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
            return asyncio.run(post(Worker(app), headers=named)()).json["id"]

        return create

    def get(self, app, job_id):
        return asyncio.run(Client(Worker(app), path=f"{ONE}/{job_id}")())

    def test_a_create_is_handled_in_a_thread_and_a_get_on_the_loop(self, app, threads, create):
        job_id = create()
        assert self.get(app, job_id).json["id"] == job_id
        assert (threads["POST", ONE] == threading.get_ident()) is False
        assert threads["GET", f"{ONE}/{job_id}"] == threading.get_ident()

    def test_a_get_that_has_to_write_is_handled_in_a_thread_and_counted_once(self, app, create):
        job_id = create(x_mock_scenario="after_polls polls=2")
        assert [self.get(app, job_id).json["status"] for _ in range(3)] == [
            "pending",
            "completed",
            "completed",
        ]
        assert len(fake_of(app).journal.entries(operation="get")) == 3

    def test_a_get_that_a_fault_applies_to_uses_it_once(self, app, create):
        job_id = create()
        fault = {"operation": "get", "kind": "status", "code": 503, "times": 1}
        assert app.test_client().post("/__mock/faults", json=fault).status_code == 200
        assert [self.get(app, job_id).status for _ in range(2)] == [503, 200]

    def test_a_database_that_cannot_be_read_at_once_is_waited_for_in_a_thread(self, app, threads, create):
        job_id = create()
        self.get(app, job_id)  # the loop has a connection now
        path = f"{ONE}/{job_id}"
        with closing(sqlite3.connect(fake_of(app).store.name.removeprefix("sqlite:///"))) as other:
            other.execute("ALTER TABLE netmind_jobs RENAME TO away")
            other.commit()
            assert (self.get(app, job_id).status, threads["GET", path]) != (503, threading.get_ident())
            other.execute("ALTER TABLE away RENAME TO netmind_jobs")
            other.commit()
        assert (self.get(app, job_id).status, threads["GET", path]) == (200, threading.get_ident())


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
