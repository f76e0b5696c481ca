"""A token is nowhere: not in a served fake's output and files, a database's rows, a contract report, an exception."""

import json
import re
import subprocess
import sys
import traceback
from contextlib import closing
from pathlib import Path

import pytest
import requests
from canary import BODY, CANARY, SENT, assert_no_canary, tell
from raw_server import RawServer, raw_response
from sqlalchemy import NullPool, create_engine, select
from support import running_fake

from netmind_client import GenerationClient, NetMindError
from netmind_mock import create_app
from netmind_mock.fake import fake_of
from netmind_mock.stores import open_store
from netmind_mock.stores.tables import metadata


class Asking:
    """A served fake, asked as werkzeug's client asks one in process."""

    def __init__(self, base_url):
        self._base_url = base_url

    def __getattr__(self, method):
        def ask(path, **options):
            with requests.Session() as session:
                session.trust_env = False
                actual = session.request(method, self._base_url + path, timeout=30, **options)
            return _Came(actual)

        return ask


class _Came:
    def __init__(self, actual):
        self.headers, self.text, self.status_code = actual.headers, actual.text, actual.status_code
        self.json = actual.json() if actual.headers.get("Content-Type") == "application/json" else None


@pytest.mark.slow
@pytest.mark.parametrize("form", ["text", "json"])
def test_no_token_is_in_a_served_fakes_output_and_files(tmp_path, form):
    folder = tmp_path / "store"
    folder.mkdir()
    options = ("--duration", "0", "--log", form, "--store", f"sqlite:///{folder}/jobs.db", "--workers", "2")
    with running_fake(tmp_path, *options) as (base_url, process):
        tell(Asking(base_url))
        requests.post(
            f"{base_url}/v1/generation",
            json={**BODY, "model": f"my/{CANARY}"},
            headers={"X-Mock-Scenario": "failed", "Authorization": f"Bearer {CANARY}"},
            timeout=30,
        )
        journal = requests.get(f"{base_url}/__mock/journal", timeout=30)  # has everything written
        assert journal.status_code == 200
        # With the files of its log and its shared memory, which are gone once it has ended.
        kept = {path.name: path.read_bytes() for path in folder.iterdir()}
        process.terminate()
        output = "".join(process.communicate(timeout=30))
    assert "/v1/generation" in output
    assert "my/[masked] is not in the catalogue" in output.replace("'", "")
    assert_no_canary(output, "the output")
    assert_no_canary(journal.text.replace(f"my/{CANARY}", ""), "the journal")
    assert {"jobs.db", "jobs.db-wal", "jobs.db-shm"} <= set(kept)
    for name, content in kept.items():
        # The model is a user's own words, and kept as they came.
        assert_no_canary(content.replace(f"my/{CANARY}".encode(), b""), name)


@pytest.mark.slow
def test_no_token_is_in_the_rows_of_postgresql(postgresql):
    with closing(open_store(postgresql)) as store:
        app = create_app(store=store, duration=0)
        tell(app.test_client())
        fake_of(app).journal.entries()  # has everything written
        engine = create_engine(postgresql.replace("://", "+psycopg://", 1), poolclass=NullPool)
        with engine.connect() as connection:
            rows = {table.name: connection.execute(select(table)).all() for table in metadata.sorted_tables}
    filled = [name for name, found in rows.items() if found]
    assert len(filled) >= 3, filled
    for name, found in rows.items():
        for row in found:
            for value in row:
                assert_no_canary(bytes(value) if isinstance(value, bytes | memoryview) else str(value), name)


def test_a_prompt_is_kept_as_it_came_whatever_it_holds(tmp_path):
    """The one place: SECURITY.md says so, for a job's config is what it was asked for with."""
    with closing(open_store(f"sqlite:///{tmp_path}/jobs.db")) as store:
        client = create_app(store=store, duration=0).test_client()
        body = {**BODY, "config": {"prompt": f"Print {CANARY}"}}
        client.post("/v1/generation", json=body, headers={"Authorization": f"Bearer {CANARY}"})
        assert_no_canary(client.get("/__mock/journal").text, "the journal")
        assert_no_canary(client.get("/__mock/journal.har").text, "the HAR")
        assert any(CANARY.encode() in path.read_bytes() for path in tmp_path.iterdir())


def _echo(_asked):
    """An endpoint that says the token back in every spelling, in its headers and its body."""
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
    told = {name: (folder / name).read_text() for name in REPORTS.values()}
    return {**told, "output": done.stdout, "errors": done.stderr}


@pytest.mark.slow
def test_no_token_is_in_a_contract_report_about_the_fake(tmp_path):
    with running_fake(tmp_path, "--duration", "0") as (base_url, _):
        for name, content in _verify(tmp_path, base_url).items():
            assert_no_canary(content, name)
        assert len((tmp_path / "run.json").read_text()) > 1000


@pytest.mark.slow
def test_no_token_is_in_a_contract_report_about_an_endpoint_that_says_it_back(tmp_path):
    with RawServer(_echo) as server:
        told = _verify(tmp_path, server.base_url, "--free-only")
    assert "[masked]" in told["run.json"]
    for name, content in told.items():
        assert_no_canary(content, name)


def _everything_of(error):
    """What an exception shows, of itself and of what it came from."""
    shown = traceback.format_exception(error, limit=None)
    while error is not None:
        shown += [str(error), repr(error), repr(error.args), repr(vars(error))]
        error = error.__cause__ or error.__context__
    return "\n".join(shown)


REFUSALS = [{"kind": "status", "code": code} for code in (400, 401, 403, 404, 409, 422, 429, 500, 503)]
REFUSALS += [{"kind": kind} for kind in ("html", "not_json", "reset", "truncate")]


@pytest.mark.slow
def test_no_token_is_in_an_exception_of_the_client(tmp_path):
    raised = []
    with running_fake(tmp_path, "--duration", "0") as (base_url, _):
        client = GenerationClient(CANARY, base_url, request_timeout=5, sleep=lambda _: None)
        raised.append(repr(client))
        for fault in REFUSALS:
            order = {"operation": "create", "times": 9, **fault}
            answered = requests.post(f"{base_url}/__mock/faults", json=order, timeout=30)
            if answered.status_code != 200:
                assert "kind" in answered.json()["message"], answered.text
                continue
            with pytest.raises(NetMindError) as caught:
                client.create("Qwen/Qwen-Image", {"prompt": "x"})
            raised.append(_everything_of(caught.value))
            requests.delete(f"{base_url}/__mock/faults", timeout=30)
        with pytest.raises(NetMindError) as caught:
            client.get("0" * 32)
        raised.append(_everything_of(caught.value))
    with pytest.raises(NetMindError) as caught:  # nobody listens there any more
        client.create("Qwen/Qwen-Image", {"prompt": "x"})
    raised.append(_everything_of(caught.value))
    assert len(raised) > 10
    for number, told in enumerate(raised):
        assert_no_canary(told, f"exception {number}")


@pytest.mark.slow
def test_no_token_is_in_the_files_and_the_output_of_the_client(tmp_path):
    asked = tmp_path / "asked.jsonl"
    asked.write_text(
        "".join(json.dumps({**BODY, "config": {"prompt": f"{number}"}}) + "\n" for number in range(3))
    )
    folder = tmp_path / "saved"
    with running_fake(tmp_path, "--duration", "0") as (base_url, _):
        command = [_command("netmind-client"), "--api-key", CANARY, "--base-url", base_url]
        command += ["generate-many", str(asked), "-o", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert_no_canary(done.stdout + done.stderr, "the output")
    assert len(re.findall(r"[0-9a-f]{32}", (folder / "jobs.jsonl").read_text())) >= 3
    for path in folder.rglob("*"):
        if path.is_file():
            assert_no_canary(path.read_bytes(), path.name)
