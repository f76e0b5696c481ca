"""The control API of a fake, as a test asks for it."""

import pytest
from support import AUTHORIZED

ALL_WIRE = ("delay", "hang", "dribble", "reset", "truncate")


@pytest.fixture
def api(make):
    return make(profile="observed", wire_faults=ALL_WIRE)


@pytest.fixture
def post(api):
    """Posts to the control API, for the tests' own account unless told otherwise."""

    def post(path, payload=None, headers=AUTHORIZED, status=200):
        answer = api.post(f"/__mock/{path}", json=payload or {}, headers=headers)
        assert status in (None, answer.status_code), answer.text
        return answer.json

    return post


@pytest.fixture
def get(api):
    def get(path, headers=AUTHORIZED, status=200):
        answer = api.get(f"/__mock/{path}", headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json

    return get


@pytest.fixture
def status_of(api):
    def status_of(job, headers=AUTHORIZED):
        return api.get(f"/v1/generation/{job['id']}", headers=headers).json["status"]

    return status_of
