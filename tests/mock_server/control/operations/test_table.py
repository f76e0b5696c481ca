"""Tests of the table of operations: unknown arguments and invalid payloads are refused."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import AUTHORIZED

from netmind_mock import create_app
from netmind_mock.control.operations import OPERATIONS_BY_NAME

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("name", "one"), OPERATIONS_BY_NAME.items())
def test_an_argument_that_an_operation_does_not_have_is_refused(api, create, post, get, name, one):
    """Otherwise a DELETE of one fault would remove all of them."""
    path = one.path.replace("{id}", create(api)["id"])
    post("faults", {"operation": "get", "kind": "status"})
    sent = {"json": {"numbr": 1}} if one.method == "POST" else {"query_string": {"numbr": 1}}
    refused = api.open(f"/__mock/{path}", method=one.method, headers=AUTHORIZED, **sent)
    assert refused.status_code == 422, name
    assert len(get("faults")["faults"]) == 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
POSTS = sorted(
    one.path.replace("{id}", "0" * 32) for one in OPERATIONS_BY_NAME.values() if one.method == "POST"
)


KEYS = [
    "scenario",
    "operation",
    "kind",
    "after",
    "times",
    "model",
    "prompt",
    "advance",
    "speed",
    "freeze",
    "reason",
    "id",
]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(POSTS),
    st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), json_values, max_size=5),
)
def test_no_payload_breaks_the_control_api(path, payload):
    body = json.dumps(payload).replace("NaN", "0").replace("-Infinity", "0").replace("Infinity", "0")
    response = create_app().test_client().post(f"/__mock/{path}", data=body, content_type="application/json")
    assert response.status_code in (200, 404, 422), response.text
