"""A client that uses the openai library to send its requests, and its test."""

import os
import time

import openai
import pytest


def generate(prompt):
    """Create a generation and poll it until it ends."""
    url, key = os.environ["NETMIND_BASE_URL"] + "/v1", os.environ["NETMIND_API_KEY"]
    with openai.OpenAI(base_url=url, api_key=key) as client:
        body = {"model": "Qwen/Qwen-Image", "config": {"prompt": prompt}}
        job = client.post("/generation", body=body, cast_to=object)
        while job["status"] not in ("completed", "failed"):
            time.sleep(30)
            job = client.get(f"/generation/{job['id']}", cast_to=object)
    return job


@pytest.mark.netmind(scenario="slow", sleep=True)
def test_a_picture_is_generated(netmind_mock, netmind_clock):
    assert generate("A cup of coffee")["status"] == "completed"
    assert netmind_clock.elapsed == 780
    netmind_mock.assert_created(prompt="A cup of coffee")
