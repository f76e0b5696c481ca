"""No API key is in output, files, database rows, contract reports or exceptions."""

import json
import re
import subprocess
import sys
import traceback
from contextlib import closing
from pathlib import Path

import pytest
import requests
from canary import BODY, CANARY, SENT, assert_no_canary, send_canary
from raw_server import RawServer, raw_response
from sqlalchemy import NullPool, create_engine, select
from support import running_fake

from netmind_client import GenerationClient, NetMindError
from netmind_mock import create_app
from netmind_mock.fake import fake_of
from netmind_mock.stores import open_store
from netmind_mock.stores.tables import metadata


class ServedClient:
    """A client for a served fake with the methods of werkzeug's test client."""

    def __init__(self, base_url):
        self._base_url = base_url

    def __getattr__(self, method):
        def send(path, **options):
            with requests.Session() as session:
                session.trust_env = False
                actual = session.request(method, self._base_url + path, timeout=30, **options)
            return _Response(actual)

        return send


class _Response:
    def __init__(self, actual):
        self.headers, self.text, self.status_code = actual.headers, actual.text, actual.status_code
        self.json = actual.json() if actual.headers.get("Content-Type") == "application/json" else None


@pytest.mark.slow
@pytest.mark.parametrize("form", ["text", "json"])
def test_no_api_key_is_in_a_served_fakes_output_and_files(tmp_path, form):
    folder = tmp_path / "store"
    folder.mkdir()
    options = ("--duration", "0", "--log", form, "--store", f"sqlite:///{folder}/jobs.db", "--workers", "2")
    with running_fake(tmp_path, *options) as (base_url, process):
        send_canary(ServedClient(base_url))
        requests.post(
            f"{base_url}/v1/generation",
            json={**BODY, "model": f"my/{CANARY}"},
            headers={"X-Mock-Scenario": "failed", "Authorization": f"Bearer {CANARY}"},
            timeout=30,
        )
        journal = requests.get(f"{base_url}/__mock/journal", timeout=30)  # writes all entries
        assert journal.status_code == 200
        # Read now, since SQLite removes its log and shared memory files at the end.
        kept = {path.name: path.read_bytes() for path in folder.iterdir()}
        process.terminate()
        output = "".join(process.communicate(timeout=30))
    assert "/v1/generation" in output
    assert "my/[redacted] is not in the catalogue" in output.replace("'", "")
    assert_no_canary(output, "the output")
    assert_no_canary(journal.text.replace(f"my/{CANARY}", ""), "the journal")
    assert {"jobs.db", "jobs.db-wal", "jobs.db-shm"} <= set(kept)
    for name, content in kept.items():
        # The model is stored as the user sent it.
        assert_no_canary(content.replace(f"my/{CANARY}".encode(), b""), name)


@pytest.mark.slow
def test_no_api_key_is_in_the_rows_of_postgresql(postgresql):
    with closing(open_store(postgresql)) as store:
        app = create_app(store=store, duration=0)
        send_canary(app.test_client())
        fake_of(app).journal.entries()  # writes all entries
        engine = create_engine(postgresql.replace("://", "+psycopg://", 1), poolclass=NullPool)
        with engine.connect() as connection:
            rows = {table.name: connection.execute(select(table)).all() for table in metadata.sorted_tables}
    filled = [name for name, found in rows.items() if found]
    assert len(filled) >= 3, filled
    for name, found in rows.items():
        for row in found:
            for value in row:
                assert_no_canary(bytes(value) if isinstance(value, bytes | memoryview) else str(value), name)


def test_a_prompt_with_an_api_key_is_stored_unchanged(tmp_path):
    """The config of a job is stored unchanged, as SECURITY.md says. It is the only such place."""
    with closing(open_store(f"sqlite:///{tmp_path}/jobs.db")) as store:
        client = create_app(store=store, duration=0).test_client()
        body = {**BODY, "config": {"prompt": f"Print {CANARY}"}}
        client.post("/v1/generation", json=body, headers={"Authorization": f"Bearer {CANARY}"})
        assert_no_canary(client.get("/__mock/journal").text, "the journal")
        assert_no_canary(client.get("/__mock/journal.har").text, "the HAR")
        assert any(CANARY.encode() in path.read_bytes() for path in tmp_path.iterdir())


def _echo(request):
    """Return a response with the API key in every spelling, in its headers and its body.

    A list has the form of the API's, since the run would end otherwise.
    """
    if (request.method, request.path) == ("GET", "/v1/generation"):
        return raw_response({"generation_list": [], "said": SENT}, X_Said=" ".join(SENT))
    return raw_response({"message": "no", "said": SENT}, "404 Not Found", X_Said=" ".join(SENT))


REPORTS = {"--save": "run.json", "--report": "run.html", "--json": "verdicts.json", "--junit": "junit.xml"}


def _command(name):
    return str(Path(sys.executable).with_name(name))


def _verify(folder, base_url, *options):
    command = [
        _command("netmind-contracts"),
        "verify",
        "--base-url",
        base_url,
        "--api-key",
        CANARY,
    ]
    files = [word for option, name in REPORTS.items() for word in (option, str(folder / name))]
    done = subprocess.run([*command, *files, *options], capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, 1, 2), done.stderr
    missing = [name for name in REPORTS.values() if not (folder / name).exists()]
    assert missing == [], done.stderr
    reports = {name: (folder / name).read_text() for name in REPORTS.values()}
    return {**reports, "output": done.stdout, "errors": done.stderr}


@pytest.mark.slow
def test_no_api_key_is_in_a_contract_report_about_the_fake(tmp_path):
    with running_fake(tmp_path, "--duration", "0") as (base_url, _):
        for name, content in _verify(tmp_path, base_url).items():
            assert_no_canary(content, name)
        assert len((tmp_path / "run.json").read_text()) > 1000


@pytest.mark.slow
def test_no_api_key_is_in_a_contract_report_about_an_endpoint_that_returns_it(tmp_path):
    with RawServer(_echo) as server:
        reports = _verify(tmp_path, server.base_url, "--free-only")
    assert "[redacted]" in reports["run.json"]
    for name, content in reports.items():
        assert_no_canary(content, name)


def _everything_of(error):
    """Return everything that an exception and its causes show."""
    shown = traceback.format_exception(error, limit=None)
    while error is not None:
        shown += [str(error), repr(error), repr(error.args), repr(vars(error))]
        error = error.__cause__ or error.__context__
    return "\n".join(shown)


REFUSALS = [{"kind": "status", "code": code} for code in (400, 401, 403, 404, 409, 422, 429, 500, 503)]
REFUSALS += [{"kind": kind} for kind in ("html", "not_json", "reset", "truncate")]


@pytest.mark.slow
def test_no_api_key_is_in_an_exception_of_the_client(tmp_path):
    raised = []
    with running_fake(tmp_path, "--duration", "0") as (base_url, _):
        client = GenerationClient(CANARY, base_url, request_timeout=5, sleep=lambda _: None)
        raised.append(repr(client))
        for fault in REFUSALS:
            arguments = {"operation": "create", "times": 9, **fault}
            response = requests.post(f"{base_url}/__mock/faults", json=arguments, timeout=30)
            if response.status_code != 200:
                assert "kind" in response.json()["message"], response.text
                continue
            with pytest.raises(NetMindError) as caught:
                client.create("Qwen/Qwen-Image", {"prompt": "x"})
            raised.append(_everything_of(caught.value))
            requests.delete(f"{base_url}/__mock/faults", timeout=30)
        with pytest.raises(NetMindError) as caught:
            client.get("0" * 32)
        raised.append(_everything_of(caught.value))
    with pytest.raises(NetMindError) as caught:  # the server has ended
        client.create("Qwen/Qwen-Image", {"prompt": "x"})
    raised.append(_everything_of(caught.value))
    assert len(raised) > 10
    for number, shown in enumerate(raised):
        assert_no_canary(shown, f"exception {number}")


@pytest.mark.slow
def test_no_api_key_is_in_the_files_and_the_output_of_the_client(tmp_path):
    requests_file = tmp_path / "requests.jsonl"
    requests_file.write_text(
        "".join(json.dumps({**BODY, "config": {"prompt": f"{number}"}}) + "\n" for number in range(3))
    )
    folder = tmp_path / "saved"
    with running_fake(tmp_path, "--duration", "0") as (base_url, _):
        command = [_command("netmind-client"), "--api-key", CANARY, "--base-url", base_url]
        command += ["generate-many", str(requests_file), "-o", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert_no_canary(done.stdout + done.stderr, "the output")
    assert len(re.findall(r"[0-9a-f]{32}", (folder / "jobs.jsonl").read_text())) >= 3
    for path in folder.rglob("*"):
        if path.is_file():
            assert_no_canary(path.read_bytes(), path.name)
