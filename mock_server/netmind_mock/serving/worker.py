"""One lane for the quick; whoever has to wait steps aside.

Python runs on one thread at a time, so granian answers twice as fast with one thread as with many that
contend for the interpreter. But on one thread whatever waits holds up everybody. So requests are answered
in a lane, by one thread after the other, and nothing waits in the lane:

* An answer that is to be sent later (``HOLD``) is computed in the lane; one thread sends all of these.
* A result file, which takes long to render, is answered on a thread of its own.
* A body that is large, or of unknown length, is read beside the lane, by a thread that is not in it.
* A small body is read in the lane, since it has nearly always arrived together with its head.
* An owner that is at one thing for longer than ``STALL_SECONDS`` (a little more on an idle server), such as a
  body that does not come or a database that does not answer, loses the lane to another thread, and goes on
  beside it. While there is such a thread, bodies are read beside the lane.

granian calls a :class:`Lane` on its own threads, of which it starts one more whenever all are at work. A body
has to be read on the thread that brought it, before that returns to granian. The lane's owner returns for
the next request. A thread that brings one while the owner is at work hands it over and stays, as a deputy,
until the lane needs another owner: so that only one thread competes for the interpreter.
"""

from __future__ import annotations

import heapq
import io
import itertools
import logging
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from netmind_mock.api.request import KEY, MAX_BODY_BYTES, RequestContext, whole_response
from netmind_mock.serving import wire_faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from netmind_mock.clock import Clock
    from netmind_mock.simulation.faults import Delivery

    Environ = dict[str, Any]
    Headers = list[tuple[str, str]]
    Answer = tuple[int, Headers, bytes]
    Now = Callable[[], float]
    Moment = tuple[float, Now]  # what a clock has to show, and the clock

THREADS = 128
SMALL_BODY_BYTES = 64 * 1024
STALL_SECONDS = 0.02

_IDLE_WATCH_SECONDS = 0.1
_HELD_TICK_SECONDS = 0.005
_JSON: Headers = [("content-type", "application/json")]
_COME_AGAIN: Headers = [*_JSON, ("retry-after", "1")]
_TOO_MANY = b'{"message":"Too many requests whose bodies have not arrived"}'
_BASE_ENVIRON: dict[str, Any] = {
    "SCRIPT_NAME": "",
    "wsgi.errors": sys.stderr,
    "wsgi.input_terminated": True,
    "wsgi.multiprocess": False,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.version": (1, 0),
}

_log = logging.getLogger("netmind_mock")


class Reply(Protocol):
    """What granian hands out with a request: the answer may be sent from any thread, at any time, once."""

    def response_bytes(self, status: int, headers: Headers, body: bytes) -> None:
        """Send the answer."""
        ...


class Lane:
    """Answers requests with a WSGI application, as granian's WSGI worker calls it.

    ``_owner`` is the thread that the lane belongs to, also while it waits for granian's next request
    (``_working`` is false then). It is None after the owner stepped aside, until another takes over.
    """

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        slow_path: Callable[[str], bool],
        threads: int = THREADS,
        relay_secret: str = "",
    ) -> None:
        """An empty lane.

        Args:
            app: The WSGI application.
            slow_path: Whether requests for a path take long enough to be answered on a thread of their own.
            threads: How many threads granian may call the lane on.
            relay_secret: That of the relay before the server, which carries out how answers arrive; empty if
                there is none.
        """
        self._relay_secret = relay_secret
        self._app = app
        self._held = Held()
        self._slow_path = slow_path
        self._most_beside = threads - 2
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._owner: int | None = None
        self._working = False
        self._busy_since: float | None = None  # since when the owner has been at one thing
        self._beside: set[int] = set()  # threads that read a body, or answer, beside the lane
        self._watched = False  # whether a deputy looks after the owner
        self._waiting: deque[tuple[Reply, Environ]] = deque()

    def __call__(self, reply: Reply, environ: Environ) -> None:
        """Answer a request, now or later; return when this thread is wanted for the next."""
        me = threading.get_ident()
        try:
            self._serve(me, reply, environ)
        except BaseException:
            with self._lock:
                self._beside.discard(me)
                if self._owner == me:  # leave the lane to a deputy, or to the next thread
                    self._owner, self._working, self._busy_since = None, False, None
                    self._changed.notify()
            raise

    def _serve(self, me: int, reply: Reply, environ: Environ) -> None:
        length = _body_length(environ)
        if length and not self._read_body(me, environ, length):
            reply.response_bytes(503, [*_COME_AGAIN, ("connection", "close")], _TOO_MANY)
            return
        with self._lock:
            self._waiting.append((reply, environ))
            if self._working and self._owner != me:
                self._stand_by(me)
            else:
                self._owner, self._working = me, True
        while request := self._next_request(me):
            self._drive(*request)

    def _next_request(self, me: int) -> tuple[Reply, Environ] | None:
        """What this thread does next; None if that is to ask granian."""
        with self._lock:
            if self._owner != me:  # it lost the lane while it answered
                self._beside.discard(me)
                return None
            if self._waiting:
                self._busy_since = time.monotonic()
                return self._waiting.popleft()
            self._working, self._busy_since = False, None
            return None

    def _stand_by(self, me: int) -> None:
        """Wait, as a deputy, until the lane needs an owner, and be it. Deputies but one sleep."""
        while self._owner is not None and not self._stalled():
            if self._watched:
                self._changed.wait()
                continue
            self._watched = True
            self._changed.wait(STALL_SECONDS if self._working else _IDLE_WATCH_SECONDS)
            self._watched = False
        if self._owner is not None:  # it waits for something: from now on it does so beside the lane
            self._beside.add(self._owner)
        self._owner, self._working, self._busy_since = me, True, None
        self._changed.notify()

    def _stalled(self) -> bool:
        """Whether the owner has been at one thing for too long."""
        since = self._busy_since
        return since is not None and time.monotonic() - since >= STALL_SECONDS

    def _read_body(self, me: int, environ: Environ, length: int) -> bool:
        """Put the whole body in the place of its stream; False if too many wait for theirs already.

        A body that is over the limit is left where it is: the application refuses it unread.
        """
        if length > MAX_BODY_BYTES:
            return True
        with self._lock:
            in_lane = 0 < length <= SMALL_BODY_BYTES and not self._beside and not self._working
            if in_lane:
                self._owner, self._working = me, True
                self._busy_since = time.monotonic()
            elif len(self._beside) >= self._most_beside:
                return False
            else:
                self._beside.add(me)
                if self._owner == me:  # leave the lane to a deputy
                    self._owner, self._working = None, False
                    self._changed.notify()
        try:
            content = environ["wsgi.input"].read(length if length > 0 else MAX_BODY_BYTES + 1)
            environ["wsgi.input"] = io.BytesIO(content)
        finally:
            with self._lock:
                self._beside.discard(me)
                if self._owner == me:
                    self._busy_since = None
        return True

    def _drive(self, reply: Reply, environ: Environ) -> None:
        """Answer a request on this thread, or start one for it; if that fails, answer that it did."""
        try:
            if self._slow_path(environ["PATH_INFO"]):
                threading.Thread(target=self._answer, args=(reply, environ), daemon=True).start()
            else:
                self._answer(reply, environ)
        except RuntimeError:  # the machine has no thread left
            _log.exception("a request could not be answered")
            reply.response_bytes(503, _COME_AGAIN, b'{"message":"The fake is out of threads"}')

    def _answer(self, reply: Reply, environ: Environ) -> None:
        """Run the application and send its answer, or have it sent when its moment has come."""
        course = _Course(self._relay_secret)
        try:
            environ |= _BASE_ENVIRON  # nothing of granian's is among it
            environ[KEY] = context = RequestContext(sends_later=True)
            status, headers, body = whole_response(self._app, environ)
            if context.held_until is not None:
                course.hold(*context.held_until)
            if context.delivery is not None:
                course.deliver(context.delivery)
            answer = int(status[:3]), headers if course.told is None else [*headers, course.told], body
        except Exception:  # noqa: BLE001 - the last resort: a client is never left without an answer
            _log.exception("the application raised")
            answer = 500, _JSON, b'{"message":"Internal error of the fake"}'
        moment = course.due
        if moment is None:
            reply.response_bytes(*answer)
        else:
            self._held.add(moment, reply, answer)


class _Course:
    """How one answer is to be sent: once a clock has come to a moment, or as the relay is told."""

    __slots__ = ("_secret", "moment", "told", "wait")

    def __init__(self, relay_secret: str) -> None:
        self._secret = relay_secret
        self.moment: Moment | None = None
        self.told: tuple[str, str] | None = None
        self.wait: float | None = None  # real seconds after that

    @property
    def due(self) -> Moment | None:
        """When the answer is to be sent; None for now."""
        if self.wait is None:
            return self.moment
        if self.moment is None:
            return time.monotonic() + self.wait, time.monotonic
        return 0.0, _Afterwards(self.moment, self.wait)

    def hold(self, moment: float, clock: Clock) -> None:
        """Send the response no sooner; the latest moment counts."""
        if self.moment is None or moment > self.moment[0]:
            self.moment = moment, clock.now

    def deliver(self, delivery: Delivery) -> None:
        """Send it as a fault has it."""
        if self._secret:
            self.told = wire_faults.told(delivery, self._secret)
        else:
            self.wait = delivery.wait


class _Afterwards:
    """Shows 0 or more once a clock has come to a moment, and some real seconds have passed since."""

    def __init__(self, moment: Moment, wait: float) -> None:
        self._moment, self._clock_now = moment
        self._wait = wait
        self._until: float | None = None

    def __call__(self) -> float:
        if self._until is None:
            if self._clock_now() < self._moment:
                return -1.0
            self._until = time.monotonic() + self._wait
        return time.monotonic() - self._until


class Held:
    """Answers that are to be sent later. One thread sends them all, and is there while there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        # By the clock that each waits for: clocks can be steered, each by itself.
        self._answers: dict[Now, list[tuple[float, int, Reply, Answer]]] = {}
        self._sending = False

    def add(self, moment: Moment, reply: Reply, answer: Answer) -> None:
        """Send the answer once the moment has come.

        Raises:
            RuntimeError: The machine has no thread left.
        """
        with self._lock:
            if not self._sending:
                threading.Thread(target=self._send, daemon=True).start()
                self._sending = True
            queue = self._answers.setdefault(moment[1], [])
            heapq.heappush(queue, (moment[0], next(self._numbers), reply, answer))

    def _send(self) -> None:
        pause = threading.Event()
        while due := self._due():
            for _, _, reply, answer in due[0]:
                reply.response_bytes(*answer)
            pause.wait(_HELD_TICK_SECONDS)

    def _due(self) -> tuple[list[tuple[float, int, Reply, Answer]]] | None:
        """The answers whose moment has come, in a tuple; None if there are no more to wait for."""
        with self._lock:
            if not self._answers:
                self._sending = False
                return None
            due = []
            for now, queue in list(self._answers.items()):
                while queue and queue[0][0] <= now():
                    due.append(heapq.heappop(queue))
                if not queue:
                    del self._answers[now]
            return (due,)


def _body_length(environ: Environ) -> int:
    """How many bytes of body a POST announces, 0 for none; -1 if it has one and does not say."""
    if environ["REQUEST_METHOD"] != "POST":
        return 0
    if "HTTP_TRANSFER_ENCODING" in environ:
        return -1
    length: str = environ.get("CONTENT_LENGTH", "")
    return int(length) if length.isdecimal() else 0
