"""Connections that keep the deadline, and connection classes that are not replaced."""

import threading

import pytest
import requests
import urllib3
from urllib3.connection import HTTPConnection

from netmind_client._transport import deadline


def pool_of(adapter, url):
    request = requests.Request("GET", url).prepare()
    return adapter.get_connection_with_tls_context(request, verify=True)


@pytest.mark.parametrize("url", ["http://h/", "https://h/"])
def test_a_pool_of_urllib3s_own_connections_is_bounded(url):
    assert issubclass(pool_of(deadline.BoundedAdapter(), url).ConnectionCls, deadline._Bounded)


def test_connections_of_a_recording_library_are_kept(monkeypatch):
    class Recorded(HTTPConnection):
        pass

    monkeypatch.setattr(urllib3.HTTPConnectionPool, "ConnectionCls", Recorded)
    assert pool_of(deadline.BoundedAdapter(), "http://h/").ConnectionCls is Recorded


def test_each_thread_has_its_own_deadline():
    left = []
    with deadline.within(0.0), pytest.raises(TimeoutError):
        deadline.current().left()
    with deadline.within(0.0):
        other = threading.Thread(target=lambda: left.append(deadline.current().left()))
        other.start()
        other.join()
    assert left == [float("inf")]
    assert deadline.current().left() == float("inf")


def test_an_abandoned_function_is_cleaned_up_when_it_has_ended():
    go_on, closed = threading.Event(), threading.Event()
    with pytest.raises(TimeoutError):
        deadline._on_a_thread(lambda: go_on.wait(5), closed.set, 0.01)
    assert not closed.is_set()
    go_on.set()
    assert closed.wait(5)


def test_an_exception_in_time_is_raised_in_the_caller():
    def fail():
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        deadline._on_a_thread(fail, lambda: None, 5.0)


def test_a_request_sent_while_another_is_received_keeps_the_outer_deadline():
    with deadline.within(1000.0) as outer:
        with deadline.within(5.0):
            assert deadline.current().left() < 6
        assert deadline.current() is outer
        assert deadline.current().left() > 900
