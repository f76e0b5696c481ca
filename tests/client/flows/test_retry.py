"""Wherever a connection breaks, a create creates at most one generation, which can be found. Real sockets."""

import threading

import pytest
from client_kinds import KINDS, real_client
from fault_proxy import CUT, HINT, NOWHERE, PHASES, RESET, Fault, FaultProxy
from werkzeug.serving import WSGIRequestHandler, make_server

from netmind_client.exceptions import CreateOutcomeUnknownError, TransportError
from netmind_mock import MemoryStore, create_app

pytestmark = pytest.mark.slow

MODEL, CONFIG = "Qwen/Qwen-Image", {"prompt": "A cup of coffee", "padding": "x" * 200}


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_):
        pass


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
def upstream(store):
    """Start a fake on its own socket, and yield its address."""
    server = make_server(
        "127.0.0.1", 0, create_app(store=store, duration=0), threaded=True, request_handler=Quiet
    )
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server.server_address
    server.shutdown()
    server.server_close()


@pytest.fixture
def proxy(upstream):
    with FaultProxy(upstream) as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr("netmind_client._flows.retry.FIRST_PAUSE", 0.01)


@pytest.fixture(params=KINDS)
def client(request, proxy):
    yield from real_client(request.param, proxy.base_url, request_timeout=10, poll_interval=0.1)


def jobs(store):
    return store.page(None)


@pytest.mark.parametrize("what", [CUT, RESET])
@pytest.mark.parametrize("phase", PHASES)
class TestCutConnections:
    def test_a_create_creates_at_most_one_generation_and_says_so(self, client, proxy, store, phase, what):
        proxy.fault = Fault(what, *PHASES[phase])
        if PHASES[phase] == ("request", 0.0):
            # This is so early that a client may see that it was never connected. Then it tries again.
            with pytest.raises(TransportError):
                client.create(MODEL, CONFIG)
            assert jobs(store) == []
            return
        with pytest.raises(CreateOutcomeUnknownError, match="may have been created") as caught:
            client.create(MODEL, CONFIG)
        reached = PHASES[phase][0] == "response"
        assert (len(jobs(store)), proxy.applied) == (reached, 1)
        proxy.fault = None
        found = client.result_of(lambda: caught.value.find_created(timeout=5 if reached else 0.5))
        assert [one.id for one in found] == [job.id for job in jobs(store)]

    def test_a_poll_that_is_cut_is_sent_again(self, client, proxy, store, phase, what):
        created = client.create(MODEL, CONFIG)
        side, share = PHASES[phase]
        proxy.fault = Fault(
            what, side, min(share, 1.0) if side == "request" else share, method="GET", times=1
        )
        assert client.wait(created, timeout=10).is_completed
        assert len(jobs(store)) == 1


def test_a_complete_response_creates_one_generation(client, proxy, store):
    proxy.fault = Fault(CUT, "response", 2.0)
    assert client.create(MODEL, CONFIG).id == jobs(store)[0].id


def test_an_informational_response_is_skipped(client, proxy, store):
    proxy.fault = Fault(HINT, "response", 0.0)
    assert client.create(MODEL, CONFIG).id == jobs(store)[0].id


def test_an_invalid_redirect_leaves_one_generation_that_can_be_found(client, proxy, store):
    proxy.fault = Fault(NOWHERE, "response", 0.0)
    with pytest.raises(CreateOutcomeUnknownError) as caught:
        client.create(MODEL, CONFIG)
    proxy.fault = None
    found = client.result_of(lambda: caught.value.find_created(timeout=2))
    assert [one.id for one in found] == [job.id for job in jobs(store)]
