"""Commands to copy from the dashboard: curl for each button, a create request and a test for each job."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import msgspec

from netmind_mock.control.operations import OPERATIONS_BY_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netmind_mock.control.dashboard.views import Shown

_EXAMPLE = '{"model": "Qwen/Qwen-Image", "config": {"prompt": "A cup of tea"}}'
_JSON = "-H 'Content-Type: application/json'"


def curl_of(base_url: str, operation: str, payload: Mapping[str, Any]) -> str:
    """Return the curl command that runs an operation, as a button with these fields does."""
    one = OPERATIONS_BY_NAME[operation]
    body = dict(payload)
    path = one.path.replace("{id}", str(body.pop("id", "")))
    command = f"curl {base_url}/__mock/{path}"
    if body.pop("account", ""):  # a clock of its own is changed with its API key only
        command += ' -H "Authorization: Bearer $NETMIND_API_KEY"'
    if one.method != "POST":
        return f"{command} -X {one.method}"
    return f"{command} {_JSON} -d {shlex.quote(msgspec.json.encode(body).decode())}"


def create_of(request: str = _EXAMPLE) -> str:
    """Return the curl command that sends a create request."""
    where = '"$NETMIND_BASE_URL/v1/generation" -H "Authorization: Bearer $NETMIND_API_KEY"'
    return f"curl {where} {_JSON} -d {shlex.quote(request)}"


def pytest_of(shown: Shown) -> str:
    """Return the source of a pytest test that creates the same job with the same scenario."""
    scenario = f"    netmind_mock.next_job({shown.scenario!r})\n" if shown.scenario else ""
    return (
        "import requests\n\n\n"
        "def test_it(netmind_mock):\n"
        f"{scenario}"
        "    response = requests.post(\n"
        '        f"{netmind_mock.base_url}/v1/generation",\n'
        '        headers={"Authorization": f"Bearer {netmind_mock.api_key}"},\n'
        f"        json={msgspec.json.decode(shown.request)!r},\n"
        "    )\n"
        "    assert response.status_code == 200\n"
    )
