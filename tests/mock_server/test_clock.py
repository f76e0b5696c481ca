"""The clock runs at a speed, can be frozen and advanced, and never goes back."""

import threading
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmind_mock import SimulatedClock
from netmind_mock.clock import LAST_SECOND


class Monotonic:
    """A monotonic clock that a test sets."""

    def __init__(self):
        self.seconds = 50.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def real():
    return Monotonic()


def test_it_starts_at_the_time_of_the_system_clock(real):
    assert SimulatedClock(wall=lambda: 1000.0, monotonic=real).now() == 1000.0


def test_it_follows_the_monotonic_clock_and_not_the_system_clock(real):
    wall = [1000.0]
    clock = SimulatedClock(wall=lambda: wall[0], monotonic=real)
    wall[0] = 0.0  # the system clock is set back
    real.seconds += 5
    assert clock.now() == 1005.0


def test_its_speed_multiplies_time(real):
    clock = SimulatedClock(speed=60, wall=lambda: 1000.0, monotonic=real)
    real.seconds += 2
    assert clock.now() == 1120.0


def test_a_change_of_speed_holds_from_then_on(real):
    clock = SimulatedClock(wall=lambda: 1000.0, monotonic=real)
    real.seconds += 5
    clock.set_speed(10)
    real.seconds += 1
    assert (clock.now(), clock.speed) == (1015.0, 10)


def test_a_frozen_clock_can_still_be_advanced(real):
    clock = SimulatedClock(wall=lambda: 1000.0, monotonic=real)
    clock.freeze()
    real.seconds += 100
    clock.advance(3)
    assert (clock.now(), clock.frozen) == (1003.0, True)


def test_a_resumed_clock_continues_from_its_time(real):
    clock = SimulatedClock(wall=lambda: 1000.0, monotonic=real)
    clock.freeze()
    real.seconds += 100
    clock.resume()
    real.seconds += 1
    assert (clock.now(), clock.frozen) == (1001.0, False)


@pytest.mark.parametrize("speed", [0, -1, float("inf"), float("nan")])
def test_a_speed_that_is_not_a_positive_number_is_refused(speed):
    with pytest.raises(ValueError, match="a clock's speed is a positive number, not"):
        SimulatedClock(speed=speed)
    with pytest.raises(ValueError, match="a clock's speed is a positive number, not"):
        SimulatedClock().set_speed(speed)


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan")])
def test_it_cannot_go_back(seconds):
    with pytest.raises(ValueError, match="a clock goes forward by 0 seconds or more"):
        SimulatedClock().advance(seconds)


def test_waiting_for_a_past_moment_returns_at_once():
    clock = SimulatedClock()
    clock.wait_until(clock.now() - 1)


def test_waiting_takes_real_time_at_the_clocks_speed():
    clock = SimulatedClock(speed=100_000)
    moment = clock.now() + 1000
    clock.wait_until(moment)
    assert clock.now() >= moment


def test_a_thread_that_waits_on_a_frozen_clock_is_woken_when_it_is_advanced():
    clock = SimulatedClock()
    clock.freeze()
    waiter = threading.Thread(target=clock.wait_until, args=(clock.now() + 3600,))
    waiter.start()
    clock.advance(3600)
    waiter.join(timeout=10)
    assert not waiter.is_alive()


steps = st.one_of(
    st.tuples(st.just("pass"), st.floats(0, 1e6)),
    st.tuples(st.just("advance"), st.floats(0, 1e6)),
    st.tuples(st.just("set_speed"), st.floats(0.001, 1e4)),
    st.tuples(st.sampled_from(["freeze", "resume"])),
)


@given(st.lists(steps))
def test_no_sequence_of_changes_makes_it_go_back(done):
    real = Monotonic()
    clock = SimulatedClock(wall=lambda: 1000.0, monotonic=real)
    before = clock.now()
    for name, *arguments in done:
        if name == "pass":
            real.seconds += arguments[0]
        else:
            getattr(clock, name)(*arguments)
        assert clock.now() >= before
        before = clock.now()


@pytest.mark.parametrize("speed", [1e6, 1e9, 1e300])
def test_it_stops_before_the_dates_that_cannot_be_shown(real, speed):
    clock = SimulatedClock(speed=speed, wall=lambda: 1000.0, monotonic=real)
    real.seconds += 1e9
    assert clock.now() == LAST_SECOND
    clock.advance(1e300)
    clock.set_speed(1)
    assert clock.now() == LAST_SECOND
    clock.freeze()
    clock.advance(1e300)
    assert clock.now() == LAST_SECOND
    assert datetime.fromtimestamp(LAST_SECOND, UTC).year == 9000


def test_it_can_start_at_a_time(real):
    clock = SimulatedClock(start=2000.0, wall=lambda: 1000.0, monotonic=real)
    real.seconds += 5
    assert clock.now() == 2005.0
