"""Tests of the threat model: no account sees or changes the data of another account."""

import json
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from netmind_mock import create_app
from netmind_mock.control.operations import OPERATIONS_BY_NAME
from netmind_mock.stores import open_store

OTHER = {"Authorization": "Bearer a-token-of-another"}
BODY = {"model": "Qwen/Qwen-Image", "config": {"prompt": "Seventeen herons at dusk"}}


@pytest.mark.parametrize("store_url", ["memory", "sqlite"], indirect=True)
def test_nothing_of_an_accounts_job_is_visible_to_another_account(store_url):
    with closing(open_store(store_url)) as store:
        fake = create_app(store=store, duration=0).test_client()
        mine = {"Authorization": "Bearer the-token-of-one"}
        job = fake.post("/v1/generation", json=BODY, headers=mine).json
        fake.post("/__mock/faults", json={"operation": "list", "kind": "html", "times": 9}, headers=mine)
        fake.post("/__mock/next-job", json={"scenario": "failed", "reason": "Mine alone"}, headers=mine)
        fake.post("/__mock/rules", json={"scenario": "slow", "prompt": "herons"}, headers=mine)
        fake.post("/__mock/clock", json={"advance": 1_000_000}, headers=mine)
        result = fake.get(f"/v1/generation/{job['id']}", headers=mine)
        assert result.status_code == 200
        file = result.json["result"]["data"][0]
        secrets = [
            job["id"],
            job["user_id"],
            file["file_id"],
            "herons",
            "Qwen-Image",
            "Mine alone",
            "html of list",
        ]
        one = f"/v1/generation/{job['id']}"
        calls = [("GET", "/v1/generation"), ("GET", one), ("DELETE", one), ("HEAD", one)]
        calls += [
            (one.method, f"/__mock/{one.path.replace('{id}', job['id'])}")
            for one in OPERATIONS_BY_NAME.values()
            if one.path not in ("reset", "scenarios", "health")
        ]
        for method, path in calls:
            sent = {"json": {}} if method == "POST" else {}
            response = fake.open(path, method=method, headers=OTHER, **sent)
            if job["id"] in path:
                assert response.status_code == 404, (method, path)
            shown = json.dumps(response.json) if response.is_json and response.text else response.text
            if (
                "journal" in path or response.status_code == 404
            ):  # these quote the request of the other account
                shown = shown.replace(job["id"], "")
            assert [secret for secret in secrets if secret in shown] == [], (method, path)
        now = fake.get("/__mock/clock", headers=OTHER).json["now"]
        assert fake.get("/__mock/clock", headers=mine).json["now"] - now > 900_000
        assert fake.get(one, headers=mine).json["status"] == "completed"


@pytest.mark.parametrize("store_url", ["memory", "sqlite"], indirect=True)
def test_a_file_needs_its_url_and_is_only_in_the_journal_of_its_account(store_url):
    """As in the vendor documentation, a file needs no API key. Its URL has 74 random bits."""
    with closing(open_store(store_url)) as store:
        fake = create_app(store=store, duration=0).test_client()
        mine = {"Authorization": "Bearer the-token-of-one"}
        job = fake.post("/v1/generation", json=BODY, headers=mine).json
        url = fake.get(f"/v1/generation/{job['id']}", headers=mine).json["result"]["data"][0]["url"]
        path = urlsplit(url).path
        assert fake.get(path, headers=OTHER).status_code == 200
        known = path.rpartition("file-")[2][:16]
        for guessed in (known[::-1], known[1:] + known[0], "0" * 16, "z" * 16, known[:-1] + "!", ""):
            assert fake.get(path.replace(known, guessed), headers=mine).status_code == 404
        theirs = fake.get("/__mock/journal", headers=OTHER).text
        assert [secret for secret in (job["id"], known, "herons") if secret in theirs] == []
        operations = [
            entry["operation"] for entry in fake.get("/__mock/journal", headers=mine).json["entries"]
        ]
        assert operations == ["create", "get", "file"]


@pytest.mark.parametrize("store_url", ["memory", "sqlite"], indirect=True)
def test_operations_of_another_account_change_nothing_of_an_account(store_url):
    with closing(open_store(store_url)) as store:
        fake = create_app(store=store, duration=600).test_client()
        mine = {"Authorization": "Bearer the-token-of-one"}
        fake.post("/__mock/clock", json={"freeze": True}, headers=mine)
        job = fake.post("/v1/generation", json=BODY, headers=mine).json
        fake.post("/__mock/rules", json={"scenario": "slow", "prompt": "herons"}, headers=mine)
        shown = ("jobs", "clock", "rules", "next-job", "faults", "journal", "spend", f"polling/{job['id']}")
        before = {path: fake.get(f"/__mock/{path}", headers=mine).json for path in shown}
        arguments = {
            "add_next_job": {"scenario": "failed"},
            "add_rule": {"scenario": "failed", "model": "*"},
            "add_fault": {"operation": "get", "kind": "status", "code": 503, "job": job["id"]},
            "change_clock": {"advance": 1000},
        }
        for name, one in OPERATIONS_BY_NAME.items():
            if one.method != "GET":
                path = one.path.replace("{id}", job["id"])
                response = fake.open(
                    f"/__mock/{path}", method=one.method, json=arguments.get(name, {}), headers=OTHER
                )
                assert response.status_code == (404 if "{id}" in one.path else 200), (name, response.json)
        for method in ("GET", "DELETE"):
            assert fake.open(f"/v1/generation/{job['id']}", method=method, headers=OTHER).status_code in (
                404,
                503,
            )
        assert {path: fake.get(f"/__mock/{path}", headers=mine).json for path in shown} == before
        assert fake.get(f"/v1/generation/{job['id']}", headers=mine).json["status"] == "pending"
