"""A served fake makes no connections, whatever its requests contain: by an audit hook, and by strace."""

import ipaddress
import os
import re
import shutil
import subprocess
import sys

import psutil
import pytest
import requests
from support import AUTHORIZED, started, wait_for_file

from netmind_mock.control.operations import OPERATIONS_BY_NAME
from netmind_mock.jobs.catalogue import catalogue

# Records everything that may leave the process, by the interpreter's audit events.
_HOOK = """
import os, sys

WATCHED = {
    "socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1, "socket.getaddrinfo": 0, "socket.gethostbyname": 0,
    "socket.gethostbyaddr": 0, "urllib.Request": 0, "http.client.connect": 1, "ftplib.connect": 1,
    "smtplib.connect": 1, "subprocess.Popen": 0, "os.system": 0,
}

def note(event, arguments):
    if event in WATCHED:
        with open(os.environ["OUTSIDE"], "a") as file:
            file.write(f"{event} {arguments[WATCHED[event]]!r}\\n")

sys.addaudithook(note)
"""

AWAY = [
    "http://169.254.169.254/latest/meta-data",
    "https://example.org/a.png",
    "http://192.0.2.1:8080/a.wav",
    "http://[2001:db8::1]/",
    "ftp://example.org/a",
    "file:///etc/passwd",
    "gopher://127.0.0.1:25/_",
    "//example.org/a",
    "s3://bucket/key",
    "data:image/png;base64,iVBORw0KGgo=",
]
# Field names for URLs and callbacks in APIs of this kind.
FIELDS = [
    "image_url",
    "image",
    "redact_url",
    "audio_url",
    "video_url",
    "file_url",
    "url",
    "webhook",
    "webhook_url",
]
FIELDS += ["callback_url", "notify_url", "proxy", "lora_url", "endpoint", "redirect_uri"]


def _send_everything(base_url):
    """Send creates of every kind with URLs, download the results, and call every operation."""
    sent_creates = 0
    with requests.Session() as session:
        session.headers.update({**AUTHORIZED, "Referer": AWAY[0], "X-Forwarded-For": "192.0.2.1"})
        session.headers.update({"X-Forwarded-Host": "example.org", "Forwarded": "host=example.org"})
        for model in (*sorted(catalogue()), "some/other-model"):
            for away in AWAY:
                config = {
                    "prompt": away,
                    "text": away,
                    "image_urls": [away, away],
                    **dict.fromkeys(FIELDS, away),
                }
                body = {"model": model, "config": config, **dict.fromkeys(FIELDS, away)}
                job = session.post(f"{base_url}/v1/generation", json=body, timeout=30)
                assert job.status_code == 200, job.text
                sent_creates += 1
            got = session.get(f"{base_url}/v1/generation/{job.json()['id']}", timeout=30).json()
            for result in got["result"].get("data", []):
                if "url" in result:
                    assert session.get(result["url"], timeout=60).status_code == 200
        job_id = job.json()["id"]
        for one in OPERATIONS_BY_NAME.values():
            if one.path != "reset":
                sent = {"json": {"where": AWAY[0]}} if one.method == "POST" else {}
                url = f"{base_url}/__mock/{one.path.replace('{id}', job_id)}"
                assert session.request(one.method, url, timeout=30, **sent).status_code < 500
        for path in ("", "pages/journal", f"pages/jobs/{job_id}", "metrics", "openapi.json"):
            assert session.get(f"{base_url}/__mock/{path}", timeout=30).status_code == 200
        foreign = {"Host": "example.org", "Authorization": "Bearer http://example.org"}
        assert session.get(f"{base_url}/v1/generation", headers=foreign, timeout=30).status_code == 200
    return sent_creates


def _is_inside(host):
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--store", "sqlite")], ids=["memory", "SQLite"])
def test_no_request_makes_the_fake_open_a_connection(tmp_path, options):
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(_HOOK)
    ready, outside = tmp_path / "ready", tmp_path / "outside"
    command = [sys.executable, "-m", "netmind_mock", "serve", "--port", "0", "--ready-file", str(ready)]
    command += [
        "--duration",
        "0",
        *(f"sqlite:///{tmp_path}/jobs.db" if one == "sqlite" else one for one in options),
    ]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "hook"), "OUTSIDE": str(outside)}
    with started(command, env=environment) as process:
        base_url = wait_for_file(ready, process)
        at_start = len(outside.read_text().splitlines())
        assert _send_everything(base_url) > 50
    noted = outside.read_text().splitlines()
    assert at_start  # the server checks itself with a request, so the hook works
    beyond = []
    for line in noted:
        event, _, argument = line.partition(" ")
        hosts = re.findall(r"'([^']*)'", argument)
        if event in ("subprocess.Popen", "os.system", "urllib.Request") or not any(map(_is_inside, hosts)):
            beyond.append(line)
    # It may start its workers, but no process once it serves.
    assert [line for line in beyond if not line.startswith("subprocess.Popen")] == []
    assert [line for line in noted[at_start:] if line.startswith("subprocess.Popen")] == []


def _can_trace():
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not _can_trace(), reason="strace is not installed or not permitted")
def test_strace_sees_no_connection_beyond_loopback(tmp_path):
    """Code that is not Python, such as the event loop, raises no audit events."""
    ready, calls = tmp_path / "ready", tmp_path / "calls"
    trace = ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg,execve", "-o", str(calls)]
    serve = [sys.executable, "-m", "netmind_mock", "serve", "--port", "0", "--ready-file", str(ready)]
    with started([*trace, *serve, "--duration", "0"]) as process:
        try:
            _send_everything(wait_for_file(ready, process, seconds=60))
        finally:
            for fake in psutil.Process(process.pid).children():
                fake.terminate()  # ends strace too; ending strace would not end the fake
            process.communicate(timeout=30)
    noted = calls.read_text().splitlines()
    assert any('inet_addr("127.0.0.1")' in line for line in noted)  # it checks itself with a request
    addressed = [line for line in noted if "AF_INET" in line]
    assert [line for line in addressed if 'inet_addr("127.0.0.1")' not in line and '"::1"' not in line] == []
