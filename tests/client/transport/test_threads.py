"""Tasks on daemon threads."""

import threading

import pytest

from netmind_client._transport import threads


def test_if_a_thread_cannot_be_started_no_more_tasks_begin(monkeypatch):
    started, done, start = [], [], threading.Thread.start

    def limited(thread):
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    go_on = threading.Event()

    def do(number, _stop):
        go_on.wait(5)
        done.append(number)

    with pytest.raises(RuntimeError, match="can't start new thread"):  # noqa: SIM117 - the inner one raises
        with threads.results(30, 30, do, lambda: False):
            raise AssertionError
    go_on.set()
    for thread in started:
        thread.join()
    assert len(done) == 2
