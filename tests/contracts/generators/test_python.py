"""openapi-python-client: the client works with the fake, and has types for config, result and error."""

import sys

import pytest

pytestmark = pytest.mark.slow

USE = """
import sys
from typing import Any, assert_type

from netmind_api import AuthenticatedClient
from netmind_api.api.generation import create, delete, get, list_
from netmind_api.models import CreateRequest, CreateRequestConfig, Deleted, Error, Generation, GenerationList
from netmind_api.types import Unset

config = CreateRequestConfig.from_dict({"prompt": "A cup of coffee"})
assert_type(config.additional_properties, dict[str, Any])

with AuthenticatedClient(base_url=sys.argv[1], token="any-key") as client:
    created = create.sync(client=client, body=CreateRequest(model="Qwen/Qwen-Image", config=config))
    assert isinstance(created, Generation), created
    assert_type(created.deleted_at, str | None)
    assert (created.status, created.deleted_at) == ("pending", None)

    completed = get.sync(created.id, client=client)
    assert isinstance(completed, Generation), completed
    assert not isinstance(completed.result.data, Unset)
    file = completed.result.data[0]
    assert_type(file.url, str | Unset)
    assert isinstance(file.url, str) and file.url.startswith(sys.argv[1])

    listed = list_.sync(client=client)
    assert isinstance(listed, GenerationList), listed
    assert [one.id for one in listed.generation_list] == [created.id]
    assert isinstance(delete.sync(created.id, client=client), Deleted)

    error = get.sync("0" * 32, client=client)
    assert isinstance(error, Error), error
    assert_type(error.message, str | Unset)
    assert error.message == "Generation not found"

    invalid = Error.from_dict(client.get_httpx_client().post("/v1/generation", json={"config": {}}).json())
    assert isinstance(invalid.detail, list)
    assert [one.loc for one in invalid.detail] == [["body", "model"]]
"""


def test_the_client_of_openapi_python_client_works_with_the_fake_and_is_typed(document, fake, run, tmp_path):
    (tmp_path / "use.py").write_text(USE)
    client = tmp_path / "netmind_api"
    generate = ("openapi-python-client", "generate", "--meta", "none", "--fail-on-warning")
    run(*generate, "--path", document, "--output-path", client)
    run(sys.executable, "-W", "error", "use.py", fake)
    run("mypy", "--strict", "--follow-imports", "silent", "use.py")
