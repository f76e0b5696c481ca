"""The access log: what each line contains, and what it must not contain."""

import json

import pytest
import requests
from support import TOKEN, running_fake

from netmind_mock import create_app
from netmind_mock.journal.access_log import FORMATS, logged

BODY = {"model": "Qwen/Qwen-Image", "config": {"prompt": "A secret cup"}}


@pytest.fixture
def lines():
    return []


@pytest.fixture(params=["text", "json"])
def client(request, lines):
    client = create_app(log=logged(request.param, lines.append)).test_client()
    client.form = request.param
    return client


def test_a_create_is_logged_as_one_line(client, lines):
    job = client.post("/v1/generation", json=BODY, headers={"Authorization": "Bearer s3cret"}).json
    [line] = lines
    if client.form == "json":
        fields = json.loads(line)
        assert [fields[name] for name in ("operation", "method", "path", "status", "arrived")] == [
            "create",
            "POST",
            "/v1/generation",
            200,
            True,
        ]
        assert (fields["generation_id"], fields["user_id"]) == (job["id"], job["user_id"])
    else:
        assert " POST /v1/generation 200 " in line


def test_api_keys_prompts_and_queries_are_not_logged(client, lines):
    client.post("/v1/generation?token=s3cret", json=BODY, headers={"Authorization": "Bearer s3cret"})
    client.get("/v1/generation", headers={"Authorization": "s3cret"})
    assert len(lines) == 2
    assert "s3cret" not in "".join(lines)
    assert "secret" not in "".join(lines)


@pytest.mark.parametrize("path", ["/%0a%1b[2J", "/" + "x" * 5000, "/%ff%00", "/\u202e"])
def test_a_path_with_control_characters_is_one_short_printable_line(client, lines, path):
    client.get(path)
    [line] = lines
    assert line.isprintable()
    assert len(line) < 800


def test_a_fault_is_logged(client, lines):
    client.post("/__mock/faults", json={"operation": "list", "kind": "status", "code": 503})
    client.get("/v1/generation")
    assert "503" in lines[0]
    assert "status" in lines[0]


def test_nothing_is_logged_by_default():
    assert logged(FORMATS[0], print) is None


@pytest.mark.slow
def test_the_server_writes_the_log_to_stderr(tmp_path):
    with running_fake(tmp_path, "--log", "json") as (base_url, process):
        requests.post(f"{base_url}/v1/generation", json=BODY, headers={"Authorization": TOKEN}, timeout=10)
        process.terminate()
        _, errors = process.communicate(timeout=20)
    [line] = [json.loads(line) for line in errors.splitlines() if line.startswith("{") and "create" in line]
    assert line["status"] == 200
