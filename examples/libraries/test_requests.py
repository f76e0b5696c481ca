"""A client with requests, and its test."""

import os
import time

import pytest
import requests


def generate(prompt):
    """Create a generation and poll it until it ends."""
    url = os.environ["NETMIND_BASE_URL"] + "/v1/generation"
    with requests.Session() as session:
        session.headers["Authorization"] = os.environ["NETMIND_API_KEY"]
        body = {"model": "Qwen/Qwen-Image", "config": {"prompt": prompt}}
        job = session.post(url, json=body, timeout=10).json()
        while job["status"] not in ("completed", "failed"):
            time.sleep(30)
            job = session.get(f"{url}/{job['id']}", timeout=10).json()
    return job


@pytest.mark.netmind(scenario="slow", sleep=True)
def test_a_picture_is_generated(netmind_mock, netmind_clock):
    assert generate("A cup of coffee")["status"] == "completed"
    assert netmind_clock.elapsed == 780
    netmind_mock.assert_created(prompt="A cup of coffee")
