"""Timeouts of httpx and httpx2 are respected in virtual time."""

import httpx
import httpx2
import pytest
from asking import AUTHORIZED, URL


@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize("timeout", ["Timeout(5.0)", "Timeout(None, read=5.0)", "5"])
def test_every_form_of_a_timeout_of_httpx_is_respected(mock, library, timeout):
    mock.fault("list", "hang")
    given = 5 if timeout == "5" else eval(f"library.{timeout}")  # noqa: S307 - the expressions above
    with pytest.raises(library.ReadTimeout):
        library.get(URL, headers=AUTHORIZED, timeout=given)
    assert mock.clock.elapsed == 5.0
