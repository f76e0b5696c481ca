"""A fake on a frozen clock, and its dashboard, for tests."""

import html
import re

from netmind_mock import SimulatedClock, create_app

AUTH = {"Authorization": "Bearer a-token-of-mine"}
OWN = {"Origin": "http://localhost"}


def body(prompt="A cup of tea", model="Qwen/Qwen-Image", **config):
    return {"model": model, "config": {"prompt": prompt, **config}}


class Fake:
    """A fake on a frozen clock, and its dashboard."""

    def __init__(self, **options):
        self.clock = SimulatedClock(wall=lambda: 1_800_000_000.0)
        self.clock.freeze()
        self.app = create_app(clock=self.clock, duration=10, **options)
        self.client = self.app.test_client()

    def create(self, headers=AUTH, **arguments):
        return self.client.post("/v1/generation", json=body(**arguments), headers=headers).json["id"]

    def page(self, path="", status=200, **options):
        with self.client.get(f"/__mock/{path}", **options) as response:
            assert response.status_code == status, response.text
            return response.text

    def press(self, status=303, **fields):
        response = self.client.post("/__mock/pages/do", data=fields, headers=OWN)
        assert response.status_code == status, response.text
        return response


def text_in(page):
    """Return the visible text of a page, in one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())
