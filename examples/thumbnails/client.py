"""The service's own client of the generation API, as such clients are often written.

It has three bugs, each of which costs money or an outage some day. ``test_thumbnails.py`` finds them.
"""

import os
import time

import requests

TIMEOUT_SECONDS = 10


class GenerationError(Exception):
    """There is no picture."""


def make_picture(title: str) -> bytes:
    """A picture for a title."""
    return requests.get(wait(create(title)), timeout=TIMEOUT_SECONDS).content


def create(title: str) -> str:
    """Create a generation; its id."""
    body = {"model": "Qwen/Qwen-Image", "config": {"prompt": f"A thumbnail: {title}"}}
    for _ in range(3):
        try:
            return str(ask("POST", json=body)["id"])
        except requests.Timeout:
            continue
    raise GenerationError("the API does not answer")


def wait(job_id: str) -> str:
    """Wait until a generation is completed; its result's URL."""
    pause = 1.0
    while True:
        job = ask("GET", job_id)
        if job["status"] == "completed":
            return str(job["result"]["data"][0]["url"])
        time.sleep(pause)
        pause = min(pause * 1.5, 15)


def ask(method: str, job_id: str = "", **options: object) -> dict:
    """A request to the API; its answer."""
    base_url = os.environ.get("NETMIND_BASE_URL", "https://api.netmind.ai")
    url = f"{base_url}/v1/generation/{job_id}".rstrip("/")
    headers = {"Authorization": f"Bearer {os.environ['NETMIND_API_KEY']}"}
    response = requests.request(method, url, headers=headers, timeout=TIMEOUT_SECONDS, **options)
    response.raise_for_status()
    return response.json()
