"""Bodies that are incomplete take a bounded amount of memory together."""

import asyncio

import pytest

from netmind_mock.serving import bodies
from netmind_mock.serving.bodies import Bodies, Disconnected, TooManyBodies


def sending(*parts, ends=True):
    """Return an ASGI receive with these parts; without an end, it waits forever after them."""
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    if ends:
        messages[-1]["more_body"] = False

    async def receive():
        if not messages:
            await asyncio.Event().wait()
        return messages.pop(0)

    return receive


def received(receive, content_length="", of=None):
    return asyncio.run((of or Bodies()).receive(content_length, receive))


def test_parts_are_joined():
    assert received(sending(b"one ", b"two ", b"three")) == b"one two three"


def test_a_body_over_the_limit_is_not_read():
    assert received(sending(b"x", ends=False), "99999999") == b""


def test_a_client_that_disconnects_has_no_request():
    async def receive():
        return {"type": "http.disconnect"}

    with pytest.raises(Disconnected):
        received(receive)


def test_incomplete_bodies_are_bounded_together_and_free_their_share(monkeypatch):
    monkeypatch.setattr(bodies, "MAX_INCOMPLETE_BYTES", 100)

    async def main():
        shared = Bodies()
        waiting = [asyncio.create_task(shared.receive("", sending(b"x" * 40, ends=False))) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyBodies):
            await shared.receive("", sending(b"x" * 40, b"x"))
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return await shared.receive("", sending(b"x" * 40, b"x"))

    assert asyncio.run(main()) == b"x" * 41
