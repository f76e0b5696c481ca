"""What a run is compared with: a baseline of earlier runs, and the known departures."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netmind_contracts.runs.exchange import InvalidRun
from netmind_contracts.watching.comparison import merged
from netmind_contracts.watching.known_departures import KnownDeparture, load_known
from netmind_contracts.watching.snapshot import Snapshot, load_snapshot, save_snapshot

if TYPE_CHECKING:
    from pathlib import Path


class Expected(NamedTuple):
    """What a run is compared with.

    Attributes:
        known: The known departures.
        baseline: The facts of earlier runs; None before the first one.
        file: The file of the baseline to write; None to leave it as it is.
    """

    known: tuple[KnownDeparture, ...] = ()
    baseline: Snapshot | None = None
    file: Path | None = None

    @classmethod
    def read(cls, known: Path | None, baseline: Path | None = None, *, update: bool = False) -> Expected:
        """Read the files that the options --known and --baseline name.

        Raises:
            InvalidRun: A file is missing, cannot be read, or is not valid.
        """
        if update and baseline is None:
            raise InvalidRun("--baseline-update: expected --baseline FILE, the file to update")
        departures = load_known(known) if known else ()
        if baseline is None or (update and not baseline.exists()):
            return cls(departures, None, baseline)
        if not baseline.exists():
            raise InvalidRun(f"--baseline: {baseline} does not exist; add --baseline-update to create it")
        return cls(departures, load_snapshot(baseline), baseline if update else None)

    def save(self, now: Snapshot, file: Path) -> None:
        """Write the baseline with the facts of a new run.

        Raises:
            OSError: The file cannot be written.
        """
        save_snapshot(merged(self.baseline, now) if self.baseline else now, file)
