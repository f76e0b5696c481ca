"""Schemathesis tests of the served fake: no 5xx, and every response matches the OpenAPI document and its schema."""

import itertools

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, assume, settings
from schemathesis import checks
from support import PAGE_IMAGE, running_fake

from netmind_contracts import openapi, violations

CASES = 500  # of each operation, under each profile: 4,000 in all
AUTHORIZED = {"Authorization": "Bearer fuzz"}
SCHEMAS = {"create": "generation", "get": "generation", "list": "generation-list", "delete": "deleted"}
FRAMING = ("connection", "content-length", "expect", "host", "te", "trailer", "transfer-encoding", "upgrade")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["documented", "observed"])
def base_url(request, tmp_path_factory):
    options = ("--profile", request.param, "--duration", "0.01", "--api-key", "fuzz")
    with running_fake(tmp_path_factory.mktemp("fake"), *options) as (base_url, _):
        yield base_url


@pytest.fixture(scope="module")
def session():
    with requests.Session() as session:
        yield session


schema = schemathesis.openapi.from_dict(openapi())
tried = itertools.count()


@pytest.fixture(autouse=True)
def enough():
    """Fail a test if Hypothesis ended before it had run all cases."""
    before = next(tried)
    yield
    assert next(tried) - before > CASES


@schema.parametrize()
@settings(
    max_examples=CASES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_response_matches_the_document(case, base_url, session):
    assume(case.path_parameters.get("generation_id") not in (".", ".."))  # requests normalises these paths
    number = next(tried)
    if case.path_parameters and number % 3 == 0:  # a job that exists, or that the case before deleted
        case.path_parameters["generation_id"] = a_job(base_url, session)
    # These belong to the connection. The server refuses invalid ones before the application sees a request.
    case.headers = {
        name: value for name, value in (case.headers or {}).items() if name.lower() not in FRAMING
    }
    headers = {} if number % 5 == 0 else AUTHORIZED
    response = case.call(base_url=base_url, headers=headers, timeout=10, session=session)
    case.validate_response(
        response,
        checks=[
            checks.not_a_server_error,
            schemathesis.specs.openapi.checks.status_code_conformance,
            schemathesis.specs.openapi.checks.content_type_conformance,
            schemathesis.specs.openapi.checks.response_schema_conformance,
        ],
    )
    # The document has no conditions, such as the empty result of a pending job. The schemas have them.
    name = SCHEMAS[case.operation.definition.raw["operationId"]] if response.status_code == 200 else "error"
    assert violations(name, response.json()) == ()


def a_job(base_url, session):
    """Return the id of an existing job, or create one."""
    listed = session.get(f"{base_url}/v1/generation", headers=AUTHORIZED, timeout=10).json()[
        "generation_list"
    ]
    job = (
        listed[0]
        if listed
        else session.post(f"{base_url}/v1/generation", json=PAGE_IMAGE, headers=AUTHORIZED, timeout=10).json()
    )
    return job["id"]
