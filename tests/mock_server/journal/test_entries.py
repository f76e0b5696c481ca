"""The journal in memory: it is limited, and its entries contain no API key in any encoding."""

import base64
import json
from urllib.parse import quote

import pytest

from netmind_mock import create_app
from netmind_mock.fake import fake_of
from netmind_mock.journal.entries import Entry, RawEntry, same_request
from netmind_mock.journal.har import har_of
from netmind_mock.journal.memory import Journal

TOKEN = "nm-Secret/Token+123=="


def raw(number, user_id="u", body=b"", response=b""):
    return RawEntry(
        user_id=user_id, at=float(number), seconds=0.0, operation="get", method="GET", path=f"/{number}", headers="",
        token="", body=body, status=200, response_headers="Content-Type: text/plain", response=response, job_id="",
        scenario="", fault="", fault_kind="", arrives=True, reached=True,
    )  # fmt: skip


def test_the_oldest_entries_over_the_limit_are_dropped_and_counted():
    journal = Journal(max_entries=3)
    for number in range(5):
        journal.add(raw(number))
    assert [entry.path for entry in journal.entries()] == ["/2", "/3", "/4"]
    assert (journal.dropped(), journal.dropped("u"), journal.dropped("other")) == (2, 2, 0)


def test_the_oldest_entries_over_the_limit_of_bytes_are_dropped():
    journal = Journal(max_bytes=10_000)
    for number in range(50):
        journal.add(raw(number, body=b"x" * 900))
    assert len(journal.entries()) == 6
    assert journal.dropped() == 44


def test_a_journal_with_a_limit_of_0_stores_no_entries():
    journal = Journal(max_entries=0)
    journal.add(raw(1))
    assert (journal.entries(), journal.dropped()) == ([], 1)


def test_forgetting_an_account_does_not_affect_others():
    journal = Journal()
    for user_id in ("one", "other", "one"):
        journal.add(raw(1, user_id))
    journal.forget("one")
    assert [entry.user_id for entry in journal.entries()] == ["other"]
    journal.forget(None)
    assert journal.entries() == []


def test_an_entry_can_be_read_back_from_its_json():
    journal = Journal()
    journal.add(raw(1, body=b'{"model": "m"}'))
    entry = journal.entries()[0]
    assert Entry(**json.loads(json.dumps(entry.as_json()))) == entry
    assert entry.model == "m"


def encodings():
    raw = TOKEN.encode()
    return {
        "plain": TOKEN,
        "percent": quote(TOKEN, safe=""),
        "json": json.dumps(TOKEN).replace("/", "\\/"),
        "unicode": "".join(f"\\u{ord(character):04x}" for character in TOKEN),
        "hexadecimal": raw.hex(),
        "base64": base64.b64encode(b"key: " + raw).decode(),
        "base64url": base64.urlsafe_b64encode(raw).decode(),
    }


@pytest.mark.parametrize("name", encodings())
def test_no_entry_contains_the_api_key_of_its_request(name):
    encoded = encodings()[name]
    app = create_app()
    client = app.test_client()
    headers = {"Authorization": f"Bearer {TOKEN}", "Cookie": TOKEN, "X-Own": encoded, "X-Mock-Key": TOKEN}
    body = json.dumps({"model": "m", "config": {"prompt": "PROMPT"}}).replace(
        "PROMPT", encoded.replace('"', "")
    )
    client.post("/v1/generation", data=body, content_type="application/json", headers=headers)
    client.get(f"/v1/generation/{quote(encoded, safe='')}", query_string={"key": encoded}, headers=headers)
    entries = fake_of(app).journal.entries()
    assert len(entries) == 2
    for text in (
        repr(entries),
        json.dumps([entry.as_json() for entry in entries]),
        json.dumps(har_of(entries, "0")),
    ):
        assert TOKEN not in text
        assert encoded.strip('"') not in text
        assert raw_base64_core(TOKEN) not in text


def raw_base64_core(token):
    return base64.b64encode(token.encode()).decode()[:20]


@pytest.mark.parametrize("headers", [
    {"Authorization": f"Basic {TOKEN}"}, {"Authorization": f"Token {TOKEN}"}, {"X-Api-Key": TOKEN, "Authorization": TOKEN},
])  # fmt: skip
def test_an_api_key_in_another_form_is_redacted_too(headers):
    app = create_app()
    app.test_client().get("/v1/generation", query_string={"key": TOKEN}, headers=headers)
    assert TOKEN not in repr(fake_of(app).journal.entries())


def test_an_api_key_that_is_a_word_is_not_removed_from_other_text():
    app = create_app()
    body = {"model": "m", "config": {"prompt": "make thumbnails"}}
    app.test_client().post("/v1/generation", json=body, headers={"Authorization": "Bearer thumbnails"})
    (entry,) = fake_of(app).journal.entries()
    assert (entry.config, entry.headers["authorization"]) == (
        {"prompt": "make thumbnails"},
        "Bearer [redacted]",
    )


def test_an_api_key_of_thousands_of_characters_is_rejected():
    app = create_app()
    assert app.test_client().get("/v1/generation", headers={"Authorization": "x1" * 2000}).status_code == 401


def test_headers_are_cut_and_count_against_the_limit_of_bytes():
    app = create_app()
    for _ in range(20):
        app.test_client().get("/v1/generation", headers={"X-Big": "x" * 200_000})
    entries = fake_of(app).journal.entries()
    assert all(len(value) <= 16 * 1024 for entry in entries for value in entry.headers.values())
    journal = Journal(max_bytes=10_000)
    for number in range(10):
        journal.add(raw(number)._replace(headers="x" * 3000))
    assert len(journal.entries()) == 2


def test_long_texts_are_replaced_by_their_hash_so_that_requests_can_be_compared():
    app = create_app()
    for image in ("a" * 200_000, "a" * 200_000 + "b"):
        body = {"model": "m", "config": {"prompt": "x", "image": image}}
        app.test_client().post("/v1/generation", json=body, headers={"Authorization": "any"})
    one, other = fake_of(app).journal.entries()
    assert (one.model, one.config["prompt"]) == ("m", "x")
    assert len(one.body) < 1000
    assert not same_request(one, other)


def test_a_response_can_be_recorded_as_lost_afterwards():
    journal = Journal()
    first, second = raw(1), raw(1)
    journal.add(first)
    journal.add(second)
    journal.replace(second, second._replace(arrives=False))
    assert [entry.arrived for entry in journal.entries()] == [True, False]
    journal.forget(None)
    journal.replace(second, second._replace(arrives=False))  # an entry that was removed is ignored


def test_the_scheme_of_a_redacted_header_is_visible():
    app = create_app()
    client = app.test_client()
    for header in (f"Bearer {TOKEN}", TOKEN, None):
        client.get("/v1/generation", headers={"Authorization": header} if header else {})
    shown = [entry.headers.get("authorization") for entry in fake_of(app).journal.entries()]
    assert shown == ["Bearer [redacted]", "[redacted]", None]


def test_a_huge_body_is_cut_and_a_file_is_not_stored(make, completed):
    client = make()
    client.post("/v1/generation", data=b"x" * 3_000_000, headers={"Authorization": "a-token"})
    client.get(completed(client)["result"]["data"][0]["url"].removeprefix("http://localhost"))
    entries = fake_of(client.application).journal.entries()
    file = entries[-1]
    assert len(entries[0].body) <= 64 * 1024
    assert (file.operation, file.response, file.size > 1000) == ("file", "", True)
    assert file.job_id == entries[1].job_id


def test_a_text_that_is_cut_contains_no_part_of_the_api_key():
    client = create_app().test_client()
    for start in range(20, 45):
        prompt = "x" * start + TOKEN + "y" * 70_000
        body = {"model": "Qwen/Qwen-Image", "config": {"prompt": prompt}}
        client.post("/v1/generation", json=body, headers={"Authorization": f"Bearer {TOKEN}"})
    for entry in fake_of(client.application).journal.entries():
        assert "nm-S" not in entry.body
        assert len(entry.body) < 64 * 1024


def test_an_api_key_of_letters_only_is_redacted_unless_it_may_be_a_word():
    client = create_app().test_client()
    for token, is_redacted in (("abcdefghijklmnop", True), ("coffee", False)):
        client.get(f"/v1/generation?key={token}", headers={"Authorization": f"Bearer {token}"})
        entry = fake_of(client.application).journal.entries()[-1]
        assert (token not in entry.path) == is_redacted
