"""Files on the disk: whole, or not there."""

from __future__ import annotations

import contextlib
import errno
import filecmp
import hashlib
import os
import secrets
import stat
import tempfile
import threading
from typing import TYPE_CHECKING, BinaryIO

from netmind_client.exceptions import ConfigurationError, DownloadError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_REFUSED = "nothing can be saved there"


def prepare(folder: Path) -> None:
    """Make the folder, and try to write to it.

    Raises:
        DownloadError: It cannot be made, or not be written to.
    """
    with _disk(folder, _REFUSED):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass


class Lines:
    """A file of lines, which this process alone adds to, each on the disk before anything else happens.

    What is there is not touched until a line is added; then a last line that was cut short, by a disk that
    was full or a machine that stopped, is taken off.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, or make it, and keep it to this process, where the system knows such locks.

        Raises:
            ConfigurationError: Another process has it.
            DownloadError: The disk refuses.
        """
        self.path = path
        self._place = path.absolute()  # wherever the process goes to meanwhile
        self._adding = threading.Lock()
        self._is_open = True
        with _disk(path, "cannot be written"):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        try:
            self._lock()
            with _disk(path, "cannot be read"), os.fdopen(self._file, "rb", closefd=False) as file:
                content = file.read()
        except BaseException:
            os.close(self._file)
            raise
        self._size = content.rfind(b"\n") + 1
        self.whole, self.torn = content[: self._size], content[self._size :]

    def close(self) -> None:
        """Let others have it; nothing is added any more, not even by a thread that was left behind."""
        with self._adding:
            self._is_open = False
            os.close(self._file)

    def add(self, text: str) -> None:
        """Add a line, whole or not at all.

        Raises:
            DownloadError: The disk refuses.
        """
        line = text.encode() + b"\n"
        with self._adding, _disk(self.path, "cannot be written"):
            if not self._is_open:
                raise DownloadError(f"{self.path}: the run that wrote to it has ended")
            if not os.path.samestat(os.fstat(self._file), self._place.stat()):
                raise DownloadError(f"{self.path} was replaced by another file")
            os.ftruncate(self._file, self._size)
            os.lseek(self._file, self._size, os.SEEK_SET)
            if os.write(self._file, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file)
            self._size += len(line)

    def _lock(self) -> None:
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            raise ConfigurationError(f"{self.path}: expected a file, got a device or a pipe")
        try:
            import fcntl  # noqa: PLC0415 - not on Windows
        except ImportError:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            message = f"{self.path}: another run is at work on it; wait for that to end"
            raise ConfigurationError(message) from error


@contextlib.contextmanager
def _disk(path: Path, refused: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DownloadError(f"{path}: {refused}: {error.strerror or error}") from error


@contextlib.contextmanager
def partial(folder: Path) -> Iterator[Partial]:
    """A file that is gone at the end, unless it was put in its place.

    Raises:
        DownloadError: The disk refuses.
    """
    path = folder / f".netmind-{secrets.token_hex(8)}.part"
    with _disk(folder, _REFUSED):
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("xb")
    try:
        yield Partial(path, file)
    finally:
        with contextlib.suppress(OSError):
            file.close()
        with contextlib.suppress(OSError):
            path.unlink()


class NameTaken(Exception):
    """A file with other bytes has the name."""


class Partial:
    """A file that is being written under another name."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self.size = 0

    def write(self, part: bytes) -> None:
        """Add a part at the end."""
        with _disk(self._path.parent, _REFUSED):
            self._file.write(part)
        self.size += len(part)

    def empty(self) -> None:
        """Begin again."""
        with _disk(self._path.parent, _REFUSED):
            self._file.seek(0)
            self._file.truncate()
        self.size = 0

    def digest(self, algorithm: str) -> str:
        """What this hash gives for it, in hexadecimal digits."""
        with _disk(self._path.parent, _REFUSED), self._path.open("rb") as written:
            self._file.flush()
            return hashlib.file_digest(
                written, lambda: hashlib.new(algorithm, usedforsecurity=False)
            ).hexdigest()

    def finish(self, path: Path, *, overwrite: bool) -> None:
        """Give it its name, once all of it is on the disk. A file that is there with the same bytes stays.

        Raises:
            NameTaken: Another file has this name.
            DownloadError: The disk refuses.
        """
        with _disk(path.parent, _REFUSED):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()  # Windows renames no open file
            if overwrite:
                self._path.replace(path)
                return
            try:
                path.hardlink_to(self._path)  # refuses a name that is taken, even since a moment ago
            except OSError:
                if not os.path.lexists(path):
                    self._path.replace(path)  # a file system without links
                elif not (path.is_file() and filecmp.cmp(self._path, path, shallow=False)):
                    raise NameTaken from None
