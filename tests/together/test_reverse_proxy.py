"""The checks pass through a plain reverse proxy, and links and the dashboard work behind nginx."""

import contextlib
import http.client
import re
import shutil
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
import requests
from click.testing import CliRunner
from support import AUTHORIZED, PAGE_IMAGE, running_fake, skip_or_fail

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


NGINX = """
pid nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    server {
        listen 127.0.0.1:NGINX_PORT;
        location LOCATION { proxy_pass UPSTREAM; HEADERS }
    }
}
"""
FORWARDED = (
    "proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Proto $scheme; "
    "proxy_set_header X-Forwarded-Prefix /netmind;"
)
# By configuration: the path at nginx, further headers, and the option of the fake.
BEHIND_NGINX = {
    "its defaults": ("", "", "--public-url"),
    "Host passed on": ("", "proxy_set_header Host $http_host;", "--public-url"),
    "a prefix": ("/netmind", "", "--public-url"),
    "a prefix and Host passed on": ("/netmind", "proxy_set_header Host $http_host;", "--public-url"),
    "a prefix and forwarded headers": ("/netmind", FORWARDED, "--trust-proxy"),
}


@contextlib.contextmanager
def nginx(folder, port, upstream, prefix, headers):
    """Run nginx in front of a server."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        skip_or_fail("nginx is not installed")
    config = NGINX.replace("NGINX_PORT", str(port)).replace("LOCATION", f"{prefix}/")
    config = config.replace("UPSTREAM", upstream + "/" * bool(prefix)).replace("HEADERS", headers)
    (folder / "nginx.conf").write_text(config)
    command = [program, "-p", str(folder), "-c", "nginx.conf", "-e", "stderr", "-g", "daemon off;"]
    with subprocess.Popen(command) as process:
        try:
            yield
        finally:
            process.terminate()


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def get_once_it_listens(url):
    """Return the first response of nginx, which needs a moment to listen."""
    session = requests.Session()
    retry = requests.adapters.Retry(connect=20, backoff_factor=0.02)
    session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
    return session.get(url, timeout=10)


@pytest.mark.slow
@pytest.mark.parametrize("case", BEHIND_NGINX)
def test_links_and_the_dashboard_work_behind_nginx(tmp_path, case):
    prefix, headers, option = BEHIND_NGINX[case]
    port = free_port()
    url = f"http://127.0.0.1:{port}{prefix}"
    value = url if option == "--public-url" else "1"
    with (
        running_fake(tmp_path, "--duration", "0", option, value) as (upstream, _),
        nginx(tmp_path, port, upstream, prefix, headers),
    ):
        page = get_once_it_listens(f"{url}/__mock/")
        created = requests.post(
            f"{url}/v1/generation", json=PAGE_IMAGE, headers=AUTHORIZED, timeout=10
        ).json()
        got = requests.get(f"{url}/v1/generation/{created['id']}", headers=AUTHORIZED, timeout=10).json()
        link = got["result"]["data"][0]["url"]
        assert link.startswith(f"{url}/files/")
        assert requests.get(link, timeout=10).content.startswith(b"\x89PNG")
        assert page.status_code == 200
        assert f"NETMIND_BASE_URL={url} " in page.text
        own = re.findall(r'(?:href|src|action)="(/[^"]*)"', requests.get(f"{url}/__mock/", timeout=10).text)
        assert own
        assert [path for path in own if not path.startswith(f"{prefix}/__mock")] == []
