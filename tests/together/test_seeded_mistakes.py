"""Typical mistakes in tests: each gives a message that names the wrong field.

Each case is the body of a test with one mistake, and parts of the expected message. The code under test is always
the same: it creates a picture of a cup of coffee, waits, and downloads it.
"""

import textwrap

import pytest

import netmind_mock
from netmind_client import GenerationClient

pytestmark = pytest.mark.slow

MISTAKES = {
    "a wrong model": (
        'mock.assert_created(model="Qwen/Qwen-Imag")',
        ["model: expected 'Qwen/Qwen-Imag', actual 'Qwen/Qwen-Image'", "closest: request 1: create"],
    ),
    "a wrong prompt": (
        'mock.assert_created(prompt="A cup of tea")',
        ["config.prompt: expected 'A cup of tea', actual 'A cup of coffee'"],
    ),
    "a misspelt option": (
        'mock.assert_created(promt="A cup of coffee")',
        ["config.promt: expected 'A cup of coffee', but the request has no such option", "did you mean prompt?"],
    ),
    "an option that was not sent": (
        'mock.assert_created(seed=3)',
        ["config.seed: expected 3, but the request has no such option", "it has prompt, num_images"],
    ),
    "a number as text": (
        'mock.assert_created(num_images="2")',
        ["config.num_images: expected '2', actual 2"],
    ),
    "a whole config with one option too few": (
        'mock.assert_created(config={"prompt": "A cup of coffee"})',
        ["config.num_images: expected no such option, actual 2"],
    ),
    "a whole config with one option too many": (
        'mock.assert_created(config={"prompt": "A cup of coffee", "num_images": 2, "seed": 1})',
        ["config.seed: expected 1, but the request has no such option"],
    ),
    "too many creates expected": (
        "mock.assert_created(times=2)",
        ["expected 2 create requests, actual 1", "accepted: request 1: create of 'Qwen/Qwen-Image', response 200"],
    ),
    "no create expected": (
        "mock.assert_created(times=0)",
        ["expected 0 create requests, actual 1", "request 1"],
    ),
    "a create that was rejected": (
        ("requests.post(f'{mock.base_url}/v1/generation', json={'model': 1, 'config': {}}, headers=auth, timeout=5)\n"
        "mock.assert_created(times=2)"),
        ["closest: request 5: create of None, response 422", "it was rejected with 422: body.model: Input should be a valid string"],
    ),
    "a create that a fault rejected": (
        ("mock.fault('create', code=503)\n"
        "requests.post(f'{mock.base_url}/v1/generation', json={'model': 'm', 'config': {}}, headers=auth, timeout=5)\n"
        "mock.assert_created(model='m')"),
        ["it was not processed, because of fault 1: status of create (code=503"],
    ),
    "a create without an API key": (
        ("requests.post(f'{mock.base_url}/v1/generation', json={'model': 'm', 'config': {}}, timeout=5)\n"
        "mock.assert_created(model='m')"),
        ["it was rejected with 401: no API key was sent: add the header Authorization: Bearer KEY"],
    ),
    "a delete that was not sent": (
        'mock.assert_requested("delete")',
        ["expected at least 1 delete request, actual 0", "requests your client sent: request 1: create"],
    ),
    "an operation that does not exist": (
        'mock.assert_requested("download")',
        ["no such operation as 'download'; did you mean file?"],
    ),
    "a misspelt operation": (
        'mock.requests("crate")',
        ["no such operation as 'crate'; did you mean create?"],
    ),
    "a misspelt scenario": (
        'mock.next_job("fialed")',
        ["scenario: no such scenario as 'fialed'; did you mean failed?"],
    ),
    "a misspelt argument of a scenario": (
        'mock.next_job("failed", resaon="x")',
        ["scenario failed: resaon: no such key; did you mean reason?"],
    ),
    "an argument of a scenario of the wrong type": (
        'mock.next_job("slow", after="10 minutes")',
        ["scenario slow: after: expected a number of seconds, 0 or more, got '10 minutes'"],
    ),
    "a scenario that was never used": (
        'mock.next_job("failed")\nmock.assert_all_used()',
        ["next_job('failed') at ", "Requests your client sent: 1 create, 1 get, 2 file."],
    ),
    "a fault for an operation that does not exist": (
        'mock.fault("poll", code=500)',
        ["fault: no such operation as 'poll'; did you mean get?"],
    ),
    "a misspelt kind of fault": (
        'mock.fault("get", "dribbel")',
        ["fault: no such kind as 'dribbel'; did you mean dribble?"],
    ),
    "a fault with an invalid status code": (
        'mock.fault("get", code=42)',
        ["fault status: code: expected a whole number from 200 to 599, got 42"],
    ),
    "a fault for files only": (
        'mock.fault("create", "corrupt")',
        ["fault corrupt: cannot be applied to create; expected file"],
    ),
    "a rule for a model that does not exist": (
        'mock.every_job("failed", model="Qwen/Qwen-Imag")',
        ["rule: model: the catalogue has no model 'Qwen/Qwen-Imag'; did you mean Qwen/Qwen-Image?"],
    ),
    "a rule that can never match": (
        'mock.every_job("failed")\nmock.every_job("slow", prompt="tea")',
        ["rule: can never match, since rule 1 (failed for every job) comes first"],
    ),
    "a job that does not exist": (
        'mock.complete("6347623b2fce4998b0e842f7e935ccb0")',
        ["no such job as '6347623b2fce4998b0e842f7e935ccb0' on this account"],
    ),
    "a job that has ended": (
        "mock.fail(mock.jobs[0])",
        ["is completed already"],
    ),
    "a clock that goes back": (
        "mock.clock.advance(-5)",
        ["a clock goes forward by 0 seconds or more, not by -5"],
    ),
    "a create sent again after a lost response": (
        ("mock.fault('create', 'reset')\n"
        "for _ in range(2):\n"
        "    try: requests.post(f'{mock.base_url}/v1/generation', json={'model': 'm', 'config': {}}, headers=auth, timeout=5)\n"
        "    except requests.ConnectionError: pass\n"
        "mock.assert_billed_once()"),
        ["billed twice: request 6 created m again", "was lost (fault 1: reset of create"],
    ),
    "polling too fast": (
        ("for _ in range(3): requests.get(f'{mock.base_url}/v1/generation/{mock.jobs[0].id}', headers=auth, timeout=5)\n"
        "mock.polling().assert_polite()"),
        ["was not polled politely", "final: 3 more polls after the status completed"],
    ),
}  # fmt: skip


def test_there_are_at_least_twenty_five_mistakes():
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


def test_without_any_request_the_message_gives_possible_reasons():
    with netmind_mock.start() as mock, pytest.raises(AssertionError) as failed:
        mock.assert_created()
    assert "requests your client sent: none. Was the code under test called" in str(failed.value)


def test_at_least_one_can_be_asserted_if_entries_were_dropped():
    with netmind_mock.start(journal=1) as mock:
        for _ in range(3):
            GenerationClient().create("Qwen/Qwen-Image", {"prompt": "x"})
        mock.assert_created(times=None, prompt="x")
        mock.assert_requested("create")


def test_the_message_says_that_entries_were_dropped():
    with netmind_mock.start(journal=1) as mock:
        for _ in range(3):
            GenerationClient().create("Qwen/Qwen-Image", {"prompt": "x"})
        with pytest.raises(AssertionError, match="2 earlier requests were dropped from the journal"):
            mock.assert_created(times=1)
        with pytest.raises(AssertionError, match="2 earlier requests were dropped"):
            mock.assert_requested("create", times=1)
