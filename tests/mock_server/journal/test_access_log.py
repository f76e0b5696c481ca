"""A line a request: what it tells, and what it never does."""

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


def test_a_create_is_a_line(client, lines):
    job = client.post("/v1/generation", json=BODY, headers={"Authorization": "Bearer s3cret"}).json
    [line] = lines
    if client.form == "json":
        told = json.loads(line)
        assert (told["operation"], told["method"], told["path"], told["status"], told["arrived"]) == (
            "create",
            "POST",
            "/v1/generation",
            200,
            True,
        )
        assert (told["generation_id"], told["user_id"]) == (job["id"], job["user_id"])
    else:
        assert " POST /v1/generation 200 " in line


def test_neither_token_nor_prompt_nor_query_is_told(client, lines):
    client.post("/v1/generation?token=s3cret", json=BODY, headers={"Authorization": "Bearer s3cret"})
    client.get("/v1/generation", headers={"Authorization": "s3cret"})
    assert len(lines) == 2
    assert "s3cret" not in "".join(lines)
    assert "secret" not in "".join(lines)


@pytest.mark.parametrize("path", ["/%0a%1b[2J", "/" + "x" * 5000, "/%ff%00", "/\u202e"])
def test_a_hostile_path_is_one_short_line(client, lines, path):
    client.get(path)
    [line] = lines
    assert line.isprintable()
    assert len(line) < 800


def test_a_fault_is_told(client, lines):
    client.post("/__mock/faults", json={"operation": "list", "kind": "status", "code": 503})
    client.get("/v1/generation")
    assert "503" in lines[0]
    assert "status" in lines[0]


def test_nothing_is_logged_unless_it_is_asked_for():
    assert logged(FORMATS[0], print) is None


@pytest.mark.slow
def test_the_served_fake_writes_them_to_stderr(tmp_path):
    with running_fake(tmp_path, "--log", "json") as (base_url, process):
        requests.post(f"{base_url}/v1/generation", json=BODY, headers={"Authorization": TOKEN}, timeout=10)
        process.terminate()
        _, told = process.communicate(timeout=20)
    [line] = [json.loads(line) for line in told.splitlines() if line.startswith("{") and "create" in line]
    assert line["status"] == 200
