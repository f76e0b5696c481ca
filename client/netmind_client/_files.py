"""Write files completely or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import socket
import stat
import tempfile
import threading
from typing import TYPE_CHECKING

from netmind_client.exceptions import ConfigurationError, DownloadError

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator
    from pathlib import Path

_NOT_WRITABLE = "nothing can be saved there"
_MACHINE = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
_PART_NAME = re.compile(r"\.netmind-[0-9a-f]{8}-[0-9a-f]{16}\.part")
_DAY = 86_400.0


def prepare(folder: Path) -> None:
    """Create the folder if it does not exist, check that it can be written to, and remove left-over parts.

    Raises:
        DownloadError: It cannot be created or written to.
    """
    with _disk(folder, _NOT_WRITABLE):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            now = os.fstat(file.fileno()).st_mtime  # by the clock that sets the times of the folder's files
    with contextlib.suppress(OSError):  # a folder may be writable, but not readable
        for path in folder.iterdir():
            if _PART_NAME.fullmatch(path.name):
                _remove_left_over(path, now)


def _remove_left_over(path: Path, now: float) -> None:
    """Remove the part file of a process that was killed.

    Its writer has locked it, and a lock ends with the process. A lock may not be seen by other machines, and
    Windows has no such locks. A file of another machine, or on Windows, must therefore also be a day old.
    """
    with contextlib.suppress(OSError):
        status, machine = path.lstat(), path.name.split("-")[1]
        is_old = status.st_mtime < now - _DAY
        if not stat.S_ISREG(status.st_mode):
            return
        if fcntl is None:
            if is_old:
                path.unlink()  # Windows does not remove a file that is open
        elif is_old or machine == _MACHINE:
            with path.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


class LineFile:
    """A file that lines are appended to. Each line is synced to the disk before ``add`` returns.

    A file lock keeps other processes from using it at the same time. Opening the file changes nothing in it.
    If its last line is incomplete, because the disk was full or the machine stopped, the first ``add``
    removes that line.

    Attributes:
        path: The file's path.
        complete: The complete lines that the file had when it was opened.
        incomplete: What followed the last complete line then.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, or create it, and lock it if the system supports file locks.

        Raises:
            ConfigurationError: Another process has locked it, or it is not a regular file.
            DownloadError: It cannot be opened or read.
        """
        self.path = path
        self._absolute_path = path.absolute()  # stays valid if the process changes its working directory
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
        self.complete, self.incomplete = content[: self._size], content[self._size :]

    def close(self) -> None:
        """Unlock and close the file. Threads that still run cannot add to it after this."""
        with self._adding:
            if self._is_open:
                self._is_open = False
                os.close(self._file)

    def add(self, text: str) -> None:
        """Append a line, completely or not at all.

        Raises:
            DownloadError: The line cannot be written, or the file was closed or replaced.
        """
        line = text.encode() + b"\n"
        with self._adding, _disk(self.path, "cannot be written"):
            if not self._is_open:
                raise DownloadError(f"{self.path}: the run that wrote to it has ended")
            if not os.path.samestat(os.fstat(self._file), self._absolute_path.stat()):
                raise DownloadError(f"{self.path} was replaced by another file")
            # Remove what an earlier incomplete write left. The size only grows after a complete, synced line.
            os.ftruncate(self._file, self._size)
            os.lseek(self._file, self._size, os.SEEK_SET)
            if os.write(self._file, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file)
            self._size += len(line)

    def _lock(self) -> None:
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            raise ConfigurationError(f"{self.path}: expected a file, got a device or a pipe")
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            message = f"{self.path}: another run is using this file; wait until it has ended"
            raise ConfigurationError(message) from error


@contextlib.contextmanager
def _disk(path: Path, problem: str) -> Iterator[None]:
    """Raise an OSError as a DownloadError about this path."""
    try:
        yield
    except OSError as error:
        raise DownloadError(f"{path}: {problem}: {error.strerror or error}") from error


@contextlib.contextmanager
def partial(folder: Path) -> Iterator[Partial]:
    """Yield a new file with a temporary name. It is removed at the end, unless ``finish`` has renamed it.

    Raises:
        DownloadError: The file cannot be created.
    """
    with _disk(folder, _NOT_WRITABLE):
        folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".netmind-{_MACHINE}-{secrets.token_hex(8)}.part"
    file: io.BufferedRandom | None = None
    try:
        try:
            with _disk(folder, _NOT_WRITABLE):
                file = _open_locked(path)
            yield Partial(path, file)
        finally:
            _discard(path, file)
    finally:
        _discard(path, file)  # again, because Ctrl-C may have interrupted the first


def _open_locked(path: Path) -> io.BufferedRandom:
    """Create a file, and lock it until it is closed."""
    while True:
        file = path.open("x+b")
        if fcntl is not None:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
        if path.exists():
            return file
        file.close()  # another process took it for a left-over one, and removed it before it was locked


def _discard(path: Path, file: io.BufferedRandom | None) -> None:
    with contextlib.suppress(OSError):
        if file is not None:
            file.close()
    with contextlib.suppress(OSError):
        path.unlink()


class NameTaken(Exception):
    """Another file with different bytes already has this name."""


class Partial:
    """A file that is being written under a temporary name.

    Attributes:
        size: The number of bytes written.
    """

    def __init__(self, path: Path, file: io.BufferedRandom) -> None:
        self._path = path
        self._file = file
        self.size = 0

    def write(self, part: bytes) -> None:
        """Append bytes."""
        with _disk(self._path.parent, _NOT_WRITABLE):
            self._file.write(part)
        self.size += len(part)

    def empty(self) -> None:
        """Remove all bytes written so far."""
        with _disk(self._path.parent, _NOT_WRITABLE):
            self._file.seek(0)
            self._file.truncate()
        self.size = 0

    def digest(self, algorithm: str) -> str:
        """Return the file's hash in hexadecimal digits."""
        with _disk(self._path.parent, _NOT_WRITABLE):
            if self._file.closed:  # on Windows
                with self._path.open("rb") as file:
                    return _digest(file, algorithm)
            self._file.seek(0)  # on network file systems, the lock may keep other handles from reading
            digest = _digest(self._file, algorithm)
            self._file.seek(0, os.SEEK_END)
            return digest

    def finish(self, path: Path, *, overwrite: bool) -> None:
        """Sync the file to the disk and rename it. An existing file with the same bytes is kept.

        Raises:
            NameTaken: Another file with different bytes has this name.
            DownloadError: The file cannot be written or renamed.
        """
        with _disk(path.parent, _NOT_WRITABLE):
            self._file.flush()
            os.fsync(self._file.fileno())
            if fcntl is None:
                self._file.close()  # Windows cannot rename an open file; elsewhere, this would unlock it
            if overwrite:
                self._path.replace(path)
                return
            try:
                # Unlike a check followed by a rename, a hard link fails atomically if the name is taken.
                path.hardlink_to(self._path)
            except OSError:
                if not os.path.lexists(path):
                    self._path.replace(path)  # a file system without hard links
                elif not self._has_same_bytes_as(path):
                    raise NameTaken from None

    def _has_same_bytes_as(self, path: Path) -> bool:
        if not path.is_file() or path.stat().st_size != self.size:
            return False
        with path.open("rb") as file:
            return _digest(file, "sha256") == self.digest("sha256")


def _digest(file: io.BufferedReader | io.BufferedRandom, algorithm: str) -> str:
    return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
