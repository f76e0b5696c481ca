"""The service's client of the generation API.

It has three typical bugs, which can cost money or cause an outage. ``test_thumbnails.py`` finds them.
"""

import os
import time

import requests

TIMEOUT_SECONDS = 10


class GenerationError(Exception):
    """No picture was generated."""


def make_picture(title: str) -> bytes:
    """Return a picture for a title."""
    return requests.get(wait(create(title)), timeout=TIMEOUT_SECONDS).content


def create(title: str) -> str:
    """Create a generation. Return its id."""
    body = {"model": "Qwen/Qwen-Image", "config": {"prompt": f"A thumbnail: {title}"}}
    for _ in range(3):
        try:
            return str(call_api("POST", json=body)["id"])
        except requests.Timeout:
            continue
    raise GenerationError("the API does not respond")


def wait(job_id: str) -> str:
    """Wait until a generation is completed. Return the URL of its result."""
    pause = 1.0
    while True:
        job = call_api("GET", job_id)
        if job["status"] == "completed":
            return str(job["result"]["data"][0]["url"])
        time.sleep(pause)
        pause = min(pause * 1.5, 15)


def call_api(method: str, job_id: str = "", **options: object) -> dict:
    """Send a request to the API, and return the JSON of its response."""
    base_url = os.environ.get("NETMIND_BASE_URL", "https://api.netmind.ai")
    url = f"{base_url}/v1/generation/{job_id}".rstrip("/")
    headers = {"Authorization": f"Bearer {os.environ['NETMIND_API_KEY']}"}
    response = requests.request(method, url, headers=headers, timeout=TIMEOUT_SECONDS, **options)
    response.raise_for_status()
    return response.json()
