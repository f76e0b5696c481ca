"""Every call ends in time, whatever the other side does. Over real sockets, so in real time, of which there is little.

How exactly the time is kept is measured by ``make compare-clients``; here a call that hangs fails its test.
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

from netmind_client import CreateOutcomeUnknown, DownloadError, GenerationClient, TransportError, WaitTimeout

ID = "6347623b2fce4998b0e842f7e935ccb0"
FEW = 0.4  # seconds that a call is given
MANY = 5.0  # seconds after which it counts as hanging; a busy machine is slow
PENDING = b'{"id": "%s", "status": "pending"}' % ID.encode()


@contextlib.contextmanager
def ends_in_time():
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < MANY


class Answering:
    """A server that answers everything with one answer, as fast as it is asked."""

    def __init__(self, raw_response, tls=None, closes=False):
        self.asked = 0
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
                    self.asked += 1
                    client.sendall(self.raw_response)
                    if self._closes:
                        return


def http(body, status="200 OK", headers=b""):
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s" % (status.encode(), len(body), headers, body)


@pytest.fixture
def upstream():
    server = Answering(http(PENDING))
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
    def test_a_create_ends(self, client, proxy, phase, what):
        proxy.fault = Fault(what, *PHASES[phase])
        with ends_in_time(), pytest.raises(CreateOutcomeUnknown, match="timed out"):
            client.create("m", {})

    def test_a_wait_ends(self, client, proxy, phase, what):
        proxy.fault = Fault(what, *PHASES[phase], method="GET")
        with ends_in_time(), pytest.raises(WaitTimeout):
            client.wait(ID, timeout=FEW)

    def test_a_download_ends_and_leaves_nothing(self, client, upstream, proxy, phase, what, tmp_path):
        done = b'{"id": "%s", "status": "completed", "result": {"data": [{"url": "%s/a.png"}]}}'
        upstream.raw_response = http(done % (ID.encode(), proxy.base_url.encode()))
        job = client.get(ID)
        proxy.fault = Fault(what, *PHASES[phase], method="GET")
        with ends_in_time(), pytest.raises(DownloadError, match="nothing was saved"):
            client.download(job, tmp_path, timeout=FEW)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "phase", ["after the request, before any answer", "in the answer's head", "in the answer's body"]
)
def test_a_download_that_stands_still_is_tried_again_before_its_time_is_over(
    client, upstream, proxy, phase, tmp_path
):
    done = b'{"id": "%s", "status": "completed", "result": {"data": [{"url": "%s/a.png"}]}}'
    upstream.raw_response = http(done % (ID.encode(), proxy.base_url.encode()))
    job = client.get(ID)
    proxy.fault = Fault(HANG, *PHASES[phase], method="GET", times=1, path="/a.png")
    with ends_in_time():
        (path,) = client.download(job, tmp_path, timeout=MANY)
    assert path.read_bytes() == upstream.raw_response.partition(b"\r\n\r\n")[2]


class TestBeforeAnythingIsSent:
    def test_a_host_name_that_is_not_resolved_ends_and_was_not_sent(self, library, monkeypatch):
        answered = threading.Event()

        def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):  # noqa: A002, ARG001 - as it is
            if flags & socket.AI_NUMERICHOST:  # trio asks this first, without waiting
                raise socket.gaierror(socket.EAI_NONAME, "not a number")
            answered.wait(MANY)
            return []

        monkeypatch.setattr("socket.getaddrinfo", getaddrinfo)
        for client in real_client(library, "http://somewhere.example", request_timeout=FEW):
            with ends_in_time(), pytest.raises(TransportError, match="not sent") as caught:
                client.create("m", {})
            assert not isinstance(caught.value, CreateOutcomeUnknown)
            answered.set()

    def test_a_server_that_accepts_nobody_ends_and_was_not_sent(self, library):
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as held:
            for _ in range(3):  # so many wait to be accepted, and no more
                waiting = held.enter_context(socket.socket())
                waiting.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    waiting.connect(full.getsockname())
            base_url = f"http://127.0.0.1:{full.getsockname()[1]}"
            for client in real_client(library, base_url, request_timeout=FEW):
                with ends_in_time(), pytest.raises(TransportError, match="not sent") as caught:
                    client.create("m", {})
                assert not isinstance(caught.value, CreateOutcomeUnknown)

    def test_nothing_listens(self, library):
        for client in real_client(library, "http://127.0.0.1:1", request_timeout=MANY):
            with pytest.raises(TransportError, match="not sent") as caught:
                client.create("m", {})
            assert not isinstance(caught.value, CreateOutcomeUnknown)
            assert caught.value.attempts == 3


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr("netmind_client._flows.retry.FIRST_PAUSE", 0.01)


@pytest.fixture
def _sockets_left_open():
    """A handshake that fails leaves the socket to the collector: in httpx, and where it was reset in ssl itself."""
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
        server = Answering(http(PENDING), tls=context)
        yield server
        server.close()

    def test_a_trusted_server_is_asked_on_connections_that_stay_open(
        self, library, server, authority, monkeypatch
    ):
        with authority.cert_pem.tempfile() as bundle:
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
            monkeypatch.setenv("SSL_CERT_FILE", bundle)
            for client in real_client(library, f"https://127.0.0.1:{server.address[1]}"):
                assert client.create("m", {"prompt": "x" * 200_000}).id == ID
                assert client.get(ID).id == ID

    def test_a_certificate_that_is_not_trusted_is_certain_not_to_have_let_anything_through(
        self, library, server
    ):
        for client in real_client(library, f"https://127.0.0.1:{server.address[1]}"):
            with pytest.raises(TransportError, match=r"not sent: .*certificate") as caught:
                client.create("m", {})
            assert not isinstance(caught.value, CreateOutcomeUnknown)
            assert (caught.value.attempts, server.asked) == (3, 0)

    # Where the reset comes before the handshake begins, ssl and urllib3 leave the socket to the collector.
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    @pytest.mark.parametrize("what", [CUT, "reset", HANG])
    def test_a_handshake_that_breaks_off_is_certain_too(self, library, proxy, what):
        proxy.fault = Fault(what, "request", 0.0)
        base_url = proxy.base_url.replace("http:", "https:")
        for client in real_client(library, base_url, request_timeout=FEW if what == HANG else MANY):
            with ends_in_time(), pytest.raises(TransportError, match="not sent") as caught:
                client.create("m", {})
            assert not isinstance(caught.value, CreateOutcomeUnknown)


def test_a_connection_that_was_closed_while_idle_is_not_used_again(library):
    server = Answering(http(PENDING), closes=True)
    for client in real_client(library, f"http://127.0.0.1:{server.address[1]}"):
        client.get(ID)
        threading.Event().wait(0.1)  # until the end of the connection has arrived
        assert client.create("m", {}).id == ID
    server.close()


def test_a_clock_that_stands_does_not_stretch_a_wait_whose_polls_are_slow(monkeypatch):
    def slowly(_):
        threading.Event().wait(0.3)
        return raw_response({"id": ID, "status": "pending"})

    with RawServer(slowly) as server:
        client = GenerationClient("k", server.base_url, poll_interval=0.1)
        monkeypatch.setattr("time.monotonic", lambda: 5.0)
        with pytest.raises(WaitTimeout):
            client.wait(ID, timeout=0.7)
        assert len(server.asked) <= 3
