"""Bodies that never end are given up after a time, and take a bounded amount of memory."""

import asyncio

import pytest

from netmind_mock.serving import bodies
from netmind_mock.serving.bodies import Bodies, Disconnected, GivenUp


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


@pytest.mark.parametrize("parts", [(), (b"half",)])
def test_a_body_without_a_next_part_is_given_up(monkeypatch, parts):
    monkeypatch.setattr(bodies, "PART_SECONDS", 0.01)
    with pytest.raises(GivenUp, match=r"no part of the request's body arrived for 0\.01 s") as given_up:
        received(sending(*parts, ends=False))
    status, headers, body = given_up.value.response
    assert status == "408 Request Timeout"
    assert ("Connection", "close") in headers
    assert b"nothing was created" in body


def test_incomplete_bodies_are_bounded_together_and_free_their_share(monkeypatch):
    monkeypatch.setattr(bodies, "MAX_INCOMPLETE_BYTES", 100)

    async def main():
        shared = Bodies()
        waiting = [asyncio.create_task(shared.receive("", sending(b"x" * 40, ends=False))) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(GivenUp, match="incomplete bodies of requests take over 100 bytes"):
            await shared.receive("", sending(b"x" * 40, b"x"))
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return await shared.receive("", sending(b"x" * 40, b"x"))

    assert asyncio.run(main()) == b"x" * 41
