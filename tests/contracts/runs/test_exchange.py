"""Exchanges: they are frozen, know their operation, and can be saved and loaded."""

import dataclasses
import json
import math
from pathlib import Path

import pytest

from netmind_contracts.runs.exchange import (
    Authorization,
    Exchange,
    InvalidRun,
    Operation,
    Request,
    Response,
    Run,
    Scope,
    load,
    parse,
    save,
)

RUN = Run(
    base_url="http://127.0.0.1:8000",
    started="2026-11-24T12:00:00Z",
    scope=Scope.FULL,
    exchanges=(
        Exchange(
            Request(
                "POST", "http://127.0.0.1:8000/v1/generation", Authorization.BARE, "application/json", "{}"
            ),
            Response(422, {"content-type": "application/json"}, '{"detail": []}', size=14),
            at=1.5,
            seconds=0.25,
        ),
        Exchange(Request("GET", "http://127.0.0.1:8000/files/a"), Response(200, head=b"\x89PNG", size=9000)),
        Exchange(
            Request("GET", "http://127.0.0.1:8000/v1/generation"), None, "Connection refused", sent=False
        ),
    ),
    notes=("Something did not go as planned.",),
)


def test_a_saved_run_is_loaded_unchanged(tmp_path):
    save(RUN, tmp_path / "run.json")
    assert load(tmp_path / "run.json") == RUN


def test_a_run_saved_by_an_earlier_version_is_loaded_and_saved_unchanged(tmp_path):
    file = Path(__file__).with_name("saved") / "format-1.json"
    run = load(file)
    created, listed, downloaded, deleted = run.exchanges
    assert created.request == dataclasses.replace(RUN.exchanges[0].request, padding=3)
    assert (created.response.status, created.at, created.seconds) == (422, 1758186860.5, 0.25)
    assert listed.response.body == '{"generation_list": ["caf\u00e9 \ud800"]}'
    assert (downloaded.response.head, downloaded.response.complete) == (b"\x89PNG", False)
    assert (deleted.response, deleted.failure, deleted.sent) == (None, "Connection refused", False)
    save(run, tmp_path / "run.json")
    assert (tmp_path / "run.json").read_text() == file.read_text()


def test_exchanges_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RUN.exchanges[0].failure = "another"


@pytest.mark.parametrize(
    ("method", "path", "operation", "generation_id"),
    [
        ("POST", "/v1/generation", Operation.CREATE, ""),
        ("GET", "/v1/generation", Operation.LIST, ""),
        ("GET", "/v1/generation/", Operation.LIST, ""),
        ("GET", "/v1/generation/6347623b", Operation.GET, "6347623b"),
        ("GET", "/behind/a/proxy/v1/generation/6347623b", Operation.GET, "6347623b"),
        ("DELETE", "/v1/generation/6347623b", Operation.DELETE, "6347623b"),
        ("DELETE", "/v1/generation", Operation.OTHER, ""),
        ("PUT", "/v1/generation", Operation.OTHER, ""),
        ("GET", "/v1/generations", Operation.OTHER, ""),
        ("GET", "/v1/generation/a/b", Operation.OTHER, "a"),
        ("GET", "/files/file-a", Operation.OTHER, ""),
    ],
)
def test_the_operation_follows_from_method_and_path(method, path, operation, generation_id):
    request = Request(method, "http://127.0.0.1:8000" + path)
    assert (request.operation, request.generation_id) == (operation, generation_id)


def test_an_exchange_is_shown_on_one_line():
    url = "http://127.0.0.1:8000/v1/generation/6347623b2fce4998b0e842f7e935ccb0"
    assert str(Exchange(Request("GET", url), Response(200))) == "GET /v1/generation/6347623b… → 200"
    assert str(RUN.exchanges[2]) == "GET /v1/generation → no response (Connection refused)"


@pytest.mark.parametrize(
    "response",
    [None, Response(200, body="{"), Response(200, body="{}", complete=False), Response(200, body="[" * 9**6)],
)
def test_invalid_or_incomplete_json_is_parsed_as_none(response):
    assert parse(response) is None


def saved(**changes):
    document = {
        "format": 1,
        "base_url": "http://a",
        "started": "",
        "scope": "full",
        "exchanges": [],
        "notes": [],
    }
    return json.dumps({**document, **changes})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "run.json: expected JSON: "),
        ("[]", "run.json: expected a run that netmind-contracts verify --save wrote"),
        (saved(format=2), "run.json: format: expected 1, got 2"),
        (saved(scope="half"), "run.json: invalid run (Invalid enum value 'half' - at `$.scope`)"),
        (saved(base_url=3), "run.json: invalid run (Expected `str`, got `int` - at `$.base_url`)"),
        (
            saved(exchanges=[{}]),
            "run.json: invalid run (Object missing required field `request` - at `$.exchanges[0]`)",
        ),
        (saved(exchanges=3), "run.json: invalid run (Expected `array`, got `int` - at `$.exchanges`)"),
    ],
)
def test_an_invalid_run_is_rejected_with_file_name_and_reason(tmp_path, text, message):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InvalidRun) as raised:
        load(tmp_path / "run.json")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    "content",
    [b"[" * 100_000, b'{"a":' * 100_000, b'"\xff"', b"9" * 5000, b'{"at": 1e}'],
    ids=["deep arrays", "deep objects", "not UTF-8", "a long number", "not a number"],
)
def test_invalid_json_is_rejected_with_the_file_name(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(InvalidRun, match=r"run\.json: expected JSON: "):
        load(tmp_path / "run.json")


def test_nan_is_read_as_a_number(tmp_path):
    document = json.loads(Path(__file__).with_name("saved").joinpath("format-1.json").read_text())
    document["exchanges"][0]["at"] = float("nan")
    (tmp_path / "run.json").write_text(json.dumps(document))
    assert math.isnan(load(tmp_path / "run.json").exchanges[0].at)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InvalidRun, match=r"none\.json: cannot be read: No such file"):
        load(tmp_path / "none.json")
