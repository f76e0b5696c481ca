"""The journal of several processes: each writes down what it noted, a moment later, where all of them read.

A note is made in the path of every request, so it is not written there. It is written within some
milliseconds, without its secrets, by a thread of its own; whoever reads calls for what is not written yet,
and waits until every process has answered. A process that is killed takes its last moment's notes with it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import threading
import time
from collections import Counter, defaultdict, deque
from typing import TYPE_CHECKING, Final, TypeAlias

from netmind_mock.clock import boot
from netmind_mock.journal.entries import (
    MAX_BYTES,
    MAX_ENTRIES,
    Journal,
    Total,
    chosen,
    entry_of,
    pack_redacted,
    unpack_raw,
    weight,
)
from netmind_mock.stores import StoredEntry, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from netmind_mock.journal.entries import Entry, RawEntry
    from netmind_mock.stores.entries import EntryStore

_WRITTEN_AFTER_SECONDS: Final = 0.02
_MAX_UNWRITTEN: Final = 1000  # where the journal keeps fewer, or none
_POLL_SECONDS: Final = 0.005
_FLUSH_TIMEOUT_SECONDS: Final = 2.0  # a process that has not answered by then is not waited for again

_log = logging.getLogger("netmind_mock")


class SharedJournal:
    """The last requests to all processes on one store, oldest first. Safe to use from several threads.

    What reads may raise ``StoreUnavailable``; ``add`` does not, and what cannot be written is kept for later,
    within the limits.
    """

    def __init__(
        self,
        entries: EntryStore,
        max_entries: int = MAX_ENTRIES,
        max_bytes: int = MAX_BYTES,
        *,
        meanwhile: Callable[[], object] = lambda: None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Nothing of this process's own yet.

        Args:
            entries: Where the entries are.
            max_entries: How many are kept, of all processes together; 0 for none.
            max_bytes: In how many bytes.
            meanwhile: Called each time that the thread has looked after the notes.
            wall: The system's clock, in seconds since the epoch.
        """
        self._entries = entries
        self._limits = max_entries, max_bytes
        self._meanwhile = meanwhile
        self._wall = wall
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._taken: deque[tuple[float, RawEntry]] = deque()
        self._cut: Counter[str | None] = Counter()  # how many of whose there was no room for
        self._name = ""  # as a writer; empty before the first note
        self._acknowledged = 0

    def add(self, raw: RawEntry) -> None:
        """Keep a note."""
        if not self._name:
            self._begin()
        with self._lock:
            self._taken.append((self._wall(), raw))
            self._bound()

    def lost(self, raw: RawEntry) -> None:
        """Remember that an answer was not received after all, if its note is not written yet."""
        with self._lock:
            self._taken = deque(
                (at, taken._replace(arrives=False) if taken is raw else taken) for at, taken in self._taken
            )

    def entries(
        self,
        user_id: str | None = None,
        *,
        operation: str | None = None,
        job_id: str | None = None,
        last: int | None = None,
    ) -> list[Entry]:
        """A tenant's requests, or (None) everybody's: of one operation, of one job, the last, or all."""
        self.collect()
        kept, dropped = self._entries.read(user_id, *self._limits)
        wanted = chosen(kept, dropped, operation, job_id, last)
        return [entry_of(number, unpack_raw(raw)) for number, raw in wanted]

    def polls(self, job_ids: Collection[str]) -> dict[str, int]:
        """How often each of these jobs was asked for."""
        self.collect()
        return {job_id: self._entries.count("get", job_id) for job_id in job_ids}

    def dropped(self, user_id: str | None = None) -> int:
        """How many of a tenant's requests, or (None) of all, there was no room for."""
        self.collect()
        return self._entries.read(user_id, *self._limits)[1]

    def totals(self) -> dict[tuple[str, int], Total]:
        """What all requests came to, by operation and status."""
        self.collect()
        return {
            (operation, status): Total(requests, seconds, with_fault)
            for operation, status, requests, seconds, with_fault in self._entries.totals()
        }

    def size(self) -> tuple[int, int]:
        """How many requests are kept, and in how many bytes."""
        self.collect()
        return self._entries.size(*self._limits)

    def forget(self, user_id: str | None) -> None:
        """Drop what is not written yet of a tenant, or (None) of all; the store drops the rest."""
        with self._lock:
            kept = (one for one in self._taken if user_id is not None and one[1].user_id != user_id)
            self._taken = deque(kept)

    def finish(self) -> None:
        """Write what was noted last, and be waited for no more."""
        self.write()
        if self._name:
            self._entries.drop_writer(self._name)

    def write(self) -> None:
        """Write what was noted, and answer whoever has called for it."""
        with self._writing:
            called = self._entries.called()  # first: what is taken after a call need not be in its answer
            with self._lock:
                taken, self._taken = self._taken, deque()
                cut, self._cut = self._cut, Counter()
            try:
                if taken:
                    kept = list(taken)[-self._limits[0] :] if self._limits[0] else []
                    more = cut + Counter(raw.user_id for _, raw in list(taken)[: len(taken) - len(kept)])
                    self._entries.add(_kept(kept), _totals(taken), more, *self._limits)
                    taken, cut = deque(), Counter()
                if self._name and called > self._acknowledged:
                    self._entries.acknowledge(self._name, called)
                    self._acknowledged = called
            except StoreUnavailable:
                with self._lock:
                    self._taken.extendleft(reversed(taken))
                    self._cut += cut
                    self._bound()
                raise

    def _bound(self) -> None:
        """Keep no more for later than is kept at all, should the store not be had for long."""
        while len(self._taken) > max(self._limits[0], _MAX_UNWRITTEN):
            self._cut[self._taken.popleft()[1].user_id] += 1

    def _begin(self) -> None:
        """Be one of those who are called for notes, and start the thread that writes them."""
        with self._writing:
            if self._name:
                return
            name = f"{_machine()} {os.getpid()} {secrets.token_hex(4)}"
            with contextlib.suppress(StoreUnavailable):  # the next note tries again
                self._acknowledged = self._entries.called()
                self._entries.acknowledge(name, self._acknowledged)
                self._name = name
                threading.Thread(target=self._keep_writing, daemon=True).start()

    def _keep_writing(self) -> None:
        pause = threading.Event()
        while not self._entries.is_closed:
            try:
                self.write()
                self._meanwhile()
            except StoreUnavailable:
                pass  # and so for the next time
            except Exception:  # noqa: BLE001 - a mistake of ours must not end the journal
                _log.exception("the journal could not be written")
            pause.wait(_WRITTEN_AFTER_SECONDS)

    def collect(self) -> None:
        """Have everything written that was noted before, by whatever process."""
        self.write()
        if not self._behind(self._entries.called() + 1):
            return
        number = self._entries.call()
        until = time.monotonic() + _FLUSH_TIMEOUT_SECONDS
        self.write()
        pause = threading.Event()
        while behind := self._behind(number):
            for writer in behind:
                if _is_gone(writer) or time.monotonic() > until:
                    self._entries.drop_writer(writer)
            pause.wait(_POLL_SECONDS)

    def _behind(self, number: int) -> list[str]:
        """The other writers who have not answered this call."""
        return [
            writer
            for writer, acknowledged in self._entries.writers().items()
            if acknowledged < number and writer != self._name
        ]


AnyJournal: TypeAlias = Journal | SharedJournal


def _kept(taken: Iterable[tuple[float, RawEntry]]) -> list[StoredEntry]:
    return [
        StoredEntry(raw.user_id, raw.operation, raw.job_id, happened, weight(raw), pack_redacted(raw))
        for happened, raw in taken
    ]


def _totals(taken: Iterable[tuple[float, RawEntry]]) -> list[tuple[str, int, int, float, int]]:
    totals: dict[tuple[str, int], Total] = defaultdict(Total)
    for _, raw in taken:
        totals[raw.operation, raw.status] = totals[raw.operation, raw.status].and_one(raw)
    return [(*counted, *total) for counted, total in totals.items()]


def _machine() -> str:
    return f"{socket.gethostname()} {boot()}"


def _is_gone(writer: str) -> bool:
    """Whether a writer is a process of this machine that has ended."""
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
