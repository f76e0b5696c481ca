"""A client with httpx2, and its test. With httpx, only the import differs."""

import os
import time

import httpx2
import pytest


def generate(prompt):
    """Create a generation and poll it until it ends."""
    headers = {"Authorization": os.environ["NETMIND_API_KEY"]}
    with httpx2.Client(base_url=os.environ["NETMIND_BASE_URL"], headers=headers) as client:
        body = {"model": "Qwen/Qwen-Image", "config": {"prompt": prompt}}
        job = client.post("/v1/generation", json=body).json()
        while job["status"] not in ("completed", "failed"):
            time.sleep(30)
            job = client.get(f"/v1/generation/{job['id']}").json()
    return job


@pytest.mark.netmind(scenario="slow", sleep=True)
def test_a_picture_is_generated(netmind_mock, netmind_clock):
    assert generate("A cup of coffee")["status"] == "completed"
    assert netmind_clock.elapsed == 780
    netmind_mock.assert_created(prompt="A cup of coffee")
