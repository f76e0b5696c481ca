"""The checks pass through a plain reverse proxy."""

import contextlib
import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner
from support import running_fake

from netmind_contracts.cli import main

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host"}


def forwarding_to(address):
    """Return a request handler that forwards requests, and changes the Host as proxies do by default."""

    class Forward(BaseHTTPRequestHandler):
        def forward(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            try:
                with contextlib.closing(http.client.HTTPConnection(address, timeout=10)) as upstream:
                    with contextlib.suppress(ConnectionError):  # refused before all of the body was sent
                        upstream.request(self.command, self.path, body or None, headers)
                    response = upstream.getresponse()
                    content = response.read()
            except (OSError, http.client.HTTPException):
                self.send_error(502)
                return
            self.send_response(response.status)
            for name, value in response.getheaders():
                if name.lower() not in {*HOP_BY_HOP, "content-length", "server", "date"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = forward  # noqa: N815 - the names that http.server calls

        def log_message(self, *_):
            pass

    return Forward


@pytest.fixture
def proxied(tmp_path):
    """Yield the URL of a proxy for a fake."""
    with running_fake(tmp_path, "--duration", "0.3") as (url, _):
        server = ThreadingHTTPServer(("127.0.0.1", 0), forwarding_to(urlsplit(url).netloc))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.slow
def test_every_documented_check_passes_through_a_plain_reverse_proxy(proxied):
    result = CliRunner().invoke(main, ["verify", "--base-url", proxied, "--api-key", "any-token"])
    assert result.exit_code == 0, result.output
    assert result.output.endswith(": no drift\n")
