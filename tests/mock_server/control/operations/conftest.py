"""Fixtures that call the control API."""

import pytest
from support import AUTHORIZED

ALL_WIRE = ("delay", "hang", "dribble", "reset", "truncate")


@pytest.fixture
def api(make):
    return make(profile="observed", wire_faults=ALL_WIRE)


@pytest.fixture
def post(api):
    """Return a function that posts to the control API, for the account of ``AUTHORIZED`` by default."""

    def post(path, payload=None, headers=AUTHORIZED, status=200):
        response = api.post(f"/__mock/{path}", json=payload or {}, headers=headers)
        assert status in (None, response.status_code), response.text
        return response.json

    return post


@pytest.fixture
def get(api):
    def get(path, headers=AUTHORIZED, status=200):
        response = api.get(f"/__mock/{path}", headers=headers)
        assert response.status_code == status, response.text
        return response.json

    return get


@pytest.fixture
def status_of(api):
    def status_of(job, headers=AUTHORIZED):
        return api.get(f"/v1/generation/{job['id']}", headers=headers).json["status"]

    return status_of
