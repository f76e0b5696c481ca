"""The middleware reads the clock, and every response has its time as the Date."""

import pytest
from support import AUTHORIZED


@pytest.mark.parametrize(
    ("advanced", "date"),
    [
        (0, "Thu, 18 Sep 2025 09:14:20 GMT"),
        (86_400, "Fri, 19 Sep 2025 09:14:20 GMT"),
        (1e15, "Wed, 01 Jan 9000 00:00:00 GMT"),
    ],
)
def test_the_date_is_that_of_the_accounts_clock(client, clock, advanced, date):
    clock.advance(advanced)
    response = client.get("/v1/generation", headers=AUTHORIZED)
    assert response.headers.getlist("Date") == [date]


def test_the_response_of_a_fault_has_one_date(client):
    fault = {"operation": "list", "kind": "status", "code": 503, "times": None}
    assert client.post("/__mock/faults", json=fault).status_code < 300
    for _ in range(2):
        response = client.get("/v1/generation", headers=AUTHORIZED)
        assert (response.status_code, len(response.headers.getlist("Date"))) == (503, 1)
