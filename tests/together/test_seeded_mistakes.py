"""Mistakes that people make in tests: each is told in a message that names the right field.

Every case is the body of a test that somebody might write, with one mistake in it, and what the message has
to say. The code under test is the same throughout: it asks for a cup of coffee, waits, and downloads.
"""

import textwrap

import pytest

import netmind_mock
from netmind_client import GenerationClient

MISTAKES = {
    "a wrong model": (
        'mock.assert_created(model="Qwen/Qwen-Imag")',
        ["model: expected 'Qwen/Qwen-Imag', got 'Qwen/Qwen-Image'", "the nearest is request 1: create"],
    ),
    "a wrong prompt": (
        'mock.assert_created(prompt="A cup of tea")',
        ["config.prompt: expected 'A cup of tea', got 'A cup of coffee'"],
    ),
    "an option that is spelled otherwise": (
        'mock.assert_created(promt="A cup of coffee")',
        ["config.promt: expected 'A cup of coffee', and the request has no such option", "did you mean prompt?"],
    ),
    "an option that was not sent": (
        'mock.assert_created(seed=3)',
        ["config.seed: expected 3, and the request has no such option", "it has prompt, num_images"],
    ),
    "a number as text": (
        'mock.assert_created(num_images="2")',
        ["config.num_images: expected '2', got 2"],
    ),
    "a whole config with one option too few": (
        'mock.assert_created(config={"prompt": "A cup of coffee"})',
        ["config.num_images: expected no such option, got 2"],
    ),
    "a whole config with one option too many": (
        'mock.assert_created(config={"prompt": "A cup of coffee", "num_images": 2, "seed": 1})',
        ["config.seed: expected 1, and the request has no such option"],
    ),
    "too many creates expected": (
        "mock.assert_created(times=2)",
        ["expected 2 requests of create, got 1", "accepted: request 1: create of 'Qwen/Qwen-Image'"],
    ),
    "no create expected": (
        "mock.assert_created(times=0)",
        ["expected 0 requests of create, got 1", "request 1"],
    ),
    "a create that was refused": (
        ("requests.post(f'{mock.base_url}/v1/generation', json={'model': 1, 'config': {}}, headers=auth, timeout=5)\n"
        "mock.assert_created(times=2)"),
        ["the nearest is request 5: create of None, answered with 422", "it was refused with 422: body.model: Input should be a valid string"],
    ),
    "a create that a fault refused": (
        ("mock.fault('create', code=503)\n"
        "requests.post(f'{mock.base_url}/v1/generation', json={'model': 'm', 'config': {}}, headers=auth, timeout=5)\n"
        "mock.assert_created(model='m')"),
        ["it was not carried out: fault 1: status of create (code=503"],
    ),
    "a create without a token": (
        ("requests.post(f'{mock.base_url}/v1/generation', json={'model': 'm', 'config': {}}, timeout=5)\n"
        "mock.assert_created(model='m')"),
        ["it was refused with 401: no token came: send Authorization: Bearer TOKEN"],
    ),
    "a delete that never came": (
        'mock.assert_requested("delete")',
        ["expected at least 1 request of delete, got 0", "no delete came, but: request 1: create"],
    ),
    "an operation that is none": (
        'mock.assert_requested("download")',
        ["no such operation as 'download'; did you mean file?"],
    ),
    "an operation that is spelled otherwise": (
        'mock.requests("crate")',
        ["no such operation as 'crate'; did you mean create?"],
    ),
    "a scenario that is spelled otherwise": (
        'mock.next_job("fialed")',
        ["scenario: no such scenario as 'fialed'; did you mean failed?"],
    ),
    "an argument of a scenario that is spelled otherwise": (
        'mock.next_job("failed", resaon="x")',
        ["scenario failed: resaon: no such key; did you mean reason?"],
    ),
    "an argument of a scenario of the wrong type": (
        'mock.next_job("slow", after="10 minutes")',
        ["scenario slow: after: expected a number of seconds, 0 or more, got '10 minutes'"],
    ),
    "a scenario that nobody used": (
        'mock.next_job("failed")\nmock.assert_all_used()',
        ["next_job('failed'), written in ", "What came: 1 of create, 1 of get, 2 of file"],
    ),
    "a fault for an operation that is none": (
        'mock.fault("poll", code=500)',
        ["fault: no such operation as 'poll'; did you mean get?"],
    ),
    "a kind of fault that is spelled otherwise": (
        'mock.fault("get", "dribbel")',
        ["fault: no such kind as 'dribbel'; did you mean dribble?"],
    ),
    "a fault with a status that is none": (
        'mock.fault("get", code=42)',
        ["fault status: code: expected a whole number from 200 to 599, got 42"],
    ),
    "a fault that is for files alone": (
        'mock.fault("create", "corrupt")',
        ["fault corrupt: is for file, not for create"],
    ),
    "a rule for a model that is none": (
        'mock.every_job("failed", model="Qwen/Qwen-Imag")',
        ["rule: model: no model of the catalogue is called 'Qwen/Qwen-Imag'; did you mean Qwen/Qwen-Image?"],
    ),
    "a rule that can never match": (
        'mock.every_job("failed")\nmock.every_job("slow", prompt="tea")',
        ["rule: can never match, since rule 1 (failed for every job) comes first"],
    ),
    "a job that is none": (
        'mock.complete("6347623b2fce4998b0e842f7e935ccb0")',
        ["no such generation as '6347623b2fce4998b0e842f7e935ccb0' on this account"],
    ),
    "a job that has ended": (
        "mock.fail(mock.jobs[0])",
        ["is completed already"],
    ),
    "a clock that goes back": (
        "mock.clock.advance(-5)",
        ["a clock goes forward by 0 seconds or more, not by -5"],
    ),
    "a create again after a lost answer": (
        ("mock.fault('create', 'reset')\n"
        "for _ in range(2):\n"
        "    try: requests.post(f'{mock.base_url}/v1/generation', json={'model': 'm', 'config': {}}, headers=auth, timeout=5)\n"
        "    except requests.ConnectionError: pass\n"
        "mock.assert_billed_once()"),
        ["paid for twice: request 6 created m again", "the answer to request 5 was lost (fault 1: reset of create"],
    ),
    "polling in a rush": (
        ("for _ in range(3): requests.get(f'{mock.base_url}/v1/generation/{mock.jobs[0].id}', headers=auth, timeout=5)\n"
        "mock.polling().assert_polite()"),
        ["was not polled politely", "final: 3 more polls after the status completed"],
    ),
}  # fmt: skip


def test_there_are_at_least_twenty_five():
    assert len(MISTAKES) >= 25


@pytest.fixture
def mock(tmp_path):
    with netmind_mock.start(unused="ignore") as mock:
        client = GenerationClient()
        job = client.create("Qwen/Qwen-Image", {"prompt": "A cup of coffee", "num_images": 2})
        mock.clock.advance(2)
        client.download(client.get(job.id), tmp_path)
        assert [entry.operation for entry in mock.journal] == ["create", "get", "file", "file"]
        yield mock


@pytest.mark.parametrize("name", MISTAKES)
def test_the_message_names_what_is_wrong(mock, name):
    code, expected = MISTAKES[name]
    names = {"mock": mock, "auth": {"Authorization": mock.api_key}}
    with pytest.raises((AssertionError, ValueError)) as failed:
        exec(textwrap.dedent(f"import requests\n{code}"), names)  # noqa: S102 - our own cases
    message = str(failed.value)
    assert [part for part in expected if part not in message] == [], message


def test_code_that_was_never_called_is_told_from_code_that_asks_elsewhere():
    with netmind_mock.start() as mock, pytest.raises(AssertionError) as failed:
        mock.assert_created()
    assert "no request came at all: does the code under test read NETMIND_BASE_URL" in str(failed.value)


def test_one_match_is_enough_where_one_is_asked_for_whatever_was_dropped():
    with netmind_mock.start(journal=1) as mock:
        for _ in range(3):
            GenerationClient().create("Qwen/Qwen-Image", {"prompt": "x"})
        mock.assert_created(times=None, prompt="x")
        mock.assert_requested("create")


def test_a_journal_that_was_too_small_is_said_to_be():
    with netmind_mock.start(journal=1) as mock:
        for _ in range(3):
            GenerationClient().create("Qwen/Qwen-Image", {"prompt": "x"})
        with pytest.raises(AssertionError, match="the journal had no room for 2 earlier requests"):
            mock.assert_created(times=1)
        with pytest.raises(AssertionError, match="no room for 2"):
            mock.assert_requested("create", times=1)
