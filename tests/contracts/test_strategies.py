"""The strategies: messages match their schemas, and shrink to readable examples."""

from itertools import pairwise

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from netmind_client._models import read_generation
from netmind_contracts import strategies, violations

pytestmark = pytest.mark.slow

ANY = ["pending", "initializing", "processing", "completed", "failed"]


@given(strategies.create_requests())
def test_create_requests_are_valid(request):
    assert violations("create-request", request) == ()


@given(strategies.invalid_create_requests())
def test_invalid_create_requests_are_invalid(request):
    assert violations("create-request", request) != ()


@given(strategies.result_files())
def test_result_files_are_valid(file):
    assert violations("result-file", file, closed=True) == ()


@pytest.mark.parametrize("status", [None, *ANY])
@given(data=st.data())
def test_generations_are_valid_in_every_status(status, data):
    generation = data.draw(strategies.generations(status=status))
    schema = "generation-observed" if "logs" in generation else "generation"
    assert violations(schema, generation, closed=True) == ()
    assert status in (None, generation["status"])


@given(strategies.generation_lists())
def test_generation_lists_are_valid_and_have_each_job_once(response):
    assert violations("generation-list", response) == ()
    ids = [generation["id"] for generation in response["generation_list"]]
    assert len(set(ids)) == len(ids)


@given(strategies.job_histories())
def test_job_histories_go_forward_to_an_end_that_stays(history):
    order = [*ANY[:3], "completed", "failed"]
    for earlier, later in pairwise(history):
        assert (earlier["id"], earlier["created_at"]) == (later["id"], later["created_at"])
        assert earlier["updated_at"] <= later["updated_at"]
        assert order.index(earlier["status"]) <= order.index(later["status"])
    assert history[0]["status"] == "pending"
    assert history[0]["created_at"] == history[0]["updated_at"]
    assert history[-1]["status"] in ("completed", "failed")
    assert history[-1]["updated_at"] > history[-1]["created_at"]
    assert all(violations("generation", response) == () for response in history)


@pytest.mark.parametrize("end", ["completed", "failed"])
@given(data=st.data())
def test_job_histories_have_the_given_end(end, data):
    assert data.draw(strategies.job_histories(end=end))[-1]["status"] == end


@given(strategies.adverse_job_histories())
def test_adverse_histories_can_all_be_read(adverse):
    assert adverse.history
    assert all(read_generation(response) is not None for response in adverse.history)


SHOWN_BY = {
    "wedged": lambda seen: {response["status"] for response in seen} == {"pending"},
    "unknown status": lambda seen: seen[1]["status"] not in ANY,
    "goes back": lambda seen: (
        [response["status"] for response in seen] == ["pending", "processing", "pending", "completed"]
    ),
    "empty result": lambda seen: seen[1]["status"] == "completed" and seen[1]["result"] == {},
    "completed, then failed": lambda seen: (
        [response["status"] for response in seen[1:]] == ["completed", "failed"]
    ),
    "updated_at goes back": lambda seen: seen[-1]["updated_at"] < seen[-2]["updated_at"],
    "fields gone": lambda seen: set(seen[0]) == {"id", "status"},
    "another job": lambda seen: seen[0]["id"] != seen[1]["id"],
}


@pytest.mark.parametrize(("name", "shows"), SHOWN_BY.items(), ids=SHOWN_BY.keys())
@settings(max_examples=25)
@given(data=st.data())
def test_each_adversity_does_what_its_name_says(name, shows, data):
    adverse = data.draw(strategies.adverse_job_histories(adversity=name))
    assert adverse.adversity == name
    assert shows(adverse.history)


def test_an_unknown_adversity_is_rejected_with_the_known_ones():
    with pytest.raises(ValueError, match="unknown adversity 'bad luck'; expected one of another job, "):
        find(strategies.adverse_job_histories(adversity="bad luck"), lambda _: True)


def test_every_adversity_has_a_test():
    assert set(SHOWN_BY) == set(strategies.ADVERSITIES)


def test_a_generation_shrinks_to_something_readable():
    assert find(strategies.generations(), lambda generation: generation["status"] == "completed") == {
        "id": "0" * 32,
        "user_id": "0" * 32,
        "status": "completed",
        "created_at": "2025-09-18 09:14:20",
        "updated_at": "2025-09-18 09:14:21",
        "deleted_at": None,
        "is_deleted": False,
        "result": {
            "data": [
                {
                    "url": "https://files.netmind.ai/file-0000000000000000",
                    "file_id": "file-0000000000000000",
                    "file_name": "",
                    "file_type": "image",
                }
            ]
        },
    }


def test_a_request_shrinks_to_something_readable():
    assert find(strategies.create_requests(), lambda _: True) == {
        "model": "Qwen/Qwen-Image",
        "config": {"prompt": ""},
    }
