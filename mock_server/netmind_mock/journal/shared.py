"""The request journal of several processes on one store.

A request does not wait for the database: its entry is queued in memory, and a thread writes the queue to the
store every 20 ms, in one batch and without secrets. A process that is killed loses its queue.

A reader must see all requests that ended before it began, also those that another process has only queued. So
it makes all processes write their queues (``collect``):

1. The reader increments a number in the store (``call``).
2. The thread of each process reads the number, then writes its queue, and then stores the number as
   acknowledged by this process (``write``). It reads the number first: an entry that was queued before the
   call is then certainly in the queue that it writes.
3. The reader polls the store until all processes have acknowledged the number. A process that has ended, or
   that does not acknowledge within two seconds, is removed from the list; it is back on the list with its
   next acknowledgement.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import threading
from collections import Counter, defaultdict, deque
from typing import TYPE_CHECKING, Final, TypeAlias

from netmind_mock.clock import boot
from netmind_mock.journal.entries import (
    MAX_BYTES,
    MAX_ENTRIES,
    Total,
    chosen,
    entry_of,
    pack_redacted,
    unpack_raw,
    weight,
)
from netmind_mock.journal.memory import Journal
from netmind_mock.stores import StoredEntry, StoreUnavailable
from netmind_mock.system_time import system_time

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from netmind_mock.journal.entries import Entry, RawEntry
    from netmind_mock.stores.entries import EntryStore

_WRITE_INTERVAL_SECONDS: Final = 0.02
_MAX_QUEUED: Final = 1000  # if the journal has a lower limit; its own limit if that is higher
_POLL_SECONDS: Final = 0.005
_FLUSH_TIMEOUT_SECONDS: Final = 2.0

_log = logging.getLogger("netmind_mock")


class SharedJournal:
    """The last requests to all processes on one store. Safe to use from several threads.

    Methods that read may raise ``StoreUnavailable``. ``add`` does not: entries that cannot be written stay in
    the queue and are written later, within its limit.
    """

    def __init__(
        self,
        entries: EntryStore,
        max_entries: int = MAX_ENTRIES,
        max_bytes: int = MAX_BYTES,
        *,
        after_write: Callable[[], object] = lambda: None,
        wall: Callable[[], float] = system_time.time,
    ) -> None:
        """Create a journal with an empty queue.

        Args:
            entries: Stores the entries of all processes.
            max_entries: How many entries of all processes are stored at most; 0 to store none.
            max_bytes: How many bytes they have at most.
            after_write: Called in the thread after each write.
            wall: The system clock, in seconds since the epoch.
        """
        self._entries = entries
        self._limits = max_entries, max_bytes
        self._after_write = after_write
        self._wall = wall
        # Two locks, so that a request that adds an entry never waits for the database. ``_writing`` is held
        # during a write, so that batches are written one after the other. ``_lock`` protects the queue and
        # the counts, and is held only for moments. Where both are needed, ``_writing`` is acquired first.
        self._writing = threading.Lock()
        self._lock = threading.Lock()
        self._queue: deque[tuple[float, RawEntry]] = deque()  # with the times when the entries were added
        self._replaced: list[RawEntry] = []  # entries that are already written, as they are now
        self._dropped: Counter[str | None] = Counter()  # entries dropped from the queue, by account
        self._name = ""  # of this process in the store's list of writers; empty until the first entry
        self._acknowledged = 0  # the last call that this process has acknowledged

    def add(self, raw: RawEntry) -> None:
        """Queue an entry."""
        if not self._name:
            self._start_writing()
        with self._lock:
            self._queue.append((self._wall(), raw))
            self._limit_queue()

    def replace(self, raw: RawEntry, by: RawEntry) -> None:
        """Replace an entry, since its response was not received or was not as expected.

        An entry that is already written is replaced only if it is of a create, which has the job's id.
        """
        with self._lock:
            is_queued = any(one is raw for _, one in self._queue)
            self._queue = deque((at, by if one is raw else one) for at, one in self._queue)
            if not is_queued and by.operation == "create" and by.job_id:
                self._replaced.append(by)

    def entries(
        self,
        user_id: str | None = None,
        *,
        operation: str | None = None,
        job_id: str | None = None,
        last: int | None = None,
    ) -> list[Entry]:
        """Return entries of all processes, oldest first.

        Args:
            user_id: The account; None for all accounts.
            operation: Only entries of this operation; None for all.
            job_id: Only entries about this job; None for all.
            last: Only this many of the last entries; None for all.
        """
        self.collect()
        stored, dropped = self._entries.read(user_id, *self._limits)
        selected = chosen(stored, dropped, operation, job_id, last)
        return [entry_of(number, unpack_raw(packed)) for number, packed in selected]

    def polls(self, job_ids: Collection[str]) -> dict[str, int]:
        """Return how often each of these jobs was polled."""
        self.collect()
        return {job_id: self._entries.count("get", job_id) for job_id in job_ids}

    def dropped(self, user_id: str | None = None) -> int:
        """Return how many entries of an account, or (None) of all accounts, the limits have dropped."""
        self.collect()
        return self._entries.read(user_id, *self._limits)[1]

    def totals(self) -> dict[tuple[str, int], Total]:
        """Return the totals of all requests, by operation and status."""
        self.collect()
        return {
            (operation, status): Total(requests, seconds, with_fault)
            for operation, status, requests, seconds, with_fault in self._entries.totals()
        }

    def size(self) -> tuple[int, int]:
        """Return the number of entries and their bytes."""
        self.collect()
        return self._entries.size(*self._limits)

    def forget(self, user_id: str | None) -> None:
        """Remove the queued entries of an account, or (None) of all accounts.

        Entries that are already written are removed by the store's ``forget``.
        """
        with self._lock:
            left = (one for one in self._queue if user_id is not None and one[1].user_id != user_id)
            self._queue = deque(left)

    def finish(self) -> None:
        """Write the queue, and remove this process from the list of those that readers wait for."""
        self.write()
        if self._name:
            self._entries.drop_writer(self._name)

    def write(self) -> None:
        """Write the queue, and acknowledge the last call.

        Raises:
            StoreUnavailable: The store cannot be written now. The entries are in the queue again.
        """
        with self._writing:
            called = self._entries.called()  # before the queue is taken, as the module's docstring explains
            with self._lock:
                batch, self._queue = self._queue, deque()
                dropped, self._dropped = self._dropped, Counter()
            try:
                if batch:
                    # Entries over the journal's limit are only counted.
                    last = list(batch)[-self._limits[0] :] if self._limits[0] else []
                    skipped = Counter(raw.user_id for _, raw in list(batch)[: len(batch) - len(last)])
                    self._entries.add(_stored(last), _totals(batch), dropped + skipped, *self._limits)
                    batch, dropped = deque(), Counter()
                while self._replaced:
                    self._entries.replace_create(self._replaced[0].job_id, pack_redacted(self._replaced[0]))
                    del self._replaced[0]
                if self._name and called > self._acknowledged:
                    self._entries.acknowledge(self._name, called)
                    self._acknowledged = called
            except StoreUnavailable:
                with self._lock:
                    self._queue.extendleft(reversed(batch))
                    self._dropped += dropped
                    self._limit_queue()
                raise

    def _limit_queue(self) -> None:
        """Drop the oldest entries of a queue that is too long, because the store is unavailable."""
        while len(self._queue) > max(self._limits[0], _MAX_QUEUED):
            self._dropped[self._queue.popleft()[1].user_id] += 1

    def _start_writing(self) -> None:
        """Add this process to the list of writers, and start its thread.

        This is done with the first entry, so that readers do not wait for a process that has none.
        """
        with self._writing:
            if self._name:
                return
            name = f"{_machine()} {os.getpid()} {secrets.token_hex(4)}"
            with contextlib.suppress(StoreUnavailable):  # the next entry tries it again
                self._acknowledged = self._entries.called()
                self._entries.acknowledge(name, self._acknowledged)
                self._name = name
                threading.Thread(target=self._keep_writing, daemon=True).start()

    def _keep_writing(self) -> None:
        pause = threading.Event()
        while not self._entries.is_closed:
            try:
                self.write()
                self._after_write()
            except StoreUnavailable:
                pass  # the entries are in the queue again, and the next round tries again
            except Exception:  # noqa: BLE001 - a bug must not end the thread, or nothing is written any more
                _log.exception("the journal could not be written")
            pause.wait(_WRITE_INTERVAL_SECONDS)

    def collect(self) -> None:
        """Return when every process has written the entries that it had queued before."""
        self.write()
        if not self._behind(self._entries.called() + 1):  # there is no other writer
            return
        number = self._entries.call()
        until = system_time.monotonic() + _FLUSH_TIMEOUT_SECONDS
        self.write()  # acknowledges the call for this process, for other readers
        pause = threading.Event()
        while behind := self._behind(number):
            for writer in behind:
                if _has_ended(writer) or system_time.monotonic() > until:
                    self._entries.drop_writer(writer)
            pause.wait(_POLL_SECONDS)

    def _behind(self, number: int) -> list[str]:
        """Return the other writers that have not acknowledged this call."""
        return [
            writer
            for writer, acknowledged in self._entries.writers().items()
            if acknowledged < number and writer != self._name
        ]


AnyJournal: TypeAlias = Journal | SharedJournal


def _stored(batch: Iterable[tuple[float, RawEntry]]) -> list[StoredEntry]:
    return [
        StoredEntry(raw.user_id, raw.operation, raw.job_id, happened, weight(raw), pack_redacted(raw))
        for happened, raw in batch
    ]


def _totals(batch: Iterable[tuple[float, RawEntry]]) -> list[tuple[str, int, int, float, int]]:
    totals: dict[tuple[str, int], Total] = defaultdict(Total)
    for _, raw in batch:
        totals[raw.operation, raw.status] = totals[raw.operation, raw.status].plus(raw)
    return [(*counted, *total) for counted, total in totals.items()]


def _machine() -> str:
    """Return what identifies this machine since its last boot."""
    return f"{socket.gethostname()} {boot()}"


def _has_ended(writer: str) -> bool:
    """Return whether a writer is a process that has ended. It is only known of processes of this machine."""
    machine, pid, _ = writer.rsplit(" ", 2)
    if machine != _machine() or not boot():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
