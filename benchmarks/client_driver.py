"""Make one call with one client and print the result as JSON. Runs in the environment of that client.

    python client_driver.py CLIENT ACTION BASE_URL TIMEOUT FOLDER

Does not import from this repository, so that the environments of other clients do not need it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

MODEL, CONFIG = "Qwen/Qwen-Image", {"prompt": "A cup of coffee"}
JOB = "6347623b2fce4998b0e842f7e935ccb0"


def ours(action, base_url, timeout, folder):
    from netmind_client import GenerationClient

    with GenerationClient("key", base_url, request_timeout=timeout) as client:
        if action == "create":
            return client.create(MODEL, CONFIG).status
        if action == "wait":
            return client.wait(JOB, timeout=timeout).status
        return [str(path) for path in client.download(client.get(JOB), folder, timeout=timeout)]


def ours_async(action, base_url, timeout, folder):
    from netmind_client import AsyncGenerationClient

    async def call():
        async with AsyncGenerationClient("key", base_url, request_timeout=timeout) as client:
            if action == "create":
                return (await client.create(MODEL, CONFIG)).status
            if action == "wait":
                return (await client.wait(JOB, timeout=timeout)).status
            return [
                str(path) for path in await client.download(await client.get(JOB), folder, timeout=timeout)
            ]

    return asyncio.run(call())


def openai(action, base_url, timeout, folder):
    from openai import OpenAI

    client = OpenAI(api_key="key", base_url=base_url, timeout=timeout)
    if action == "create":
        return client.videos.create(model="sora-2", prompt="A cup of coffee").status
    if action == "wait":
        return client.videos.poll("video_1").status
    client.videos.download_content("video_1").write_to_file(folder / "video.mp4")
    return ["video.mp4"]


def fal(action, base_url, timeout, folder):
    import fal_client
    import fal_client.client

    fal_client.client.QUEUE_URL_FORMAT = base_url + "/"
    client = fal_client.SyncClient(key="key", default_timeout=timeout)
    if action == "create":
        return type(client.submit("fal-ai/flux", arguments=CONFIG)).__name__
    if action == "download":
        return "(it has no download)"
    handle = client.get_handle("fal-ai/flux", "r1")
    return "completed" if handle.get() else "nothing"


CLIENTS = {"sync": ours, "async": ours_async, "openai": openai, "fal-client": fal}


def main() -> None:
    """Make the call, and print its outcome and its duration."""
    name, action, base_url, timeout, folder = sys.argv[1:]
    CLIENTS[name].__doc__  # noqa: B018 - fail here for an unknown client, before the measurement
    # Import the client first, so that only the call is measured.
    __import__(
        {"sync": "netmind_client", "async": "netmind_client._async_client", "fal-client": "fal_client"}.get(
            name, name
        )
    )
    begun = time.monotonic()
    try:
        outcome = f"returned {CLIENTS[name](action, base_url, float(timeout), Path(folder))}"
    except Exception as error:  # noqa: BLE001 - any exception is a result
        outcome = f"raised {type(error).__name__}"
    print(json.dumps({"outcome": outcome, "seconds": time.monotonic() - begun}))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
