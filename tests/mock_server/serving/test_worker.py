"""The lane: one thread at a time, and nobody who waits holds up another."""

import queue
import threading

import pytest

from netmind_mock import SteerableClock
from netmind_mock.api.request import KEY, MAX_BODY_BYTES
from netmind_mock.serving.worker import SMALL_BODY_BYTES, Held, Lane
from netmind_mock.simulation.faults import Delivery

WITHIN = 10.0  # seconds after which a test gives up; none takes that long unless it fails


class Reply:
    """Keeps the answer that the lane sends."""

    def __init__(self):
        self._answers = queue.Queue()

    def response_bytes(self, status, headers, body):
        self._answers.put((status, dict(headers), body))

    @property
    def answer(self):
        return self._answers.get(timeout=WITHIN)

    @property
    def answered(self):
        return not self._answers.empty()


class Stream:
    """A body that arrives when the test says so."""

    def __init__(self, content):
        self.content = content
        self.asked = threading.Event()
        self.arrive = threading.Event()

    def read(self, size):
        self.reader = threading.get_ident()
        self.asked.set()
        assert self.arrive.wait(WITHIN)
        return self.content[:size]


def standing_clock():
    clock = SteerableClock(wall=lambda: 0.0)
    clock.freeze()
    return clock


def environ(path="/", method="GET", **more):
    asked = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": "", "clock": standing_clock()}
    return {**asked, **more}


def with_body(stream, length=4, path="/"):
    return environ(path, "POST", **{"wsgi.input": stream, "CONTENT_LENGTH": str(length)})


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/broken":
        raise RuntimeError("broken")
    if path in ("/held", "/held-and-late"):
        environ[KEY].hold(77.0, environ["clock"])
    if path in ("/late", "/held-and-late"):
        environ[KEY].delivery = Delivery(200, [], b"", wait=0.2)
    if path == "/busy":
        environ["began"].set()
        assert environ["finish"].wait(WITHIN)
    body = environ["wsgi.input"].read(10).decode() if environ["REQUEST_METHOD"] == "POST" else ""
    start_response("200 OK", [("x-thread", str(threading.get_ident()))])
    return [f"{path} {body}".strip().encode()]


@pytest.fixture
def lane():
    return Lane(app, slow_path=lambda path: path.startswith("/slow"), threads=4)


@pytest.fixture
def call(lane):
    """Calls the lane on a thread, as granian does; returns the reply and the thread."""
    threads = []

    def call(environ):
        reply = Reply()
        thread = threading.Thread(target=lane, args=(reply, environ), daemon=True)
        threads.append(thread)
        thread.start()
        return reply, thread

    return call


def test_a_request_is_answered_on_the_thread_that_brought_it(lane):
    reply = Reply()
    lane(reply, environ("/quick"))
    assert reply.answer == (200, {"x-thread": str(threading.get_ident())}, b"/quick")


def test_a_body_that_is_there_is_read_in_the_lane(lane):
    stream = Stream(b"body")
    stream.arrive.set()
    reply = Reply()
    lane(reply, with_body(stream))
    assert reply.answer[2] == b"/ body"


def test_an_application_that_raises_is_answered_with_500(lane, caplog):
    reply = Reply()
    lane(reply, environ("/broken"))
    assert reply.answer == (
        500,
        {"content-type": "application/json"},
        b'{"message":"Internal error of the fake"}',
    )
    assert "the application raised" in caplog.text


def test_an_answer_that_is_held_does_not_keep_the_lane(lane):
    held, quick, clock = Reply(), Reply(), standing_clock()
    lane(held, environ("/held", clock=clock))
    lane(quick, environ("/quick"))
    assert quick.answer[2] == b"/quick"
    assert not held.answered
    clock.advance(77)
    assert held.answer[2] == b"/held"


def test_held_answers_wait_for_their_own_clocks(lane):
    one, other = standing_clock(), standing_clock()
    first, second = Reply(), Reply()
    lane(first, environ("/held", clock=one))
    lane(second, environ("/held", clock=other))
    other.advance(77)
    assert second.answer[2] == b"/held"
    assert not first.answered
    one.advance(77)
    assert first.answer[2] == b"/held"


def test_a_delivery_that_waits_is_held_in_real_time(lane):
    late, quick = Reply(), Reply()
    lane(late, environ("/late"))
    lane(quick, environ("/quick"))
    assert quick.answer[2] == b"/quick"
    assert late.answer[2] == b"/late"


def test_a_delivery_that_waits_does_so_after_the_clock_has_come(lane):
    reply, clock = Reply(), standing_clock()
    lane(reply, environ("/held-and-late", clock=clock))
    quick = Reply()
    lane(quick, environ("/late"))
    assert quick.answer[2] == b"/late"
    assert not reply.answered  # in real time it would be due as well
    clock.advance(77)
    assert reply.answer[2] == b"/held-and-late"


def test_a_slow_path_is_answered_on_a_thread_of_its_own(lane):
    reply = Reply()
    lane(reply, environ("/slow/file"))
    assert reply.answer[1]["x-thread"] != str(threading.get_ident())


def test_a_body_that_does_not_come_holds_up_nobody(call):
    stalled = Stream(b"late")
    late, _ = call(with_body(stalled))
    assert stalled.asked.wait(WITHIN)
    for number in range(3):
        reply, _ = call(environ(f"/quick{number}"))
        assert reply.answer[2] == f"/quick{number}".encode()
    assert not late.answered
    stalled.arrive.set()
    assert late.answer[2] == b"/ late"


def test_an_answer_that_takes_long_holds_up_nobody(call):
    began, finish = threading.Event(), threading.Event()
    busy, thread = call(environ("/busy", began=began, finish=finish))
    assert began.wait(WITHIN)
    for number in range(3):
        reply, _ = call(environ(f"/quick{number}"))
        assert reply.answer[2] == f"/quick{number}".encode()
    assert not busy.answered
    finish.set()
    assert busy.answer[2] == b"/busy"
    thread.join(WITHIN)  # it goes back to granian
    assert not thread.is_alive()
    again, _ = call(environ("/quick"))
    assert again.answer[2] == b"/quick"


def test_whatever_takes_long_the_last_thread_answers_the_others(call):
    streams = [Stream(b"late") for _ in range(3)]
    replies = []
    for stream in streams:  # the first in the lane, the others beside it: as many as may be
        replies.append(call(with_body(stream))[0])
        assert stream.asked.wait(WITHIN)
    for _ in range(2):
        quick, _ = call(environ("/quick"))
        assert quick.answer[2] == b"/quick"
    for stream, reply in zip(streams, replies, strict=True):
        stream.arrive.set()
        assert reply.answer[2] == b"/ late"


def test_while_a_body_is_missing_others_are_read_beside_the_lane(call):
    streams = [Stream(b"late") for _ in range(2)]
    replies = []
    for stream in streams:
        replies.append(call(with_body(stream))[0])
        assert stream.asked.wait(WITHIN)
        quick, _ = call(environ("/quick"))
        assert quick.answer[2] == b"/quick"
    for stream, reply in zip(streams, replies, strict=True):
        stream.arrive.set()
        assert reply.answer[2] == b"/ late"


@pytest.mark.parametrize(
    "more", [{"CONTENT_LENGTH": str(SMALL_BODY_BYTES + 1)}, {"HTTP_TRANSFER_ENCODING": "chunked"}]
)
def test_a_large_or_endless_body_is_read_beside_the_lane(call, more):
    stream = Stream(b"big")
    big, _ = call({**environ("/", "POST"), "wsgi.input": stream, **more})
    assert stream.asked.wait(WITHIN)
    quick, _ = call(environ("/quick"))
    assert quick.answer[2] == b"/quick"
    stream.arrive.set()
    assert big.answer[2] == b"/ big"


def test_a_body_is_read_on_the_thread_that_brought_it(call):
    """granian waits, with the interpreter locked, for a body that another thread still reads."""
    began, finish = threading.Event(), threading.Event()
    busy, _ = call(environ("/busy", began=began, finish=finish))
    assert began.wait(WITHIN)
    stream = Stream(b"body")
    stream.arrive.set()
    reply, thread = call(with_body(stream))
    assert stream.asked.wait(WITHIN)
    assert stream.reader == thread.ident
    finish.set()
    assert (busy.answer[2], reply.answer[2]) == (b"/busy", b"/ body")


def test_a_body_over_the_limit_is_left_to_the_application_unread(lane):
    class Unread:
        def read(self, size):
            return b"%d" % size

    reply = Reply()
    lane(reply, with_body(Unread(), MAX_BODY_BYTES + 1))
    assert reply.answer[2] == b"/ 10"


def test_when_too_many_bodies_are_missing_the_next_is_refused_and_gets_go_on(call):
    streams = [Stream(b"late") for _ in range(2)]
    replies = []
    for stream in streams:
        replies.append(call(with_body(stream, SMALL_BODY_BYTES + 1))[0])
        assert stream.asked.wait(WITHIN)
    refused, _ = call(with_body(Stream(b"never read")))
    status, headers, body = refused.answer
    assert (status, headers["retry-after"]) == (503, "1")
    assert body == b'{"message":"Too many requests whose bodies have not arrived"}'
    quick, _ = call(environ("/quick"))
    assert quick.answer[2] == b"/quick"
    for stream in streams:
        stream.arrive.set()
    assert [reply.answer[2] for reply in replies] == [b"/ late", b"/ late"]
    again = Stream(b"body")
    again.arrive.set()
    accepted, _ = call(with_body(again, SMALL_BODY_BYTES + 1))
    assert accepted.answer[0] == 200


def test_held_answers_are_sent_in_the_order_of_their_moments_by_one_thread():
    now, sent = [0.0], queue.Queue()

    class Named:
        def __init__(self, name):
            self.name = name

        def response_bytes(self, *_):
            sent.put((self.name, threading.get_ident()))

    held = Held()

    def clock():
        return now[0]

    for name, moment in (("late", 20.0), ("soon", 10.0), ("soon as well", 10.0)):
        held.add((moment, clock), Named(name), (200, [], b""))
    now[0] = 10.0
    first, second = sent.get(timeout=WITHIN), sent.get(timeout=WITHIN)
    now[0] = 20.0
    third = sent.get(timeout=WITHIN)
    assert [name for name, _ in (first, second, third)] == ["soon", "soon as well", "late"]
    assert len({thread for _, thread in (first, second, third)}) == 1


class Broken:
    """A body that breaks when it is read."""

    def read(self, _size):
        raise OSError("cut")


def call_and_fail(lane, reply, asked):
    """Calls the lane on a thread of its own, and takes what it raises."""
    failures = []

    def run():
        try:
            lane(reply, asked)
        except OSError as error:
            failures.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(WITHIN)
    return failures


@pytest.mark.parametrize("length", [4, SMALL_BODY_BYTES + 1])
def test_a_body_that_breaks_leaves_the_lane_to_others(lane, call, length):
    assert call_and_fail(lane, Reply(), with_body(Broken(), length)) == ["cut"]
    reply, _ = call(environ("/quick"))
    assert reply.answer[2] == b"/quick"


def test_an_answer_that_cannot_be_sent_leaves_the_lane_to_others(lane, call):
    class Gone:
        def response_bytes(self, *_):
            raise OSError("gone")

    assert call_and_fail(lane, Gone(), environ("/quick")) == ["gone"]
    reply, _ = call(environ("/quick"))
    assert reply.answer[2] == b"/quick"


@pytest.mark.parametrize("path", ["/slow/file", "/held"])
def test_where_there_is_no_thread_left_the_request_is_answered_and_the_lane_goes_on(
    lane, monkeypatch, caplog, path
):
    def start(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("netmind_mock.serving.worker.threading.Thread.start", start)
    refused, quick = Reply(), Reply()
    lane(refused, environ(path))
    lane(quick, environ("/quick"))
    assert (refused.answer[0], quick.answer[0]) == (503, 200)
    assert "a request could not be answered" in caplog.text


def test_many_threads_at_once_are_all_answered(call):
    streams = [Stream(b"body") for _ in range(30)]
    for stream in streams:
        stream.arrive.set()
    replies = [call(with_body(stream, path=f"/{number}"))[0] for number, stream in enumerate(streams)]
    assert [reply.answer[2] for reply in replies] == [f"/{number} body".encode() for number in range(30)]
