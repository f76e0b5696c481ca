"""The virtual clock: it advances when code sleeps, and does not affect Python's own modules."""

import asyncio
import datetime
import logging
import sys
import threading
import time
import types

import freezegun
import pytest

from netmind_mock import VirtualClock
from netmind_mock.system_time import system_time

NOON = 1_758_186_860.0


@pytest.fixture
def clock():
    clock = VirtualClock(NOON)
    yield clock
    clock.unpatch_sleep()


@pytest.fixture
def module():
    """A module that imported names from ``time`` and ``asyncio``, as code under test may do."""
    module = types.ModuleType("code_under_test")
    exec(  # noqa: S102 - the code is above
        "import time, asyncio\nfrom time import sleep, monotonic as now\nfrom asyncio import sleep as nap\n"
        "def through_names():\n    began = now(); sleep(3); return now() - began\n"
        "def through_modules():\n    began = time.monotonic(); time.sleep(4); return time.monotonic() - began\n"
        "async def napping():\n    await nap(5); await asyncio.sleep(6)\n"
        "def clocks():\n    return time.time(), time.time_ns(), time.perf_counter(), time.perf_counter_ns(), time.monotonic_ns()\n",
        module.__dict__,
    )  # fmt: skip
    sys.modules["code_under_test"] = module
    yield module
    del sys.modules["code_under_test"]


def test_it_advances_only_when_code_sleeps(clock):
    assert (clock.now(), clock.elapsed) == (NOON, 0.0)
    clock.sleep(1200)
    assert (clock.now(), clock.elapsed, clock.monotonic(), clock.time()) == (
        NOON + 1200,
        1200.0,
        1200.0,
        NOON + 1200,
    )


def test_it_can_be_set_to_a_saved_state(clock):
    clock.advance(0.000_001)
    before = clock.state()
    clock.advance(100)
    clock.set_state(before)
    assert clock.elapsed == 0.000_001


def test_a_negative_sleep_raises(clock):
    with pytest.raises(ValueError, match="sleep length must be non-negative"):
        clock.sleep(-1)


def test_waiting_for_a_moment_advances_it_to_this_moment(clock):
    clock.wait_until(NOON + 60)
    clock.wait_until(NOON + 30)
    assert clock.elapsed == 60


def test_imported_names_are_replaced(clock, module):
    clock.patch_sleep()
    began = time.perf_counter
    assert (module.through_names(), module.through_modules()) == (3.0, 4.0)
    assert clock.elapsed == 7.0
    assert began is time.perf_counter


def test_all_clocks_are_replaced(clock, module):
    clock.patch_sleep()
    clock.sleep(2)
    assert module.clocks() == (NOON + 2, (int(NOON) + 2) * 10**9, 2.0, 2 * 10**9, 2 * 10**9)


def test_asyncio_sleep_is_replaced(clock, module):
    clock.patch_sleep()
    asyncio.run(module.napping())
    assert clock.elapsed == 11.0


def test_concurrent_tasks_share_virtual_time(clock):
    order = []

    async def sleeper(name, *pauses):
        for pause in pauses:
            await clock.async_sleep(pause)
            order.append((name, clock.elapsed))

    async def both():
        await asyncio.gather(sleeper("a", 10, 10), sleeper("b", 3, 3, 15))

    asyncio.run(both())
    assert order == [("b", 3.0), ("b", 6.0), ("a", 10.0), ("a", 20.0), ("b", 21.0)]


def test_the_clock_waits_for_a_task_that_works_between_its_sleeps(clock):
    ticks = []

    async def nothing():
        return None

    async def ticker():
        for _ in range(5):
            await clock.async_sleep(1)
            await asyncio.create_task(nothing())
            ticks.append(clock.elapsed)

    async def both():
        await asyncio.gather(ticker(), clock.async_sleep(10))

    asyncio.run(both())
    assert (ticks, clock.elapsed) == ([1.0, 2.0, 3.0, 4.0, 5.0], 10.0)


def test_a_name_that_was_imported_while_patched_uses_real_time_later(clock, module):
    clock.patch_sleep()
    late = types.ModuleType("late")
    exec("from time import sleep, monotonic", late.__dict__)  # noqa: S102 - the code is above
    clock.unpatch_sleep()
    assert late.monotonic() == pytest.approx(time.monotonic(), abs=5)
    other = VirtualClock()
    with other.patch_sleep():
        late.sleep(7)
        module.sleep(2)
    assert (clock.elapsed, other.elapsed) == (0.0, 9.0)


def test_of_two_clocks_the_last_one_is_used(clock, module):
    other = VirtualClock()
    clock.patch_sleep()
    other.patch_sleep()
    module.sleep(5)
    time.sleep(7)
    clock.unpatch_sleep()
    module.sleep(1)
    other.unpatch_sleep()
    assert (clock.elapsed, other.elapsed) == (0.0, 13.0)
    assert module.sleep is time.sleep
    assert not hasattr(time.sleep, "__wrapped__")


def test_an_infinite_sleep_does_not_advance_the_clock(clock):
    async def main():
        forever = asyncio.create_task(clock.async_sleep(float("inf")))
        await clock.async_sleep(5)
        forever.cancel()

    asyncio.run(main())
    assert clock.elapsed == 5.0


def test_a_cancelled_task_does_not_delay_others(clock):
    async def main():
        sleeper = asyncio.create_task(clock.async_sleep(1))
        other = asyncio.create_task(clock.async_sleep(5))
        await asyncio.sleep(0)
        sleeper.cancel()
        await other

    asyncio.run(main())
    assert clock.elapsed == 5.0


def test_async_sleep_returns_the_result(clock):
    assert asyncio.run(clock.async_sleep(1, "done")) == "done"


def test_pythons_own_modules_keep_real_time(clock):
    clock.patch_sleep()
    event = threading.Event()
    assert event.wait(0.01) is False
    assert clock.elapsed == 0.0


@pytest.mark.slow
def test_a_frozen_date_changes_nothing_for_later_tests(module):
    """The names that freezegun replaces are read when a clock is connected, not when it was imported."""
    with freezegun.freeze_time("2026-01-01 12:00:00"):
        frozen = VirtualClock()
        frozen.patch_sleep()
        frozen.sleep(5)
        assert time.time() == frozen.time() == 1_767_268_805.0
        frozen.unpatch_sleep()
        assert time.time() == 1_767_268_800.0
    assert time.monotonic() == pytest.approx(system_time.monotonic(), abs=1)
    assert module.now() == pytest.approx(system_time.monotonic(), abs=1)


@pytest.mark.slow
def test_it_starts_at_the_date_of_its_first_reading():
    clock = VirtualClock()
    with freezegun.freeze_time("2026-01-01 12:00:00"):
        assert clock.now() == 1_767_268_800.0
    assert clock.now() == 1_767_268_800.0


def test_everything_is_restored(clock, module):
    before = (time.sleep, time.monotonic, time.time, asyncio.sleep, module.sleep, module.nap)
    clock.patch_sleep()
    assert module.sleep is not before[4]
    clock.unpatch_sleep()
    assert (time.sleep, time.monotonic, time.time, asyncio.sleep, module.sleep, module.nap) == before


def test_it_can_be_limited_to_a_with_block(clock, module):
    with clock.patch_sleep():
        module.through_names()
    assert module.sleep is time.sleep
    assert clock.elapsed == 3.0


def test_patching_twice_has_no_effect(clock, module):
    assert clock.patch_sleep() is clock.patch_sleep()
    clock.unpatch_sleep()
    assert module.sleep is time.sleep


def test_datetime_keeps_real_time(clock):
    clock.patch_sleep()
    assert abs(datetime.datetime.now(datetime.UTC).timestamp() - NOON) > 86_400


def test_a_patch_that_outlives_the_clock_does_not_bring_it_back(monkeypatch):
    first = VirtualClock(NOON)
    first.patch_sleep()
    monkeypatch.setattr(time, "time", lambda: 1.0)
    first.unpatch_sleep()
    monkeypatch.undo()
    second = VirtualClock(NOON)
    with second.patch_sleep():
        logging.getLogger("any").warning("hello")  # Python's own module, which reads the real time
        assert time.time() == NOON
    assert time.time() == pytest.approx(system_time.time(), abs=1)
