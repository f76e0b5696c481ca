"""The request journal in memory: the last requests and their responses, limited in number and size."""

from __future__ import annotations

import threading
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from netmind_mock.journal.entries import MAX_BYTES, MAX_ENTRIES, Total, chosen, entry_of, weight

if TYPE_CHECKING:
    from collections.abc import Collection

    from netmind_mock.journal.entries import Entry, RawEntry


class Journal:
    """The last requests, oldest first. Safe to use from several threads."""

    def __init__(self, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        """Create an empty journal.

        Args:
            max_entries: How many entries it has at most; 0 to store none.
            max_bytes: How many bytes they have at most, by ``weight``.
        """
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._entries: deque[RawEntry] = deque()
        self._bytes = 0
        self._dropped: dict[str | None, int] = {}
        self._totals: dict[tuple[str, int], list[Any]] = {}  # in the order of Total's fields

    def add(self, raw: RawEntry) -> None:
        """Add an entry, and drop the oldest entries if the limits are exceeded."""
        counted = (raw.operation, raw.status)
        with self._lock:
            total = self._totals.get(counted)
            if total is None:
                total = self._totals[counted] = [0, 0.0, 0]
            total[0] += 1
            total[1] += raw.seconds
            total[2] += bool(raw.fault)
            self._entries.append(raw)
            self._bytes += weight(raw)
            while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
                oldest = self._entries.popleft()
                self._bytes -= weight(oldest)
                # The counts are limited as well, since a client can use any number of accounts.
                if len(self._dropped) < MAX_ENTRIES or oldest.user_id in self._dropped:
                    self._dropped[oldest.user_id] = self._dropped.get(oldest.user_id, 0) + 1

    def collect(self) -> None:
        """Return without waiting, since all entries are in this process."""

    def finish(self) -> None:
        """Return without waiting, since entries are only in memory."""

    def totals(self) -> dict[tuple[str, int], Total]:
        """Return the totals of all requests, by operation and status."""
        with self._lock:
            return {counted: Total(*total) for counted, total in self._totals.items()}

    def size(self) -> tuple[int, int]:
        """Return the number of entries and their bytes."""
        with self._lock:
            return len(self._entries), self._bytes

    def entries(
        self,
        user_id: str | None = None,
        *,
        operation: str | None = None,
        job_id: str | None = None,
        last: int | None = None,
    ) -> list[Entry]:
        """Return entries, oldest first.

        Args:
            user_id: The account; None for all accounts.
            operation: Only entries of this operation; None for all.
            job_id: Only entries about this job; None for all.
            last: Only this many of the last entries; None for all.
        """
        with self._lock:
            raw_entries = [raw for raw in self._entries if user_id in (None, raw.user_id)]
            dropped = self._dropped_of(user_id)
        contents = ((raw.operation, raw.job_id, raw) for raw in raw_entries)
        return [entry_of(*one) for one in chosen(contents, dropped, operation, job_id, last)]

    def polls(self, job_ids: Collection[str]) -> dict[str, int]:
        """Return how often each of these jobs was polled."""
        with self._lock:
            polls = Counter(raw.job_id for raw in self._entries if raw.operation == "get")
        return {job_id: polls[job_id] for job_id in job_ids}

    def dropped(self, user_id: str | None = None) -> int:
        """Return how many entries of an account, or (None) of all accounts, the limits have dropped."""
        with self._lock:
            return self._dropped_of(user_id)

    def _dropped_of(self, user_id: str | None) -> int:
        return sum(self._dropped.values()) if user_id is None else self._dropped.get(user_id, 0)

    def replace(self, raw: RawEntry, by: RawEntry) -> None:
        """Replace an entry, since its response was not received or was not as expected."""
        with self._lock:
            for position in range(len(self._entries) - 1, -1, -1):
                if self._entries[position] is raw:
                    self._entries[position] = by
                    self._bytes += weight(by) - weight(raw)
                    return

    def forget(self, user_id: str | None) -> None:
        """Remove the entries of an account, or (None) of all accounts."""
        with self._lock:
            left = [raw for raw in self._entries if user_id is not None and raw.user_id != user_id]
            self._entries = deque(left)
            self._bytes = sum(map(weight, left))
            if user_id is None:
                self._dropped = {}
            else:
                self._dropped.pop(user_id, None)
