"""An application on a clock that is frozen until a test advances it."""

import pytest

from netmind_mock import SimulatedClock, create_app


@pytest.fixture
def clock():
    clock = SimulatedClock()
    clock.freeze()
    return clock


@pytest.fixture
def app(clock):
    return create_app(profile="observed", duration=60, clock=clock)
