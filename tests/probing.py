"""A probe of the fake in process, with a clock that advances only when the probe waits."""

from werkzeug.test import Client

from netmind_contracts.probing import calls
from netmind_contracts.probing.budget import Budget
from netmind_contracts.probing.probe import LOCAL, Probe
from netmind_contracts.probing.recorder import RecorderClock
from netmind_contracts.probing.transport import RawResponse
from netmind_mock import SimulatedClock, create_app
from netmind_mock.api.request import KEY as REQUEST
from netmind_mock.api.request import RequestContext

KEY = "a-key-that-nobody-may-see"
BASE_URL = "http://127.0.0.1:8000"
NOON = 1_758_186_860.0


class WsgiTransport:
    """Sends requests to a WSGI application, and records them in ``sent``."""

    def __init__(self, app, clock=None):
        self.client = Client(app)
        self.sent = []
        self.clock = clock

    def send(self, method, url, headers, body, *, within, max_bytes):  # noqa: ARG002 - a call in process takes no time
        self.sent.append((method, url, body))
        context = RequestContext(sends_later=self.clock is not None)
        response = self.client.open(
            url.removeprefix(BASE_URL), base_url=BASE_URL, method=method, headers=dict(headers), data=body,
            environ_overrides={REQUEST: context},
        )  # fmt: skip
        if context.hold is not None:
            # A held response is returned now, and the frozen clock is advanced.
            self.clock.advance(context.hold.due() - self.clock.now())
        content = response.get_data()
        named = {name.lower(): value for name, value in response.headers}
        return RawResponse(
            response.status_code, named, content[:max_bytes], complete=len(content) <= max_bytes
        )


def fake(**options):
    """Return a fake and its frozen clock."""
    clock = SimulatedClock(wall=lambda: NOON)
    clock.freeze()
    return create_app(**{"clock": clock, "seed": 7, "duration": 20, "api_key": [KEY], **options}), clock


def probe_of(app, clock, *, budget=3, transport=None, requests=(), sleep=None, **options):
    """Return a probe that waits on the fake's clock. ``requests`` are created before the default ones."""
    return Probe(
        transport or WsgiTransport(app, clock),
        BASE_URL,
        KEY,
        budget=Budget(budget),
        requests=(*requests, *calls.job_requests()),
        pace=LOCAL,
        clock=RecorderClock(sleep or clock.advance, clock.now, clock.now),
        **options,
    )
