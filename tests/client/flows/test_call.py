"""Every call ends within its timeout, whatever the server does. The tests use real sockets and real time.

``make compare-clients`` measures how exactly the timeouts are kept. Here, only a call that hangs fails its test.
"""

import contextlib
import gc
import socket
import ssl
import threading
import time
import warnings

import pytest
import trustme
from client_kinds import KINDS, real_client
from fault_proxy import CUT, HANG, PHASES, TRICKLE, Fault, FaultProxy
from raw_server import RawServer, raw_response

from netmind_client import GenerationClient
from netmind_client.exceptions import (
    CreateOutcomeUnknownError,
    DownloadError,
    TransportError,
    WaitTimeoutError,
)

pytestmark = pytest.mark.slow

ID = "6347623b2fce4998b0e842f7e935ccb0"
FEW = 0.4  # seconds; the timeout of a call
MANY = 5.0  # seconds after which a call counts as hanging; a busy machine is slow
PENDING = b'{"id": "%s", "status": "pending"}' % ID.encode()


@contextlib.contextmanager
def ends_in_time():
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < MANY


class CannedServer:
    """A server that sends the same response to every request."""

    def __init__(self, raw_response, tls=None, closes=False):
        self.request_count = 0
        self._closes = closes
        self.raw_response = raw_response
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self):
        return self._listening.getsockname()

    def close(self):
        self._listening.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, contextlib.suppress(OSError):
            if self._tls is not None:
                client = self._tls.wrap_socket(client, server_side=True)
            with client:
                while b"\r\n\r\n" in (received := client.recv(65536)) or received:
                    self.request_count += 1
                    client.sendall(self.raw_response)
                    if self._closes:
                        return


def http(body, status="200 OK", headers=b""):
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s" % (status.encode(), len(body), headers, body)


@pytest.fixture
def upstream():
    server = CannedServer(http(PENDING))
    yield server
    server.close()


@pytest.fixture
def proxy(upstream):
    with FaultProxy(upstream.address) as proxy:
        yield proxy


@pytest.fixture(params=KINDS)
def library(request):
    return request.param


@pytest.fixture
def client(library, proxy):
    yield from real_client(library, proxy.base_url, request_timeout=FEW, poll_interval=0.1)


@pytest.mark.parametrize("what", [HANG, TRICKLE])
@pytest.mark.parametrize(
    "phase", [phase for phase in PHASES if PHASES[phase][0] == "response" or PHASES[phase][1] == 0]
)
class TestHangs:
    def test_a_create_ends_in_time(self, client, proxy, phase, what):
        proxy.fault = Fault(what, *PHASES[phase])
        with ends_in_time(), pytest.raises(CreateOutcomeUnknownError, match="timed out"):
            client.create("m", {})

    def test_a_wait_ends_in_time(self, client, proxy, phase, what):
        proxy.fault = Fault(what, *PHASES[phase], method="GET")
        with ends_in_time(), pytest.raises(WaitTimeoutError):
            client.wait(ID, timeout=FEW)

    def test_a_download_ends_in_time_and_leaves_no_file(self, client, upstream, proxy, phase, what, tmp_path):
        done = b'{"id": "%s", "status": "completed", "result": {"data": [{"url": "%s/a.png"}]}}'
        upstream.raw_response = http(done % (ID.encode(), proxy.base_url.encode()))
        job = client.get(ID)
        proxy.fault = Fault(what, *PHASES[phase], method="GET")
        with ends_in_time(), pytest.raises(DownloadError, match="nothing was saved"):
            client.download(job, tmp_path, timeout=FEW)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "phase", ["after the request, before any response", "in the response's head", "in the response's body"]
)
def test_a_stalled_download_is_retried_before_its_timeout(client, upstream, proxy, phase, tmp_path):
    done = b'{"id": "%s", "status": "completed", "result": {"data": [{"url": "%s/a.png"}]}}'
    upstream.raw_response = http(done % (ID.encode(), proxy.base_url.encode()))
    job = client.get(ID)
    proxy.fault = Fault(HANG, *PHASES[phase], method="GET", times=1, path="/a.png")
    with ends_in_time():
        (path,) = client.download(job, tmp_path, timeout=MANY)
    assert path.read_bytes() == upstream.raw_response.partition(b"\r\n\r\n")[2]


class TestBeforeAnythingIsSent:
    def test_a_slow_host_name_lookup_ends_in_time_and_sends_nothing(self, library, monkeypatch):
        is_over = threading.Event()

        def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):  # noqa: A002, ARG001 - as it is
            if flags & socket.AI_NUMERICHOST:  # trio first tries this, without waiting
                raise socket.gaierror(socket.EAI_NONAME, "not a number")
            is_over.wait(MANY)
            return []

        monkeypatch.setattr("socket.getaddrinfo", getaddrinfo)
        for client in real_client(library, "http://somewhere.example", request_timeout=FEW):
            with ends_in_time(), pytest.raises(TransportError, match="not sent") as caught:
                client.create("m", {})
            assert not isinstance(caught.value, CreateOutcomeUnknownError)
            is_over.set()

    def test_a_server_that_accepts_no_connections_ends_in_time_and_sends_nothing(self, library):
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as held:
            for _ in range(3):  # fill the queue of connections that wait to be accepted
                waiting = held.enter_context(socket.socket())
                waiting.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    waiting.connect(full.getsockname())
            base_url = f"http://127.0.0.1:{full.getsockname()[1]}"
            for client in real_client(library, base_url, request_timeout=FEW):
                with ends_in_time(), pytest.raises(TransportError, match="not sent") as caught:
                    client.create("m", {})
                assert not isinstance(caught.value, CreateOutcomeUnknownError)

    def test_a_refused_connection_sends_nothing(self, library):
        for client in real_client(library, "http://127.0.0.1:1", request_timeout=MANY):
            with pytest.raises(TransportError, match="not sent") as caught:
                client.create("m", {})
            assert not isinstance(caught.value, CreateOutcomeUnknownError)
            assert caught.value.attempts == 3


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr("netmind_client._flows.retry.FIRST_PAUSE", 0.01)


@pytest.fixture
def _sockets_left_open():
    """Collect sockets that httpx and ssl leave to the garbage collector after a failed handshake."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.usefixtures("_sockets_left_open")
class TestTLS:
    @pytest.fixture
    def authority(self):
        return trustme.CA()

    @pytest.fixture
    def server(self, authority):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        server = CannedServer(http(PENDING), tls=context)
        yield server
        server.close()

    def test_a_trusted_server_gets_requests_over_kept_connections(
        self, library, server, authority, monkeypatch
    ):
        with authority.cert_pem.tempfile() as bundle:
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
            monkeypatch.setenv("SSL_CERT_FILE", bundle)
            for client in real_client(library, f"https://127.0.0.1:{server.address[1]}"):
                assert client.create("m", {"prompt": "x" * 200_000}).id == ID
                assert client.get(ID).id == ID

    def test_an_untrusted_certificate_certainly_sends_nothing(self, library, server):
        for client in real_client(library, f"https://127.0.0.1:{server.address[1]}"):
            with pytest.raises(TransportError, match=r"not sent: .*certificate") as caught:
                client.create("m", {})
            assert not isinstance(caught.value, CreateOutcomeUnknownError)
            assert (caught.value.attempts, server.request_count) == (3, 0)

    # If the reset arrives before the handshake begins, ssl and urllib3 leave the socket to the collector.
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    @pytest.mark.parametrize("what", [CUT, "reset", HANG])
    def test_an_interrupted_handshake_certainly_sends_nothing(self, library, proxy, what):
        proxy.fault = Fault(what, "request", 0.0)
        base_url = proxy.base_url.replace("http:", "https:")
        for client in real_client(library, base_url, request_timeout=FEW if what == HANG else MANY):
            with ends_in_time(), pytest.raises(TransportError, match="not sent") as caught:
                client.create("m", {})
            assert not isinstance(caught.value, CreateOutcomeUnknownError)


def test_a_connection_that_was_closed_while_idle_is_not_used_again(library):
    server = CannedServer(http(PENDING), closes=True)
    for client in real_client(library, f"http://127.0.0.1:{server.address[1]}"):
        client.get(ID)
        threading.Event().wait(0.1)  # until the client has received the end of the connection
        assert client.create("m", {}).id == ID
    server.close()


def test_a_stopped_clock_does_not_extend_a_wait_with_slow_polls(monkeypatch):
    def slowly(_):
        threading.Event().wait(0.3)
        return raw_response({"id": ID, "status": "pending"})

    with RawServer(slowly) as server:
        client = GenerationClient("k", server.base_url, poll_interval=0.1)
        monkeypatch.setattr("time.monotonic", lambda: 5.0)
        with pytest.raises(WaitTimeoutError):
            client.wait(ID, timeout=0.7)
        assert len(server.requests) <= 3
